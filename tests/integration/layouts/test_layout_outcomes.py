"""Layout jobs over gRPC: how far one has come, and its outcomes page by page."""

from __future__ import annotations

import grpc

from app.domain.layout.layout_jobs import LayoutOutcomeState
from app.domain.layout.plan import LayoutCounts
from app.pb.seatline.v1 import layout_pb2
from app.process.clock import utc_now
from tests.support.clients import refusal
from tests.support.layout_client import LayoutClient, layout_client
from tests.support.layout_jobs import a_layout_job, an_outcome
from tests.support.world import World, usd

DATES = [f"2026-09-{day:02}" for day in range(1, 8)]
STATES = [*LayoutOutcomeState, *[LayoutOutcomeState.APPLIED] * 4]
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "LAYOUT_JOB_NOT_FOUND")


async def with_outcomes(world: World, count: int) -> str:
    """Store a layout job of all dates, with the outcomes of the first `count`. Return its id."""
    layout_job, layout_jobs = a_layout_job(), world.server.store.layout_jobs
    await layout_jobs.insert_if_absent(layout_job)
    await layout_jobs.add_dates(layout_job.layout_job_id, DATES)
    for date, state in list(zip(DATES, STATES, strict=True))[:count]:
        is_applied = state is LayoutOutcomeState.APPLIED
        counts = LayoutCounts(1, 2, 3, 4_00, 5, 6, "USD") if is_applied else LayoutCounts()
        await layout_jobs.insert_outcome(an_outcome(date, state, counts))
    return layout_job.layout_job_id


async def pages(desk: LayoutClient, layout_job_id: str, size: int) -> list[list[str]]:
    found: list[list[str]] = []
    token = ""
    while not found or token:
        page = await desk.outcomes_page(layout_job_id, page_size=size, page_token=token)
        found.append([outcome.travel_date for outcome in page.outcomes])
        token = page.next_page_token
    return found


async def test_a_job_shows_its_progress_until_every_run_has_an_outcome(world: World) -> None:
    desk, layout_job_id = layout_client(world), await with_outcomes(world, 4)
    found = await desk.layout_job(layout_job_id)
    assert (found.state, found.run_count) == (layout_pb2.LAYOUT_JOB_STATE_RUNNING, 7)
    assert (found.applied_count, found.skipped_count, found.refused_count) == (2, 1, 1)
    assert (found.counts.moved_passengers, found.counts.refunded) == (2, usd(8))
    assert not found.HasField("complete_time")
    await with_outcomes(world, 7)
    assert await world.server.store.layout_jobs.complete(layout_job_id, utc_now())
    found = await desk.layout_job(layout_job_id)
    assert (found.state, found.applied_count) == (layout_pb2.LAYOUT_JOB_STATE_COMPLETE, 5)
    assert found.HasField("complete_time")


async def test_outcomes_come_by_date_page_by_page_each_once(world: World) -> None:
    desk, layout_job_id = layout_client(world), await with_outcomes(world, 7)
    assert await pages(desk, layout_job_id, 3) == [DATES[:3], DATES[3:6], DATES[6:]]
    assert await pages(desk, layout_job_id, 7) == [DATES]
    (first, second, *_) = (await desk.outcomes_page(layout_job_id)).outcomes
    assert (first.state, first.counts.cancelled_passengers) == (layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED, 3)
    assert (second.state, second.counts) == (layout_pb2.LAYOUT_OUTCOME_STATE_SKIPPED, layout_pb2.LayoutCounts())


async def test_a_page_token_is_of_one_job(world: World) -> None:
    desk, layout_job_id = layout_client(world), await with_outcomes(world, 7)
    other = a_layout_job(3)
    await world.server.store.layout_jobs.insert_if_absent(other)
    token = (await desk.outcomes_page(layout_job_id, page_size=1)).next_page_token
    refused = await refusal(desk.outcomes_page(other.layout_job_id, page_token=token))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("page_token",))


async def test_a_job_without_outcomes_has_an_empty_page_and_an_unknown_one_is_not_found(world: World) -> None:
    desk, layout_job_id = layout_client(world), await with_outcomes(world, 0)
    assert await pages(desk, layout_job_id, 0) == [[]]
    for refused in (await refusal(desk.outcomes_page("es9014:99")), await refusal(desk.layout_job("es9014:99"))):
        assert (refused.says, refused.resource) == (NOT_FOUND, ("layout_job", "es9014:99"))
    for call in (desk.outcomes_page(""), desk.layout_job("no job")):
        refused = await refusal(call)
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("layout_job_id",))
