"""An attempt: a batch of jobs is given to its handler, and something becomes of each of them, whatever the handler does.

Belongs here: calling handlers, and reading the outcome from what they give or raise. Does not: when there is an attempt and who
writes its outcome (`worker.py`), nor how often there may be one (`app/domain/jobs.py`).
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
    after_failure,
    after_periodic_failure,
    after_periodic_success,
    after_success,
    error_text,
    is_exhausted,
)
from app.domain.refusals import Refusal
from app.jobs.handlers import JobHandler

_log = logging.getLogger(__name__)


class MissingOutcomeError(Exception):
    """A job was begun, and nobody said what came of it."""


class SharedFailureError(Exception):
    """A batch came to an end that may be the fault of any job in it, so each is tried again by itself."""


class JobRunner:
    """JobRunner at jobs of one kind.

    A call of `handler` is cut off after `run_seconds_max`, and a job is dead after `attempts_max` of them. `interval_seconds`
    is
    for a job that comes round: it is never done for good, nor dead. `clock` gives the present moment, `jitter` a number from 0
    to 1.
    """

    def __init__(
        self,
        handler: JobHandler,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        *,
        run_seconds_max: float,
        attempts_max: int,
        interval_seconds: float | None = None,
    ) -> None:
        self._handler, self._clock, self._jitter = handler, clock, jitter
        self._run_seconds_max, self._attempts_max, self._every_seconds = run_seconds_max, attempts_max, interval_seconds

    async def attempt(self, jobs: Sequence[Job]) -> list[Job]:
        """Has jobs that were taken done; gives them as they are then. A call that is cancelled is a failure of its jobs."""
        fit = [job for job in jobs if self._every_seconds is not None or not is_exhausted(job, self._attempts_max)]
        errors = await self._call(fit) if fit else {}
        unanswered = MissingOutcomeError("it was begun, and nobody said what came of it")
        # One jitter for all: those alike are written, and come back, together.
        now, jitter = self._clock(), self._jitter()
        outcomes = [self._outcome(job, errors.get(job.job_id, unanswered), now, jitter) for job in jobs]
        _log_failures(outcomes)
        return outcomes

    async def _call(self, jobs: Sequence[Job]) -> Mapping[str, Exception | None]:
        """What the handler gives, or what it raised for each of the jobs."""
        try:
            async with asyncio.timeout(self._run_seconds_max):
                return await self._handler(jobs)
        except asyncio.CancelledError:
            return _all_failed(jobs, MissingOutcomeError("it was cut off"))
        except Refusal as refusal:
            return _all_failed(jobs, refusal)
        except Exception as error:
            if not isinstance(error, PermanentJobError):
                _log.exception("%d jobs %s failed", len(jobs), jobs[0].kind)
            return _all_failed(jobs, error if len(jobs) == 1 else SharedFailureError(f"a batch ended with {error_text(error)}"))

    def _outcome(self, job: Job, error: Exception | None, now: datetime, jitter: float) -> Job:
        interval_seconds = self._every_seconds
        if error is None:
            return after_success(job, now) if interval_seconds is None else after_periodic_success(job, now, interval_seconds)
        if interval_seconds is not None:
            return after_periodic_failure(job, error, now, jitter, interval_seconds)
        if isinstance(error, SharedFailureError):
            job = replace(job, runs_alone=True)
        return after_failure(job, error, now, jitter, self._attempts_max)


def _all_failed(jobs: Sequence[Job], error: Exception) -> dict[str, Exception | None]:
    return {job.job_id: error for job in jobs}


def _log_failures(jobs: Sequence[Job]) -> None:
    """Logs what failed: who is dead, one by one, and how many will be tried again."""
    again = [job for job in jobs if job.state is JobState.PENDING and job.last_error]
    if again:
        _log.warning("%d jobs %s failed, such as %s: %s", len(again), again[0].kind, again[0].job_id, _error_type(again[0]))
    for job in jobs:
        if job.state is JobState.DEAD:
            _log.error("job %s %s is dead after %d attempts: %s", job.kind, job.job_id, job.attempts, _error_type(job))


def _error_type(job: Job) -> str:
    """The type of a job's last error. Its text may quote a payer's token or a receiver's answer; operators see it."""
    return job.last_error.partition(":")[0]
