"""The waiting list, over the wire: who finds no seat is paid and waits; who comes first gets what comes free."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.integration.clients import ASHFORD, LONDON, booking_request, people, refusal, seats_of
from tests.integration.world import World, usd

WAIT = booking_pb2.IF_FULL_WAITLIST
WAITLISTED, CONFIRMED = booking_pb2.BOOKING_STATE_WAITLISTED, booking_pb2.BOOKING_STATE_CONFIRMED


async def test_who_finds_no_seat_waits_and_is_told_the_place_in_the_line(world: World) -> None:
    run = await world.run("A1")
    await world.phone("ann").book(run)
    first = await world.phone("ben").send(booking_request(run, "ben", if_full=WAIT))
    second = await world.phone("cem").send(booking_request(run, "cem", if_full=WAIT))
    assert [(one.state, one.waitlist_position, seats_of(one), one.price) for one in (first, second)] == [
        (WAITLISTED, 1, [""], usd(20)),
        (WAITLISTED, 2, [""], usd(20)),
    ]
    await world.phone("ben").cancel(first.reference)
    assert (await world.phone("cem").booking(second.reference)).waitlist_position == 1


async def test_a_seat_that_comes_free_goes_to_the_first_who_waits_in_the_same_step(world: World) -> None:
    run = await world.run("A1")
    booked = await world.phone("ann").book(run)
    waiting = [await world.phone(name).send(booking_request(run, name, if_full=WAIT)) for name in ("ben", "cem")]
    await world.phone("ann").cancel(booked.reference)
    promoted = await world.phone("ben").booking(waiting[0].reference)
    assert (promoted.state, seats_of(promoted), promoted.waitlist_position) == (CONFIRMED, ["A-1"], 0)
    assert (await world.phone("cem").booking(waiting[1].reference)).state == WAITLISTED
    assert await world.phone().free(run) == {"A": 0}


async def test_part_of_the_way_that_comes_free_goes_to_who_it_serves_and_not_to_who_came_before(world: World) -> None:
    run = await world.run("A1")
    booked = await world.phone("ann").book(run, destination=ASHFORD)
    await world.phone("rest").book(run, origin=ASHFORD)
    whole = await world.phone("ben").send(booking_request(run, "ben", if_full=WAIT))
    part = await world.phone("cem").send(booking_request(run, "cem", origin=LONDON, destination=ASHFORD, if_full=WAIT))
    await world.phone("ann").cancel(booked.reference)
    assert (await world.phone("cem").booking(part.reference)).state == CONFIRMED
    assert (await world.phone("ben").booking(whole.reference)).state == WAITLISTED


async def test_who_waits_is_on_the_train_as_far_as_a_second_booking_goes(world: World) -> None:
    run = await world.run("A1")
    await world.phone("ann").book(run)
    await world.phone("ben").send(booking_request(run, "ben", if_full=WAIT))
    refused = await refusal(world.phone("ben").send(booking_request(run, "ben", if_full=WAIT)))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")


async def test_a_full_line_says_so(world: World) -> None:
    run = await world.run("A1")
    await world.phone("ann").book(run)
    for name in people("w", 3):
        await world.phone("greedy").send(booking_request(run, name, if_full=WAIT))
    refused = await refusal(world.phone("greedy").send(booking_request(run, "w4", if_full=WAIT)))
    assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WAITLIST_FULL")
