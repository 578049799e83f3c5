"""Crowds on one run: no caller is refused while seats remain, and no seat is sold twice. On a real database only: races do
not show on one that never waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc

from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Run, decoded, people, refusal, seats_of
from tests.support.world import World, outcomes

FULL = (grpc.StatusCode.FAILED_PRECONDITION, "SECTION_FULL")


def _split(found: list[Any]) -> tuple[list[Any], list[Any]]:
    """Split the outcomes into bookings and refusals."""
    errors = [outcome for outcome in found if isinstance(outcome, grpc.aio.AioRpcError)]
    return [outcome for outcome in found if outcome not in errors], [decoded(error) for error in errors]


async def _assert_sold_once(world: World, run: Run, bookings: list[Any]) -> None:
    """Require that the acknowledged bookings are stored, and no seat is on two of them."""
    sold = Counter(seat for booking in bookings for seat in seats_of(booking))
    assert max(sold.values()) == 1
    assert {seat for seat, state in (await world.api_client().seat_map(run)).items() if state == "SOLD"} == set(sold)
    listed = [seat for section in await world.api_client().free(run) for seat, _ in await world.desk.section(run, section)]
    assert sorted(listed) == sorted(sold)


async def test_of_50_callers_for_10_seats_10_get_one_and_40_are_refused(real_world: World) -> None:
    run = await real_world.run("A10")
    bookings, refused = _split(await outcomes([real_world.api_client(name).book(run) for name in people("p", 50)]))
    assert (len(bookings), len(refused)) == (10, 40)
    assert {refusal_.says for refusal_ in refused} == {FULL}
    await _assert_sold_once(real_world, run, bookings)


async def test_of_50_callers_for_10_chosen_seats_one_gets_each_seat(real_world: World) -> None:
    run = await real_world.run("A10")
    calls = [
        real_world.api_client(name).book(run, section="A", seats=[index % 10 + 1]) for index, name in enumerate(people("p", 50))
    ]
    bookings, refused = _split(await outcomes(calls))
    assert (len(bookings), len(refused)) == (10, 40)
    assert {refusal_.says for refusal_ in refused} == {(grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN")}
    await _assert_sold_once(real_world, run, bookings)


async def test_of_160_callers_at_once_on_a_large_train_nobody_is_refused(real_world: World) -> None:
    run = await real_world.run("A100 B100")
    bookings, refused = _split(await outcomes([real_world.api_client(name).book(run) for name in people("p", 160)]))
    assert (len(bookings), refused) == (160, [])
    await _assert_sold_once(real_world, run, bookings)


async def test_a_group_of_9_that_no_longer_fits_gets_nothing(real_world: World) -> None:
    run = await real_world.run("A5 B8")
    assert (await refusal(real_world.api_client("agent").book(run, *people("g", 9)))).says == FULL
    assert await real_world.api_client().free(run) == {"A": 5, "B": 8}
    assert await real_world.desk.section(run, "A") == []


async def test_groups_that_race_for_the_last_seats_are_all_or_nothing(real_world: World) -> None:
    run = await real_world.run("A20")
    calls = [real_world.api_client(f"agent{group}").book(run, *people(f"g{group}-", 9)) for group in range(8)]
    bookings, refused = _split(await outcomes(calls))
    assert [len(booking.passengers) for booking in bookings] == [9, 9]
    assert {refusal_.says for refusal_ in refused} == {FULL}
    assert await real_world.api_client().free(run) == {"A": 2}


async def test_of_four_concurrent_bookings_of_one_passenger_one_succeeds(real_world: World) -> None:
    run = await real_world.run("A10")
    calls = [real_world.api_client(f"agent{number}").book(run, "jane") for number in range(4)]
    bookings, refused = _split(await outcomes(calls))
    assert (len(bookings), {refusal_.reason for refusal_ in refused}) == (1, {"PASSENGER_ALREADY_BOOKED"})


async def test_short_journeys_of_a_crowd_share_seats(real_world: World) -> None:
    run = await real_world.run("A10")
    journeys = [(LONDON, ASHFORD), (ASHFORD, LILLE), (LILLE, PARIS)]
    calls = [
        real_world.api_client(f"p{index}").book(run, origin=origin, destination=destination)
        for index, (origin, destination) in enumerate(journeys * 10)
    ]
    bookings, refused = _split(await outcomes(calls))
    assert (len(bookings), refused) == (30, [])
    assert await real_world.api_client().free(run) == {"A": 0}
    places = Counter((seats_of(booking)[0], booking.origin) for booking in bookings)
    assert len(places) == 30


async def test_a_crowd_that_books_moves_and_cancels_leaves_seats_and_bookings_consistent(real_world: World) -> None:
    run = await real_world.run("A30 B30")

    async def live(name: str, number: int) -> Any:
        api_client = real_world.api_client(name)
        booking = await api_client.book(run)
        if number % 3 == 1:
            return await api_client.cancel(booking.reference)
        return await api_client.move(booking.reference, section="B") if number % 3 == 2 else booking

    left = await asyncio.gather(*(live(name, number) for number, name in enumerate(people("p", 30))))
    await _assert_sold_once(real_world, run, [booking for number, booking in enumerate(left) if number % 3 != 1])
    assert sum((await real_world.api_client().free(run)).values()) == 40
