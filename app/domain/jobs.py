"""Jobs: work that must be done even if the process that asked for it ends.

Belongs here: what a job is, when it is due, when it is tried again, and when it is given up. Does not belong here: statements
(`app/store/jobs.py`), nor running jobs (`app/jobs`).

A job runs at least once. A worker takes it under a lease; when the lease expires, another worker may take it. So every handler
must be safe to run again. Whether a lease has expired is judged against `now` in each decision, never by a timer.

    PENDING ──taken, succeeded───> DONE
       ^ └────taken, failed──────> PENDING, due later; after the last attempt or a PermanentJobError: DEAD
       └──────retried by an operator──────────────────────────────────────────────────────────────┘
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.retry import RetrySchedule
from app.domain.values import value

FIRST_PAUSE_SECONDS = 1.0  # after a first failure; most transient faults, such as a lost connection, are over by then
PAUSE_SECONDS_MAX = 900.0  # after an outage of any length, work goes on within a quarter of an hour
ERROR_LENGTH_MAX = 300  # characters; enough to tell one failure from another
PERIODIC_TASK_PREFIX = "sweep "  # of the kinds of periodic jobs, as stored
_DOUBLINGS_MAX = 10  # a thousand times the first pause, past the longest one


class JobState(StrEnum):
    """The state of a job. A job that a worker holds is PENDING, with a lease."""

    PENDING = "PENDING"
    DONE = "DONE"
    DEAD = "DEAD"


# Every change of state of a job, with its cause; from None, the job is new. `docs/states.md` is drawn from it.
JOB_TRANSITIONS: Mapping[tuple[JobState | None, JobState], str] = {
    (None, JobState.PENDING): "created",
    (JobState.PENDING, JobState.DONE): "done",
    (JobState.PENDING, JobState.PENDING): "failed or postponed, due again later; or a periodic job was done",
    (JobState.PENDING, JobState.DEAD): "last attempt failed, or a permanent failure",
    (JobState.DEAD, JobState.PENDING): "RetryJobs",
}


class PermanentJobError(Exception):
    """A job failed for a reason that no further attempt can change. The text gives the reason."""


class PostponedJob(Exception):  # noqa: N818 - it is an outcome, not a fault
    """A job has nothing to do yet: it is due again at `due_time`. The attempt does not count."""

    def __init__(self, due_time: datetime) -> None:
        super().__init__(f"due again at {due_time.isoformat()}")
        self.due_time = due_time


@value(frozen=True, slots=True)
class Job:
    """Work to be done.

    `job_id` follows from the work, so that inserting a job twice inserts it once. `kind` names the handler. `payload` holds
    JSON values. `attempts` counts how often the job was started. `lease_owner` holds it until `lease_until`. `runs_alone` keeps
    the job in a batch of its own, since a batch with it failed as a whole.
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
        """The earliest time at which a worker may take the job, if it is PENDING."""
        return self.due_time if self.lease_until is None else max(self.due_time, self.lease_until)


def job_retries(attempts_max: int | None) -> RetrySchedule:
    """Return the retry schedule of jobs: pauses double up to the longest one, and jitter shortens them by up to a half."""
    pauses = tuple(min(FIRST_PAUSE_SECONDS * 2**doublings, PAUSE_SECONDS_MAX) for doublings in range(_DOUBLINGS_MAX + 1))
    return RetrySchedule(pauses, jitter_factors=(0.5, 1.0), attempts_max=attempts_max)


# A periodic job is never given up.
PERIODIC_RETRIES = job_retries(None)


def is_due(job: Job, now: datetime) -> bool:
    """Whether a worker may take the job: it is PENDING, its due time has come, and no lease on it is in force."""
    return job.state is JobState.PENDING and job.ready_time <= now


def is_exhausted(job: Job, retries: RetrySchedule) -> bool:
    """Whether a job that was just taken must not start again: all its attempts have ended without an outcome."""
    return retries.attempts_max is not None and job.attempts > retries.attempts_max


def after_success(job: Job, now: datetime) -> Job:
    """Return a taken job as DONE."""
    return replace(_without_lease(job), state=JobState.DONE, last_error="", done_time=now)


def after_failure(job: Job, error: Exception, now: datetime, jitter: float, retries: RetrySchedule) -> Job:
    """Return a taken job after `error`: due later, or DEAD after its last attempt or a PermanentJobError.

    `jitter` is a random number in [0, 1].
    """
    job = replace(_without_lease(job), last_error=error_text(error))
    due_time = None
    if not isinstance(error, PermanentJobError):
        due_time = retries.next_attempt_time(job.attempts, job.create_time, now, jitter)
    return replace(job, state=JobState.DEAD) if due_time is None else replace(job, due_time=due_time)


def after_postponement(job: Job, due_time: datetime) -> Job:
    """Return a taken job that had nothing to do yet, with the attempt taken back."""
    return replace(_without_lease(job), due_time=due_time, attempts=job.attempts - 1, last_error="")


def after_operator_retry(job: Job, now: datetime) -> Job:
    """Return a DEAD job as PENDING, due now with all its attempts left. Any other job stays as it is."""
    if job.state is not JobState.DEAD:
        return job
    return replace(_without_lease(job), state=JobState.PENDING, attempts=0, due_time=now, runs_alone=False)


def after_periodic_success(job: Job, now: datetime, interval_seconds: float) -> Job:
    """Return a periodic job after it succeeded: due at its next time after `now`. Missed times are skipped."""
    period = timedelta(seconds=interval_seconds)
    missed = max((now - job.due_time) // period, 0)
    return replace(_without_lease(job), attempts=0, last_error="", due_time=job.due_time + (missed + 1) * period)


def after_periodic_failure(job: Job, error: Exception, now: datetime, jitter: float, interval_seconds: float) -> Job:
    """Return a periodic job after `error`: due after the retry pause, and at most one interval from `now`."""
    due_time = now + timedelta(seconds=interval_seconds)
    retry_time = PERIODIC_RETRIES.next_attempt_time(job.attempts, job.create_time, now, jitter)
    if retry_time is not None:
        due_time = min(retry_time, due_time)
    return replace(_without_lease(job), last_error=error_text(error), due_time=due_time)


def error_text(error: Exception) -> str:
    """Return the type and text of an error, shortened, for operators."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= ERROR_LENGTH_MAX else f"{text[: ERROR_LENGTH_MAX - 1]}…"


def _without_lease(job: Job) -> Job:
    return replace(job, lease_owner="", lease_until=None)


def in_batches(jobs: Iterable[Job], jobs_max: int) -> list[list[Job]]:
    """Group jobs by kind into batches of at most `jobs_max`, in order. A job that runs alone gets a batch of its own."""
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
