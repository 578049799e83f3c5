"""Jobs as they are stored: inserted once, leased by one worker at a time, with the outcome that was recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from app.domain.jobs import (
    Job,
    JobState,
    PermanentJobError,
    after_failure,
    after_operator_retry,
    after_periodic_success,
    after_success,
    is_due,
    job_retries,
)
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.process.clock import utc_now
from app.store.in_memory import connect_in_memory
from app.store.jobs import PURGE_INDEX, Jobs, job_key
from tests.support.job_databases import (
    KEPT_SECONDS,
    LEASE,
    LEASE_SECONDS,
    NOW,
    a_real_database,
    an_empty_database,
    ids,
    lease_due,
    some_jobs,
)
from tests.support.world import eventually


@pytest_asyncio.fixture(params=["mongomock", "mongod"])
async def jobs(request: pytest.FixtureRequest) -> AsyncIterator[Jobs]:
    """No jobs, over each kind of database in turn."""
    if request.param == "mongomock":
        yield Jobs(await an_empty_database(connect_in_memory()), KEPT_SECONDS)
    else:
        async with a_real_database(request.getfixturevalue("mongod")) as database:
            yield Jobs(database, KEPT_SECONDS)


async def stored(jobs: Jobs, job_id: str) -> Job:
    job = await jobs.get(job_id)
    assert job is not None
    return job


# -- inserting


async def test_a_job_inserted_twice_is_stored_once(jobs: Jobs) -> None:
    assert await jobs.insert_if_absent(some_jobs(3)) == 3
    assert await jobs.insert_if_absent(some_jobs(5)) == 2
    assert len(await lease_due(jobs)) == 5
    assert await jobs.insert_if_absent([]) == 0


async def test_a_job_is_read_as_it_was_inserted(jobs: Jobs) -> None:
    job = replace(some_jobs(1)[0], payload={"list": [1, 2.5, None, True], "nested": {"text": "Å"}})
    await jobs.insert_if_absent([job])
    assert await jobs.get(job.job_id) == job
    assert await jobs.get("another") is None


async def test_a_done_job_is_not_inserted_again(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(1))
    (job,) = await lease_due(jobs)
    await jobs.record_outcomes([after_success(job, NOW)], job.lease_owner)
    assert await jobs.insert_if_absent(some_jobs(1)) == 0
    assert await lease_due(jobs, NOW + LEASE) == []


async def test_more_jobs_than_one_statement_holds_are_all_inserted(jobs: Jobs) -> None:
    assert await jobs.insert_if_absent(some_jobs(2_500)) == 2_500
    assert await jobs.counts() == {("refund", JobState.PENDING): 2_500}


# -- taking


async def test_the_earliest_due_jobs_are_taken_first_and_later_ones_not_at_all(jobs: Jobs) -> None:
    made = [replace(job, due_time=NOW + timedelta(seconds=9 - number)) for number, job in enumerate(some_jobs(20))]
    await jobs.insert_if_absent(made)
    found = await lease_due(jobs, NOW + timedelta(seconds=0), limit=5)
    assert ids(found) == [f"refund {number:04}" for number in (19, 18, 17, 16, 15)]
    assert await jobs.next_ready_time(["refund"]) == NOW - timedelta(seconds=5)
    assert len(await lease_due(jobs)) == 6
    assert await jobs.next_ready_time(["refund"]) == NOW + timedelta(seconds=1)
    assert await jobs.next_ready_time(["capture"]) is None


async def test_only_jobs_of_the_given_kinds_are_taken(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(2) + some_jobs(2, "capture") + some_jobs(2, "message"))
    assert {job.kind for job in await lease_due(jobs)} == {"refund", "capture"}
    assert ids(await jobs.list_page(JobState.PENDING, "message", None, 10)) == ["message 0000", "message 0001"]


async def test_a_taken_job_has_an_owner_a_lease_and_a_count_of_attempts(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(2))
    found = await lease_due(jobs, owner="server 7")
    assert [(job.attempts, job.lease_until, job.runs_alone) for job in found] == [(1, NOW + LEASE, False)] * 2
    assert len({job.lease_owner for job in found}) == 1
    assert found[0].lease_owner.startswith("server 7/")
    assert [await stored(jobs, job.job_id) for job in found] == found


async def test_a_leased_job_is_not_taken_until_the_lease_expires(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(1))
    (mine,) = await lease_due(jobs)
    assert await lease_due(jobs, NOW + LEASE - timedelta(milliseconds=1)) == []
    (theirs,) = await lease_due(jobs, NOW + LEASE)
    assert (theirs.job_id, theirs.attempts) == (mine.job_id, 2)
    assert theirs.lease_owner != mine.lease_owner
    assert theirs.runs_alone  # it may have killed its worker


async def test_a_renewed_lease_lasts_longer(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(2))
    found = await lease_due(jobs)
    assert await jobs.renew(ids(found), found[0].lease_owner, NOW + 2 * LEASE) == 2
    assert await lease_due(jobs, NOW + LEASE) == []
    assert len(await lease_due(jobs, NOW + 2 * LEASE)) == 2
    assert await jobs.renew(ids(found), found[0].lease_owner, NOW + 9 * LEASE) == 0


async def test_a_released_job_is_due_at_once_and_has_no_attempt_counted(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(2))
    found = await lease_due(jobs)
    assert await jobs.release(ids(found)[:1], found[0].lease_owner, NOW) == 1
    (again,) = await lease_due(jobs)
    assert (again.job_id, again.attempts, again.runs_alone) == (found[0].job_id, 1, False)


async def test_a_waiting_job_can_be_brought_forward_and_a_leased_one_cannot(jobs: Jobs) -> None:
    one, two = (replace(job, due_time=NOW + timedelta(days=1)) for job in some_jobs(2))
    await jobs.insert_if_absent([one, two])
    await jobs.bring_forward(one.job_id, NOW)
    (found,) = await lease_due(jobs)
    assert found.job_id == one.job_id
    await jobs.bring_forward(one.job_id, NOW)
    await jobs.bring_forward("no such job", NOW)
    assert await lease_due(jobs) == []


# -- outcomes


async def test_a_done_job_is_never_due_again(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(3))
    found = await lease_due(jobs)
    assert await jobs.record_outcomes([after_success(job, NOW) for job in found], found[0].lease_owner) == 3
    assert await lease_due(jobs, NOW + 9 * LEASE) == []
    assert await stored(jobs, found[0].job_id) == after_success(found[0], NOW)


async def test_each_job_of_a_batch_has_its_own_outcome(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(5))
    found = await lease_due(jobs)
    errors = [None, ConnectionError("gone"), ConnectionError("gone"), PermanentJobError("closed"), None]
    outcomes = [
        after_success(job, NOW) if error is None else after_failure(job, error, NOW, 1.0, job_retries(5))
        for job, error in zip(found, errors, strict=True)
    ]
    assert await jobs.record_outcomes(outcomes, found[0].lease_owner) == 5
    assert [await stored(jobs, job.job_id) for job in found] == outcomes
    later = await lease_due(jobs, NOW + timedelta(seconds=1))
    assert [(job.job_id, job.attempts, job.runs_alone) for job in later] == [
        (ids(found)[1], 2, False),
        (ids(found)[2], 2, False),
    ]


async def test_a_periodic_job_is_due_again_at_its_next_time(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(1))
    (job,) = await lease_due(jobs)
    again = after_periodic_success(job, NOW, interval_seconds=60)
    await jobs.record_outcomes([again], job.lease_owner)
    assert await stored(jobs, job.job_id) == again
    assert await lease_due(jobs, NOW + timedelta(seconds=59)) == []
    (found,) = await lease_due(jobs, NOW + timedelta(seconds=60))
    assert (found.attempts, found.runs_alone) == (1, False)


async def test_a_late_worker_cannot_change_jobs_that_another_one_has_taken(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(4))
    mine = await lease_due(jobs)
    theirs = await lease_due(jobs, NOW + LEASE, limit=3)
    late = mine[0].lease_owner
    assert await jobs.record_outcomes([after_success(job, NOW + LEASE) for job in mine], late) == 1
    assert await jobs.record_outcomes([after_failure(job, ValueError(), NOW, 1.0, job_retries(1)) for job in mine], late) == 0
    assert await jobs.release(ids(mine), late, NOW) == 0
    assert [(await stored(jobs, job.job_id)) for job in theirs] == [replace(job, runs_alone=False) for job in theirs]
    assert await jobs.record_outcomes([after_success(job, NOW + LEASE) for job in theirs], theirs[0].lease_owner) == 3


async def test_two_leases_of_one_worker_on_a_job_are_told_apart(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(1))
    (first,) = await lease_due(jobs, owner="worker")
    (second,) = await lease_due(jobs, NOW + LEASE, owner="worker")
    assert await jobs.record_outcomes([after_failure(first, ValueError(), NOW, 1.0, job_retries(1))], first.lease_owner) == 0
    assert (await stored(jobs, second.job_id)).state is JobState.PENDING


async def test_done_jobs_are_deleted_after_their_retention_and_dead_ones_stay(jobs: Jobs) -> None:
    done, dead = some_jobs(2)
    await jobs.insert_if_absent([done, dead])
    found = await lease_due(jobs)
    outcomes = [after_success(found[0], NOW), after_failure(found[1], PermanentJobError("no"), NOW, 1.0, job_retries(1))]
    await jobs.record_outcomes(outcomes, found[0].lease_owner)
    documents = {document["_id"]: document async for document in jobs._jobs.find({})}
    assert documents[done.job_id]["purge_time"] == NOW + timedelta(seconds=KEPT_SECONDS)
    assert "purge_time" not in documents[dead.job_id]
    assert (await jobs._jobs.index_information())[PURGE_INDEX]["expireAfterSeconds"] == 0


# -- operators


async def dead_jobs(jobs: Jobs, count: int, kind: str = "refund") -> list[Job]:
    """Store dead jobs of a kind. The order of their ids is not that of kinds."""
    made = [replace(job, job_id=f"{job.job_id.removeprefix(kind)} {kind}") for job in some_jobs(count, kind)]
    await jobs.insert_if_absent(made)
    found = await jobs.lease_due([kind], NOW, LEASE_SECONDS, "worker", count)
    dead = [after_failure(job, ConnectionError("gone"), NOW, 1.0, job_retries(1)) for job in found]
    await jobs.record_outcomes(dead, found[0].lease_owner)
    return dead


async def test_dead_jobs_are_listed_page_by_page_with_their_errors(jobs: Jobs) -> None:
    refunds, captures = await dead_jobs(jobs, 5), await dead_jobs(jobs, 2, "capture")
    await jobs.insert_if_absent(some_jobs(7))
    pages, after = [], None
    while page := await jobs.list_page(JobState.DEAD, None, after, 3):
        pages.append(page)
        after = job_key(page[-1])
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [job for page in pages for job in page] == sorted(captures + refunds, key=job_key)
    assert {job.last_error for page in pages for job in page} == {"ConnectionError: gone"}
    after = job_key(refunds[2])
    assert await jobs.list_page(JobState.DEAD, "refund", after, 100) == refunds[3:]


async def test_a_dead_job_is_retried_with_all_its_attempts_left(jobs: Jobs) -> None:
    one, two = await dead_jobs(jobs, 2)
    later = NOW + timedelta(days=1)
    again = await jobs.retry(one.job_id, later)
    assert again == after_operator_retry(one, later)
    assert is_due(again, later)
    assert ids(await lease_due(jobs, later)) == [one.job_id]
    assert await stored(jobs, two.job_id) == two


async def test_a_job_that_is_not_dead_is_not_retried(jobs: Jobs) -> None:
    await jobs.insert_if_absent(some_jobs(1))
    (job,) = await lease_due(jobs)
    assert await jobs.retry(job.job_id, NOW) == job
    assert await jobs.retry("no such job", NOW) is None
    assert await jobs.retry_all("refund", NOW) == 0


async def test_all_dead_jobs_of_a_kind_are_retried_at_once(jobs: Jobs) -> None:
    refunds, captures = await dead_jobs(jobs, 5), await dead_jobs(jobs, 2, "capture")
    later = NOW + timedelta(days=1)
    assert await jobs.retry_all("refund", later) == 5
    assert await lease_due(jobs, later, limit=1) != []
    assert await jobs.list_page(JobState.DEAD, None, None, 10) == captures
    assert await stored(jobs, refunds[4].job_id) == after_operator_retry(refunds[4], later)


async def test_jobs_are_counted_by_kind_and_state(jobs: Jobs) -> None:
    assert await jobs.counts() == {}
    await dead_jobs(jobs, 3)
    await jobs.insert_if_absent(some_jobs(5))
    await jobs.insert_if_absent(some_jobs(4, "capture"))
    (job,) = await jobs.lease_due(["capture"], NOW, LEASE_SECONDS, "worker", 1)
    await jobs.record_outcomes([after_success(job, NOW)], job.lease_owner)
    assert await jobs.counts() == {
        ("refund", JobState.DEAD): 3,
        ("refund", JobState.PENDING): 5,
        ("capture", JobState.PENDING): 3,
        ("capture", JobState.DONE): 1,
    }


# -- with a worker


async def test_a_worker_runs_due_jobs_and_periodic_tasks_until_it_stops(jobs: Jobs) -> None:
    done: list[str] = []
    swept = asyncio.Event()

    async def refund(batch: Sequence[Job], /) -> Mapping[str, Exception | None]:
        done.extend(ids(batch))
        return {job.job_id: ConnectionError("gone") if job.job_id == "refund 0007" else None for job in batch}

    async def expire_holds() -> None:
        swept.set()

    async def are_done() -> bool:
        return (await jobs.counts()).get(("refund", JobState.DONE)) == 29

    await jobs.insert_if_absent(some_jobs(30))
    bounds = JobWorkerBounds(batch_max=10, poll_seconds=0.05)
    worker = JobWorker(
        jobs, {"refund": refund}, utc_now, bounds, "worker", periodic_tasks=[PeriodicTask("holds", 3600, expire_holds)]
    )
    worker.start()
    await eventually(are_done)
    await asyncio.wait_for(swept.wait(), timeout=30)
    await worker.stop()
    assert sorted(set(done)) == ids(some_jobs(30))
    assert (await stored(jobs, "refund 0007")).last_error == "ConnectionError: gone"
    assert (await stored(jobs, "sweep holds")).state is JobState.PENDING
    assert await jobs.list_page(JobState.DEAD, None, None, 10) == []
