"""Rules about layout jobs and their outcomes: each against its train, its runs and its own progress.

Belongs here: ids, versions, operations, dates and completion of layout jobs; outcomes against their job and their run. Does not
belong here: the layout of a run (`layouts.py`), the jobs that bring a layout job to each run (`jobs.py`).
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from app.domain.audit.check import WarningText
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, layout_job_id, run_job_id
from app.domain.layout.plan import LayoutCounts
from app.domain.layout.train_layout import change_train_layout
from app.domain.refusals import Refusal
from app.domain.run.layout_record import LayoutRecord
from app.domain.train import StoredTrain, Train
from app.domain.values import value

# The runs of a layout job are listed again for some minutes (`app/usecases/layout_fan_out.py`).
_LISTED_FOR_MAX = timedelta(minutes=10)
# The clocks of two servers differ by less.
_CLOCKS_DIFFER_MAX = timedelta(seconds=1)


@value(frozen=True, slots=True)
class AuditedLayoutJob:
    """A layout job with the fields of its document, the dates of its outcomes and its train, all read later than the job.

    `travel_dates` are those of its runs, None until they are listed. `train` is the train as it is now; `layout_before` and
    `layout_after` are the versions between which it changed the layout, None where these are not stored any more.
    """

    layout_job: LayoutJob
    travel_dates: Collection[str] | None
    is_unfinished: bool
    purge_time: datetime | None
    outcome_dates: Collection[str]
    train: StoredTrain | None
    layout_before: Train | None
    layout_after: Train | None
    before: datetime


@value(frozen=True, slots=True)
class AuditedNewLayoutJob:
    """A layout job in the document of its train: its runs are still listed."""

    layout_job: LayoutJob
    train: StoredTrain
    before: datetime


@value(frozen=True, slots=True)
class AuditedLayoutOutcome:
    """An outcome with the fields of its document, its layout job and the layout of its run; None where these are not stored.

    `travel_dates` are those of the layout job's runs. What was due before `before` is late.
    """

    record_id: str
    outcome: LayoutOutcome
    purge_time: datetime | None
    layout_job: LayoutJob | None
    travel_dates: Collection[str]
    run_layout: LayoutRecord | None
    before: datetime


def wrong_layout_job(record: AuditedLayoutJob) -> Iterator[str]:
    """Compare id, versions and operations with the train and its versions."""
    job, train = record.layout_job, record.train
    if job.layout_job_id != layout_job_id(job.train_id, job.train_version):
        yield "has the id of another train or version"
    if not 1 <= job.layout_version_before < job.train_version or not job.request_id or not job.fingerprint:
        yield "changes no earlier layout, or was made by no request"
    if train is None:
        yield f"is of train {job.train_id}, which is not stored"
    elif not job.train_version <= train.layout_version or job.create_time < train.create_time:
        yield f"made version {job.train_version} of the train, whose last layout is of version {train.layout_version}"
    if record.layout_before is not None and record.layout_after is not None:
        yield from _wrong_operations(job, record.layout_before, record.layout_after)


def _wrong_operations(job: LayoutJob, before: Train, after: Train) -> Iterator[str]:
    try:
        made = change_train_layout(before, job.operations)
    except Refusal as refusal:
        yield f"has operations that the train's layout refuses: {refusal.message}"
        return
    if (made.sections, made.coaches) != (after.sections, after.coaches):
        yield f"has other operations than those that made version {job.train_version} of the train"


def wrong_new_layout_job(record: AuditedNewLayoutJob) -> Iterator[str]:
    """Compare a layout job with the train in whose document it is. Warn of one that does not leave it."""
    job, train = record.layout_job, record.train
    if job.train_id != train.train.train_id or job.layout_job_id != layout_job_id(job.train_id, job.train_version):
        yield f"is in the document of train {train.train.train_id}, and is another train's or version's"
    if not job.layout_version_before < job.train_version <= train.layout_version or job.create_time < train.create_time:
        yield f"made version {job.train_version} of the train, whose last layout is of version {train.layout_version}"
    if job.create_time + _LISTED_FOR_MAX < record.before:
        yield WarningText(
            f"is still in the document of its train since {job.create_time:%Y-%m-%d %H:%M:%S}; is a worker running?"
        )


def wrong_layout_job_progress(record: AuditedLayoutJob) -> Iterator[str]:
    """Compare completion with the dates of its runs and their outcomes. Warn of a layout job that does not come to an end."""
    job, dates = record.layout_job, record.travel_dates
    is_complete = job.complete_time is not None
    if record.is_unfinished == is_complete or is_complete != (record.purge_time is not None):
        yield "is complete and unfinished, or neither, or will be deleted before it is complete"
    if job.complete_time is not None and not job.create_time <= job.complete_time <= (record.purge_time or job.complete_time):
        yield "was complete before it was made, or will be deleted before that"
    if dates is not None and (len(set(dates)) < len(dates) or not all(map(_is_date, dates))):
        yield "concerns a run twice, or on no date"
    missing = sorted(set(dates or ()).difference(record.outcome_dates))
    if is_complete and (dates is None or missing):
        yield f"is complete, and has no outcome for {', '.join(missing) or 'any run'}"
    if not is_complete and job.create_time < record.before:
        since = f"{job.create_time:%Y-%m-%d %H:%M:%S}"
        yield WarningText(f"has not come to an end since {since}; {len(missing)} runs are left. Is a worker running?")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def wrong_layout_outcome(record: AuditedLayoutOutcome) -> Iterator[str]:
    """Compare an outcome with its layout job."""
    outcome, job = record.outcome, record.layout_job
    if record.record_id != run_job_id(outcome.layout_job_id, outcome.travel_date):
        yield "is stored under the id of another layout job or date"
    if job is None:  # both are deleted at the same time, in any order
        if record.purge_time is None or record.purge_time > record.before:
            yield f"is of layout job {outcome.layout_job_id}, which is not stored"
        return
    if outcome.travel_date not in record.travel_dates and outcome.time < record.before:
        yield f"is of {outcome.travel_date}, which is no date of its layout job"
    if outcome.time + _CLOCKS_DIFFER_MAX < job.create_time:
        yield "is from before its layout job"
    # The job is read after its outcomes, and may be complete only since then.
    if record.purge_time is None and job.complete_time is not None and job.complete_time < record.before:
        yield "is of a layout job that is complete, and will never be deleted"


def wrong_outcome_of_run(record: AuditedLayoutOutcome) -> Iterator[str]:
    """Compare an outcome with its state, and with the layout of its run."""
    outcome, job, layout = record.outcome, record.layout_job, record.run_layout
    is_applied = outcome.state is LayoutOutcomeState.APPLIED
    if is_applied == bool(outcome.reason):
        yield f"is {outcome.state}, and its reason is {outcome.reason!r}"
    if not is_applied and replace(outcome.counts, currency="") != LayoutCounts():
        yield f"is {outcome.state}, and did something"
    if layout is None or job is None:
        return
    done = {request.request_id: request.counts for request in layout.requests}.get(record.record_id)
    if is_applied and layout.train_version < job.train_version:
        yield f"is {outcome.state}, and the run has the layout of version {layout.train_version}"
    if is_applied and done is not None and done != outcome.counts:
        yield "says that something else was done than the run does"
    if not is_applied and done is not None:
        yield f"is {outcome.state}, and the run was changed by it"
