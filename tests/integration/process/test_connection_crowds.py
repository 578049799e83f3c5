"""Many clients at a server's port: many calls at once, calls cancelled at once, and idle connections.

Each server is a process of its own, as in production.
"""

from __future__ import annotations

import asyncio
import resource
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import train_run_pb2
from tests.bench.load import frames
from tests.support.clients import ApiClient, Run, decoded
from tests.support.health_checks import LIVENESS, health
from tests.support.long_mode import full
from tests.support.metrics_scrapes import get
from tests.support.raw_http2 import RawConnection, raw_connections
from tests.support.server_processes import ServerProcess, a_run, server_process
from tests.support.world import eventually

CALLS = full(5_000, short=2_500)  # by default, gRPC cancels some of them from a thousand on
RESETS = full(400_000, short=20_000)
CONNECTIONS = 8
CALL_SECONDS_MAX = 100.0  # on a busy machine; each takes a millisecond, one after the other
READY, SHUT = 200, 503


@asynccontextmanager
async def _server(tmp_path: Path, mongod: EmbeddedMongod, **settings: str) -> AsyncIterator[ServerProcess]:
    own = {"SEATLINE_MONGODB_URI": mongod.uri, "SEATLINE_MONGODB_DATABASE": f"test_{uuid.uuid4().hex[:16]}"}
    calls = {"SEATLINE_CALL_SECONDS_MAX": str(CALL_SECONDS_MAX)}
    async with server_process(tmp_path / "server", **own, **calls, **settings) as server:
        yield server


@asynccontextmanager
async def _channels(server: ServerProcess, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Channels with one connection each."""
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(server.target, options)) for _ in range(count)]
        yield channels


async def _ends(channels: list[grpc.aio.Channel], run: Run, count: int) -> Counter[str]:
    """Return how that many simultaneous calls end."""

    request = train_run_pb2.GetTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date)

    async def end(channel: grpc.aio.Channel) -> str:
        try:
            await ApiClient(channel).train_runs.GetTrainRun(request, timeout=CALL_SECONDS_MAX)
        except grpc.aio.AioRpcError as error:
            refused = decoded(error)
            return f"{refused.code.name} {refused.reason} {'and when to retry' if refused.retry_seconds else refused.message}"
        return "OK"

    return Counter(await asyncio.gather(*(end(channels[number % len(channels)]) for number in range(count))))


TOLD_TO_RETRY = "RESOURCE_EXHAUSTED TOO_MANY_CALLS and when to retry"


@pytest.mark.timeout(full(600, short=120))
async def test_thousands_of_calls_at_once_on_few_connections_are_all_answered(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    async with _server(tmp_path, mongod) as server, _channels(server, CONNECTIONS) as channels:
        run = await a_run(channels[0], "A40 B40")
        assert await _ends(channels, run, CALLS) == {"OK": CALLS}


@pytest.mark.timeout(full(600, short=120))
async def test_calls_above_the_limit_are_refused_with_a_retry_time(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    async with (
        _server(tmp_path, mongod, SEATLINE_CALLS_IN_FLIGHT_MAX="300") as server,
        _channels(server, CONNECTIONS) as channels,
    ):
        run = await a_run(channels[0], "A40 B40")
        ends = await _ends(channels, run, 1_100)
        assert set(ends) <= {"OK", TOLD_TO_RETRY}
        assert ends["OK"] >= 300


async def test_a_connection_is_limited_in_its_calls(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    async with _server(tmp_path, mongod, SEATLINE_CONNECTION_CALLS_MAX="17") as server:
        with raw_connections(server.port) as (connection,):
            settings = next(frame for frame in connection.receive() if frame.type == frames.SETTINGS)
            assert frames.read_settings(settings.payload)[frames.SETTING_MAX_CONCURRENT_STREAMS] == 17


@pytest.mark.timeout(full(600, short=120))
async def test_a_client_that_cancels_calls_in_a_loop_does_not_affect_others(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    async with _server(tmp_path, mongod) as server, _channels(server, 1) as channels:
        run = await a_run(channels[0], "A40 B40")
        with raw_connections(server.port) as (connection,):
            attack = asyncio.create_task(asyncio.to_thread(_reset, connection, RESETS))
            ends: Counter[str] = Counter()
            while not attack.done() or not ends:
                ends += await _ends(channels, run, 10)
            await attack
        assert set(ends) == {"OK"}
        assert (await _ends(channels, run, 300))["OK"] == 300


def _reset(connection: RawConnection, count: int) -> None:
    """Start and reset that many calls, and read until the server answers or closes the connection."""
    try:
        for _ in range(count // 100):
            connection.begin_calls(100, reset=True)
            connection.is_closed()
            connection.socket.settimeout(20)
    except OSError:
        return


async def test_incomplete_requests_end_soon_and_block_nobody(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    settings = {"SEATLINE_CALLS_IN_FLIGHT_MAX": "100", "SEATLINE_REQUEST_SECONDS_MAX": "2"}
    async with _server(tmp_path, mongod, **settings) as server, _channels(server, 1) as channels:
        run = await a_run(channels[0], "A40 B40")
        with raw_connections(server.port, 5) as connections:
            for connection in connections:
                connection.begin_calls(200)
            assert await _ends(channels, run, 50) == {"OK": 50}
            for connection in connections:
                ended = await asyncio.to_thread(_count_ends, connection, 200)
                assert ended == 200


def _count_ends(connection: RawConnection, count: int) -> int:
    """Wait until the server has ended that many calls."""
    ended: set[int] = set()
    while len(ended) < count:
        received = connection.receive()
        if not received:
            break
        ended |= {frame.stream_id for frame in received if frame.type == frames.HEADERS and frame.flags & frames.END_STREAM}
    return len(ended)


async def test_silent_connections_are_bounded_and_closed_and_readiness_follows_the_limit(
    tmp_path: Path, mongod: EmbeddedMongod
) -> None:
    settings = {
        "SEATLINE_CONNECTIONS_MAX": "20",
        "SEATLINE_HEALTH_INTERVAL_SECONDS": "0.1",
        "SEATLINE_METRICS_LISTEN": "127.0.0.1:0",
    }
    async with _server(tmp_path, mongod, **settings) as server, _channels(server, 1) as channels:
        run = await a_run(channels[0], "A40 B40")
        port = await server.metrics_port()
        assert (await get(port, "/readyz")).status_code == READY
        with raw_connections(server.port, 60, silent=True) as connections:
            await eventually(lambda: _is(port, SHUT))
            assert await health(channels[0]) == "NOT_SERVING"
            assert await health(channels[0], LIVENESS) == "SERVING"
            assert sum(connection.is_closed() for connection in connections) >= 40
            assert await _ends(channels, run, 50) == {"OK": 50}
            await eventually(lambda: _is(port, READY), seconds_max=60)
            await eventually(lambda: _are_closed(connections), seconds_max=60)
        assert await health(channels[0]) == "SERVING"


async def _are_closed(connections: Sequence[RawConnection]) -> bool:
    return all(connection.is_closed() for connection in connections)


async def _is(port: int, status: int) -> bool:
    return (await get(port, "/readyz")).status_code == status


async def test_a_server_raises_its_limit_of_open_files(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = min(soft, 1_024)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        async with _server(tmp_path, mongod) as server:
            allowed: Any = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert allowed == (hard, hard)
