"""Health checks of the gRPC server.

Belongs here: the names that a health check may ask for, and the status of each. Does not belong here: finding out whether the
database answers (`database_monitor.py`).
"""

import asyncio
import logging
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2

_log = logging.getLogger(__name__)

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # the class takes no arguments at run time

# The health name that is SERVING as long as the process answers at all: a liveness probe asks for it. It does not follow
# draining, nor outages of the database, since a restart would cure neither.
LIVENESS = "liveness"

# Passing on a change of health takes a millisecond.
_LAST_CHANGE_SECONDS = 0.1

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class _HealthServicer(health.aio.HealthServicer):
    """Answers health checks, and can end health watches, which never end by themselves: a stop waits for every open stream."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[None]] = set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> None:  # noqa: N802 - gRPC's name
        """Send each change of a status, until the client disconnects or the server ends the watch."""
        watch = asyncio.create_task(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait([watch])
        finally:
            watch.cancel()
            self._watches.discard(watch)

    async def end_watches(self) -> None:
        """End all watches, after a moment in which they send the last change."""
        if self._watches:
            await asyncio.wait(self._watches, timeout=_LAST_CHANGE_SECONDS)
        for watch in self._watches:
            watch.cancel()


class Health:
    """The health of the whole server (the name "") and of each service.

    It is SERVING while the database is available, the server accepts connections, and it is not draining.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        self.servicer = _HealthServicer()
        self._names = ("", *services)
        self._is_draining = self._is_full = self._is_available = False

    @property
    def is_ready(self) -> bool:
        """Whether clients should send calls here."""
        return self._is_available and not self._is_draining and not self._is_full

    async def begin(self) -> None:
        """Answer for every name from now on."""
        await self.servicer.set(LIVENESS, _SERVING)
        await self._publish_status()

    async def set_available(self, available: bool) -> None:
        """Take note whether the database is available."""
        self._is_available = available
        await self._publish_status()

    async def set_full(self, full: bool) -> None:
        """Take note whether the connections are at their limit, so that new clients are turned away."""
        if full == self._is_full:
            return
        if full:
            _log.warning("the limit of connections is reached: new connections are refused")
        else:
            _log.info("connections are accepted again")
        self._is_full = full
        await self._publish_status()

    async def drain(self) -> None:
        """Tell clients to use another server."""
        self._is_draining = True
        await self._publish_status()

    async def _publish_status(self) -> None:
        status = _SERVING if self.is_ready else _NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, status)
