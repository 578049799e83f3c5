"""Two servers on one database share one waitlist and the holds of a run: none is lost, and no seat is given twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import held_seats, people, refusal, seats_of
from tests.support.world import World, outcomes, running_server, settings_for

WAITLISTED, CONFIRMED = booking_pb2.BOOKING_STATE_WAITLISTED, booking_pb2.BOOKING_STATE_CONFIRMED
CANCELLED = booking_pb2.BOOKING_STATE_CANCELLED


@pytest_asyncio.fixture
async def pair(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[tuple[World, World]]:
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as other:
        yield real_world, other


def _clients_of_both(pair: tuple[World, World], names: list[str]) -> list[Any]:
    """Return a client for each name, half of them at each server."""
    return [pair[index % 2].api_client(name) for index, name in enumerate(names)]


async def test_bookings_that_join_at_either_server_are_on_one_waitlist(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A1")
    booked = await pair[0].api_client("ann").book(run)
    names = people("w", 6)
    waiting = [await api_client.wait(run) for api_client in _clients_of_both(pair, names)]
    assert [booking.waitlist_position for booking in waiting] == [1, 2, 3, 4, 5, 6]
    await pair[1].api_client("ann").cancel(booked.reference)
    for world in pair:
        found = [await world.api_client(name).booking(booking.reference) for name, booking in zip(names, waiting, strict=True)]
        assert [booking.waitlist_position for booking in found] == [0, 1, 2, 3, 4, 5]
        assert seats_of(found[0]) == ["A-1"]


async def test_a_waitlisted_booking_of_one_server_is_cancelled_at_the_other_which_has_an_older_run_in_memory(
    pair: tuple[World, World],
) -> None:
    first, second = pair
    run = await first.run("A1")
    await first.api_client("ann").book(run)
    await first.wait_until_archived()
    waiting = await second.api_client("ben").wait(run)
    await second.wait_until_archived()
    left = await first.api_client("ben").give_back(waiting.reference)
    assert (left.booking.state, left.refund.units) == (CANCELLED, 20)
    assert (await first.run_document(run))["waiting"] == {}


async def test_a_seat_freed_at_one_server_goes_to_the_booking_that_joined_at_the_other(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A1")
    seated, booked = "ann", await first.api_client("ann").book(run)
    for name in people("w", 3):
        waiting = await second.api_client(name).wait(run)
        await second.wait_until_archived()
        await first.api_client(seated).cancel(booked.reference)
        seated, booked = name, await second.api_client(name).booking(waiting.reference)
        assert (booked.state, seats_of(booked)) == (CONFIRMED, ["A-1"])


async def test_a_hold_made_at_one_server_is_booked_or_released_at_the_other(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A2")
    bought, released = await first.api_client("jane").hold(run), await second.api_client("ann").hold(run, request_id="click")
    assert await first.api_client("ann").hold(run, request_id="click") == released
    assert (await refusal(second.api_client("joe").book(run))).reason == "SECTION_FULL"
    assert seats_of(await second.api_client("jane").book(run, hold_id=bought.hold_id)) == held_seats(bought)
    await first.api_client("ann").release(released.hold_id)
    assert await second.api_client().seat_map(run) == {"A-1": "SOLD", "A-2": "FREE"}


async def test_many_who_join_and_cancel_at_both_servers_are_all_kept_and_each_seat_is_given_once(
    pair: tuple[World, World],
) -> None:
    run = await pair[0].run("A30")
    holders = people("p", 30)
    sold = await asyncio.gather(*(api_client.book(run) for api_client in _clients_of_both(pair, holders)))
    waiters = people("w", 50)
    leaving = [
        api_client.cancel(booking.reference)
        for api_client, booking in zip(_clients_of_both(pair[::-1], holders), sold, strict=True)
    ]
    found = await outcomes([*(api_client.wait(run) for api_client in _clients_of_both(pair, waiters)), *leaving[::2]])
    assert all(isinstance(answer, booking_pb2.Booking) for answer in found)
    await asyncio.gather(*leaving[1::2])

    references = dict(zip(waiters, (booking.reference for booking in found), strict=False))
    for world in pair:
        bookings = {name: await world.api_client(name).booking(reference) for name, reference in references.items()}
        seats = Counter(seats_of(booking)[0] for booking in bookings.values() if booking.state == CONFIRMED)
        assert seats == Counter({f"A-{number}": 1 for number in range(1, 31)})
        assert sorted(booking.waitlist_position for booking in bookings.values() if booking.state == WAITLISTED) == list(
            range(1, 21)
        )
        listed = await world.desk.section(run, "A")
        assert sorted(seat for seat, _ in listed) == sorted(seats)


async def test_many_who_join_and_cancel_at_both_servers_leave_an_empty_waitlist(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A1")
    await pair[0].api_client("ann").book(run)

    async def give_up(index: int) -> booking_pb2.CancelBookingResponse:
        here, there = pair[index % 2].api_client(f"w{index}"), pair[(index + 1) % 2].api_client(f"w{index}")
        return await there.give_back((await here.wait(run)).reference)

    left = await asyncio.gather(*(give_up(index) for index in range(30)))
    assert {(answer.booking.state, answer.refund.units) for answer in left} == {(CANCELLED, 20)}
    assert (await pair[0].run_document(run))["waiting"] == {}
    assert await pair[1].api_client().free(run) == {"A": 0}
