"""What only the primary has written is rolled back when it is killed: no answer may depend on it.

A commit is acknowledged once most members have it. Until then others can see it on the primary; after the primary's end it
never happened.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from tests.e2e.crowd import retry_until_answered
from tests.e2e.ledgers import read_books
from tests.e2e.outages import IMPATIENT, SETTINGS, settled
from tests.support.clients import ApiClient, booking_request, refusal, seats_of
from tests.support.replica_set import DATABASE, SECONDS_MAX, Member, database_of, followers_halted, replica_set
from tests.support.server_processes import a_run, server_process
from tests.support.world import eventually

AWAY = (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")


async def _commits_under_way(primary: Member) -> int:
    answer = await primary.ask({"currentOp": 1, "active": True, "ns": f"{DATABASE}.train_runs"})
    return len(answer["inprog"])


async def test_a_booking_that_only_the_killed_primary_had_is_not_confirmed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(3))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        first = await stack.enter_async_context(server_process(tmp_path / "first", **settings))
        second = await stack.enter_async_context(server_process(tmp_path / "second", "--with-worker", **settings))
        calls = [await stack.enter_async_context(grpc.aio.insecure_channel(server.target)) for server in (first, second)]
        run = await a_run(calls[0], "A9")
        request = booking_request(run, "jane", request_id="jane")
        async with followers_halted(members) as primary:
            lost = asyncio.create_task(refusal(ApiClient(calls[0], "jane").send(request)))
            await eventually(lambda: _has_committed(primary), SECONDS_MAX)
            again = asyncio.create_task(retry_until_answered(lambda: ApiClient(calls[1], "jane").send(request)))
            await eventually(lambda: _answered_or_committing(again, primary), SECONDS_MAX)
            first.kill()
            primary.kill()
        assert (await lost).code is grpc.StatusCode.UNAVAILABLE
        promised = await again
        joe = await retry_until_answered(lambda: ApiClient(calls[1], "joe").book(run, request_id="joe"))
        assert seats_of(promised) != seats_of(joe)
        await settled(members)
        with database_of(members) as database:
            assert read_books(database).bookings.keys() == {promised.reference, joe.reference}


async def test_without_followers_calls_end_as_unavailable_and_retries_sell_one_seat(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(3))
        settings = {**SETTINGS, **IMPATIENT, "SEATLINE_MONGODB_URI": members.uri}
        server = await stack.enter_async_context(server_process(tmp_path / "server", **settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        run = await a_run(channel, "A9")
        jane, request = ApiClient(channel, "jane"), booking_request(run, "jane", request_id="jane")
        async with followers_halted(members):
            for _ in range(3):
                assert (await refusal(jane.send(request))).says == AWAY
        booking = await retry_until_answered(lambda: jane.send(request))
        assert seats_of(booking) == ["A-1"]
        assert await jane.free(run) == {"A": 8}
        assert "Traceback" not in server.output()


async def _answered_or_committing(call: asyncio.Task[object], primary: Member) -> bool:
    return call.done() or await _commits_under_way(primary) > 1


async def _has_committed(primary: Member) -> bool:
    answer = await primary.ask({"find": "train_runs", "limit": 1}, database=DATABASE)
    return int(answer["cursor"]["firstBatch"][0]["version"]) > 1
