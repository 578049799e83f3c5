"""Freed seats are sold again, but only once the counter has passed the section's last seat; then in the order in which
they were freed.
"""

from __future__ import annotations

from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Run, people, seats_of
from tests.support.world import World


async def _sold_out(world: World, layout: str, count: int) -> tuple[Run, dict[str, str]]:
    """Sell all seats of a run to p1, p2, ... in this order. Return the run and the references by name."""
    run = await world.run(layout)
    return run, {name: (await world.api_client(name).book(run)).reference for name in people("p", count)}


async def _next_seats(world: World, run: Run, count: int) -> list[str]:
    return [seats_of(await world.api_client(name).book(run))[0] for name in people("late", count)]


async def test_a_cancelled_seat_is_not_sold_again_before_the_counter_has_passed_the_last_seat(world: World) -> None:
    run = await world.run("A4")
    first = await world.api_client("first").book(run)
    await world.api_client("first").cancel(first.reference)
    assert await _next_seats(world, run, 4) == ["A-2", "A-3", "A-4", "A-1"]


async def test_cancelled_seats_are_sold_in_the_order_in_which_they_were_freed(world: World) -> None:
    run, references = await _sold_out(world, "A4", 4)
    for name in ("p3", "p1", "p4"):
        await world.api_client(name).cancel(references[name])
    assert await _next_seats(world, run, 3) == ["A-3", "A-1", "A-4"]


async def test_a_seat_that_a_passenger_left_for_another_is_sold_again(world: World) -> None:
    run, references = await _sold_out(world, "A3 B2", 3)
    await world.api_client("p2").move(references["p2"], section="B")
    assert await _next_seats(world, run, 2) == ["A-2", "B-2"]


async def test_moved_and_cancelled_seats_share_one_order(world: World) -> None:
    run, references = await _sold_out(world, "A3 B2", 3)
    await world.api_client("p3").move(references["p3"], section="B")
    await world.api_client("p1").cancel(references["p1"])
    assert await _next_seats(world, run, 2) == ["A-3", "A-1"]


async def test_a_seat_may_be_freed_and_sold_many_times(world: World) -> None:
    run, references = await _sold_out(world, "A2", 2)
    holder, reference = "p1", references["p1"]
    for name in people("again", 5):
        await world.api_client(holder).cancel(reference)
        booking = await world.api_client(name).book(run)
        assert seats_of(booking) == ["A-1"]
        holder, reference = name, booking.reference


async def test_sections_have_counters_of_their_own(world: World) -> None:
    run, references = await _sold_out(world, "A2 B3", 3)
    await world.api_client("p1").cancel(references["p1"])
    await world.api_client("p3").cancel(references["p3"])
    booked = [await world.api_client(name).book(run, section="B") for name in people("b", 3)]
    assert [seats_of(booking)[0] for booking in booked] == ["B-2", "B-3", "B-1"]
    assert seats_of(await world.api_client("a").book(run, section="A")) == ["A-1"]


async def test_two_journeys_share_a_seat_once_the_counter_has_passed_the_last_seat(world: World) -> None:
    run = await world.run("A2")
    early = await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    whole = await world.api_client("whole").book(run)
    late = await world.api_client("late").book(run, origin=LILLE, destination=PARIS)
    assert [seats_of(booking) for booking in (early, whole, late)] == [["A-1"], ["A-2"], ["A-1"]]
    middle = await world.api_client("middle").book(run, origin=ASHFORD, destination=LILLE)
    assert seats_of(middle) == ["A-1"]
    assert await world.api_client().free(run, origin=ASHFORD, destination=LILLE) == {"A": 0}


async def test_short_journeys_get_new_seats_until_the_counter_has_passed_the_last_seat(world: World) -> None:
    run = await world.run("A2")
    early = await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    late = await world.api_client("late").book(run, origin=LILLE, destination=PARIS)
    assert [seats_of(booking) for booking in (early, late)] == [["A-1"], ["A-2"]]


async def test_a_group_gets_neighbouring_freed_seats(world: World) -> None:
    run, references = await _sold_out(world, "A5", 5)
    for name in ("p1", "p4", "p3"):
        await world.api_client(name).cancel(references[name])
    group = await world.api_client("agent").book(run, "ann", "bob")
    assert (sorted(seats_of(group)), group.seats_together) == (["A-3", "A-4"], True)
