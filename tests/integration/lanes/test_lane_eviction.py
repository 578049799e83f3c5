"""A server keeps as many runs in memory as its limit allows, and sells on the others all the same."""

from __future__ import annotations

import asyncio

import pytest

from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import people, seats_of
from tests.support.world import on_day, running_server, settings_for


@pytest.mark.parametrize(("passengers_max", "cached_count"), [(0, 0), (25, 2), (100_000, 4)])
async def test_a_server_evicts_the_runs_used_longest_ago_and_loads_them_again_to_sell_on(
    mongod: EmbeddedMongod, passengers_max: int, cached_count: int
) -> None:
    async with running_server(settings_for(mongod.uri, lane_cached_passengers_max=passengers_max)) as world:
        dates = [on_day(days) for days in (30, 31, 32, 33)]
        runs = await world.runs("A9", *dates)
        for name in people("p", 2):
            for run in runs:
                await world.api_client(name).book(run)
        bus = world.server.bus
        await bus.wait_idle()
        # A run counts as ten passengers, and those who travel on it.
        assert [run_id.split(":")[1] for run_id in bus._lanes] == dates[4 - cached_count :]
        assert bus._cached_passengers == cached_count * 12
        booked = await asyncio.gather(*(world.api_client("last").book(run) for run in runs))
        assert [seats_of(booking) for booking in booked] == [["A-3"]] * 4
        await world.database.client.drop_database(world.database.name)
