"""Hidden runs: operators see them, buyers neither see nor book them, and bookings that were made stay readable."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import train_run_pb2
from tests.integration.rpc.test_page_tokens import call
from tests.support.clients import refusal, seats_of
from tests.support.layout_client import layout_client
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World

NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")


async def test_a_buyer_finds_a_run_again_when_it_is_shown(world: World) -> None:
    run, desk, jane = await world.run("A2"), layout_client(world), world.api_client("jane")
    assert (await desk.hide(run)).hidden
    assert (await jane.list_runs()).train_runs == []
    for refused in (jane.run_of(run), jane.seat_map(run), jane.book(run), jane.hold(run), world.api_client().run_of(run)):
        assert (await refusal(refused)).says == NOT_FOUND
    assert not (await desk.hide(run, hidden=False)).hidden
    assert len((await jane.list_runs()).train_runs) == 1
    assert seats_of(await jane.book(run)) == ["A-1"]


async def test_a_refusal_does_not_tell_a_hidden_run_from_a_missing_one(world: World) -> None:
    run, desk, jane = await world.run("A2"), layout_client(world), world.api_client("jane")
    await desk.hide(run)
    hidden = await refusal(jane.run_of(run))
    await desk.delete_run(run)
    assert await refusal(jane.run_of(run)) == hidden


async def test_operators_see_and_book_a_hidden_run(world: World) -> None:
    run, desk = await world.run("A2"), layout_client(world)
    await desk.hide(run)
    assert [found.hidden for found in (await desk.list_runs()).train_runs] == [True]
    assert await desk.seat_map(run) == {"A-1": "FREE", "A-2": "FREE"}
    assert seats_of(await desk.book(run, "ann")) == ["A-1"]


async def test_a_booking_on_a_run_that_is_hidden_later_can_be_read_and_cancelled(world: World) -> None:
    run, jane = await world.run("A2"), world.api_client("jane")
    booking = await jane.book(run)
    await layout_client(world).hide(run)
    await world.wait_until_archived()
    assert seats_of(await jane.booking(booking.reference)) == ["A-1"]
    assert (await jane.receipt(booking.reference)).reference == booking.reference
    assert booking.reference in await jane.receipts()
    await jane.cancel(booking.reference)


async def test_runs_are_scheduled_hidden_and_those_that_exist_stay_as_they_are(world: World) -> None:
    run, desk = await world.run("A1"), layout_client(world)
    request = train_run_pb2.ScheduleTrainRunsRequest(
        train_id=run.train_id, first_date=TRAVEL_DATE, last_date=THIRD_DATE, hidden=True
    )
    assert (await call(desk, "/seatline.v1.RunService/ScheduleTrainRuns", request)).created_count == 2
    found = {listed.travel_date: listed.hidden for listed in (await desk.list_runs()).train_runs}
    assert found == {TRAVEL_DATE: False, NEXT_DATE: True, THIRD_DATE: True}
    shown = (await world.api_client("jane").list_runs()).train_runs
    assert [listed.travel_date for listed in shown] == [TRAVEL_DATE]


async def test_whether_a_run_is_hidden_has_to_be_said(world: World) -> None:
    run = await world.run("A1")
    request = train_run_pb2.UpdateTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date)
    refused = await refusal(call(world.desk, "/seatline.v1.RunService/UpdateTrainRun", request))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("hidden",))


async def test_a_run_that_does_not_exist_can_be_neither_hidden_nor_deleted(world: World) -> None:
    run, desk = await world.run("A1"), layout_client(world)
    run.travel_date = NEXT_DATE
    assert (await refusal(desk.hide(run))).says == NOT_FOUND
    assert (await refusal(desk.delete_run(run))).says == NOT_FOUND
