"""Health checks of a server, and calls that stay under way for as long as a test needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from app.process.server import Server
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from tests.support.clients import CALL_SECONDS_MAX, ApiClient, decoded, refusal
from tests.support.world import eventually

LIVENESS = "liveness"
SERVICES = tuple(
    f"seatline.v1.{name}Service" for name in ("Booking", "Hold", "Job", "Notice", "Run", "Ticket", "Train", "User", "Webhook")
)


async def health(channel: grpc.aio.Channel, name: str = "") -> str:
    """Return SERVING or NOT_SERVING, or SERVICE_UNKNOWN for an unknown name."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its type stubs lack this
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=CALL_SECONDS_MAX)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return "SERVICE_UNKNOWN"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def all_health(channel: grpc.aio.Channel) -> set[str]:
    """Return the states of the server as a whole and of each of its services."""
    return {await health(channel, name) for name in ("", *SERVICES)}


async def calls_under_way(channel: grpc.aio.Channel, calls: Iterable[Callable[[], Awaitable[Any]]]) -> list[asyncio.Task[Any]]:
    """Start the calls, and return once the server is full: its `calls_in_flight_max` has to be their number."""
    tasks = [asyncio.create_task(_insist(call)) for call in calls]
    await eventually(lambda: _is_full(channel))
    return tasks


async def _insist(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call again while the server is full: the check whether it is full takes up a call for a moment."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if decoded(error).reason != "TOO_MANY_CALLS":
                raise


async def _is_full(channel: grpc.aio.Channel) -> bool:
    return (await refusal(ApiClient(channel).booking("ZZZZZZ"))).reason == "TOO_MANY_CALLS"


@asynccontextmanager
async def slow_commits(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    """Make commits wait until the block ends or the second event is set. The first event is set once a commit has begun."""
    commit_each = server.store.runs.commit_each
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        begun.set()
        await go_on.wait()
        return await commit_each(batch)

    with monkeypatch.context() as patched:
        patched.setattr(server.store.runs, "commit_each", slow)
        try:
            yield begun, go_on
        finally:
            go_on.set()
