"""The waitlist over gRPC: a booking without a seat is paid and waits; freed seats go to the first that they fit."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ASHFORD, LONDON, Run, booking_request, people, refusal, seats_of
from tests.support.world import Clock, World, a_train, let_waitlist_close, on_day, outcomes, usd

WAIT = booking_pb2.IF_FULL_WAITLIST
WAITLISTED, CONFIRMED = booking_pb2.BOOKING_STATE_WAITLISTED, booking_pb2.BOOKING_STATE_CONFIRMED
CANCELLED, EXPIRED = booking_pb2.BOOKING_STATE_CANCELLED, booking_pb2.BOOKING_STATE_EXPIRED
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "WAITLIST_FULL")


def refunds_of(booking: booking_pb2.Booking) -> list[int]:
    """Return the refunds in dollars, in order."""
    return [refund.amount.units for refund in booking.refunds]


async def test_a_booking_without_a_seat_is_waitlisted_with_its_position(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    first = await world.api_client("ben").send(booking_request(run, "ben", if_full=WAIT))
    second = await world.api_client("cem").send(booking_request(run, "cem", if_full=WAIT))
    assert [(booking.state, booking.waitlist_position, seats_of(booking), booking.price) for booking in (first, second)] == [
        (WAITLISTED, 1, [""], usd(20)),
        (WAITLISTED, 2, [""], usd(20)),
    ]
    await world.api_client("ben").cancel(first.reference)
    assert (await world.api_client("cem").booking(second.reference)).waitlist_position == 1


async def test_a_freed_seat_goes_to_the_first_waitlisted_booking_in_the_same_commit(world: World) -> None:
    run = await world.run("A1")
    booked = await world.api_client("ann").book(run)
    waiting = [await world.api_client(name).send(booking_request(run, name, if_full=WAIT)) for name in ("ben", "cem")]
    await world.api_client("ann").cancel(booked.reference)
    promoted = await world.api_client("ben").booking(waiting[0].reference)
    assert (promoted.state, seats_of(promoted), promoted.waitlist_position) == (CONFIRMED, ["A-1"], 0)
    assert (await world.api_client("cem").booking(waiting[1].reference)).state == WAITLISTED
    assert await world.api_client().free(run) == {"A": 0}


async def test_freed_legs_go_to_the_first_booking_whose_journey_they_cover(world: World) -> None:
    run = await world.run("A1")
    booked = await world.api_client("ann").book(run, destination=ASHFORD)
    await world.api_client("rest").book(run, origin=ASHFORD)
    whole = await world.api_client("ben").send(booking_request(run, "ben", if_full=WAIT))
    part = await world.api_client("cem").send(booking_request(run, "cem", origin=LONDON, destination=ASHFORD, if_full=WAIT))
    await world.api_client("ann").cancel(booked.reference)
    assert (await world.api_client("cem").booking(part.reference)).state == CONFIRMED
    assert (await world.api_client("ben").booking(whole.reference)).state == WAITLISTED


async def test_a_waitlisted_passenger_counts_as_booked(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    await world.api_client("ben").send(booking_request(run, "ben", if_full=WAIT))
    refused = await refusal(world.api_client("ben").send(booking_request(run, "ben", if_full=WAIT)))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")


async def test_a_full_waitlist_is_refused(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    for name in people("w", 3):
        await world.api_client("greedy").send(booking_request(run, name, if_full=WAIT))
    refused = await refusal(world.api_client("greedy").send(booking_request(run, "w4", if_full=WAIT)))
    assert refused.says == FULL


async def test_a_train_has_its_waitlist_limit_and_a_run_its_count(world: World) -> None:
    run = await world.run("A1 B1", waitlist_max=2)
    for name, section in (("ann", "A"), ("ben", "B")):
        await world.api_client(name).book(run, section=section)
    await world.api_client("cem").wait(run, section="A")
    await world.api_client("dot").wait(run)
    refused = await refusal(world.api_client("eve").wait(run))
    assert refused.says == FULL
    assert refused.retry_seconds > 0
    assert {section.section: section.waiting_count for section in (await world.api_client().run_of(run)).sections} == {
        "A": 2,
        "B": 1,
    }


async def test_a_booking_without_if_full_is_waitlisted_if_no_seat_is_free(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    request = booking_request(run, "ben", if_full=booking_pb2.IF_FULL_UNSPECIFIED)
    waiting = await world.api_client("ben").send(request)
    assert waiting.state == WAITLISTED
    assert await world.api_client("ben").send(request) == waiting
    request.if_full = 7  # type: ignore[assignment]  # a value of some later contract
    assert (await refusal(world.api_client("ben").send(request))).fields == ("if_full",)


async def test_a_waitlisted_booking_has_a_receipt_without_a_seat_and_is_in_no_section_list(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    waiting = await world.api_client("ben").wait(run)
    receipt = await world.api_client("ben").receipt(waiting.reference)
    assert (receipt.state, list(receipt.seats), receipt.price_paid) == (WAITLISTED, [], usd(20))
    assert await world.api_client("ben").receipts() == [waiting.reference]
    assert await world.desk.section(run, "A") == [("A-1", "ann@example.com")]
    assert (await refusal(world.api_client("ben").move(waiting.reference, seat_number=1))).reason == "BOOKING_WAITLISTED"


async def test_cancelling_a_waitlisted_booking_refunds_everything_once(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    waiting = await world.api_client("ben").wait(run)
    quote = await world.api_client("ben").give_back(waiting.reference, validate_only=True)
    left = await world.api_client("ben").give_back(waiting.reference)
    assert (left.booking.state, left.refund, refunds_of(left.booking)) == (CANCELLED, usd(20), [20])
    assert (quote.booking.state, quote.refund) == (CANCELLED, usd(20))
    again = await world.api_client("ben").give_back(waiting.reference)
    assert (again.booking, again.refund.units) == (left.booking, 0)
    assert (await world.api_client("cem").wait(run)).waitlist_position == 1


async def test_a_group_that_shrinks_may_be_promoted_in_the_same_commit(world: World) -> None:
    run = await world.run("A2")
    booked = [await world.api_client(name).book(run) for name in ("ann", "ben")]
    group = await world.api_client("cem").wait(run, "cem", "dot")
    await world.api_client("ann").cancel(booked[0].reference)
    assert (await world.api_client("cem").booking(group.reference)).waitlist_position == 1
    fewer = await world.api_client("cem").give_back(group.reference, "dot")
    assert (fewer.booking.state, seats_of(fewer.booking), fewer.refund) == (CONFIRMED, ["A-1"], usd(20))
    assert fewer.booking == await world.api_client("cem").booking(group.reference)


async def test_a_booking_for_any_section_pays_the_dearest_fare_and_is_refunded_the_difference(world: World) -> None:
    run = await world.run("A1 B1", fares={"A": usd(50), "B": usd(20)})
    booked = {section: await world.api_client(section).book(run, section=section) for section in "AB"}
    waiting = await world.api_client("ann").wait(run)
    assert waiting.price == usd(50)
    await world.api_client("B").cancel(booked["B"].reference)
    promoted = await world.api_client("ann").booking(waiting.reference)
    assert (seats_of(promoted), promoted.price, refunds_of(promoted)) == (["B-1"], usd(20), [30])


# -- closing


async def test_a_run_has_the_time_at_which_its_waitlist_closes_and_accepts_no_entry_after_it(world: World) -> None:
    run = await world.run("A1", date=on_day(2), waitlist_closes_before=Duration(seconds=20 * 24 * 60 * 60))
    stored = await world.api_client().run_of(run)
    closes, departs = (time.ToDatetime(UTC) for time in (stored.waitlist_close_time, stored.stops[0].depart_time))
    assert departs - closes == timedelta(days=20)
    assert closes < datetime.now(UTC)
    await world.api_client("ann").book(run)
    refused = await refusal(world.api_client("ben").wait(run))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "WAITLIST_CLOSED")


async def test_a_waitlist_closes_four_hours_before_departure_by_default(world: World) -> None:
    usual = await world.run("A1", train_id="usual")
    at_once = await world.run("A1", train_id="at-once", waitlist_closes_before=Duration())
    for run, hours in ((usual, 4), (at_once, 0)):
        stored = await world.api_client().run_of(run)
        before = stored.stops[0].depart_time.ToDatetime(UTC) - stored.waitlist_close_time.ToDatetime(UTC)
        assert before == timedelta(hours=hours)


@pytest.mark.parametrize(
    "before", [Duration(seconds=-60), Duration(seconds=90), Duration(nanos=1), Duration(seconds=31 * 86_400)]
)
async def test_a_closing_time_of_no_whole_minute_or_a_month_before_is_refused(world: World, before: Duration) -> None:
    refused = await refusal(world.desk.create_train(a_train(waitlist_closes_before=before)))
    assert refused.fields == ("train.waitlist_closes_before",)


async def test_after_closing_the_next_command_refunds_every_waitlisted_booking(clock: Clock, world: World) -> None:
    run = await world.run("A2")
    booked = await world.api_client("ann").book(run, "ann", "ben")
    group = await world.api_client("cem").wait(run, "cem", "dot")
    await world.api_client("cem").cancel(group.reference, "dot")
    await let_waitlist_close(clock, world, run)
    given_back = await world.api_client("ann").give_back(booked.reference)
    assert given_back.refund == usd(20), "half of it, on the day of travel"
    expired = await world.api_client("cem").booking(group.reference)
    assert (expired.state, expired.waitlist_position, refunds_of(expired)) == (EXPIRED, 0, [20, 20])
    assert await world.api_client().free(run) == {"A": 2}
    assert seats_of(await world.api_client("cem").book(run)) == ["A-1"]
    assert await world.api_client("cem").cancel(group.reference) == expired
    assert (await world.run_document(run))["waiting"] == {}


async def test_a_long_waitlist_is_refunded_in_several_commits(clock: Clock, world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    names = people("w", 210)
    waiting = await asyncio.gather(*(world.api_client(name).wait(run) for name in names))
    await let_waitlist_close(clock, world, run)

    async def still_waiting() -> int:
        await refusal(world.api_client("late").wait(run))
        return len((await world.run_document(run))["waiting"])

    assert [await still_waiting() for _ in range(3)] == [10, 0, 0]
    found = await asyncio.gather(
        *(world.api_client(name).booking(booking.reference) for name, booking in zip(names, waiting, strict=True))
    )
    assert {(booking.state, tuple(refunds_of(booking))) for booking in found} == {(EXPIRED, (20,))}


# -- crowds; races show only on a real database


async def test_of_60_concurrent_waitlist_bookings_and_30_cancellations_30_get_a_seat(real_world: World) -> None:
    run = await real_world.run("A30")
    sold = {name: await real_world.api_client(name).book(run) for name in people("p", 30)}
    waiters = people("w", 60)
    joining = [real_world.api_client(name).wait(run) for name in waiters]
    leaving = [real_world.api_client(name).cancel(booking.reference) for name, booking in sold.items()]
    mixed = [call for pair in zip(joining, [*leaving, *[None] * 30], strict=True) for call in pair if call is not None]
    assert len(await outcomes(mixed)) == 90
    await require_thirty_of_sixty(real_world, run, waiters)


async def test_of_60_waitlisted_bookings_the_first_30_get_the_seats_of_30_concurrent_cancellations(real_world: World) -> None:
    run = await real_world.run("A30")
    sold = {name: await real_world.api_client(name).book(run) for name in people("p", 30)}
    waiters = people("w", 60)
    for name in waiters:
        await real_world.api_client(name).wait(run)
    await asyncio.gather(*(real_world.api_client(name).cancel(booking.reference) for name, booking in sold.items()))
    seated = await require_thirty_of_sixty(real_world, run, waiters)
    assert seated == waiters[:30]


async def require_thirty_of_sixty(world: World, run: Run, waiters: list[str]) -> list[str]:
    """Require that thirty bookings have a seat each and the others share one waitlist. Return those with a seat."""
    found = {name: await world.api_client(name).booking((await world.api_client(name).receipts())[0]) for name in waiters}
    seated = {name: seats_of(booking)[0] for name, booking in found.items() if booking.state == CONFIRMED}
    assert sorted(seated.values()) == sorted(f"A-{number}" for number in range(1, 31))
    places = [booking.waitlist_position for booking in found.values() if booking.state == WAITLISTED]
    assert sorted(places) == list(range(1, 31))
    listed = await world.desk.section(run, "A")
    assert sorted(listed) == sorted((seat, f"{name}@example.com") for name, seat in seated.items())
    return list(seated)
