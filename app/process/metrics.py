"""The metrics of a process, and the port that shows them.

Belongs here: which parts of a process are measured, the address of the metrics port, and sampling the event loop. Does not
belong here: the metric families and what is counted of each call, batch or command (`app/telemetry/metrics`).
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from socket import gaierror
from typing import Self

from app.config import Settings
from app.domain.notices.notice import NoticeChannelName
from app.lanes.local_bus import LocalCommandBus
from app.payments.observed import ObservedProvider
from app.ports.background_task import BackgroundTask
from app.ports.payment_provider import Provider
from app.process.start_error import StartError
from app.store.unreadable import NOUNS, unreadable_records
from app.telemetry.metrics.calls import CallMetrics
from app.telemetry.metrics.database import DatabaseMetrics
from app.telemetry.metrics.families import Metrics
from app.telemetry.metrics.lanes import LaneMetrics
from app.telemetry.metrics.notices import NoticeMetrics
from app.telemetry.metrics.port import MetricsPort
from app.telemetry.metrics.work import PaymentMetrics, WorkMetrics

_log = logging.getLogger(__name__)

# A sample costs some ten microseconds. A delay longer than this is always seen, a shorter one by chance.
_LOOP_SAMPLE_SECONDS = 0.25


class ProcessMetrics:
    """The metrics of a process, shown on a port of their own from `start` until `stop`.

    The port answers before the database does; the process is not ready until `watch` has said what readiness follows.
    """

    def __init__(self, methods: Mapping[str, str]) -> None:
        metrics = Metrics(_version())
        self.calls, self.lanes = CallMetrics(metrics, methods), LaneMetrics(metrics)
        self.database, self._payments = DatabaseMetrics(metrics), PaymentMetrics(metrics)
        self._metrics = metrics
        self._delay_seconds = metrics.histogram("seatline_event_loop_delay_seconds")
        self._available = metrics.gauge("seatline_database_available")
        self._unreadable = metrics.counters("seatline_unreadable_records_total", sorted(NOUNS))
        self._is_ready: Callable[[], bool] = lambda: False
        self._metrics_port = MetricsPort(metrics.registry, lambda: self._is_ready())  # noqa: PLW0108 - `watch` changes it
        self._loop_sampling: BackgroundTask | None = None

    @classmethod
    async def start(cls, settings: Settings, methods: Mapping[str, str]) -> Self | None:
        """Show the metrics of a process that answers `methods`; return None where no port is set. Raise StartError."""
        if not settings.metrics_listen:
            return None
        metrics = cls(methods)
        host, _, port = settings.metrics_listen.rpartition(":")
        try:
            await metrics._metrics_port.start(host.strip("[]"), int(port))
        except OSError as error:
            reason = error.strerror if isinstance(error, gaierror) else os.strerror(error.errno or 0)
            raise StartError(f"SEATLINE_METRICS_LISTEN: cannot listen on {settings.metrics_listen}: {reason}") from error
        _log.info("metrics on %s, port %d", settings.metrics_listen, metrics.port)
        return metrics

    @cached_property
    def work(self) -> WorkMetrics:
        """The metrics of a worker; the first use registers them, which says that this process works."""
        return WorkMetrics(self._metrics)

    def observe_notices(self, channels: Iterable[NoticeChannelName]) -> NoticeMetrics:
        """Return the observer of the senders of these channels, with their series from 0. Called once."""
        return NoticeMetrics(self._metrics, channels)

    @property
    def port(self) -> int:
        """The port that shows the metrics."""
        return self._metrics_port.port

    def watch(self, bus: LocalCommandBus, is_available: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """Show the load of the bus, whether the database is available, and whether the process is ready, from now on."""
        self._is_ready = is_ready
        self._available.set_function(lambda: float(is_available()))
        unreadable_records.watch(self._count_unreadable)
        self._loop_sampling = BackgroundTask("sample the event loop", lambda: self._sample_loop(bus))
        self._loop_sampling.start()

    def observe_provider(self, provider: Provider) -> Provider:
        """Return the payment provider, with its requests measured."""
        return ObservedProvider(provider, self._payments)

    async def stop(self) -> None:
        """Stop measuring, and close the port."""
        if self._loop_sampling is not None:
            unreadable_records.unwatch(self._count_unreadable)
            await self._loop_sampling.stop()
            self._loop_sampling = None
        await self._metrics_port.stop()

    def _count_unreadable(self, collection: str) -> None:
        self._unreadable[collection].inc()

    async def _sample_loop(self, bus: LocalCommandBus) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            await asyncio.sleep(_LOOP_SAMPLE_SECONDS)
            self._delay_seconds.observe(max(0.0, loop.time() - begin - _LOOP_SAMPLE_SECONDS))
            self.lanes.show_load(*bus.load_counts())


def _version() -> str:
    try:
        return version("seatline")
    except PackageNotFoundError:  # run from its folder, without being installed
        return "unknown"
