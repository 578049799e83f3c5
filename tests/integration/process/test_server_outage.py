"""MongoDB away: calls fail at once, health follows, and service resumes by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import booking_request, refusal, seats_of
from tests.support.health_checks import LIVENESS, all_health, health
from tests.support.own_mongod import start_mongod
from tests.support.world import World, eventually, running_server, settings_for

AWAY = (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
# Far longer than it takes to notice: calls in flight must not wait for their statements to time out.
OPERATION_SECONDS_MAX = 20.0
AT_ONCE_SECONDS = (
    5.0  # on a busy machine; it takes a millisecond. Calls that waited for MongoDB would take OPERATION_SECONDS_MAX
)


@pytest.fixture(scope="module")
def frail_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """A mongod of these tests, which they may halt."""
    running = start_mongod(tmp_path_factory.mktemp("frail"))
    yield running
    running.stop()


@pytest_asyncio.fixture
async def frail(frail_mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """A server that notices an outage soon."""
    settings = settings_for(
        frail_mongod.uri,
        health_interval_seconds=0.1,
        mongodb_selection_seconds_max=0.5,
        mongodb_operation_seconds_max=OPERATION_SECONDS_MAX,
    )
    async with running_server(settings) as made:
        yield made


async def _is(world: World, statuses: set[str]) -> bool:
    return await all_health(world.channel) == statuses


def _thread_states(mongod: EmbeddedMongod) -> set[str]:
    threads = Path(f"/proc/{mongod.process_id}/task").glob("*/stat")
    return {thread.read_text().rpartition(")")[2].split()[0] for thread in threads}


async def _halt(mongod: EmbeddedMongod) -> None:
    """Send SIGSTOP to a mongod, and return when all its threads have stopped: on a busy machine they go on for a moment."""

    async def has_halted() -> bool:
        return _thread_states(mongod) == {"T"}

    os.kill(mongod.process_id, signal.SIGSTOP)
    await eventually(has_halted)


async def test_calls_fail_at_once_while_mongodb_is_away_and_service_resumes(frail: World, frail_mongod: EmbeddedMongod) -> None:
    run = await frail.run("A9")
    await frail.api_client("joe").book(run)
    request = booking_request(run, "jane")
    try:
        await _halt(frail_mongod)
        gone = time.monotonic()
        calls_under_way = await refusal(frail.api_client("jane").send(request))
        assert time.monotonic() - gone < OPERATION_SECONDS_MAX / 2
        await eventually(lambda: _is(frail, {"NOT_SERVING"}))
        assert await health(frail.channel, LIVENESS) == "SERVING"
        begin = time.monotonic()
        calls = (frail.api_client("jane").send(request), frail.api_client().free(run), frail.api_client("joe").receipts_page())
        refused = await asyncio.gather(*map(refusal, calls))
        assert time.monotonic() - begin < AT_ONCE_SECONDS
    finally:
        os.kill(frail_mongod.process_id, signal.SIGCONT)
    for error in (calls_under_way, *refused):
        assert error.says == AWAY
        assert error.retry_seconds > 0
        assert "127.0.0.1" not in error.message
    await eventually(lambda: _is(frail, {"SERVING"}))
    booking = await frail.api_client("jane").send(request)
    assert seats_of(booking) == ["A-2"]
    assert [seat for seat, _ in await frail.desk.section(run, "A")] == ["A-1", "A-2"]


async def test_a_server_that_starts_before_its_database_waits_for_it(frail_mongod: EmbeddedMongod) -> None:
    try:
        await _halt(frail_mongod)
        settings = settings_for(frail_mongod.uri, health_interval_seconds=0.1, mongodb_selection_seconds_max=0.5)
        async with running_server(settings) as early:
            assert await all_health(early.channel) == {"NOT_SERVING"}
            assert await health(early.channel, LIVENESS) == "SERVING"
            assert (await refusal(early.api_client().list_runs())).says == AWAY
            os.kill(frail_mongod.process_id, signal.SIGCONT)
            await eventually(lambda: _is(early, {"SERVING"}))
            assert seats_of(await early.api_client("jane").book(await early.run())) == ["A-1"]
            assert "recent._id" in repr(await early.database["train_runs"].index_information())
    finally:
        os.kill(frail_mongod.process_id, signal.SIGCONT)
