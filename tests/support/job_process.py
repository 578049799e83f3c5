"""A worker in a process of its own, which does the work of a job and never records the outcome.

Belongs here: `python -m tests.support.job_process <uri> <database>`. Does not belong here: killing it
(`tests/integration/jobs/test_job_races.py`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

from app.domain.jobs import Job
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.process.clock import utc_now
from app.store.driver import connect
from app.store.jobs import Jobs

WORKED = "worked"


async def work(uri: str, database_name: str) -> None:
    """Write an effect for each job, print that, and hold the job until the process is killed."""
    database = connect(uri, operation_seconds_max=5, selection_seconds_max=5, connections_max=5)[database_name]

    async def refund(jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        await database["effects"].insert_many([{"job_id": job.job_id, "process_id": os.getpid()} for job in jobs])
        sys.stdout.write(f"{WORKED}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
        return {}

    JobWorker(Jobs(database, retention_seconds=3600), {"refund": refund}, utc_now, JobWorkerBounds(), "process").start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
