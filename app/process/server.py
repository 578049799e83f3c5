"""The server: builds everything, serves, and goes away in good order.

Belongs here: what is built from what, draining, signals. Does not: what single settings stand for (`bootstrap.py`), nor
anything a call does.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import grpc

from app.config import Settings
from app.embedded.mongod import EmbeddedMongod
from app.lanes.local_bus import open_command_bus
from app.process.bootstrap import StartError, grpc_options, lane_bounds, open_database, provider_of, tracing_of
from app.process.connections import (
    count_connections,
    is_at_connection_limit,
    limit_connections,
    raise_descriptor_limit,
    stop_accepting,
)
from app.process.health import Health
from app.process.listening import find_listen_problem
from app.process.metrics import ProcessMetrics
from app.rpc.guard import Guard, GuardedServer
from app.rpc.open_services import OpenGuard, add_open_services
from app.rpc.servicers import add_services, method_names
from app.store.driver import Client, Database
from app.store.indexes import make_indexes
from app.store.ping import ping
from app.store.store import Store, open_store
from app.telemetry.logs.calls import CallLogger
from app.telemetry.logs.format import configure_logging
from app.telemetry.observers import combine_call_observers, combine_lane_observers
from app.usecases.bookings import BookingUseCases
from app.usecases.jobs import JobUseCases
from app.usecases.payments import BookingPayments
from app.usecases.trains import TrainUseCases
from app.usecases.users import UserUseCases
from app.usecases.webhooks import WebhookUseCases

if TYPE_CHECKING:
    from app.process.worker import BackgroundWork

_log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A server that sells allocates a few hundred long-lived objects a call and hardly a cycle. The collector's default, a look at
# the young ones every 700 allocations, costs some percent of all calls.
_GC_THRESHOLDS = (50_000, 20, 50)
# The driver works in threads. A thread that has its answer waits for the interpreter until the busy main one gives it up, by
# default after 5 ms; a commit takes that wait several times over.
_SWITCH_SECONDS = 0.0005
# gRPC's own thread is woken about five times a call, and would take the processor from the main thread each time. Threads of
# this kind wait for its turn to end; where another processor is free, they run at once all the same. It saves a sixth of what
# a call costs.
_SCHEDULING = getattr(os, "SCHED_BATCH", None)  # Linux
# gRPC lets connections become up to a tenth older or younger than told, so that they do not end together.
_AGE_SPREAD = 1.1
# Leaving takes the client a round trip, and the calls that it has under way.
_DISCONNECT_SECONDS = 1.0
_DISCONNECT_POLL_SECONDS = 0.05
# How late the event loop may be without a word: callers notice half a second.
_LOOP_DELAY_SECONDS_MAX = 0.5


def utc_now() -> datetime:
    """Now, in UTC and whole milliseconds, which is what MongoDB keeps."""
    return _moment(time.time_ns() // 1_000_000)


# On a busy server a dozen calls ask within the same millisecond.
@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


class Server:
    """A running server. Made by `start`; `port` is the one it listens on."""

    def __init__(
        self, settings: Settings, client: Client, embedded: EmbeddedMongod | None, measuring: ProcessMetrics | None = None
    ) -> None:
        self._settings, self._client, self._embedded, self._process_metrics = settings, client, embedded, measuring
        self.database: Database = client[settings.mongodb_database]
        self._tracing = tracing_of(settings)
        self._call_logger = CallLogger(settings.log_call_lines_per_second_max)
        self.store: Store = open_store(self.database, jobs_kept_seconds=settings.job_kept_seconds)
        self.bus = open_command_bus(
            self.store.runs,
            self.store.bookings,
            utc_now,
            lane_bounds(settings),
            combine_lane_observers([one.lanes for one in (self._tracing, measuring) if one is not None]),
        )
        self.provider = provider_of(settings, self.database, utc_now)
        if measuring is not None:
            self.provider = measuring.observe_provider(self.provider)
        self.paying = BookingPayments(self.store, self.bus, self.provider, utc_now, time.monotonic)
        self._work: BackgroundWork | None = None
        self.port = 0
        self._has_indexes = False
        self._tasks: list[asyncio.Task[None]] = []
        self._guard = Guard(
            calls_in_flight_max=settings.calls_in_flight_max,
            call_seconds_max=settings.call_seconds_max,
            request_seconds_max=settings.request_seconds_max,
            is_available=lambda: self._health.is_available,
            # What is first begins first and ends last: the others find its span to be the current one.
            observer=combine_call_observers(
                [*(one.calls for one in (self._tracing, measuring) if one is not None), self._call_logger]
            ),
        )
        own_connections = settings.mongodb_connections_max + settings.webhook_sends_max
        self._connections_max = limit_connections(settings.connections_max, own_connections)
        self._grpc = grpc.aio.server(options=grpc_options(settings, self._connections_max))
        services = add_services(
            GuardedServer(self._grpc, self._guard.around),
            BookingUseCases(self.store, self.bus, self.paying, utc_now),
            TrainUseCases(self.store, self.bus, utc_now, self.paying.amounts),
            UserUseCases(self.store, utc_now),
            WebhookUseCases(self.store, utc_now, allow_private_addresses=settings.webhook_allow_private_addresses),
            JobUseCases(self.store, utc_now),
            settings.call_seconds_max,
        )
        self._health = Health(services)
        open_guard = OpenGuard(settings.request_seconds_max, self._call_logger)
        add_open_services(self._grpc, open_guard, self._health.servicer, services)
        if measuring is not None:
            measuring.watch(self.bus, lambda: self._health.is_available, lambda: self._health.is_ready)

    @classmethod
    async def start(cls, settings: Settings, client: Client | None = None) -> Self:
        """Connects to the database, or starts one, or takes the given client's, and serves.

        Raises StartError.
        """
        server = await cls.open(settings, client)
        try:
            await server._begin()
        except BaseException:
            await server.stop()
            raise
        return server

    @classmethod
    async def open(cls, settings: Settings, client: Client | None = None, *, will_serve: bool = True) -> Self:
        """A server that has all that it needs, and serves nothing but its metrics. Raises StartError.

        Its metrics name the methods it answers, once it `will_serve`: who watches tells servers from workers by them.
        """
        measuring, embedded = await ProcessMetrics.start(settings, method_names() if will_serve else ()), None
        try:
            if client is None:
                client, embedded = await open_database(settings, measuring.database if measuring else None)
            return cls(settings, client, embedded, measuring)
        except BaseException:
            if measuring is not None:
                await measuring.stop()
            raise

    @property
    def metrics_port(self) -> int:
        """Where metrics are shown; 0 where they are not."""
        return self._process_metrics.port if self._process_metrics else 0

    @property
    def embedded_uri(self) -> str | None:
        """The URI of our own MongoDB; None where there is none."""
        return self._embedded.uri if self._embedded else None

    async def _begin(self) -> None:
        await self._check_database()
        await self._health.begin()
        try:
            self.port = self._grpc.add_insecure_port(self._settings.listen)
        except RuntimeError as error:
            raise StartError(f"cannot listen on {self._settings.listen}: {_describe_listen_problem(self._settings)}") from error
        if self._tracing is not None:
            self._tracing.calls.set_server_address(self._settings.listen_host, self.port)
        await self._grpc.start()
        if self._settings.with_worker:
            self.start_worker()
        self._check_database_from_now_on()
        self._tasks.append(asyncio.create_task(_every(self._settings.health_interval_seconds, self._check_connections)))

    async def stop(self, hurried: asyncio.Event | None = None) -> None:
        """Lets clients leave, finishes the calls under way, and closes everything.

        Once `hurried` is set, no client is waited for any more.
        """
        await self._health.drain()
        await asyncio.sleep(self._settings.drain_delay_seconds)
        await self._health.servicer.end_watches()
        await self._await_disconnects(hurried or asyncio.Event())
        await self._health.servicer.end_watches()
        await self._grpc.stop(self._settings.drain_seconds)
        await self.end_work()
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)

    async def _await_disconnects(self, hurried: asyncio.Event) -> None:
        """Takes no more connections, and returns once there are none any more, or once all have been asked to go."""
        if not self.port:
            return
        stop_accepting(self.port)
        age = self._settings.connection_seconds_max
        end = time.monotonic() + (age * _AGE_SPREAD + _DISCONNECT_SECONDS if age else 0)
        while time.monotonic() < end and not hurried.is_set() and count_connections(self.port) != 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(hurried.wait(), _DISCONNECT_POLL_SECONDS)

    def start_worker(self) -> None:
        """Begins the worker's part in this process."""
        from app.process.worker import BackgroundWork  # noqa: PLC0415 - its HTTP client takes memory that other servers can spare

        observer = self._process_metrics.work if self._process_metrics else None
        self._work = BackgroundWork(self.store, self.bus, self.paying, utc_now, self._settings, observer)
        self._work.start()

    async def stop_worker(self) -> None:
        """Ends the worker's part, if it was begun."""
        work, self._work = self._work, None
        if work is not None:
            await work.stop()

    async def start_work_alone(self) -> None:
        """Begins with the worker's part as soon as the database answers; nothing is served."""
        await self._check_database()
        if not self._health.is_available:
            _log.warning("the database does not answer; waiting for it")
        while not self._health.is_available:
            await asyncio.sleep(self._settings.health_interval_seconds)
            await self._check_database()
        self.start_worker()
        self._check_database_from_now_on()
        _log.info("working")

    async def end_work(self) -> None:
        """Ends what goes on without callers, and the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stop_worker()
        await self.bus.join()
        self._call_logger.log_suppressed()
        if self._tracing is not None:  # after all that makes spans has ended
            await self._tracing.close()
        await self.provider.close()
        self._client.close()
        if self._process_metrics is not None:
            await self._process_metrics.stop()

    async def wait(self) -> None:
        """Returns when the server has been stopped."""
        await self._grpc.wait_for_termination()

    def _check_database_from_now_on(self) -> None:
        interval = self._settings.health_interval_seconds
        self._tasks.append(asyncio.create_task(_every(interval, self._check_database), name="check the database"))

    async def _check_database(self) -> None:
        """Asks whether the database answers, and sees to its indexes the first time it does."""
        try:
            answered_at = await ping(self.database, self._settings.mongodb_selection_seconds_max)
        except Exception as error:  # whatever it is, the database cannot be used now
            _log.debug("database check failed: %s", type(error).__name__)
            await self._health.set_available(False)
            self._guard.abort_all()
            return
        delay_seconds = time.monotonic() - answered_at
        if delay_seconds > _LOOP_DELAY_SECONDS_MAX:
            _log.warning("the event loop was busy for %.1f s; the database had answered", delay_seconds)
        await self._health.set_available(self._has_indexes or await self._make_indexes())

    async def _check_connections(self) -> None:
        """Asks whether more connections are taken."""
        full = await asyncio.to_thread(is_at_connection_limit, self.port, self._connections_max)
        await self._health.set_full(full)

    async def _make_indexes(self) -> bool:
        try:
            await make_indexes(self.database)
        except Exception:  # tried again with the next check; without indexes, two runs could give one reference
            _log.exception("the indexes cannot be made")
            return False
        self._has_indexes = True
        return True


def _describe_listen_problem(settings: Settings) -> str:
    reason = find_listen_problem(settings.listen_host, settings.listen_port) if settings.listen_port is not None else None
    return f"{reason or 'the path cannot be used'}; SEATLINE_LISTEN names another place"


def run(settings: Settings, on_serving: Callable[[int, str | None], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError for what cannot be started.

    `on_serving` is called once in a thread, with the port and the URI of our own MongoDB, or None where there is none. What
    it raises ends the server, and is raised.
    """
    configure_logging(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    asyncio.run(_serve(settings, on_serving))


def tune_interpreter() -> None:
    """Sets this process up for serving; called once, when everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    if _SCHEDULING is not None:
        for thread in threading.enumerate():
            with suppress(OSError):  # a thread that has just ended, or a sandbox that forbids it
                os.sched_setscheduler(thread.native_id or 0, _SCHEDULING, os.sched_param(0))


def run_worker(settings: Settings) -> None:
    """Does the worker's part until SIGTERM or SIGINT, without serving."""
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(_work(settings))


class _StopSignals:
    """SIGTERM and SIGINT. `asked` is set by either; `hurried` by SIGINT, where a person waits, and by a second signal."""

    def __init__(self) -> None:
        self.asked, self.hurried = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._told, number)

    def _told(self, number: signal.Signals) -> None:
        if number == signal.SIGINT or self.asked.is_set():
            self.hurried.set()
        self.asked.set()

    def ignore_from_now_on(self) -> None:
        """Takes no more signals to end: the process is ending. A second Ctrl-C would interrupt the interpreter's own end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


async def _work(settings: Settings) -> None:
    stopping = _StopSignals()
    if not settings.mongodb_uri:
        raise StartError("SEATLINE_MONGODB_URI: a worker of its own needs the database that its servers use")
    server = await Server.open(settings, will_serve=False)
    starting = asyncio.create_task(server.start_work_alone(), name="start to work")
    await stopping.asked.wait()
    _log.info("stopping")
    starting.cancel()
    await server.end_work()
    stopping.ignore_from_now_on()


async def _serve(settings: Settings, on_serving: Callable[[int, str | None], None] | None = None) -> None:
    stopping = _StopSignals()
    server = await Server.start(settings)
    if not settings.listens_on_loopback:
        _log.warning("%s is open to other machines and callers name themselves: anybody may do anything", settings.listen)
    tune_interpreter()
    _log.info("serving seatline.v1 on %s, port %d", settings.listen, server.port)
    try:
        if on_serving is not None and not stopping.asked.is_set():
            await asyncio.to_thread(on_serving, server.port, server.embedded_uri)
        await stopping.asked.wait()
    finally:
        _log.info("stopping")
        await server.stop(stopping.hurried)
        stopping.ignore_from_now_on()


async def _every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await job()
