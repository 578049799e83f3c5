"""The job service: operators list dead jobs, and retry one or all of a kind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest

from app.domain.jobs import Job, JobState
from app.jobs.periodic_tasks import PeriodicTask
from app.pb.seatline.v1 import job_pb2
from app.process.clock import utc_now
from tests.support.clients import ApiClient, refusal
from tests.support.world import World

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
PENDING, DONE, DEAD = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_DONE, job_pb2.JOB_STATE_DEAD
NOW = utc_now()
EARLIER = NOW - timedelta(hours=1)


class JobClient(ApiClient):
    """Calls the job service, as whatever caller."""

    async def page(self, **asked: Any) -> job_pb2.ListJobsResponse:
        return await self.jobs.ListJobs(job_pb2.ListJobsRequest(**asked), **self._options)

    async def listed(self, **asked: Any) -> list[str]:
        """Return the ids of the jobs on the first page."""
        return [job.job_id for job in (await self.page(**asked)).jobs]

    async def retry(self, **asked: Any) -> int:
        """Return the number of retried jobs."""
        return (await self.jobs.RetryJobs(job_pb2.RetryJobsRequest(**asked), **self._options)).retried_count


def operator_client(world: World) -> JobClient:
    """Return the webhook client of an operator."""
    return JobClient(world.channel, "desk", roles="operator")


def a_job(job_id: str, kind: str = "refund", state: JobState = JobState.DEAD, **values: Any) -> Job:
    """Return a job of an hour ago, with a payload that no operator may see."""
    return replace(Job(job_id, kind, {"reference": "7QK2MZ"}, EARLIER, EARLIER, state), **values)


async def store(world: World, *jobs: Job) -> None:
    assert await world.server.store.jobs.insert_if_absent(jobs) == len(jobs)


async def stored(world: World, job_id: str) -> Job:
    job = await world.server.store.jobs.get(job_id)
    assert job is not None
    return job


# -- roles


@pytest.mark.parametrize(("name", "roles", "says"), [("", "operator", UNNAMED), ("jane", "admin", NOT_PERMITTED)])
async def test_only_operators_may_call_the_job_service(
    world: World, name: str, roles: str, says: tuple[grpc.StatusCode, str]
) -> None:
    await store(world, a_job("refund 1"))
    api_client = JobClient(world.channel, name, roles)
    for call in (
        api_client.page(),
        api_client.page(page_size=-1),
        api_client.retry(job_id="refund 1"),
        api_client.retry(job_id="refund 2"),
        api_client.retry(kind="refund"),
        api_client.retry(),
    ):
        assert (await refusal(call)).says == says
    assert (await stored(world, "refund 1")).state is JobState.DEAD


# -- lists


async def test_jobs_are_listed_by_state_which_is_dead_by_default(world: World) -> None:
    client = operator_client(world)
    sweep = PeriodicTask("tidy runs", 1.0, asyncio.Event().wait).job_id
    await store(
        world,
        a_job("refund 1"),
        a_job("refund 2", state=JobState.PENDING),
        a_job("refund 3", state=JobState.DONE, done_time=NOW),
        a_job(sweep, sweep, JobState.PENDING),
    )
    assert await client.listed() == await client.listed(state=DEAD) == ["refund 1"]
    assert await client.listed(state=PENDING) == ["refund 2", "sweep tidy runs"]
    assert await client.listed(state=DONE) == ["refund 3"]


async def test_jobs_are_listed_by_kind(world: World) -> None:
    client = operator_client(world)
    await store(
        world, a_job("b", "refund"), a_job("a", "refund"), a_job("c", "capture"), a_job("d", "capture", JobState.PENDING)
    )
    assert await client.listed() == ["c", "a", "b"], "by kind, then by name"
    assert await client.listed(kind="refund") == ["a", "b"]
    assert await client.listed(kind="capture", state=PENDING) == ["d"]
    assert await client.listed(kind="refun") == []


async def test_a_listed_job_has_its_outcome_and_not_its_payload(world: World) -> None:
    failed = a_job("refund 1", attempts=60, last_error="TimeoutError: no answer", due_time=NOW)
    await store(world, failed, a_job("refund 2", state=JobState.DONE, attempts=1, done_time=NOW))
    (listed_job,) = (await operator_client(world).page()).jobs
    assert (listed_job.job_id, listed_job.kind, listed_job.state) == ("refund 1", "refund", DEAD)
    assert (listed_job.attempt_count, listed_job.last_error) == (60, "TimeoutError: no answer")
    assert listed_job.due_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW
    assert listed_job.create_time.ToDatetime(tzinfo=NOW.tzinfo) == EARLIER
    assert not listed_job.HasField("done_time")
    assert "7QK2MZ" not in str(listed_job)
    (done,) = (await operator_client(world).page(state=DONE)).jobs
    assert done.done_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW


async def test_jobs_are_listed_page_by_page(world: World) -> None:
    client = operator_client(world)
    await store(world, *(a_job(f"{kind} {number}", kind) for kind in ("refund", "capture") for number in range(3)))
    pages, token = [], ""
    for _ in range(3):
        page = await client.page(page_size=2, page_token=token)
        pages.append([job.job_id for job in page.jobs])
        token = page.next_page_token
    assert pages == [["capture 0", "capture 1"], ["capture 2", "refund 0"], ["refund 1", "refund 2"]]
    assert token == ""


async def test_jobs_with_the_longest_ids_are_listed_page_by_page(world: World) -> None:
    client = operator_client(world)
    kind, names = '"' * 300, ['"' * 299 + number for number in "01"]
    await store(world, *(a_job(name, kind) for name in names))
    first = await client.page(page_size=1, kind=kind)
    assert await client.listed(page_size=1, kind=kind, page_token=first.next_page_token) == names[1:]
    assert await client.retry(job_id=names[0]) == 1


async def test_a_page_holds_50_jobs_unless_asked_and_at_most_200(world: World) -> None:
    client = operator_client(world)
    await store(world, *(a_job(f"refund {number:03}") for number in range(201)))
    assert [len(await client.listed(page_size=size)) for size in (0, 7, 200, 1_000)] == [50, 7, 200, 200]


async def test_a_malformed_list_request_is_refused_with_its_field(world: World) -> None:
    client = operator_client(world)
    await store(world, a_job("refund 1"), a_job("refund 2"))
    token = (await client.page(page_size=1)).next_page_token
    for field, call in (
        ("state", client.page(state=7)),
        ("kind", client.page(kind="x" * 301)),
        ("kind", client.page(kind="ref\nund")),
        ("page_size", client.page(page_size=-1)),
        ("page_token", client.page(page_token="nonsense")),
        ("page_token", client.page(page_token=token, kind="refund")),
        ("page_token", client.page(page_token=token, state=PENDING)),
    ):
        refused = await refusal(call)
        assert (refused.says, refused.fields) == (INVALID, (field,))


# -- retries


async def test_a_retried_dead_job_is_due_at_once_with_all_its_attempts_left(world: World) -> None:
    client = operator_client(world)
    await store(world, a_job("refund 1", attempts=60, runs_alone=True, last_error="no"), a_job("refund 2"))
    assert await client.retry(job_id="refund 1") == 1
    assert await client.listed() == ["refund 2"]
    (listed_job,) = (await client.page(state=PENDING)).jobs
    assert (listed_job.job_id, listed_job.attempt_count, listed_job.last_error) == ("refund 1", 0, "no")
    assert listed_job.due_time.ToDatetime(tzinfo=NOW.tzinfo) > EARLIER
    (taken,) = await world.server.store.jobs.lease_due(["refund"], utc_now(), 30.0, "worker", 10)
    assert (taken.job_id, taken.payload, taken.runs_alone) == ("refund 1", {"reference": "7QK2MZ"}, False)


async def test_all_dead_jobs_of_a_kind_are_retried(world: World) -> None:
    client = operator_client(world)
    await store(world, *(a_job(f"refund {number}") for number in range(3)), a_job("capture 1", "capture"))
    await store(world, a_job("refund 3", state=JobState.DONE, done_time=NOW), a_job("refund 4", state=JobState.PENDING))
    assert await client.retry(kind="refund") == 3
    assert await client.listed() == ["capture 1"]
    assert await client.listed(state=PENDING) == ["refund 0", "refund 1", "refund 2", "refund 4"]
    assert await client.listed(state=DONE) == ["refund 3"]
    assert await client.retry(kind="refund") == 0
    assert await client.retry(kind="nothing of the kind") == 0


async def test_an_unknown_job_is_not_found(world: World) -> None:
    refused = await refusal(operator_client(world).retry(job_id="refund 1"))
    assert (refused.says, refused.resource) == (NOT_FOUND, ("job", "refund 1"))
    assert refused.message == "there is no job 'refund 1'"


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.DONE])
async def test_a_job_that_is_not_dead_is_refused_with_the_reason(world: World, state: JobState) -> None:
    job = a_job("refund 1", state=state, attempts=2, done_time=NOW if state is JobState.DONE else None)
    await store(world, job)
    refused = await refusal(operator_client(world).retry(job_id="refund 1"))
    assert (refused.says, refused.resource) == (NOT_FOUND, ("job", "refund 1"))
    assert refused.message == f"job 'refund 1' is {state.value}, not DEAD; only dead jobs are retried"
    assert await stored(world, "refund 1") == job


async def test_a_repeated_retry_finds_no_dead_job(world: World) -> None:
    client = operator_client(world)
    await store(world, a_job("refund 1"))
    assert await client.retry(job_id="refund 1") == 1
    assert (await refusal(client.retry(job_id="refund 1"))).says == NOT_FOUND


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("job_id", {}),
        ("job_id", {"job_id": "refund 1", "kind": "refund"}),
        ("job_id", {"job_id": "x" * 301}),
        ("job_id", {"job_id": "refund\t1"}),
        ("job_id", {"job_id": "駅" * 300}),
        ("kind", {"kind": "x" * 301}),
        ("kind", {"kind": "refund\x00"}),
    ],
)
async def test_a_malformed_retry_is_refused_with_its_field(world: World, field: str, asked: dict[str, str]) -> None:
    await store(world, a_job("refund 1"))
    refused = await refusal(operator_client(world).retry(**asked))
    assert (refused.says, refused.fields) == (INVALID, (field,))
    assert (await stored(world, "refund 1")).state is JobState.DEAD
