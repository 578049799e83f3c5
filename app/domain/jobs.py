"""Jobs: work that is owed, and that outlasts the process that owes it.

Belongs here: what a job is, when it is due, when to try again, and when to give up. Does not: keeping jobs
(`app/store/jobs.py`), nor doing them (`app/jobs/worker.py`).

A job is done at least once: whoever takes it holds it on a lease, and a lease that has run out passes on. So whatever does a
job has to bear doing it again. Whether a lease has run out is judged by the time at hand, never by a timer that went off.

    PENDING ──taken, done───> DONE
       ^ └────taken, failed─> PENDING, later; after too many attempts, or a hopeless one: DEAD
       └──────retried by an operator───────────────────────────────────────────────────────┘
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.values import value

FIRST_PAUSE_SECONDS = 1.0  # after a first failure; what passes by itself, such as a lost connection, mostly has by then
PAUSE_SECONDS_MAX = 900.0  # after an outage of any length, work goes on within a quarter of an hour
ERROR_LENGTH_MAX = 300  # characters; enough to tell one failure from another
PERIODIC_TASK_PREFIX = "sweep "  # of the kinds of jobs that come round for ever
_DOUBLINGS_MAX = 20  # a million times the first pause, past any cap; numbers stay small


class JobState(StrEnum):
    """What is still to come of a job. One that somebody holds is PENDING, with a lease."""

    PENDING = "PENDING"
    DONE = "DONE"
    DEAD = "DEAD"


# Every change of state of a job, with its cause; from None, the job is new. `docs/states.md` is drawn from it.
JOB_TRANSITIONS: Mapping[tuple[JobState | None, JobState], str] = {
    (None, JobState.PENDING): "created",
    (JobState.PENDING, JobState.DONE): "done",
    (JobState.PENDING, JobState.PENDING): "failed, due again later; or a periodic job was done",
    (JobState.PENDING, JobState.DEAD): "last attempt failed, or a permanent failure",
    (JobState.DEAD, JobState.PENDING): "RetryJobs",
}


class PermanentJobError(Exception):
    """What a job asks for will never work, so that trying again is no use. The text says why."""


@value(frozen=True, slots=True)
class Job:
    """Work that is owed.

    `job_id` follows from what is owed, so that making a job twice makes it once. `payload` holds what JSON can hold. `attempts`
    counts how often it was begun. `lease_owner` is whoever holds it until `lease_until`. `runs_alone` says that it shares no
    batch any more, because one that it was in came to no good.
    """

    job_id: str
    kind: str
    payload: Mapping[str, Any]
    due_time: datetime
    create_time: datetime
    state: JobState = JobState.PENDING
    attempts: int = 0
    lease_owner: str = ""
    lease_until: datetime | None = None
    last_error: str = ""
    runs_alone: bool = False
    done_time: datetime | None = None

    @property
    def ready_time(self) -> datetime:
        """The earliest moment at which somebody may take it, if it is pending."""
        return self.due_time if self.lease_until is None else max(self.due_time, self.lease_until)


def is_due(job: Job, now: datetime) -> bool:
    """Whether somebody may take the job: it is pending, its time has come, and nobody's lease on it still runs."""
    return job.state is JobState.PENDING and job.ready_time <= now


def is_exhausted(job: Job, attempts_max: int) -> bool:
    """Whether a job that was just taken is not to be begun again: each attempt it may have has ended without a word."""
    return job.attempts > attempts_max


def next_due_time(attempts: int, now: datetime, jitter: float) -> datetime:
    """When to try again after so many attempts: pauses double up to a cap.

    `jitter` from 0 to 1 stretches a pause from half its length to all of it, so that what failed together does not come back
    together.
    """
    doublings = min(max(attempts - 1, 0), _DOUBLINGS_MAX)
    pause_seconds = min(FIRST_PAUSE_SECONDS * 2**doublings, PAUSE_SECONDS_MAX) * (1 + jitter) / 2
    return now + timedelta(milliseconds=round(pause_seconds * 1000))


def after_success(job: Job, now: datetime) -> Job:
    """A job that was taken, as it is once it is done."""
    return replace(_without_lease(job), state=JobState.DONE, last_error="", done_time=now)


def after_failure(job: Job, error: Exception, now: datetime, jitter: float, attempts_max: int) -> Job:
    """A job that was taken, as it is after `error`: due again later, or dead after its last attempt or a hopeless one."""
    job = replace(_without_lease(job), last_error=error_text(error))
    if isinstance(error, PermanentJobError) or job.attempts >= attempts_max:
        return replace(job, state=JobState.DEAD)
    return replace(job, due_time=next_due_time(job.attempts, now, jitter))


def after_operator_retry(job: Job, now: datetime) -> Job:
    """A dead job that an operator wants tried again, with all its attempts anew. Any other stays as it is."""
    if job.state is not JobState.DEAD:
        return job
    return replace(_without_lease(job), state=JobState.PENDING, attempts=0, due_time=now, runs_alone=False)


def after_periodic_success(job: Job, now: datetime, interval_seconds: float) -> Job:
    """A job that comes round, as it is after it was done: due at the next of its times. Times that were missed are left out."""
    period = timedelta(seconds=interval_seconds)
    missed = max((now - job.due_time) // period, 0)
    return replace(_without_lease(job), attempts=0, last_error="", due_time=job.due_time + (missed + 1) * period)


def after_periodic_failure(job: Job, error: Exception, now: datetime, jitter: float, interval_seconds: float) -> Job:
    """A job that comes round, as it is after `error`: due again soon, and never later than it would come round."""
    due_time = min(next_due_time(job.attempts, now, jitter), now + timedelta(seconds=interval_seconds))
    return replace(_without_lease(job), last_error=error_text(error), due_time=due_time)


def error_text(error: Exception) -> str:
    """What an operator reads of a failure."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= ERROR_LENGTH_MAX else f"{text[: ERROR_LENGTH_MAX - 1]}…"


def _without_lease(job: Job) -> Job:
    return replace(job, lease_owner="", lease_until=None)


def in_batches(jobs: Iterable[Job], jobs_max: int) -> list[list[Job]]:
    """The jobs in batches of one kind and at most `jobs_max`, in order; whoever runs alone has one to itself."""
    alone: list[list[Job]] = []
    together: dict[str, list[Job]] = {}
    for job in jobs:
        if job.runs_alone:
            alone.append([job])
        else:
            together.setdefault(job.kind, []).append(job)
    return [part for kind in together.values() for part in _parts(kind, jobs_max)] + alone


def _parts(jobs: Sequence[Job], jobs_max: int) -> list[list[Job]]:
    return [list(jobs[start : start + jobs_max]) for start in range(0, len(jobs), jobs_max)]
