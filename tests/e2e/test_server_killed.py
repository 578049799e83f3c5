"""A server is killed between a sale and its processing, and during a burst: what it confirmed is kept."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from tests.e2e.crowd import Crowd
from tests.e2e.ledgers import read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import ApiClient, people
from tests.support.replica_set import SECONDS_MAX, database_of, hanging, replica_set
from tests.support.server_processes import a_run, server_process, some_runs, worker_process
from tests.support.world import eventually

BUYERS, KILLED_AFTER = 300, 80
# Time for three bookings and a kill on a busy machine; usually they take 0.1 seconds.
HANGING_MILLISECONDS = 5_000


async def test_bookings_of_a_killed_server_are_archived_and_paid_without_further_calls(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        async with server_process(tmp_path / "server", **settings) as server:
            async with (
                grpc.aio.insecure_channel(server.target) as channel,
                hanging(members.members[0], "seatline.events", "insert", milliseconds=HANGING_MILLISECONDS),
                hanging(members.members[0], "seatline.bookings", "insert", milliseconds=HANGING_MILLISECONDS),
            ):
                run = await a_run(channel, "A9")
                booked = [await ApiClient(channel, name).book(run) for name in people("p", 3)]
                server.kill()
                books = read_books(database)  # while its last statement still hangs
            assert (books.events, books.archived) == ({}, {}), "it was killed before anything was copied"

        async def is_archived() -> bool:
            (kept,) = read_books(database).runs.values()
            return (kept["recent"], kept["outbox"]) == ([], []) and "unsettled_since" not in kept

        await stack.enter_async_context(worker_process(tmp_path / "worker", **settings))
        await settled(members)
        await eventually(is_archived, SECONDS_MAX)
        assert read_books(database).archived.keys() == {booking.reference for booking in booked}


async def test_a_server_killed_in_a_burst_has_sold_every_seat_once_and_paid_after_a_restart(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        async with server_process(tmp_path / "first", "--with-worker", **settings) as first:
            async with grpc.aio.insecure_channel(first.target) as channel:
                runs = await some_runs(channel, "A40 B20", 3)
            crowd = Crowd("p", runs, BUYERS, [first.target])
            buying = asyncio.create_task(crowd.buy())
            await crowd.wait_for_bookings(KILLED_AFTER)
            first.kill()
            assert len(crowd.answered) < BUYERS, "it was killed in the middle"
        second = await stack.enter_async_context(server_process(tmp_path / "second", "--with-worker", **settings))
        crowd.targets[:] = [second.target]
        await buying
        await settled(members)
        assert crowd.broken_promises(read_books(database).bookings) == []
        assert "Traceback" not in second.output()
