"""ProcessMetrics: what this process measures of itself, and where it shows it.

Belongs here: which parts of the application are measured by what, the page's address, and looking at the event loop. Does not:
what is measured (`app/telemetry`).
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from socket import gaierror
from typing import Self

from app.config import Settings
from app.lanes.local_bus import LocalCommandBus
from app.payments.observed import ObservedProvider
from app.payments.provider import Provider
from app.process.bootstrap import StartError
from app.store.unreadable import NOUNS, unreadable_records
from app.telemetry.metrics.calls import CallMetrics
from app.telemetry.metrics.database import DatabaseMetrics
from app.telemetry.metrics.families import Metrics
from app.telemetry.metrics.lanes import LaneMetrics
from app.telemetry.metrics.port import MetricsPort
from app.telemetry.metrics.work import PaymentMetrics, WorkMetrics

_log = logging.getLogger(__name__)

# A look costs some ten microseconds. What holds up the loop for longer than this is seen at once, what is shorter by chance.
_LOOP_SAMPLE_SECONDS = 0.25


class ProcessMetrics:
    """The metrics of a process, shown on a page of their own from `start` until `stop`.

    Each server makes one: its port answers before the database does. Nothing is ready until `watch` has said what to ask.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        metrics = Metrics(_version())
        self.calls, self.lanes = CallMetrics(metrics, methods), LaneMetrics(metrics)
        self.database, self._payments = DatabaseMetrics(metrics), PaymentMetrics(metrics)
        self._metrics = metrics
        self._delay_seconds = metrics.histogram("seatline_event_loop_delay_seconds")
        self._available = metrics.gauge("seatline_database_available")
        self._unreadable = metrics.counters("seatline_unreadable_records_total", sorted(NOUNS))
        self._is_ready: Callable[[], bool] = lambda: False
        self._page = MetricsPort(metrics.registry, lambda: self._is_ready())  # noqa: PLW0108 - `watch` changes it
        self._task: asyncio.Task[None] | None = None
        self._is_watching = False

    @classmethod
    async def start(cls, settings: Settings, methods: Sequence[str]) -> Self | None:
        """Shows the metrics of a process that answers these methods; None where none are wanted. Raises StartError."""
        if not settings.metrics_listen:
            return None
        measuring = cls(methods)
        host, _, port = settings.metrics_listen.rpartition(":")
        try:
            await measuring._page.start(host.strip("[]"), int(port))
        except OSError as error:
            reason = error.strerror if isinstance(error, gaierror) else os.strerror(error.errno or 0)
            raise StartError(f"SEATLINE_METRICS_LISTEN: cannot listen on {settings.metrics_listen}: {reason}") from error
        _log.info("metrics on %s, port %d", settings.metrics_listen, measuring.port)
        return measuring

    @cached_property
    def work(self) -> WorkMetrics:
        """The metrics of the worker's part; asking for them says that this process does it."""
        return WorkMetrics(self._metrics)

    @property
    def port(self) -> int:
        """Where the page is."""
        return self._page.port

    def watch(self, lanes: LocalCommandBus, is_available: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """From now on, shows these lanes, whether the database is available, and whether the process is ready."""
        self._is_ready = is_ready
        unreadable_records.watch(self._count_unreadable)
        self._is_watching = True
        self._available.set_function(lambda: float(is_available()))
        self._task = asyncio.create_task(self._sample_loop(lanes), name="look at the event loop")

    def observe_provider(self, provider: Provider) -> Provider:
        """The payment provider, measured."""
        return ObservedProvider(provider, self._payments)

    async def stop(self) -> None:
        """Shows nothing any more."""
        if self._is_watching:
            self._is_watching = False
            unreadable_records.unwatch(self._count_unreadable)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._page.stop()

    def _count_unreadable(self, collection: str) -> None:
        self._unreadable[collection].inc()

    async def _sample_loop(self, lanes: LocalCommandBus) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            await asyncio.sleep(_LOOP_SAMPLE_SECONDS)
            self._delay_seconds.observe(max(0.0, loop.time() - begin - _LOOP_SAMPLE_SECONDS))
            self.lanes.show_load(*lanes.load())


def _version() -> str:
    try:
        return version("seatline")
    except PackageNotFoundError:  # run from its folder, without being installed
        return "unknown"
