"""Two servers over one database: one changes the layout of a run that the other has in memory and sells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import layout_pb2
from tests.support.clients import decoded, people, refusal, seats_of
from tests.support.layout_client import add_coach, layout_client, remove_coach, remove_seats, set_fare, set_seat_count
from tests.support.world import World, outcomes, running_server, settings_for

CHANGES = 12


@pytest_asyncio.fixture
async def worlds(mongod: EmbeddedMongod) -> AsyncIterator[tuple[World, World]]:
    """Two servers over one new database."""
    settings = settings_for(mongod.uri)
    async with running_server(settings) as first, running_server(settings) as second:
        yield first, second


async def test_the_other_server_sells_the_new_layout_and_no_removed_seat(worlds: tuple[World, World]) -> None:
    first, second = worlds
    run, desk = await first.run("A2 A2"), layout_client(first)
    made = await second.api_client("ann").book(run, seats=[3], section="A")
    await desk.change(run, remove_coach("2"), add_coach("3", "A", 1), set_fare("A", 50))
    assert list(await second.api_client().seat_map(run)) == ["A-1", "A-2", "A-5"]
    refused = await refusal(second.api_client("bob").book(run, seats=[4], section="A"))
    assert refused.fields == ("seat_numbers[0]",)
    assert seats_of(await second.api_client("ann").booking(made.reference)) == ["A-1"]
    sold = [await second.api_client(name).book(run) for name in ("bob", "eve")]
    assert [seats_of(booking) for booking in sold] == [["A-2"], ["A-5"]]
    assert {booking.price.units for booking in sold} == {50}
    await first.wait_until_archived()
    await second.wait_until_archived()


async def test_of_two_operators_on_two_servers_one_acts_and_the_other_sees_the_new_plan(worlds: tuple[World, World]) -> None:
    first, second = worlds
    run = await first.run("A4 A4")
    await first.api_client("ann").book(run, seats=[5], section="A")
    desks = layout_client(first, "one"), layout_client(second, "two")
    plans = [await desks[0].plan(run, remove_coach("2")), await desks[1].plan(run, set_seat_count("1", 1))]
    found = await outcomes(
        [
            desks[0].change(run, remove_coach("2"), plan_hash=plans[0].plan_hash),
            desks[1].change(run, set_seat_count("1", 1), plan_hash=plans[1].plan_hash),
        ]
    )
    (done,) = [answer for answer in found if isinstance(answer, layout_pb2.LayoutPlan)]
    (error,) = [answer for answer in found if isinstance(answer, grpc.aio.AioRpcError)]
    refused = decoded(error)
    assert refused.says == (grpc.StatusCode.ABORTED, "PLAN_CHANGED")
    assert refused.plan is not None
    assert refused.plan.plan_hash not in ("", *(plan.plan_hash for plan in plans)), "its operations are still possible"
    assert (refused.plan.layout_etag, done.layout_etag) == ("layout-1", "layout-1")
    loser = desks[found.index(error)]
    operation = (remove_coach("2"), set_seat_count("1", 1))[found.index(error)]
    assert (await loser.change(run, operation, plan_hash=refused.plan.plan_hash)).layout_etag == "layout-2"


async def test_layouts_change_while_both_servers_sell_and_nobody_loses_a_place(worlds: tuple[World, World]) -> None:
    first, second = worlds
    run = await first.run("A20 A5")
    names = people("buyer", 40)
    desks = [layout_client(world, name) for world, name in ((first, "one"), (second, "two"))]

    async def change() -> None:
        for number in range(CHANGES):
            await desks[number % 2].change(run, set_seat_count("2", 3 + number % 4), remove_seats("A", 1 + number))

    async def sell(world: World, travellers: list[str]) -> list[str]:
        made = []
        for name in travellers:
            made.append((await world.api_client(name).wait(run)).reference)
            await asyncio.sleep(0)
        return made

    _, *sold = await asyncio.gather(change(), sell(first, names[::2]), sell(second, names[1::2]))
    bookings = [await desks[0].booking(reference) for references in sold for reference in references]
    seats = [label for booking in bookings for label in seats_of(booking) if label]
    assert len(bookings) == 40
    assert len(seats) == len(set(seats)), "nobody shares a seat"
    states = await desks[0].seat_map(run)
    assert set(seats) == set(states), "every seat is taken, and no removed one"
    positions = sorted(booking.waitlist_position for booking in bookings if booking.waitlist_position)
    assert positions == list(range(1, 40 - len(seats) + 1))
    assert (await desks[0].run_of(run)).layout_etag == f"layout-{CHANGES}"
