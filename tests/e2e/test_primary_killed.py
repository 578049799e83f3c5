"""The primary is killed under load: what was acknowledged stays true, and all work gets done."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from tests.e2e.crowd import Crowd
from tests.e2e.ledgers import read_books
from tests.e2e.outages import IMPATIENT, SETTINGS, settled
from tests.support.long_mode import full
from tests.support.replica_set import Member, ReplicaSet, database_of, replica_set
from tests.support.server_processes import SeatlineProcess, server_process, some_runs, worker_process

BUYERS, KILLED_AFTER = full(240, short=120), full(60, short=40)


async def _bought_while_the_primary_is_killed(members: ReplicaSet, crowd: Crowd) -> Member:
    primary = await members.primary()
    buying = asyncio.create_task(crowd.buy())
    await crowd.wait_for_bookings(KILLED_AFTER)
    primary.kill()
    at_once = len(crowd.answered)
    await buying
    assert at_once < BUYERS, "it was killed in the middle"
    return primary


async def test_no_booking_is_lost_doubled_or_unpaid_when_the_primary_is_killed_twice(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(3))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        servers = [
            await stack.enter_async_context(server_process(tmp_path / "patient", **settings)),
            await stack.enter_async_context(server_process(tmp_path / "impatient", **settings, **IMPATIENT)),
        ]
        worker = await stack.enter_async_context(worker_process(tmp_path / "worker", **settings))
        database = stack.enter_context(database_of(members))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(servers[0].target))
        runs = await some_runs(channel, "A70 B30", 3)
        crowds = [Crowd(prefix, runs, BUYERS, [server.target for server in servers]) for prefix in ("ann", "bob")]

        killed = await _bought_while_the_primary_is_killed(members, crowds[0])
        await members.start_again(killed)
        assert await _bought_while_the_primary_is_killed(members, crowds[1]) is not killed

        await settled(members)
        bookings = read_books(database).bookings
        assert len(bookings) == 2 * BUYERS
        assert [wrong for crowd in crowds for wrong in crowd.broken_promises(bookings)] == []
        _check_logs(*servers, worker)


def _check_logs(*processes: SeatlineProcess) -> None:
    for process in processes:
        if "Traceback" in process.output():
            pytest.fail(process.output())
