"""Deadlines and cancelled calls: nothing is half-done, and the next callers are served."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import grpc
import pytest

from app.config import Settings
from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import Run, booking_request, people, refusal, seats_of
from tests.support.health_checks import calls_under_way, slow_commits
from tests.support.world import World, eventually, outcomes, running_server, settings_for

EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED


async def test_after_tiny_deadlines_nothing_is_half_done(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    found = await outcomes([jane.book(run, request_id="r1", seconds=0.0001 * number) for number in range(1, 30)])
    assert {error.code() for error in found if isinstance(error, grpc.aio.AioRpcError)} == {EXCEEDED}
    booking = await jane.book(run, request_id="r1")
    assert await world.desk.section(run, "A") == [("A-1", "jane@example.com")]
    assert await jane.receipts() == [booking.reference]


async def test_a_command_whose_deadline_has_passed_is_not_decided(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await world.run("A9")
    async with slow_commits(world.server, monkeypatch) as (begun, _):
        first = asyncio.ensure_future(world.api_client("first").send(booking_request(run, "first")))
        await begun.wait()
        late = await asyncio.gather(*(refusal(world.api_client(name).book(run, seconds=0.2)) for name in people("late", 3)))
    assert {error.code for error in late} == {EXCEEDED}
    assert seats_of(await first) == ["A-1"]
    assert seats_of(await world.api_client("next").book(run)) == ["A-2"]
    assert len(await world.desk.section(run, "A")) == 2


async def test_the_servers_own_limit_ends_a_call_that_set_no_deadline(
    mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Settings = settings_for(mongod.uri, call_seconds_max=1.0)
    async with running_server(settings) as world:
        run = await world.run("A9")
        async with slow_commits(world.server, monkeypatch) as (begun, _):
            first = asyncio.ensure_future(refusal(world.api_client("first").book(run)))
            await begun.wait()
            refused = await asyncio.wait_for(refusal(world.api_client("jane").book(run)), 15)
        assert (refused.code, (await first).code) == (EXCEEDED, EXCEEDED)
        assert refused.reason == "DEADLINE_EXCEEDED"
        await world.database.client.drop_database(world.database.name)


async def test_cancelled_calls_do_not_stop_the_lane(mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_server(settings_for(mongod.uri, calls_in_flight_max=4)) as world:
        run = await world.run("A9")
        async with slow_commits(world.server, monkeypatch) as (begun, _):
            first = asyncio.ensure_future(world.api_client("first").book(run, request_id="r1"))
            await begun.wait()
            waiting = await calls_under_way(
                world.channel, [partial(world.api_client(name).book, run) for name in people("p", 3)]
            )
            for call in (first, *waiting):
                call.cancel()
            await asyncio.gather(first, *waiting, return_exceptions=True)
            await eventually(lambda: _answers(world, run))
        assert seats_of(await world.api_client("next").book(run)) == ["A-2"]
        # A commit in progress when its caller left goes through, and the caller can find out.
        assert seats_of(await world.api_client("first").book(run, request_id="r1")) == ["A-1"]
        assert len(await world.desk.section(run, "A")) == 2
        await world.database.client.drop_database(world.database.name)


async def _answers(world: World, run: Run) -> bool:
    try:
        return bool(await world.api_client().free(run))
    except grpc.aio.AioRpcError:
        return False


async def test_a_cancelled_call_is_no_longer_in_flight(mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_server(settings_for(mongod.uri, calls_in_flight_max=1)) as world:
        run = await world.run("A9")
        async with slow_commits(world.server, monkeypatch) as (begun, _):
            first = asyncio.ensure_future(world.api_client("first").send(booking_request(run, "first")))
            await begun.wait()
            refused = await refusal(world.api_client().free(run))
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
            assert refused.retry_seconds > 0
            first.cancel()
            await eventually(lambda: _answers(world, run))
        await world.database.client.drop_database(world.database.name)


async def test_calls_above_the_queue_limit_are_refused_with_a_retry_time(
    mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_server(settings_for(mongod.uri, lane_queue_max=3)) as world:
        run = await world.run("A9")
        async with slow_commits(world.server, monkeypatch) as (begun, go_on):
            first = asyncio.ensure_future(world.api_client("first").book(run))
            await begun.wait()
            calls = {asyncio.ensure_future(world.api_client(name).book(run)) for name in people("p", 8)}
            refused: set[asyncio.Future[Any]] = set()
            while len(refused) < 5:  # three are queued, five are refused
                done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=10)
                assert done
                refused |= done
            go_on.set()
            booked = [await call for call in (first, *calls)]
        assert sorted(seats_of(booking)[0] for booking in booked) == ["A-1", "A-2", "A-3", "A-4"]
        for call in refused:
            error = await refusal(call)
            assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RUN_BUSY")
            assert error.retry_seconds > 0
        await world.database.client.drop_database(world.database.name)
