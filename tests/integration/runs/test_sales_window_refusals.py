"""Sales outside their window are refused over gRPC: with which code, and before the opening with the time of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from app.pb.seatline.v1 import sales_window_pb2
from tests.support.clients import LILLE, LONDON, refusal
from tests.support.world import TRAVEL_DATE, Clock, World, a_train

NOT_OPEN = (grpc.StatusCode.FAILED_PRECONDITION, "SALES_NOT_OPEN")
CLOSED = (grpc.StatusCode.FAILED_PRECONDITION, "SALES_CLOSED")
HOUR = timedelta(hours=1)


def opens_at(moment: datetime) -> sales_window_pb2.SalesWindow:
    window = sales_window_pb2.SalesWindow()
    window.open_time.FromDatetime(moment)
    return window


def closes_before(ahead: timedelta) -> sales_window_pb2.SalesWindow:
    window = sales_window_pb2.SalesWindow()
    window.closes_before.FromTimedelta(ahead)
    return window


@pytest.fixture
def tomorrow() -> datetime:
    return datetime.now(UTC).replace(microsecond=250_000) + 24 * HOUR


async def test_before_the_opening_each_sale_is_refused_with_the_time_of_it(world: World, tomorrow: datetime) -> None:
    run = await world.run("A4 B4")
    jane = world.api_client("jane")
    booking = await jane.book(run, section="A")
    shown = await world.desk.set_sales_window(run, opens_at(tomorrow))
    for sale in (
        jane.book(run, "joe", section="B"),
        jane.wait(run, "joe"),
        jane.hold(run, section="B"),
        jane.hold(run, section="A", seats=[3]),
        jane.move(booking.reference, section="B"),
        world.desk.book(run, "joe"),  # operators are no exception
    ):
        found = await refusal(sale)
        assert found.says == NOT_OPEN
        assert datetime.fromisoformat(found.details["sales_open_time"]) == tomorrow
    assert shown.sales_open_time.ToDatetime(UTC) == tomorrow
    assert [section.on_sale for section in shown.sections] == [False, False]
    moved = await jane.move(booking.reference, seat_number=4)  # within its own section
    assert moved.passengers[0].seat.label == "A-4"


async def test_a_window_of_a_section_counts_for_it_alone_and_can_be_removed(world: World, tomorrow: datetime) -> None:
    run = await world.run("A1 B4")
    jane = world.api_client("jane")
    shown = await world.desk.set_sales_window(run, opens_at(tomorrow), "B")
    opening = opens_at(tomorrow).open_time
    assert [(window.section, window.sales_window.open_time) for window in shown.sales_windows] == [("B", opening)]
    assert not shown.HasField("sales_open_time")
    assert (await refusal(jane.book(run, "ann", section="B"))).says == NOT_OPEN
    assert (await jane.book(run, "ann")).passengers[0].seat.section == "A"
    assert (await refusal(jane.book(run, "bob"))).says[1] == "SECTION_FULL"
    shown = await world.desk.set_sales_window(run, None, "B")
    assert not shown.sales_windows
    assert (await jane.book(run, "bob")).passengers[0].seat.section == "B"


async def test_after_the_closing_sales_are_refused_but_a_hold_can_still_be_booked(clock: Clock, world: World) -> None:
    run = await world.run("A4")
    departs = (await world.desk.run_of(run)).stops[0].depart_time.ToDatetime(UTC)
    await world.desk.set_sales_window(run, closes_before(HOUR))
    clock.ahead = departs - HOUR - timedelta(minutes=2) - datetime.now(UTC)
    jane = world.api_client("jane")
    hold = await jane.hold(run, section="A")
    clock.ahead += timedelta(minutes=3)
    for sale in (jane.book(run, "joe"), jane.book(run, "joe", section="A"), jane.hold(run, section="A")):
        found = await refusal(sale)
        assert (found.says, found.details) == (CLOSED, {})
    assert not (await jane.run_of(run)).sections[0].on_sale
    assert (await jane.run_of(run, origin=LILLE)).sections[0].on_sale
    assert (await jane.book(run, "joe", origin=LILLE)).passengers[0].seat.label == "A-2"
    assert (await jane.book(run, section="A", hold_id=hold.hold_id)).passengers[0].seat.label == "A-1"
    late = await world.desk.set_delay(run, 30)
    assert late.sections[0].on_sale
    assert (await jane.book(run, "ann")).passengers[0].seat.label == "A-3"


async def test_runs_keep_the_windows_of_their_train(world: World) -> None:
    train = a_train("A4 B4")
    train.sales_window.opens_before.days_before = 10
    train.sections[1].sales_window.closes_before.FromSeconds(0)
    made = await world.desk.create_train(train)
    assert (made.sales_window.opens_before.local_time, made.HasField("sales_window")) == ("00:00", True)
    await world.desk.schedule("es9014", TRAVEL_DATE)
    (run,) = (await world.api_client().list_runs(origin=LONDON)).train_runs
    assert [section.on_sale for section in run.sections] == [False, True]
    opens = run.sections[0].sales_open_time.ToDatetime(UTC)
    departs = run.stops[0].depart_time.ToDatetime(UTC)
    assert timedelta(days=10) < departs - opens < timedelta(days=11)
    assert not run.HasField("sales_open_time")
    assert not run.sales_windows
