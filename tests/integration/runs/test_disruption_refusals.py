"""Delays, arrivals, cancellations and sales windows that are refused over gRPC: with which code, and under which path.

Each refused call leaves the run as it was, without an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from app.pb.seatline.v1 import disruption_pb2, sales_window_pb2, train_run_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, ApiClient, RefusedCall, Run, refusal
from tests.support.layout_client import add_section, layout_client
from tests.support.world import Clock, World

INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
CANCELLED = (grpc.StatusCode.FAILED_PRECONDITION, "RUN_CANCELLED")
DEPARTED = (grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED")
STALE = (grpc.StatusCode.ABORTED, "REPORT_STALE")
MISSING = (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
UNSPECIFIED = disruption_pb2.DISRUPTION_REASON_UNSPECIFIED
STORM = disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER
Window, Opening = sales_window_pb2.SalesWindow, sales_window_pb2.SalesOpening
ALWAYS = Window()
Call = Callable[[ApiClient, Run], Awaitable[Any]]


def in_minutes(minutes: float) -> Timestamp:
    """Return the present time of the servers without a set clock, and so many minutes; in whole milliseconds."""
    moment = Timestamp()
    moment.FromMilliseconds(int((datetime.now(UTC) + minutes * MINUTE).timestamp() * 1_000))
    return moment


def delays(minutes: int | None, **asked: Any) -> Call:
    return lambda desk, run: desk.set_delay(run, minutes, **asked)


def arrives(stop: str, after: timedelta | None, **asked: Any) -> Call:
    """Return a report of an arrival, so long after the present time."""
    return lambda desk, run: desk.record_arrival(run, stop, None if after is None else whole_now() + after, **asked)


def whole_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def cancels(from_stop: str = "", **asked: Any) -> Call:
    return lambda desk, run: desk.cancel_run(run, from_stop, **asked)


def opens(window: sales_window_pb2.SalesWindow | None, section: str = "") -> Call:
    return lambda desk, run: desk.set_sales_window(run, window, section)


# On a run that leaves in a month, of which nothing was reported.
INVALID_CALLS: list[tuple[str, Call]] = [
    ("minutes", delays(None)),
    ("minutes", delays(-1)),
    ("minutes", delays(1_441)),
    ("from_stop", delays(10, from_stop="Atlantis")),
    ("from_stop", delays(10, from_stop="x" * 101)),
    ("reason", delays(10, reason=UNSPECIFIED)),
    ("reason", delays(10, reason=99)),
    ("evidence", delays(10, reason=STORM)),
    ("evidence", delays(10, reason=STORM, evidence="   ")),
    ("evidence", delays(10, evidence="x" * 501)),
    ("evidence", delays(10, evidence="a\u202eb")),
    ("report_time", delays(10, report_time=in_minutes(60))),
    ("report_time", delays(10, report_time=Timestamp(seconds=1, nanos=1))),
    ("stop", arrives("", -MINUTE)),
    ("stop", arrives("Atlantis", -MINUTE)),
    ("stop", arrives(LONDON, -MINUTE)),
    ("arrive_time", arrives(ASHFORD, None)),
    ("arrive_time", arrives(ASHFORD, 6 * MINUTE)),
    ("arrive_time", arrives(ASHFORD, -MINUTE)),  # it has not left London by its timetable
    ("report_time", arrives(ASHFORD, -MINUTE, report_time=in_minutes(60))),
    ("reason", cancels(reason=UNSPECIFIED)),
    ("reason", cancels(reason=-5)),
    ("evidence", cancels(reason=STORM)),
    ("evidence", cancels(evidence="x" * 501)),
    ("from_stop", cancels("Atlantis")),
    ("from_stop", cancels(LONDON)),
    ("from_stop", cancels("PNO")),
    ("from_stop", cancels("STP", validate_only=True)),
    ("section", opens(ALWAYS, "X")),
    ("section", opens(ALWAYS, "x" * 9)),
    ("sales_window.open_time", opens(Window(open_time=Timestamp(seconds=-1)))),
    ("sales_window.open_time", opens(Window(open_time=in_minutes(60 * 24 * 365)))),  # after it has closed
    ("sales_window.opens_before.days_before", opens(Window(opens_before=Opening(days_before=367)))),
    ("sales_window.opens_before.days_before", opens(Window(opens_before=Opening(days_before=-1)))),
    ("sales_window.opens_before.local_time", opens(Window(opens_before=Opening(local_time="7:00")))),
    ("sales_window.closes_before", opens(Window(closes_before=Duration(seconds=61)))),
    ("sales_window.closes_before", opens(Window(closes_before=Duration(seconds=-60)))),
    ("sales_window.closes_before", opens(Window(closes_before=Duration(seconds=31 * 86_400)))),
]


@asynccontextmanager
async def unchanged(world: World, run: Run) -> AsyncIterator[None]:
    """Require that the block changes nothing of the run, and emits no event."""
    await world.wait_until_archived()
    before, events = await world.desk.run_of(run), await world.events(run)
    yield
    await world.wait_until_archived()
    assert await world.desk.run_of(run) == before
    assert await world.events(run) == events


async def refused(world: World, run: Run, call: Call) -> RefusedCall:
    """Return the refusal of an operator's call, which changes nothing."""
    async with unchanged(world, run):
        return await refusal(call(world.desk, run))


async def test_invalid_fields_are_refused_under_their_paths(real_world: World) -> None:
    run = await real_world.run()
    for number, (field, call) in enumerate(INVALID_CALLS):
        found = await refused(real_world, run, call)
        assert (found.says, found.fields) == (INVALID, (field,)), f"row {number}: {found}"


@pytest.mark.parametrize("call", [delays(10), arrives(ASHFORD, -MINUTE), cancels(), opens(ALWAYS)])
async def test_a_run_that_does_not_exist_is_refused(real_world: World, call: Call) -> None:
    await real_world.run()
    run = Run(train_id="es9014", travel_date="2030-01-01")
    assert (await refusal(call(real_world.desk, run))).says == MISSING


# -- cancelled runs


async def test_a_cancelled_run_is_neither_late_nor_arrives_nor_is_it_sold(real_world: World) -> None:
    run = await real_world.run("A4 B4")
    jane = real_world.api_client("jane")
    booking = await jane.book(run, section="A")
    await real_world.desk.cancel_run(run)
    for call in (delays(10), delays(0), arrives(ASHFORD, -MINUTE), cancels(LILLE), opens(ALWAYS)):
        assert (await refused(real_world, run, call)).says == CANCELLED
    assert (await refusal(layout_client(real_world).change(run, add_section("C", 10)))).says == CANCELLED
    for sale in (
        jane.book(run, "joe"),
        jane.wait(run, "joe"),
        jane.hold(run, section="A"),
        jane.move(booking.reference, section="B"),
    ):
        assert (await refusal(sale)).says == CANCELLED


async def test_a_run_that_ends_early_is_sold_as_far_as_it_goes(real_world: World) -> None:
    run = await real_world.run("A4")
    jane = real_world.api_client("jane")
    booking = await jane.book(run)
    await real_world.desk.cancel_run(run, LILLE)
    for call in (delays(10, from_stop=PARIS), arrives(PARIS, -MINUTE)):
        assert (await refused(real_world, run, call)).says == CANCELLED
    assert (await refusal(jane.book(run, "joe"))).says == CANCELLED
    assert (await refusal(jane.hold(run, origin=LILLE))).says == CANCELLED
    assert (await refusal(jane.move(booking.reference, seat_number=3))).says == CANCELLED
    assert (await jane.book(run, "joe", destination=LILLE)).passengers[0].seat.label
    await real_world.desk.cancel_run(run, ASHFORD)
    found = await refused(real_world, run, cancels(LILLE))
    assert found.says == CANCELLED
    assert ASHFORD in found.message


async def test_the_same_cancellation_again_changes_nothing(real_world: World) -> None:
    run = await real_world.run()
    for from_stop in (LILLE, ""):
        made = await real_world.desk.cancel_run(run, from_stop)
        async with unchanged(real_world, run):
            assert await real_world.desk.cancel_run(run, from_stop, reason=STORM, evidence="https://example.com") == made


async def test_validating_a_cancellation_shows_the_run_as_it_would_be_and_changes_nothing(real_world: World) -> None:
    run = await real_world.run()
    async with unchanged(real_world, run):
        whole = await real_world.desk.cancel_run(run, validate_only=True)
        part = await real_world.desk.cancel_run(run, LILLE, validate_only=True)
    assert (whole.validate_only, whole.state) == (True, train_run_pb2.RUN_STATE_CANCELLED)
    assert (part.validate_only, part.cancelled_from_stop) == (True, LILLE)
    made = await real_world.desk.cancel_run(run)
    assert (made.validate_only, made.state) == (False, train_run_pb2.RUN_STATE_CANCELLED)


# -- reports that come late


async def test_a_report_of_a_delay_that_is_older_than_the_last_one_is_refused(real_world: World) -> None:
    run = await real_world.run()
    await real_world.desk.set_delay(run, 10, report_time=in_minutes(-10))
    assert (await refused(real_world, run, delays(20, report_time=in_minutes(-11)))).says == STALE
    assert (await refused(real_world, run, delays(0, report_time=in_minutes(-11)))).says == STALE
    ended = await real_world.desk.set_delay(run, 0, report_time=in_minutes(-9))
    assert (ended.delay.minutes, ended.state) == (0, train_run_pb2.RUN_STATE_SCHEDULED)


async def test_an_arrival_may_be_corrected_but_not_by_an_older_report(clock: Clock, real_world: World) -> None:
    run = await real_world.run()
    desk = real_world.desk
    stops = (await desk.run_of(run)).stops
    ashford, lille = (stops[index].arrive_time.ToDatetime(UTC) for index in (1, 2))
    clock.ahead = lille + 30 * MINUTE - datetime.now(UTC)

    def reported(minutes: float) -> Timestamp:
        moment = Timestamp()
        moment.FromDatetime(lille + minutes * MINUTE)
        return moment

    await desk.record_arrival(run, ASHFORD, ashford + 5 * MINUTE, report_time=reported(0))
    await desk.record_arrival(run, LILLE, lille + 10 * MINUTE, report_time=reported(12))
    older = desk.record_arrival(run, ASHFORD, ashford + 7 * MINUTE, report_time=reported(-1))
    async with unchanged(real_world, run):
        assert (await refusal(older)).says == STALE
        for time in (lille + 11 * MINUTE, stops[0].depart_time.ToDatetime(UTC) - MINUTE):
            found = await refusal(desk.record_arrival(run, ASHFORD, time))
            assert (found.says, found.fields) == (INVALID, ("arrive_time",))
        found = await refusal(desk.set_delay(run, 20, from_stop=ASHFORD))
        assert (found.says, found.fields) == (INVALID, ("from_stop",))
    corrected = await desk.record_arrival(run, ASHFORD, ashford + 6 * MINUTE, report_time=reported(1))
    assert corrected.stops[1].expected_arrive_time.ToDatetime(UTC) == ashford + 6 * MINUTE


async def test_times_that_would_run_backwards_are_refused(real_world: World) -> None:
    run = await real_world.run()
    await real_world.desk.set_delay(run, 180)
    found = await refused(real_world, run, delays(60, from_stop=LILLE))  # 111 minutes after London
    assert (found.says, found.fields) == (INVALID, ("minutes",))
    assert ASHFORD in found.message
    assert LILLE in found.message


# -- runs that have left


async def test_a_run_that_has_left_can_be_cancelled_only_from_a_stop_that_it_has_not_left(
    clock: Clock, real_world: World
) -> None:
    run = await real_world.run()
    ashford = (await real_world.desk.run_of(run)).stops[1].depart_time.ToDatetime(UTC)
    clock.ahead = ashford + MINUTE - datetime.now(UTC)
    assert (await refusal(real_world.desk.cancel_run(run))).says == DEPARTED
    found = await refusal(real_world.desk.cancel_run(run, ASHFORD))
    assert (found.says, found.fields) == (INVALID, ("from_stop",))
    assert (await real_world.desk.cancel_run(run, LILLE)).cancelled_from_stop == LILLE


async def test_the_sales_window_of_a_run_that_nobody_can_board_any_more_is_refused(clock: Clock, real_world: World) -> None:
    run = await real_world.run()
    arrives_paris = (await real_world.desk.run_of(run)).stops[3].arrive_time.ToDatetime(UTC)
    clock.ahead = arrives_paris - MINUTE - datetime.now(UTC)
    assert (await refusal(real_world.desk.set_sales_window(run, ALWAYS))).says == DEPARTED
