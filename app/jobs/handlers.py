"""Handlers: what does jobs.

Belongs here: what a handler takes and gives, a handler made of a function for one job, and what is done again and again. Does
not: taking jobs and writing what came of them (`worker.py`), nor any particular handler.

A handler gets a batch, since captures, refunds and messages cost far less together than one by one. Whatever it does, it may
have done before: a worker may end after the work and before it could say so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.jobs import PERIODIC_TASK_PREFIX, Job


class JobHandler(Protocol):
    """Does jobs of one kind."""

    async def __call__(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Does a batch; gives for each job_id None if it is done, or why it failed. What it does not name has failed.

        What it raises stands for the whole batch: a Refusal says that nothing could be done now, such as without a database;
        anything else may be one job's fault, so each job will be tried again by itself. A PermanentJobError, given or raised by
        a job on its own, ends its attempts.
        """


def for_each_job(handle: Callable[[Job], Awaitable[None]], at_once_max: int) -> JobHandler:
    """A handler that does the jobs of a batch one by one, at most `at_once_max` at a time. `handle` raises what fails a job."""

    async def handle_each(jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        turns = asyncio.Semaphore(at_once_max)

        async def handle_one(job: Job) -> Exception | None:
            async with turns:
                try:
                    await handle(job)
                except Exception as error:  # it is this job's outcome
                    return error
            return None

        errors = await asyncio.gather(*map(handle_one, jobs))
        return {job.job_id: error for job, error in zip(jobs, errors, strict=True)}

    return handle_each


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """What is done every so many seconds, by one worker at a time wherever it runs, and soon after any downtime.

    It has to bear being done twice, as any job: a worker that stands still for longer than its lease is taken for gone. What
    `run` gives is not looked at.
    """

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[object]]

    @property
    def job_id(self) -> str:
        """The one job that comes round; it is the only one of its kind."""
        return f"{PERIODIC_TASK_PREFIX}{self.name}"

    async def handle(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """The handler of that job."""
        await self.run()
        return {job.job_id: None for job in jobs}
