"""Train runs that a server keeps in memory: as many as it may, and selling goes on for the others all the same."""

from __future__ import annotations

import asyncio

import pytest

from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import people, seats_of
from tests.support.world import on_day, running_server, settings_for


@pytest.mark.parametrize(("passengers_max", "kept"), [(0, 0), (25, 2), (100_000, 4)])
async def test_a_server_keeps_the_runs_sold_last_and_sells_on_the_others_from_the_database(
    mongod: EmbeddedMongod, passengers_max: int, kept: int
) -> None:
    async with running_server(settings_for(mongod.uri, lane_cached_passengers_max=passengers_max)) as world:
        dates = [on_day(days) for days in (30, 31, 32, 33)]
        runs = await world.runs("A9", *dates)
        for name in people("p", 2):
            for run in runs:
                await world.api_client(name).book(run)
        lanes = world.server.bus
        await lanes.wait_idle()
        # A run counts for ten passengers, and those who travel on it.
        assert [run_id.split(":")[1] for run_id in lanes._lanes] == dates[4 - kept :]
        assert lanes._cached_passengers == kept * 12
        booked = await asyncio.gather(*(world.api_client("last").book(run) for run in runs))
        assert [seats_of(booking) for booking in booked] == [["A-3"]] * 4
        await world.database.client.drop_database(world.database.name)
