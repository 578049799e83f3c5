"""Rules about jobs: their progress, and the event that each follows from.

Belongs here: states, times, leases and payloads of jobs. Does not belong here: what a job does.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.audit.check import WarningText
from app.domain.events import Event
from app.domain.jobs import PERIODIC_TASK_PREFIX, Job, JobState
from app.domain.values import value

# The kind of the jobs that bring a layout job to a run (`app/usecases/layout_fan_out.py`).
# The field of a job's payload that names what its event is about; a booking for other kinds.
_SUBJECT_FIELDS = {"write notices": "event_id", "announce delay": "run_id"}
_UPDATE_RUN_LAYOUT = "update run layout"
# An unreadable job is postponed by a minute (`app/store/jobs.py`).
_POSTPONED_MAX = timedelta(minutes=1)


@value(frozen=True, slots=True)
class AuditedJob:
    """A job with the times of its document, and the event that it follows from; None where that is not stored any more."""

    job: Job
    ready_time: datetime
    purge_time: datetime | None
    event: Event | None


def wrong_job_times(record: AuditedJob) -> Iterator[str]:
    """Find times that contradict each other or the state."""
    job, ready_time, purge_time = record.job, record.ready_time, record.purge_time
    is_done = job.state is JobState.DONE
    if is_done != (job.done_time is not None) or is_done != (purge_time is not None):
        yield f"is {job.state}, and its times of completion and deletion say otherwise"
    if job.done_time is not None and (job.done_time < job.create_time or (purge_time or job.done_time) < job.done_time):
        yield "was done before it was made, or deleted before it was done"
    if job.state is JobState.PENDING and not timedelta() <= ready_time - job.ready_time <= _POSTPONED_MAX:
        yield "can be leased at another time than it is due or its lease ends"
    if job.state is not JobState.PENDING and ready_time < job.create_time:
        yield "was ready before it was made"
    if job.due_time < job.create_time:
        yield "was due before it was made"


def wrong_job_progress(record: AuditedJob) -> Iterator[str]:
    """Find leases, attempts and errors that contradict the state."""
    job = record.job
    if bool(job.lease_owner) != (job.lease_until is not None) or (job.lease_owner and job.state is not JobState.PENDING):
        yield "has a lease without an owner, an owner without a lease, or a lease although it is finished"
    if job.attempts < 0 or (job.state is JobState.DONE and (job.last_error or not job.attempts)):
        yield "is done without an attempt or with an error, or has a negative number of attempts"
    if job.state is JobState.DEAD and not job.last_error:
        yield "is dead, and has no error"


def wrong_job_origin(record: AuditedJob) -> Iterator[str]:
    """Compare a periodic task with its kind, and any other job with its event."""
    job, event = record.job, record.event
    if job.kind.startswith(PERIODIC_TASK_PREFIX):
        if job.job_id != job.kind or job.payload or job.state is not JobState.PENDING:
            yield "is a periodic task, and has another name, a payload or an end"
    elif job.kind == _UPDATE_RUN_LAYOUT:
        name = f"{job.payload.get('layout_job_id')}:{job.payload.get('travel_date')}"
        if job.job_id != name:
            yield f"brings a layout job to a run, and is not named after both: {name}"
    elif event is not None:
        field, about = _SUBJECT_FIELDS.get(job.kind, "reference"), event.subject
        expected = event.event_id if field == "event_id" else about
        if job.payload.get(field) != expected:
            yield f"is about {field} {job.payload.get(field)}, and its event {event.event_id} about {about}"
    trace_parent = job.payload.get("trace_parent", "")
    if trace_parent and event is not None and trace_parent != event.trace_parent:
        yield "has another trace than its event"


def dead_job(record: AuditedJob) -> Iterator[str]:
    """Warn of a job whose attempts are used up."""
    job = record.job
    if job.state is JobState.DEAD:
        yield WarningText(f"is dead after {job.attempts} attempts: {job.last_error}")
