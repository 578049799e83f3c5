"""What health checks are told.

Belongs here: the names that can be asked for, and what each follows. Does not: finding out whether the database answers
(`server.py`).
"""

import asyncio
import logging

from grpc_health.v1 import health, health_pb2

from app.ports.call_observer import Context

_log = logging.getLogger(__name__)

# The health name that is SERVING as long as the process answers at all: what a liveness probe asks for. It takes no part in
# draining, nor in the database's outages, since a restart would cure neither.
LIVENESS = "liveness"

# Passing on a change of health takes a millisecond.
_LAST_CHANGE_SECONDS = 0.1

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class _HealthServicer(health.aio.HealthServicer):
    """Answers health checks, and can end those that go on for ever: a server that stops waits for every open stream."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[None]] = set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:  # noqa: N802 - gRPC's name
        """Tells each change of a status, until the client or the server leaves."""
        watch = asyncio.create_task(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait([watch])
        finally:
            watch.cancel()
            self._watches.discard(watch)

    async def end_watches(self) -> None:
        """Ends all watches, after a moment in which they pass on the last change."""
        if self._watches:
            await asyncio.wait(self._watches, timeout=_LAST_CHANGE_SECONDS)
        for watch in self._watches:
            watch.cancel()


class Health:
    """What health checks are told: the whole server ("") and each service follow the database, the connections and draining."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self.servicer = _HealthServicer()
        self._names = ("", *services)
        self._is_draining = False
        self._is_full = False
        self.is_available = False

    @property
    def is_ready(self) -> bool:
        """Whether clients are to come."""
        return self.is_available and not self._is_draining and not self._is_full

    async def begin(self) -> None:
        """Answers for every name from now on."""
        await self.servicer.set(LIVENESS, _SERVING)
        await self.set_available(self.is_available)

    async def set_available(self, available: bool) -> None:
        """The database answers, or does not."""
        if available != self.is_available:
            _log.log(logging.INFO if available else logging.ERROR, "database %s", "answers" if available else "is away")
        self.is_available = available
        await self._publish_status()

    async def set_full(self, full: bool) -> None:
        """There are as many connections as may be, so that whoever comes now is turned away; or no longer."""
        if full == self._is_full:
            return
        if full:
            _log.warning("as many connections as may be: no more are taken")
        else:
            _log.info("connections are taken again")
        self._is_full = full
        await self._publish_status()

    async def drain(self) -> None:
        """Clients are to leave."""
        self._is_draining = True
        await self._publish_status()

    async def _publish_status(self) -> None:
        status = _SERVING if self.is_ready else _NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, status)
