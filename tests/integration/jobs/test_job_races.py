"""Jobs on a real server: races, plans, outages, and processes that are killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from app.domain.jobs import Job, JobState, after_success
from app.domain.refusals import Reason, Refusal
from app.embedded.mongod import EmbeddedMongod
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.process.clock import utc_now
from app.store.driver import Database, connect
from app.store.jobs import PURGE_INDEX, READY_INDEX, STATE_INDEX, Jobs, make_job_indexes
from tests.support.job_databases import DATABASE, KEPT_SECONDS, LEASE, NOW, a_client, a_real_database, ids, lease_due, some_jobs
from tests.support.job_process import WORKED
from tests.support.world import eventually

MILLISECOND = timedelta(milliseconds=1)
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    async with a_real_database(mongod) as made:
        yield made


async def test_workers_that_race_for_jobs_each_get_different_ones(mongod: EmbeddedMongod, database: Database) -> None:
    await Jobs(database, KEPT_SECONDS).insert_if_absent(some_jobs(500))
    clients = [a_client(mongod) for _ in range(6)]
    taken: Counter[str] = Counter()

    async def race(number: int) -> None:
        jobs = Jobs(clients[number][DATABASE], KEPT_SECONDS)
        while sum(taken.values()) < 500:
            found = await lease_due(jobs, owner=f"worker {number}", limit=40)
            taken.update(ids(found))
            if found:
                assert await jobs.record_outcomes([after_success(job, NOW) for job in found], found[0].lease_owner) == len(
                    found
                )

    async with asyncio.timeout(60):
        await asyncio.gather(*map(race, range(len(clients))))
    assert set(taken.values()) == {1}
    assert len(taken) == 500
    assert await Jobs(database, KEPT_SECONDS).counts() == {("refund", JobState.DONE): 500}
    for client in clients:
        client.close()


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield all stages of a plan, at any depth."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for part in plan.values():
            yield from stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from stages(part)


async def test_due_jobs_are_found_by_index_however_many_are_leased_or_done(database: Database) -> None:
    jobs = Jobs(database, KEPT_SECONDS)
    await jobs.insert_if_absent(some_jobs(300) + some_jobs(300, "capture"))
    done, leased = await lease_due(jobs, limit=250), await lease_due(jobs, NOW + LEASE - MILLISECOND, limit=250)
    await jobs.record_outcomes([after_success(job, NOW) for job in done], done[0].lease_owner)
    assert len(done) == len(leased) == 250
    due = {"kind": {"$in": ["refund", "capture"]}, "state": "PENDING", "ready_time": {"$lte": NOW + 2 * LEASE}}
    find = {"find": "jobs", "filter": due, "sort": {"ready_time": 1}, "limit": 200}
    explained = await database.command({"explain": find, "verbosity": "executionStats"})
    assert READY_INDEX in {stage.get("indexName") for stage in stages(explained["queryPlanner"]["winningPlan"])}
    assert explained["executionStats"]["totalDocsExamined"] <= 201


async def test_counting_reads_no_document(database: Database) -> None:
    await Jobs(database, KEPT_SECONDS).insert_if_absent(some_jobs(50))
    pipeline = [
        {"$sort": {"state": 1, "kind": 1, "_id": 1}},
        {"$group": {"_id": {"kind": "$kind", "state": "$state"}, "jobs": {"$sum": 1}}},
    ]
    aggregate = {"aggregate": "jobs", "pipeline": pipeline, "cursor": {}}
    explained = await database.command({"explain": aggregate, "verbosity": "queryPlanner"})
    found = {stage["stage"]: stage for stage in stages(explained)}
    assert found["IXSCAN"]["indexName"] == STATE_INDEX
    assert "FETCH" not in found
    assert "COLLSCAN" not in found


async def test_indexes_may_be_created_again(database: Database) -> None:
    before = await database["jobs"].index_information()
    await asyncio.gather(*(make_job_indexes(database) for _ in range(4)))
    assert await database["jobs"].index_information() == before
    assert {READY_INDEX, STATE_INDEX, PURGE_INDEX} <= set(before)


async def test_every_statement_is_refused_in_an_outage() -> None:
    client = connect("mongodb://127.0.0.1:9/", operation_seconds_max=0.2, selection_seconds_max=0.1, connections_max=2)
    jobs = Jobs(client[DATABASE], KEPT_SECONDS)
    (job,) = some_jobs(1)
    statements = [
        jobs.insert_if_absent([job]),
        jobs.bring_forward("a", NOW),
        lease_due(jobs),
        jobs.renew(["a"], "b", NOW),
        jobs.release(["a"], "b", NOW),
        jobs.record_outcomes([job], "b"),
        jobs.next_ready_time(["refund"]),
        jobs.get("a"),
        jobs.list_page(JobState.DEAD, None, None, 1),
        jobs.retry("a", NOW),
        jobs.retry_all("refund", NOW),
        jobs.counts(),
    ]
    outcomes: list[Any] = await asyncio.gather(*statements, return_exceptions=True)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Refusal)] == [Reason.DATABASE_UNAVAILABLE] * len(
        statements
    )
    client.close()


async def test_another_worker_runs_again_the_jobs_of_a_killed_one(mongod: EmbeddedMongod, database: Database) -> None:
    jobs = Jobs(database, KEPT_SECONDS)
    await jobs.insert_if_absent(some_jobs(3))
    command = [sys.executable, "-m", "tests.support.job_process", mongod.uri, DATABASE]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == f"{WORKED}\n".encode()
    finally:
        process.kill()
        await process.wait()

    async def refund(batch: Sequence[Job], /) -> Mapping[str, Exception | None]:
        await database["effects"].insert_many([{"job_id": job.job_id, "process_id": os.getpid()} for job in batch])
        return {job.job_id: None for job in batch}

    passed = JobWorkerBounds().lease_seconds

    def later() -> datetime:
        return utc_now() + timedelta(seconds=passed)

    async def are_done() -> bool:
        return await jobs.counts() == {("refund", JobState.DONE): 3}

    assert await lease_due(jobs, utc_now()) == []  # the leases of the killed one are still in force
    worker = JobWorker(jobs, {"refund": refund}, later, JobWorkerBounds(poll_seconds=0.05), "another")
    worker.start()
    await eventually(are_done)
    await worker.stop()
    effects = Counter(
        [(effect["job_id"], effect["process_id"] == os.getpid()) async for effect in database["effects"].find({})]
    )
    assert effects == {(job.job_id, is_ours): 1 for job in some_jobs(3) for is_ours in (False, True)}


async def test_workers_of_two_clients_share_the_work_on_a_real_database(mongod: EmbeddedMongod, database: Database) -> None:
    jobs = Jobs(database, KEPT_SECONDS)
    clients = [a_client(mongod) for _ in range(2)]
    done: Counter[str] = Counter()

    async def refund(batch: Sequence[Job], /) -> Mapping[str, Exception | None]:
        done.update(ids(batch))
        return {job.job_id: None for job in batch}

    async def are_done() -> bool:
        return await jobs.counts() == {("refund", JobState.DONE): 300}

    bounds = JobWorkerBounds(batch_max=20, poll_seconds=0.05)
    stores = [Jobs(client[DATABASE], KEPT_SECONDS) for client in clients]
    workers = [JobWorker(store, {"refund": refund}, utc_now, bounds, "worker") for store in stores]
    await jobs.insert_if_absent(some_jobs(300))
    for worker in workers:
        worker.start()
    await eventually(are_done)
    await asyncio.gather(*(worker.stop() for worker in workers))
    assert set(done.values()) == {1}
    for client in clients:
        client.close()
