"""Job handlers.

Belongs here: the protocol of a handler, and a handler made from a function of one job. Does not belong here: taking jobs and
recording outcomes (`worker.py`), nor any particular handler (`app/usecases`).

A handler gets a batch, since captures, refunds and messages cost far less together than one by one. It must be safe to run
again with the same jobs: a worker may end after the work and before it records the outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from app.domain.jobs import Job


class JobHandler(Protocol):
    """Runs jobs of one kind."""

    async def __call__(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Run a batch; return for each job_id None for success, or the error. A job that is left out has failed.

        What it raises is the error of the whole batch. A Refusal means that nothing could be done now, such as without a
        database. Any other exception may be the fault of one job, so each job is tried again in a batch of its own. A
        PermanentJobError, returned or raised for a job in a batch of its own, ends its attempts. A PostponedJob, returned for a
        job or raised for all, makes it due again at its time, without counting the attempt.
        """


def for_each_job(handle: Callable[[Job], Awaitable[None]], at_once_max: int) -> JobHandler:
    """Return a handler that calls `handle` for each job, at most `at_once_max` at a time. What it raises fails the job."""

    async def handle_each(jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        slots = asyncio.Semaphore(at_once_max)

        async def handle_one(job: Job) -> Exception | None:
            async with slots:
                try:
                    await handle(job)
                except Exception as error:  # it is this job's outcome
                    return error
            return None

        errors = await asyncio.gather(*map(handle_one, jobs))
        return {job.job_id: error for job, error in zip(jobs, errors, strict=True)}

    return handle_each
