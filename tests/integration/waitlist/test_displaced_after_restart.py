"""A server that reads a run anew knows its displaced passengers on the waitlist, and bookings in which others have seats."""

from __future__ import annotations

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import seats_of
from tests.support.layout_client import layout_client, remove_seats
from tests.support.world import World, running_server, settings_for, usd

CONFIRMED = booking_pb2.BOOKING_STATE_CONFIRMED


async def test_a_new_server_promotes_the_displaced_passenger_of_a_confirmed_booking(mongod: EmbeddedMongod) -> None:
    settings = settings_for(mongod.uri)
    async with running_server(settings) as first:
        run = await first.run("A3 B1", fares={"A": usd(20), "B": usd(10)})
        pair = (await first.api_client("ann").book(run, "ann", "bob", section="A")).reference
        other = (await first.api_client("eve").book(run, section="A")).reference
        ordinary = (await first.api_client("joe").wait(run, section="A")).reference
        await layout_client(first).change(run, remove_seats("A", 1))
        await first.wait_until_archived()
    async with running_server(settings) as second:
        assert await positions(second, ann=pair, joe=ordinary) == [1, 2]
        waiting = await second.api_client("ann").booking(pair)
        assert (waiting.state, seats_of(waiting), waiting.seats_together) == (CONFIRMED, ["", "A-2"], False)
        await second.api_client("eve").cancel(other)
        promoted = await second.api_client("ann").booking(pair)
        assert (seats_of(promoted), promoted.price, promoted.waitlist_position) == (["A-3", "A-2"], waiting.price, 0)
        assert await positions(second, joe=ordinary) == [1]


async def positions(world: World, **bookings: str) -> list[int]:
    """Return the waitlist positions of bookings, each asked for by its booker."""
    return [(await world.api_client(name).booking(reference)).waitlist_position for name, reference in bookings.items()]
