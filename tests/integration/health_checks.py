"""Asking a server for its health, as probes and load balancers do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.integration.clients import CALL_SECONDS_MAX

LIVENESS = "liveness"
SERVICES = tuple(f"seatline.v1.{name}Service" for name in ("Booking", "Operator", "Train", "User"))


async def health(channel: grpc.aio.Channel, name: str = "") -> str:
    """SERVING, NOT_SERVING, or SERVICE_UNKNOWN for a name that the server does not know."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=CALL_SECONDS_MAX)
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return "SERVICE_UNKNOWN"
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def all_health(channel: grpc.aio.Channel) -> set[str]:
    """What the server as a whole and each of its services say."""
    return {await health(channel, name) for name in ("", *SERVICES)}


async def under_way(channel: grpc.aio.Channel, *calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Starts the calls and returns once the server has them: it answers a later one on the same connection."""
    tasks = [asyncio.create_task(call) for call in calls]
    for _ in range(3):  # the steps of a task until its call is sent
        await asyncio.sleep(0)
    await health(channel, LIVENESS)
    return tasks
