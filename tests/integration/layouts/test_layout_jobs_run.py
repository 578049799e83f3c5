"""Layout jobs that workers run: each run is changed once, whatever its state, and the report says how it ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest

from app.domain.jobs import JobState
from app.domain.layout.layout_jobs import LayoutOutcome
from app.domain.layout.operations import RemoveCoach
from app.domain.refusals import Reason, Refusal
from app.pb.seatline.v1 import job_pb2, layout_pb2
from app.process.clock import utc_now
from app.store.layout_jobs import LayoutJobs
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT
from app.usecases.layouts import LayoutUseCases
from tests.support.clients import Run, refusal, seats_of
from tests.support.layout_client import LayoutClient, layout_client, remove_coach, set_seat_count
from tests.support.layout_jobs import a_layout_command
from tests.support.verified_worlds import verify
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, Clock, World, eventually, on_day

APPLIED = layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED
SKIPPED = layout_pb2.LAYOUT_OUTCOME_STATE_SKIPPED
REFUSED = layout_pb2.LAYOUT_OUTCOME_STATE_REFUSED
COMPLETE = layout_pb2.LAYOUT_JOB_STATE_COMPLETE


@pytest.fixture
def chosen_settings() -> dict[str, Any]:
    return {"job_poll_seconds": 0.05, "job_attempts_max": 2}


async def completed(desk: LayoutClient, layout_job_id: str) -> layout_pb2.LayoutJob:
    """Return the layout job once it is complete."""

    async def is_complete() -> bool:
        return (await desk.layout_job(layout_job_id)).state == COMPLETE

    await eventually(is_complete)
    return await desk.layout_job(layout_job_id)


async def reported(desk: LayoutClient, layout_job_id: str) -> dict[str, layout_pb2.LayoutOutcome]:
    return {outcome.travel_date: outcome for outcome in (await desk.outcomes_page(layout_job_id)).outcomes}


async def change_of_train(desk: LayoutClient, *operations: layout_pb2.LayoutOperation) -> str:
    """Change the layout of the train; return the id of the layout job."""
    return (await desk.change_train_layout(await desk.train("es9014"), *operations)).layout_job_id


async def layout_events(world: World, run: Run) -> list[int]:
    """Return the revisions in the events of layout changes on a run."""
    await world.wait_until_archived()
    return [event["data"]["layout_revision"] for event in await world.events(run) if event["type"] == "layout.changed"]


async def test_each_run_gets_the_layout_once_and_its_passengers_move(world: World) -> None:
    first, second = await world.runs("A4 A4", TRAVEL_DATE, NEXT_DATE)
    jane = world.api_client("jane")
    moved = await jane.book(first, "jane", "joe")
    desk = layout_client(world)
    world.server.start_worker()
    job = await completed(desk, await change_of_train(desk, remove_coach("1")))
    assert (job.run_count, job.applied_count, job.counts.moved_passengers) == (2, 2, 2)
    assert seats_of(await jane.booking(moved.reference)) == ["A-5", "A-6"]
    assert [
        (outcome.state, outcome.counts.moved_passengers) for outcome in (await reported(desk, job.layout_job_id)).values()
    ] == [
        (APPLIED, 2),
        (APPLIED, 0),
    ]
    assert [await layout_events(world, run) for run in (first, second)] == [[1], [1]]
    assert (await verify(world.database, tolerance_seconds=60)).findings == []


async def test_a_run_with_a_layout_of_its_own_and_a_departed_one_are_skipped(clock: Clock, world: World) -> None:
    departs_first, own, plain = await world.runs("A4", on_day(1), NEXT_DATE, THIRD_DATE)
    desk = layout_client(world)
    await desk.change(own, set_seat_count("1", 6))
    deleted = Run(train_id="es9014", travel_date=on_day(200))
    await desk.schedule("es9014", deleted.travel_date)
    layout_job_id = await change_of_train(desk, set_seat_count("1", 3))
    await desk.delete_run(deleted)
    departure = (await desk.run_of(departs_first)).stops[0].depart_time.ToDatetime()
    clock.ahead = departure - utc_now().replace(tzinfo=None)
    world.server.start_worker()
    job = await completed(desk, layout_job_id)
    assert (job.applied_count, job.skipped_count, job.refused_count) == (1, 3, 0)
    found = await reported(desk, layout_job_id)
    assert [(date, outcome.state, bool(outcome.reason)) for date, outcome in sorted(found.items())] == [
        (departs_first.travel_date, SKIPPED, True),
        (own.travel_date, SKIPPED, True),
        (plain.travel_date, APPLIED, False),
        (deleted.travel_date, SKIPPED, True),
    ]
    assert [len(await desk.seat_map(run)) for run in (own, plain)] == [6, 3]


async def test_a_change_that_a_rule_refuses_on_one_run_is_made_on_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.limits.DISPLACED_PASSENGERS_MAX", 1)
    full, empty = await world.runs("A2 B4", TRAVEL_DATE, NEXT_DATE)
    booked = await world.api_client("jane").book(full, "jane", "joe", section="A")
    desk = layout_client(world)
    plan = await desk.change_train_layout(await desk.train("es9014"), remove_coach("1"), validate_only=True)
    assert (plan.planned_run_count, plan.skipped_run_count, plan.refused_run_count) == (2, 0, 1)
    world.server.start_worker()
    job = await completed(desk, await change_of_train(desk, remove_coach("1")))
    found = await reported(desk, job.layout_job_id)
    assert (found[full.travel_date].state, found[empty.travel_date].state) == (REFUSED, APPLIED)
    assert "displaces 2 passengers" in found[full.travel_date].reason
    assert seats_of(await world.api_client("jane").booking(booked.reference)) == ["A-1", "A-2"]


async def test_a_second_change_before_the_first_has_ended_is_made_after_it_on_each_run(world: World) -> None:
    runs = await world.runs("A4", *(on_day(30 + day) for day in range(12)))
    desk = layout_client(world)
    changes = [await change_of_train(desk, set_seat_count("1", count)) for count in (8, 3, 5)]
    world.server.start_worker()
    jobs = [await completed(desk, layout_job_id) for layout_job_id in changes]
    assert [(job.run_count, job.applied_count) for job in jobs] == [(12, 12)] * 3
    for run in runs:
        # Numbers never return: 8 seats, of which 1 to 3 stay, and two new ones.
        assert sorted(await desk.seat_map(run)) == ["A-1", "A-10", "A-2", "A-3", "A-9"]
        assert await layout_events(world, run) == [1, 2, 3]
    assert (await verify(world.database, tolerance_seconds=60)).findings == []


async def test_a_worker_that_fails_between_the_commit_and_the_outcome_reports_what_the_commit_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await world.run("A4 A4")
    await world.api_client("jane").book(run, "jane", "joe")
    desk, failed = layout_client(world), asyncio.Event()
    insert = LayoutJobs.insert_outcome

    async def fail_once(self: LayoutJobs, outcome: LayoutOutcome) -> None:
        if not failed.is_set():
            failed.set()
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "the worker died here")
        await insert(self, outcome)

    monkeypatch.setattr(LayoutJobs, "insert_outcome", fail_once)
    world.server.start_worker()
    job = await completed(desk, await change_of_train(desk, remove_coach("1")))
    assert failed.is_set()
    assert (job.applied_count, job.counts.moved_passengers) == (1, 2)
    assert await layout_events(world, run) == [1]


async def test_a_dead_job_of_a_run_is_retried_by_an_operator_and_the_layout_job_completes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    desk, jobs = layout_client(world), world.server.store.jobs
    insert, is_broken = LayoutJobs.insert_outcome, True

    async def fail(self: LayoutJobs, outcome: LayoutOutcome) -> None:
        if is_broken and outcome.travel_date == TRAVEL_DATE:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "this one can never be recorded")
        await insert(self, outcome)

    monkeypatch.setattr(LayoutJobs, "insert_outcome", fail)
    world.server.start_worker()
    layout_job_id = await change_of_train(desk, set_seat_count("1", 3))

    async def is_dead() -> bool:
        return (await jobs.counts()).get((UPDATE_RUN_LAYOUT, JobState.DEAD)) == 1

    await eventually(is_dead)
    job = await desk.layout_job(layout_job_id)
    assert (job.run_count, job.applied_count, job.HasField("complete_time")) == (2, 1, False)
    is_broken = False
    request = job_pb2.RetryJobsRequest(kind=UPDATE_RUN_LAYOUT)
    assert (await desk.jobs.RetryJobs(request, **desk._options)).retried_count == 1
    assert (await completed(desk, layout_job_id)).applied_count == 2


async def test_a_worker_starts_the_layout_job_of_a_server_that_died(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    desk = layout_client(world)

    async def die(self: object, layout_job: object) -> int:
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the server died here")

    with monkeypatch.context() as patched:
        patched.setattr("app.usecases.layout_fan_out.LayoutFanOut.start", die)
        layout_job_id = await change_of_train(desk, set_seat_count("1", 3))
    world.server.start_worker()
    assert (await completed(desk, layout_job_id)).applied_count == 2


# -- the plan of a train's change


async def test_the_plan_of_a_train_sums_up_the_plans_of_its_runs_and_changes_nothing(world: World) -> None:
    first, second, own = await world.runs("A4 A4", TRAVEL_DATE, NEXT_DATE, THIRD_DATE)
    desk = layout_client(world)
    await world.api_client("jane").book(first, "jane", "joe")
    await world.api_client("jim").book(second, "jim")
    await world.api_client("jill").book(own, "jill")
    await desk.change(own, set_seat_count("2", 5))
    train = await desk.train("es9014")
    plan = await desk.change_train_layout(train, remove_coach("1"), request_id="", validate_only=True)
    assert (plan.validate_only, plan.run_count, plan.planned_run_count) == (True, 3, 3)
    assert (plan.skipped_run_count, plan.refused_run_count) == (1, 0)
    assert (plan.counts.moved_passengers, plan.layout_job_id, plan.layout_etag) == (3, "", "1")
    assert [(part.section, part.seats_before, part.seats_after) for part in plan.sections] == [("A", 8, 4)]
    assert await desk.train("es9014") == train
    assert [(await world.run_document(run))["version"] for run in (first, second)] == [2, 2]
    done = await desk.change_train_layout(train, remove_coach("1"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, done.run_count) == (plan.plan_hash, 3)


async def test_another_change_than_the_planned_one_is_refused_with_its_plan(world: World) -> None:
    run = await world.run("A4 A4")
    await world.api_client("jane").book(run, "jane")
    desk = layout_client(world)
    train = await desk.train("es9014")
    plan = await desk.change_train_layout(train, set_seat_count("1", 3), request_id="", validate_only=True)
    refused = await refusal(desk.change_train_layout(train, remove_coach("1"), plan_hash=plan.plan_hash))
    assert refused.says == (grpc.StatusCode.ABORTED, "PLAN_CHANGED")
    assert refused.plan is not None
    assert (refused.plan.counts.moved_passengers, refused.plan.planned_run_count) == (1, 1)
    assert (await desk.train("es9014")).etag == "1"


async def test_the_plan_of_a_train_ends_with_the_time_of_its_call(world: World) -> None:
    await world.runs("A4 A4", TRAVEL_DATE, NEXT_DATE)
    command = a_layout_command("es9014", "", RemoveCoach("1"), validate_only=True)
    use_cases = LayoutUseCases(world.server.store, world.server.bus, utc_now)
    plan = await use_cases.update(command, time.monotonic() + 0.5)  # less than planning leaves for the answer
    assert (plan.run_count, plan.planned_run_count) == (2, 0)
    assert (await use_cases.update(command, time.monotonic() + 30)).planned_run_count == 2
