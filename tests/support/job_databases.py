"""Jobs in a database: clients, databases and jobs for tests.

Belongs here: databases with only the indexes of jobs, jobs to insert, and leasing them. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from app.domain.jobs import Job
from app.embedded.mongod import EmbeddedMongod
from app.process.clock import utc_now
from app.store.driver import Client, Database, connect
from app.store.jobs import Jobs, make_job_indexes

NOW = utc_now()
LEASE_SECONDS = 30.0
LEASE = timedelta(seconds=LEASE_SECONDS)
KEPT_SECONDS = 3600.0
DATABASE = "test_jobs"


def some_jobs(count: int, kind: str = "refund") -> list[Job]:
    """Return jobs that are due now."""
    return [Job(f"{kind} {number:04}", kind, {"booking": "ABC", "minor": 2_000}, NOW, NOW) for number in range(count)]


def ids(found: Sequence[Job]) -> list[str]:
    return [job.job_id for job in found]


async def lease_due(jobs: Jobs, now: datetime = NOW, *, owner: str = "worker", limit: int = 100) -> list[Job]:
    """Lease refunds and captures."""
    return await jobs.lease_due(["refund", "capture"], now, LEASE_SECONDS, owner, limit)


def a_client(mongod: EmbeddedMongod) -> Client:
    return connect(mongod.uri, operation_seconds_max=10, selection_seconds_max=5, connections_max=5)


async def an_empty_database(client: Client) -> Database:
    """An empty database of this client, with indexes."""
    database = client[DATABASE]
    for name in await database.list_collection_names():
        await database[name].delete_many({})
    await make_job_indexes(database)
    return database


@asynccontextmanager
async def a_real_database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """Provide an empty database of a real server until the block ends."""
    client = a_client(mongod)
    yield await an_empty_database(client)
    client.close()
