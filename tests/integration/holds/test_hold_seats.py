"""Holds over gRPC: seats that are held while their buyer pays, and how a hold ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from app.pb.seatline.v1 import booking_pb2, hold_pb2
from tests.support.clients import ASHFORD, LILLE, address, held_seats, people, refusal, seats_of
from tests.support.world import TRAVEL_DATE, Clock, World, eventually, outcomes, usd

CONFIRMED = booking_pb2.BOOKING_STATE_CONFIRMED
EXPIRED_HOLD = (grpc.StatusCode.FAILED_PRECONDITION, "HOLD_EXPIRED")


async def test_held_seats_are_shown_as_held_and_not_sold_to_others(world: World) -> None:
    run = await world.run("A3")
    hold = await world.api_client("jane").hold(run, 2)
    assert (held_seats(hold), hold.price, hold.train_id, hold.travel_date) == (
        ["A-1", "A-2"],
        usd(40),
        run.train_id,
        TRAVEL_DATE,
    )
    assert await world.api_client().seat_map(run) == {"A-1": "HELD", "A-2": "HELD", "A-3": "FREE"}
    assert await world.api_client().free(run) == {"A": 1}
    refused = await refusal(world.api_client("joe").book(run, section="A", seats=[2]))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN")
    assert seats_of(await world.api_client("joe").book(run)) == ["A-3"]
    assert (await refusal(world.api_client("ann").book(run))).reason == "SECTION_FULL"


async def test_a_hold_lasts_five_minutes_unless_its_buyer_says_otherwise(world: World) -> None:
    run = await world.run("A3")
    before = datetime.now(UTC)
    holds = [await world.api_client("jane").hold(run), await world.api_client("jane").hold(run, seconds=900)]
    after = datetime.now(UTC)
    for hold, minutes in zip(holds, (5, 15), strict=True):
        expires = hold.expire_time.ToDatetime(UTC)
        lasts = timedelta(minutes=minutes)
        assert before - timedelta(milliseconds=1) <= expires - lasts <= after


async def test_a_hold_keeps_its_seats_only_on_its_own_legs(world: World) -> None:
    run = await world.run("A2")
    await world.api_client("jane").hold(run, destination=ASHFORD, section="A", seats=[2])
    assert await world.api_client().seat_map(run, origin=ASHFORD) == {"A-1": "FREE", "A-2": "FREE"}
    assert await world.api_client().seat_map(run, destination=LILLE) == {"A-1": "FREE", "A-2": "HELD"}
    assert seats_of(await world.api_client("joe").book(run, section="A", seats=[2], origin=ASHFORD)) == ["A-2"]


async def test_a_booking_with_a_hold_takes_exactly_its_seats_at_its_price(world: World) -> None:
    run = await world.run("A4 B4", fares={"B": usd(35, 50)})
    jane = world.api_client("jane")
    hold = await jane.hold(run, section="B", seats=[4, 2])
    booking = await jane.book(run, "ann", "ben", hold_id=hold.hold_id)
    assert (booking.state, seats_of(booking), booking.price) == (CONFIRMED, ["B-4", "B-2"], usd(71))
    assert await world.api_client().free(run) == {"A": 4, "B": 2}
    assert (await world.api_client().seat_map(run))["B-2"] == "SOLD"
    assert await world.desk.section(run, "B") == [("B-2", address("ben")), ("B-4", address("ann"))]
    assert (await world.run_document(run))["holds"] == {}


async def test_a_hold_is_used_once_and_the_same_request_finds_its_booking(world: World) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    hold = await jane.hold(run)
    booking = await jane.book(run, request_id="click", hold_id=hold.hold_id)
    assert await jane.book(run, request_id="click", hold_id=hold.hold_id) == booking
    refused = await refusal(jane.book(run, "ann", hold_id=hold.hold_id))
    assert (refused.says, refused.resource) == (EXPIRED_HOLD, ("hold", hold.hold_id))


async def test_released_seats_are_free_at_once(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    hold = await jane.hold(run, 2)
    await jane.release(hold.hold_id)
    assert await world.api_client().seat_map(run) == {"A-1": "FREE", "A-2": "FREE"}
    assert (await refusal(jane.book(run, "jane", "ann", hold_id=hold.hold_id))).says == EXPIRED_HOLD
    await jane.release(hold.hold_id)
    assert await world.api_client().free(run) == {"A": 2}


async def test_released_seats_go_to_waitlisted_bookings(world: World) -> None:
    run = await world.run("A1")
    hold = await world.api_client("jane").hold(run)
    waiting = await world.api_client("ann").wait(run)
    await world.api_client("jane").release(hold.hold_id)
    promoted = await world.api_client("ann").booking(waiting.reference)
    assert (promoted.state, seats_of(promoted)) == (CONFIRMED, ["A-1"])


async def test_the_same_request_gives_the_same_hold_and_another_body_is_refused(world: World) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    hold = await jane.hold(run, request_id="click")
    assert await jane.hold(run, request_id="click") == hold
    assert await world.api_client().free(run) == {"A": 3}
    refused = await refusal(jane.hold(run, 2, request_id="click"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert (await world.api_client("joe").hold(run, request_id="click")).hold_id != hold.hold_id


async def test_the_hold_of_another_caller_is_neither_used_nor_released(world: World) -> None:
    run = await world.run("A2")
    hold = await world.api_client("jane").hold(run)
    mallory = world.api_client("mallory")
    for call in (mallory.book(run, hold_id=hold.hold_id), mallory.release(hold.hold_id)):
        assert (await refusal(call)).says == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    assert (await refusal(world.api_client().release(hold.hold_id))).code == grpc.StatusCode.UNAUTHENTICATED
    assert (await refusal(world.api_client().hold(run))).code == grpc.StatusCode.UNAUTHENTICATED
    assert (await world.api_client().seat_map(run))["A-1"] == "HELD"
    await world.desk.release(hold.hold_id)
    assert (await world.api_client().seat_map(run))["A-1"] == "FREE"


async def test_one_caller_may_have_two_holds_on_a_run(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    first, _ = await jane.hold(run, 4), await jane.hold(run)
    refused = await refusal(jane.hold(run))
    assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "HOLDS_FULL")
    assert refused.retry_seconds > 0
    await jane.release(first.hold_id)
    assert held_seats(await jane.hold(run)) == ["A-6"]


@pytest.mark.parametrize(
    "ttl", [Duration(), Duration(seconds=-1), Duration(seconds=901), Duration(seconds=1, nanos=1), Duration(nanos=10**8)]
)
async def test_a_hold_lasts_a_second_to_fifteen_minutes(world: World, ttl: Duration) -> None:
    run = await world.run("A2")
    refused = await refusal(world.api_client("jane").hold(run, ttl=ttl))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("ttl",))
    assert await world.api_client().free(run) == {"A": 2}


async def test_a_request_to_hold_that_contradicts_itself_is_refused_under_its_field(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    for asked, field in (
        ({"count": 10}, "seat_count"),
        ({"count": -1}, "seat_count"),
        ({"seats": [1]}, "section"),
        ({"seats": [1, 1], "section": "A"}, "seat_numbers"),
        ({"seats": [10], "section": "A"}, "seat_numbers[0]"),
        ({"section": "C"}, "section"),
        ({"request_id": "a b"}, "request_id"),
        ({"origin": "Brussels"}, "origin"),
    ):
        refused = await refusal(jane.hold(run, **asked))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))
    both = hold_pb2.HoldSeatsRequest(seat_count=1, seat_numbers=[1])
    for request in (both, hold_pb2.HoldSeatsRequest()):
        assert (await refusal(jane.send_hold(request))).fields == ("seat_count",)
    assert (await world.run_document(run))["holds"] == {}


@pytest.mark.parametrize("name", ["", "nonsense", "es9014_2026-09-01_SHORT"])
async def test_a_malformed_hold_id_is_refused(world: World, name: str) -> None:
    run = await world.run("A2")
    assert (await refusal(world.api_client("jane").release(name))).fields == ("hold_id",)
    if name:
        assert (await refusal(world.api_client("jane").book(run, hold_id=name))).fields == ("hold_id",)


async def test_an_unpaid_hold_expires_by_itself(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    hold = await jane.hold(run, 2, seconds=1)

    async def is_over() -> bool:
        return await world.api_client().seat_map(run) == {"A-1": "FREE", "A-2": "FREE"}

    await eventually(is_over)
    assert (await refusal(jane.book(run, "jane", "ann", hold_id=hold.hold_id))).says == EXPIRED_HOLD
    await jane.release(hold.hold_id)
    assert seats_of(await world.api_client("joe").book(run)) == ["A-1"]
    assert (await world.run_document(run))["holds"] == {}


async def test_seats_of_an_expired_hold_go_to_waitlisted_bookings_before_new_ones(clock: Clock, world: World) -> None:
    run = await world.run("A1")
    await world.api_client("jane").hold(run)
    waiting = await world.api_client("ann").wait(run)
    clock.ahead = timedelta(minutes=5)
    assert (await refusal(world.api_client("joe").book(run))).reason == "SECTION_FULL"
    promoted = await world.api_client("ann").booking(waiting.reference)
    assert (promoted.state, seats_of(promoted)) == (CONFIRMED, ["A-1"])


# -- crowds; races show only on a real database


async def test_a_crowd_holds_each_seat_once_and_all_buyers_get_theirs(real_world: World) -> None:
    run = await real_world.run("A30", hold_percent_max=100)
    found = await outcomes([real_world.api_client(name).hold(run) for name in people("p", 40)])
    holds = {name: hold for name, hold in zip(people("p", 40), found, strict=True) if isinstance(hold, hold_pb2.Hold)}
    assert sorted(held_seats(hold)[0] for hold in holds.values()) == sorted(f"A-{number}" for number in range(1, 31))
    bought = await asyncio.gather(
        *(real_world.api_client(name).book(run, hold_id=hold.hold_id) for name, hold in holds.items())
    )
    assert [seats_of(booking) for booking in bought] == [held_seats(hold) for hold in holds.values()]


async def test_of_many_concurrent_uses_of_one_hold_one_gets_the_seats(real_world: World) -> None:
    run = await real_world.run("A30")
    jane = real_world.api_client("jane")
    hold = await jane.hold(run)
    found = await outcomes([jane.book(run, name, hold_id=hold.hold_id) for name in people("p", 8)])
    assert [seats_of(booking) for booking in found if isinstance(booking, booking_pb2.Booking)] == [["A-1"]]
    assert len(await real_world.desk.section(run, "A")) == 1
