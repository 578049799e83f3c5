"""The server: serves calls, and stops in an orderly way.

Belongs here: listening, draining, and the worker's part inside a server. Does not belong here: building the parts of a server
(`bootstrap/`), nor what a call does (`app/rpc`).
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import grpc

from app.config import Settings
from app.ports.background_task import BackgroundTask, repeat
from app.process.application import Application
from app.process.connections import count_connections, is_at_connection_limit, stop_accepting
from app.process.health import Health
from app.process.listening import find_listen_problem
from app.process.start_error import StartError
from app.process.worker import BackgroundWork
from app.rpc.guard import Guard

# gRPC varies the maximum age of each connection by up to a tenth, so that connections do not all end together.
_AGE_SPREAD = 1.1
# A client that is asked to disconnect needs one round trip, and the time of its calls in flight.
_DISCONNECT_SECONDS = 1.0
_DISCONNECT_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Edge:
    """The gRPC side of a server: `connections_max` is the number of client connections that it accepts."""

    grpc: grpc.aio.Server
    guard: Guard
    health: Health
    connections_max: int


class Server:
    """A server; `port` is the port that it listens on, 0 before `start` and for a Unix socket."""

    def __init__(self, application: Application, edge: Edge, make_worker: Callable[[], BackgroundWork]) -> None:
        self.application, self.health = application, edge.health
        self.store, self.bus, self.payments = application.store, application.bus, application.payments
        self.database = application.database
        self._settings, self._edge, self._make_worker = application.settings, edge, make_worker
        self._worker: BackgroundWork | None = None
        self._connection_check = BackgroundTask(
            "check connections", lambda: repeat(self._settings.health_interval_seconds, self._check_connections)
        )
        self.port = 0
        application.monitor.report_to(self._report_database)
        if application.metrics is not None:
            application.metrics.watch(application.bus, lambda: application.monitor.is_available, lambda: self.health.is_ready)

    @property
    def metrics_port(self) -> int:
        """The port of the metrics, 0 without metrics."""
        return self.application.metrics_port

    async def start(self) -> None:
        """Check the database, and serve. Raise StartError when the address cannot be listened on."""
        await self.application.monitor.check()
        await self.health.begin()
        self.port = self._listen()
        if self.application.tracing is not None:
            self.application.tracing.calls.set_server_address(self._settings.listen_host, self.port)
        await self._edge.grpc.start()
        if self._settings.with_worker:
            self.start_worker()
        self.application.monitor.start()
        self._connection_check.start()

    async def stop(self, hurry_requested: asyncio.Event | None = None) -> None:
        """Wait for clients to disconnect, finish the calls in flight, and close everything.

        Once `hurry_requested` is set, it no longer waits for clients.
        """
        health = self.health
        await health.drain()
        await asyncio.sleep(self._settings.drain_delay_seconds)
        await health.servicer.end_watches()
        self._edge.guard.abort_streams()  # from now on new ones are refused as well
        await self._await_disconnects(hurry_requested or asyncio.Event())
        await health.servicer.end_watches()  # those that began while clients were disconnecting
        await self._edge.grpc.stop(self._settings.drain_seconds)
        await self._connection_check.stop()
        await self.application.monitor.stop()
        await self.stop_worker()
        await self.application.close()

    def start_worker(self) -> None:
        """Start the worker's part in this process."""
        self._worker = self._make_worker()
        self._worker.start()

    async def stop_worker(self) -> None:
        """Stop the worker's part, if it was started."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    async def wait(self) -> None:
        """Return when the server has stopped."""
        await self._edge.grpc.wait_for_termination()

    def _listen(self) -> int:
        try:
            return self._edge.grpc.add_insecure_port(self._settings.listen)
        except RuntimeError as error:
            problem = _describe_listen_problem(self._settings)
            raise StartError(f"cannot listen on {self._settings.listen}: {problem}") from error

    async def _await_disconnects(self, hurry_requested: asyncio.Event) -> None:
        """Accept no more connections, and return when none is left or all have reached their maximum age."""
        if not self.port:
            return
        stop_accepting(self.port)
        end = time.monotonic() + disconnect_seconds_max(self._settings)
        while time.monotonic() < end and not hurry_requested.is_set() and count_connections(self.port) != 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(hurry_requested.wait(), _DISCONNECT_POLL_SECONDS)

    async def _report_database(self, available: bool) -> None:
        """Pass the result of a database check on to health checks and to the calls in flight."""
        await self.health.set_available(available)
        if not available:
            self._edge.guard.abort_all()

    async def _check_connections(self) -> None:
        is_full = await asyncio.to_thread(is_at_connection_limit, self.port, self._edge.connections_max)
        await self.health.set_full(is_full)


def disconnect_seconds_max(settings: Settings) -> float:
    """Return how long clients may take to disconnect once no new connections are accepted: the maximum age of connections.

    Without a maximum age it is 0: clients are not asked to disconnect, and are not waited for.
    """
    age = settings.connection_seconds_max
    return age * _AGE_SPREAD + _DISCONNECT_SECONDS if age else 0


def _describe_listen_problem(settings: Settings) -> str:
    problem = None
    if settings.listen_port is not None:
        problem = find_listen_problem(settings.listen_host, settings.listen_port)
    return f"{problem or 'the path cannot be used'}; set SEATLINE_LISTEN to another address"
