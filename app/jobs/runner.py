"""The job runner: one attempt at a batch of jobs, with an outcome for each of them whatever the handler does.

Belongs here: calling handlers, and turning what they return or raise into outcomes. Does not belong here: when an attempt is
made and who records its outcome (`worker.py`), nor how many attempts a job has (`app/domain/jobs.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.jobs import (
    Job,
    JobState,
    PermanentJobError,
    PostponedJob,
    after_failure,
    after_periodic_failure,
    after_periodic_success,
    after_postponement,
    after_success,
    error_text,
    is_exhausted,
)
from app.domain.refusals import Refusal
from app.domain.retry import RetrySchedule
from app.jobs.handlers import JobHandler
from app.ports.clock import Clock

_log = logging.getLogger(__name__)


class MissingOutcomeError(Exception):
    """A job was started, and its handler gave no outcome."""


class SharedFailureError(Exception):
    """A batch failed as a whole, which may be the fault of any job in it. Each is tried again in a batch of its own."""


class JobRunner:
    """Runs jobs of one kind.

    A call of `handler` is cancelled after `run_seconds_max`. `retries` says when a job is tried again, and when it is dead. A
    periodic job has `interval_seconds`: it is never DONE, nor DEAD. `clock` returns the present moment, `jitter` a random
    number in [0, 1].
    """

    def __init__(
        self,
        handler: JobHandler,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        run_seconds_max: float,
        retries: RetrySchedule,
        interval_seconds: float | None = None,
    ) -> None:
        self._handler, self._clock, self._jitter = handler, clock, jitter
        self._run_seconds_max, self._retries, self._interval_seconds = run_seconds_max, retries, interval_seconds

    async def run(self, jobs: Sequence[Job]) -> list[Job]:
        """Run jobs that were taken; return them with their outcomes. A call that is cancelled is a failure of its jobs."""
        startable = [job for job in jobs if self._interval_seconds is not None or not is_exhausted(job, self._retries)]
        errors = await self._call(startable) if startable else {}
        missing = MissingOutcomeError("it was started and has no outcome")
        # One jitter for the batch: jobs with equal outcomes are written with one statement, and taken together again.
        now, jitter = self._clock(), self._jitter()
        outcomes = [self._outcome(job, errors.get(job.job_id, missing), now, jitter) for job in jobs]
        _log_failures(outcomes)
        return outcomes

    async def _call(self, jobs: Sequence[Job]) -> Mapping[str, Exception | None]:
        """Return what the handler returns, or what it raised as the error of each job."""
        try:
            async with asyncio.timeout(self._run_seconds_max):
                return await self._handler(jobs)
        except asyncio.CancelledError:
            return _all_failed(jobs, MissingOutcomeError("it was cancelled"))
        except (Refusal, PostponedJob) as outcome:
            return _all_failed(jobs, outcome)
        except Exception as error:
            if not isinstance(error, PermanentJobError):
                _log.exception("%d jobs %s failed", len(jobs), jobs[0].kind)
            if len(jobs) > 1:
                error = SharedFailureError(f"a batch failed with {error_text(error)}")
            return _all_failed(jobs, error)

    def _outcome(self, job: Job, error: Exception | None, now: datetime, jitter: float) -> Job:
        interval_seconds = self._interval_seconds
        if error is None:
            return after_success(job, now) if interval_seconds is None else after_periodic_success(job, now, interval_seconds)
        if interval_seconds is not None:
            return after_periodic_failure(job, error, now, jitter, interval_seconds)
        if isinstance(error, PostponedJob):
            return after_postponement(job, error.due_time)
        if isinstance(error, SharedFailureError):
            job = replace(job, runs_alone=True)
        return after_failure(job, error, now, jitter, self._retries)


def _all_failed(jobs: Sequence[Job], error: Exception) -> dict[str, Exception | None]:
    return {job.job_id: error for job in jobs}


def _log_failures(jobs: Sequence[Job]) -> None:
    """Log each dead job, and the number of jobs that will be tried again."""
    pending = [job for job in jobs if job.state is JobState.PENDING and job.last_error]
    if pending:
        first = pending[0]
        _log.warning("%d jobs %s failed, such as %s: %s", len(pending), first.kind, first.job_id, _error_type(first))
    for job in jobs:
        if job.state is JobState.DEAD:
            _log.error("job %s %s is dead after %d attempts: %s", job.kind, job.job_id, job.attempts, _error_type(job))


def _error_type(job: Job) -> str:
    """Return the type of a job's last error. Its text, which may quote a payment token or an answer, is for operators alone."""
    return job.last_error.partition(":")[0]
