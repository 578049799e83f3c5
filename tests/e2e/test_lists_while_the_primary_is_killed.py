"""The primary is killed while lists are read: lists have every acknowledged booking, at one moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from tests.e2e.histories import wrong
from tests.e2e.listed_agents import LAYOUT, ListedCrowd, Servers, read_receipts
from tests.e2e.outages import SETTINGS
from tests.support.long_mode import full
from tests.support.replica_set import SECONDS_MAX, replica_set
from tests.support.server_processes import server_process, some_runs
from tests.support.world import eventually

KILLS = full(10, short=1)
ANSWERS_BETWEEN = 150
WRITERS = 4


@pytest.mark.timeout(full(1_800, short=180))
async def test_lists_are_complete_and_consistent_when_the_primary_is_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(3))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        channels = []
        for name in ("first", "second"):
            server = await stack.enter_async_context(server_process(tmp_path / name, **settings))
            channels.append(await stack.enter_async_context(grpc.aio.insecure_channel(server.target)))
        runs = await some_runs(channels[0], LAYOUT, 3)
        answers_min = ANSWERS_BETWEEN * (KILLS + 1)
        crowd = ListedCrowd(Servers(channels), "agent", [runs] * WRITERS, answers_min, only_repeatable=True)
        going_on = asyncio.create_task(crowd.read_while_writing(read_receipts))

        for kill in range(1, KILLS + 1):

            async def has_answered(count: int = kill * ANSWERS_BETWEEN) -> bool:
                return len(crowd.answers) >= count or going_on.done()

            await eventually(has_answered, SECONDS_MAX)
            assert not going_on.done(), "it is killed while lists are read"
            killed = await members.kill_primary()
            await members.primary()
            await members.start_again(killed)
        await going_on
        assert wrong(crowd.answers) == []
