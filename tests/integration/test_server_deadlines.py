"""Deadlines and callers who leave: nothing is half-done, and whoever waits behind them is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from app.config import Settings
from app.store.embedded import EmbeddedMongod
from tests.integration.clients import booking_request, people, refusal, seats_of
from tests.integration.health_checks import under_way
from tests.integration.world import World, eventually, outcomes, serving, settings_for

EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED


@asynccontextmanager
async def _slow_commits(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """Until the block ends, commits begin but wait; the event is set once one has."""
    commit = world.server.store.runs.commit
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(kept: Any) -> bool:
        begun.set()
        await go_on.wait()
        return await commit(kept)

    with monkeypatch.context() as patched:
        patched.setattr(world.server.store.runs, "commit", slow)
        try:
            yield begun
        finally:
            go_on.set()


async def test_after_tiny_deadlines_nothing_is_half_done(world: World) -> None:
    run = await world.run("A9")
    jane = world.phone("jane")
    found = await outcomes([jane.book(run, request_id="r1", timeout=0.0001 * number) for number in range(1, 30)])
    assert {one.code() for one in found if isinstance(one, grpc.aio.AioRpcError)} == {EXCEEDED}
    booking = await jane.book(run, request_id="r1")
    assert await world.desk.section(run, "A") == [("A-1", "jane@example.com")]
    assert await jane.receipts() == [booking.reference]


async def test_who_waited_too_long_is_not_decided_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await world.run("A9")
    async with _slow_commits(world, monkeypatch) as begun:
        first = asyncio.ensure_future(world.phone("first").send(booking_request(run, "first")))
        await begun.wait()
        late = await asyncio.gather(*(refusal(world.phone(name).book(run, timeout=0.2)) for name in people("late", 3)))
    assert {one.code for one in late} == {EXCEEDED}
    assert seats_of(await first) == ["A-1"]
    assert seats_of(await world.phone("next").book(run)) == ["A-2"]
    assert len(await world.desk.section(run, "A")) == 2


async def test_the_servers_own_limit_ends_a_call_that_set_no_deadline(
    mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Settings = settings_for(mongod.uri, call_seconds_max=0.3)
    async with serving(settings) as world:
        run = await world.run("A9")
        async with _slow_commits(world, monkeypatch) as begun:
            first = asyncio.ensure_future(refusal(world.phone("first").book(run)))
            await begun.wait()
            refused = await asyncio.wait_for(refusal(world.phone("jane").book(run)), 3)
        assert (refused.code, (await first).code) == (EXCEEDED, EXCEEDED)
        assert refused.reason == "DEADLINE_EXCEEDED"
        await world.database.client.drop_database(world.database.name)


async def test_callers_who_leave_do_not_stop_the_lane(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await world.run("A9")
    async with _slow_commits(world, monkeypatch) as begun:
        first = asyncio.ensure_future(world.phone("first").send(booking_request(run, "first", request_id="r1")))
        await begun.wait()
        waiting = await under_way(world.channel, *(world.phone(name).book(run) for name in people("p", 3)))
        for call in (first, *waiting):
            call.cancel()
        await asyncio.gather(first, *waiting, return_exceptions=True)
        await world.phone().free(run)
    assert seats_of(await world.phone("next").book(run)) == ["A-2"]
    # What had been on its way to the database when its caller left is sold, and the caller can find out.
    assert seats_of(await world.phone("first").book(run, request_id="r1")) == ["A-1"]
    assert len(await world.desk.section(run, "A")) == 2


async def test_a_caller_who_leaves_frees_its_place_among_the_calls(
    mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings_for(mongod.uri, calls_in_flight_max=1)) as world:
        run = await world.run("A9")
        async with _slow_commits(world, monkeypatch) as begun:
            first = asyncio.ensure_future(world.phone("first").send(booking_request(run, "first")))
            await begun.wait()
            refused = await refusal(world.phone().free(run))
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
            assert refused.retry_seconds > 0
            first.cancel()

            async def answers_again() -> bool:
                try:
                    return bool(await world.phone().free(run))
                except grpc.aio.AioRpcError:
                    return False

            await eventually(answers_again)
        await world.database.client.drop_database(world.database.name)


async def test_too_many_callers_for_one_train_are_told_when_to_come_again(
    mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings_for(mongod.uri, lane_queue_max=3)) as world:
        run = await world.run("A9")
        async with _slow_commits(world, monkeypatch) as begun:
            first = asyncio.ensure_future(world.phone("first").send(booking_request(run, "first")))
            await begun.wait()
            waiting = await under_way(world.channel, *(world.phone(name).book(run) for name in people("p", 3)))
            refused = await refusal(world.phone("late").book(run))
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LANE_FULL")
            assert refused.retry_seconds > 0
        booked = [await call for call in (first, *waiting)]
        assert sorted(seats_of(one)[0] for one in booked) == ["A-1", "A-2", "A-3", "A-4"]
        await world.database.client.drop_database(world.database.name)
