"""A run is cancelled at one server while another one sells, and both cancel its bookings: everybody is refunded once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from app.domain import limits
from app.domain.booking import Booking, BookingState, RefundReason
from app.domain.commands import CancelBooking, CreateBooking, IfFull
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run_commands import CancelNextBookings, CancelTrainRun
from app.domain.timetable import RunState
from app.store.driver import Database
from app.usecases.train_runs import RunView
from tests.support.builders import LILLE, LONDON, PARIS, a_train, asks_for_seats, asks_to_cancel, asks_to_hold
from tests.support.cancellations import asks_to_cancel_run
from tests.support.event_batches import events_of_batches
from tests.support.run_servers import RUN_ID, TRAVEL_DATE, RunServer, put_train, reason_of
from tests.support.world import World

# What a run that is cancelled and busy may refuse; everything else is a mistake.
EXPECTED = (
    Reason.RUN_CANCELLED,
    Reason.BOOKING_CANCELLED,
    Reason.COMMIT_ATTEMPTS_SPENT,
    Reason.WAITLIST_FULL,
    Reason.SECTION_FULL,
    Reason.RUN_BUSY,
)
DATE = TRAVEL_DATE.isoformat()
MISSING = {"": 0b111, LILLE: 0b100}


@pytest.fixture
def database(real_world: World) -> Database:
    return real_world.database


@pytest_asyncio.fixture
async def pair(real_world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[RunServer, RunServer]]:
    """Two servers that cancel three bookings at a time, and a run of twenty seats."""
    monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", 3)
    await put_train(real_world.database, a_train("A10 B10"))
    here, there = RunServer(real_world.database), RunServer(real_world.database)
    await here.schedule()
    yield here, there
    for server in (here, there):
        await server.bus.wait_idle()


def asks(number: int) -> CreateBooking:
    """A request for the whole journey or one part of it."""
    origin, destination = [(LONDON, PARIS), (LONDON, LILLE), (LILLE, PARIS)][number % 3]
    return asks_for_seats(
        f"p{number}", origin=origin, destination=destination, travel_date=TRAVEL_DATE, if_full=IfFull.WAITLIST
    )


def of_cancel(booking: Booking) -> CancelBooking:
    return replace(asks_to_cancel(booking), run_id=RUN_ID)


def cancels(from_stop: str = "", **asked: Any) -> CancelTrainRun:
    return replace(asks_to_cancel_run(from_stop, **asked), travel_date=DATE)


async def take_steps(server: RunServer) -> None:
    """Take steps until none is left."""
    is_open = True
    while is_open:
        is_open = await server.send_expecting(CancelNextBookings(Caller(), RUN_ID), EXPECTED) is not False


async def cancel(server: RunServer, command: CancelTrainRun) -> RunView:
    return await server.runs.cancel(command, time.monotonic() + 10.0)


async def record_of(server: RunServer) -> RunCancellation:
    run = await server.stored_run()
    assert run.cancellation is not None
    return run.cancellation


async def require_refunded_once(server: RunServer, database: Database, from_stop: str) -> Counter[str]:
    """Require that no live booking touches missing legs, and that each that ended with the run has one event and one refund."""
    await server.bus.wait_idle()
    await server.store.runs.archive_leftovers(RUN_ID)
    stored = await database["bookings"].find({"run_id": RUN_ID}, {"_id": 1}).to_list(1_000)
    bookings = await server.store.bookings.find_many([document["_id"] for document in stored])
    record = await record_of(server)
    batches = await database["events"].find({"run_id": RUN_ID}).to_list(1_000)
    told = Counter(
        event["subject"]
        for event in events_of_batches(batches)
        if event["type"] == "booking.cancelled" and event["data"].get("cause") == "run_cancelled"
    )
    found: Counter[str] = Counter()
    for reference, booking in bookings.items():
        misses = bool(booking.journey.legs & MISSING[from_stop])
        assert not (booking.is_live and misses), f"{reference} is left"
        refunds = [refund.minor for refund in booking.refunds if refund.reason is RefundReason.RUN_CANCELLED]
        if booking.state is BookingState.CANCELLED and misses:
            assert sum(refund.minor for refund in booking.refunds) == booking.charged_minor
            assert len(booking.refunds) == 1
        assert not refunds or refunds == [booking.charged_minor]
        found["ended"] += told[reference]
        assert told[reference] <= 1
        found["live"] += booking.is_live
    assert (record.booking_count, record.complete_time is not None) == (found["ended"], True)
    run = await server.stored_run()
    assert not [entry for entry in run.waitlist.values() if entry.legs & MISSING[from_stop]]
    for section in run.sections:
        assert not any(sold & MISSING[from_stop] for sold in section.sold_legs)
    return found


@pytest.mark.parametrize("from_stop", ["", LILLE])
async def test_two_servers_take_steps_at_once_and_refund_everybody_once(
    from_stop: str, pair: tuple[RunServer, RunServer], database: Database
) -> None:
    here, there = pair
    await asyncio.gather(*(there.send_expecting(asks(number), EXPECTED) for number in range(15)))
    await asyncio.gather(*(here.send_expecting(asks(number), EXPECTED) for number in range(15, 30)))
    await cancel(here, cancels(from_stop))
    await asyncio.gather(take_steps(here), take_steps(there))
    found = await require_refunded_once(here, database, from_stop)
    assert found == (Counter(ended=30, live=0) if not from_stop else Counter(ended=20, live=10))


@pytest.mark.parametrize("from_stop", ["", LILLE])
async def test_others_buy_and_cancel_meanwhile_and_nothing_is_left(
    from_stop: str, pair: tuple[RunServer, RunServer], database: Database
) -> None:
    here, there = pair
    sold = [await there.send_expecting(asks(number), EXPECTED) for number in range(20)]
    await asyncio.gather(
        cancel(here, cancels(from_stop)),
        *(there.send_expecting(of_cancel(result.booking), EXPECTED) for result in sold[::4]),
        *(there.send_expecting(asks(number), EXPECTED) for number in range(20, 26)),
    )
    await asyncio.gather(
        take_steps(here),
        take_steps(there),
        *(there.send_expecting(of_cancel(result.booking), EXPECTED) for result in sold[1::4]),
        *(there.send_expecting(asks(number), EXPECTED) for number in range(30, 36)),
    )
    found = await require_refunded_once(there, database, from_stop)
    assert found["ended"] >= 5


async def test_bookings_that_the_other_server_made_and_archived_are_cancelled(
    pair: tuple[RunServer, RunServer], database: Database
) -> None:
    here, there = pair
    await here.show()  # so that this server has the run in memory
    for number in range(10):
        await there.send_expecting(asks(number), EXPECTED)
    await there.bus.wait_idle()
    await there.store.runs.archive_leftovers(RUN_ID)
    await cancel(here, cancels())
    await take_steps(here)
    assert (await require_refunded_once(there, database, ""))["ended"] == 10


async def test_a_cancellation_that_is_extended_between_two_steps_refunds_nobody_twice(
    pair: tuple[RunServer, RunServer], database: Database
) -> None:
    here, there = pair
    await asyncio.gather(*(there.send_expecting(asks(number), EXPECTED) for number in range(15)))
    await cancel(here, cancels(LILLE))
    assert await here.send(CancelNextBookings(Caller(), RUN_ID)) is True
    await cancel(there, cancels())
    await asyncio.gather(take_steps(here), take_steps(there))
    assert (await require_refunded_once(here, database, ""))["ended"] == 15


async def test_holds_end_and_nobody_buys_at_any_server(pair: tuple[RunServer, RunServer]) -> None:
    here, there = pair
    held = await there.hold("ann")
    view = await cancel(here, cancels())
    assert (view.state, view.run.holds) == (RunState.CANCELLED, {})
    assert await reason_of(there.send(asks(0))) is Reason.RUN_CANCELLED
    assert await reason_of(there.send(replace(asks_to_hold("ben"), travel_date=DATE))) is Reason.RUN_CANCELLED
    await there.release("ann", held)  # which has ended
    await take_steps(there)
    assert (await record_of(here)).booking_count == 0


async def test_a_check_shows_the_run_as_it_would_be_and_changes_nothing(pair: tuple[RunServer, RunServer]) -> None:
    here, there = pair
    await there.hold("ann")
    waiting = [await there.send_expecting(asks(3 * number), EXPECTED) for number in range(21)]
    before = await here.stored_run()
    view = await cancel(here, cancels(validate_only=True))
    assert (view.state, view.run.holds) == (RunState.CANCELLED, {})
    partly = await cancel(here, cancels(LILLE, validate_only=True))
    assert (partly.state, partly.run.schedule.last_stop) == (RunState.SCHEDULED, 2)
    after = await here.stored_run()
    assert (after.version, after.cancellation, len(after.holds)) == (before.version, None, 1)
    assert waiting[-1].booking.state is BookingState.WAITLISTED
    assert await reason_of(cancel(here, replace(cancels(validate_only=True), caller=Caller("ann@example.com")))) is (
        Reason.NOT_PERMITTED
    )


async def test_the_same_call_again_changes_nothing_and_a_later_stop_is_refused(pair: tuple[RunServer, RunServer]) -> None:
    here, there = pair
    await cancel(here, cancels())
    version = (await here.stored_run()).version
    view = await cancel(there, cancels())
    assert (view.state, view.run.version) == (RunState.CANCELLED, version)
    assert await reason_of(cancel(there, cancels(LILLE))) is Reason.RUN_CANCELLED
    assert await reason_of(there.runs.cancel(cancels("Rome"), time.monotonic() + 10.0)) is Reason.INVALID_FIELD
