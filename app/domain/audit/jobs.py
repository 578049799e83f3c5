"""Rules about jobs: their progress, and the event that each follows from.

Belongs here: states, times, leases and payloads of jobs. Does not belong here: what a job does.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.audit.check import WarningText
from app.domain.events import Event, EventType
from app.domain.jobs import PERIODIC_TASK_PREFIX, Job, JobState
from app.domain.notices.reminders import REMINDER_JOBS
from app.domain.notices.send_jobs import SEND_KINDS
from app.domain.values import value

# The kinds of jobs that notices follow from (`app/usecases/notices/writing.py`).
_WRITE_NOTICES, _ANNOUNCE_DELAY = "write notices", "announce delay"
# The kind of the jobs that bring a layout job to a run (`app/usecases/layout_fan_out.py`).
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
    else:
        name = _name_of(job)
        if name not in ("", job.job_id):
            yield f"is not named after what it is about: {name}"
        if event is not None:
            yield from _wrong_event_fields(job, event)
    trace_parent = job.payload.get("trace_parent", "")
    if trace_parent and event is not None and trace_parent != event.trace_parent:
        yield "has another trace than its event"


def _name_of(job: Job) -> str:
    """Return the id that follows from a job's payload; empty for kinds whose jobs are named after their event alone."""
    payload, kind = job.payload, job.kind
    if kind == _UPDATE_RUN_LAYOUT:
        return f"{payload.get('layout_job_id')}:{payload.get('travel_date')}"
    if kind == _WRITE_NOTICES:
        return f"{kind} {payload.get('event_id')}"
    if kind == _ANNOUNCE_DELAY:  # the job of a further page of bookings names the place where it begins
        return " ".join([kind, str(payload.get("report")), *([str(payload["after"])] if "after" in payload else [])])
    if kind in SEND_KINDS.values():
        return f"{kind} {payload.get('notice_id')}"
    if kind in REMINDER_JOBS.values():
        return f"{kind} {payload.get('run_id')} {payload.get('stop')}"
    return ""


def _wrong_event_fields(job: Job, event: Event) -> Iterator[str]:
    """Compare what a job says about its event with the event."""
    if job.kind == _ANNOUNCE_DELAY and event.event_type is not EventType.RUN_DELAYED:
        yield f"announces a delay, and its event {event.event_id} is {event.event_type}"
    if job.kind == _WRITE_NOTICES:
        return
    field = "run_id" if job.kind == _ANNOUNCE_DELAY else "reference"
    if job.payload.get(field) != event.subject:
        yield f"is about {field} {job.payload.get(field)}, and its event {event.event_id} about {event.subject}"
    if "has_refunds" in job.payload and job.payload["has_refunds"] is not bool(event.data.get("refunded_minor")):
        yield f"says that its booking has refunds, or has none, and its event {event.event_id} says otherwise"


def dead_job(record: AuditedJob) -> Iterator[str]:
    """Warn of a job whose attempts are used up."""
    job = record.job
    if job.state is JobState.DEAD:
        yield WarningText(f"is dead after {job.attempts} attempts: {job.last_error}")
