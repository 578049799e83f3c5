"""Verification of layout jobs, their outcomes, and earlier versions of trains.

Belongs here: the way through their collections, and look-ups of what they refer to. Does not belong here: the layout of runs
(`runs.py`), or the rules (`app/domain/audit`).
"""

from collections.abc import Iterable, Mapping

from app.domain.audit.check import run_rules
from app.domain.audit.layout_jobs import AuditedLayoutJob, AuditedLayoutOutcome
from app.domain.audit.rules import LAYOUT_JOB_RULES, LAYOUT_OUTCOME_RULES, TRAIN_VERSION_RULES
from app.domain.audit.trains import AuditedTrainVersion
from app.domain.layout.layout_jobs import LayoutJob
from app.domain.run.layout_record import NEW_LAYOUT, LayoutRecord
from app.domain.run.train_run import run_id
from app.domain.train import StoredTrain, Train
from app.store.layout_documents import layout_from
from app.store.layout_job_documents import layout_job_from, layout_outcome_from
from app.store.train_documents import train_from, train_version_from, train_version_id
from app.usecases.verification.records import wrong_stop_forms
from app.usecases.verification.report import AuditContext, Document


async def verify_layout_outcomes(audit: AuditContext) -> None:
    """Check each outcome of a layout job: the job, and the run."""
    async for documents in audit.pages("layout_outcomes", "time"):
        page = audit.report.decode_readable("layout_outcomes", documents, layout_outcome_from)
        job_ids = sorted({outcome.layout_job_id for _, outcome in page})
        jobs = await audit.records.find("layout_jobs", job_ids, _job_with_dates)
        run_ids = {
            document["_id"]: run_id(jobs[outcome.layout_job_id][0].train_id, outcome.travel_date)
            for document, outcome in page
            if outcome.layout_job_id in jobs
        }
        layouts = await audit.records.find("train_runs", sorted(set(run_ids.values())), _layout_of_run)
        for document, outcome in page:
            job, dates = jobs.get(outcome.layout_job_id, (None, ()))
            layout = layouts.get(run_ids.get(document["_id"], ""))
            record = AuditedLayoutOutcome(
                document["_id"], outcome, document.get("purge_time"), job, dates or (), layout, audit.before
            )
            audit.report.add(run_rules(LAYOUT_OUTCOME_RULES, f"layout outcome {document['_id']}", record))


def _job_with_dates(document: Document) -> tuple[LayoutJob, tuple[str, ...] | None]:
    dates = document.get("travel_dates")
    return layout_job_from(dict(document)), None if dates is None else tuple(dates)


def _layout_of_run(document: Document) -> LayoutRecord | None:
    """Return the layout record of a run; None where the run was deleted."""
    if "deleted_time" in document:
        return None
    return layout_from(document["layout"]) if "layout" in document else NEW_LAYOUT


async def verify_layout_jobs(audit: AuditContext) -> None:
    """Check each layout job: its outcomes, its train, and the versions between which it changed the layout."""
    async for documents in audit.pages("layout_jobs", "create_time"):
        page = audit.report.decode_readable("layout_jobs", documents, _job_with_dates)
        trains = await audit.records.find("trains", sorted({job.train_id for _, (job, _) in page}), train_from)
        layouts = await _find_layouts(audit, [job for _, (job, _) in page], trains)
        for document, (job, dates) in page:
            record = AuditedLayoutJob(
                layout_job=job,
                travel_dates=dates,
                is_unfinished=bool(document.get("is_unfinished")),
                purge_time=document.get("purge_time"),
                outcome_dates=await audit.records.outcome_dates(job.layout_job_id),
                train=trains.get(job.train_id),
                layout_before=layouts.get((job.train_id, job.layout_version_before)),
                layout_after=layouts.get((job.train_id, job.train_version)),
                before=audit.before,
            )
            audit.report.add(run_rules(LAYOUT_JOB_RULES, f"layout job {job.layout_job_id}", record))


async def _find_layouts(
    audit: AuditContext, jobs: Iterable[LayoutJob], trains: Mapping[str, StoredTrain]
) -> dict[tuple[str, int], Train]:
    """Find the trains before and after these layout jobs, by train id and version of the layout."""
    wanted = {(job.train_id, version) for job in jobs for version in (job.layout_version_before, job.train_version)}
    ids = sorted(train_version_id(*version) for version in wanted)
    found = await audit.records.find("train_versions", ids, train_version_from)
    layouts = {(stored.train.train_id, stored.version): stored.train for stored in found.values()}
    return layouts | {(name, stored.layout_version): stored.train for name, stored in trains.items()}


async def verify_train_versions(audit: AuditContext) -> None:
    """Check each earlier version of a train."""
    async for documents in audit.pages("train_versions"):
        page = audit.report.decode_readable("train_versions", documents, train_version_from)
        trains = await audit.records.find("trains", sorted({stored.train.train_id for _, stored in page}), train_from)
        for document, stored in page:
            newest = trains.get(stored.train.train_id)
            record = AuditedTrainVersion(document["_id"], stored, newest, document.get("purge_time"))
            audit.report.add(run_rules(TRAIN_VERSION_RULES, f"train version {document['_id']}", record))
            audit.report.add_differing("train_versions", document["_id"], wrong_stop_forms(document, stored))
