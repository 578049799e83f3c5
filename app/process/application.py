"""What servers and workers of one process share.

Belongs here: the parts of an application, and closing them. Does not belong here: building them (`bootstrap/`).
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.config import Settings
from app.embedded.mongod import EmbeddedMongod
from app.lanes.local_bus import LocalCommandBus
from app.ports.clock import Clock
from app.ports.payment_provider import Provider
from app.process.database_monitor import DatabaseMonitor
from app.process.metrics import ProcessMetrics
from app.store.driver import Database
from app.store.store import Store
from app.telemetry.logs.calls import CallLogger
from app.usecases.payments import BookingPayments

if TYPE_CHECKING:
    from app.telemetry.tracing.exporter import Tracing


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of an application. `open_resources` closes whatever must be closed, in reverse order of opening.

    `embedded` is our own mongod, None for any other database. `tracing` is None without a trace collector, `metrics` without
    SEATLINE_METRICS_LISTEN.
    """

    settings: Settings
    clock: Clock
    embedded: EmbeddedMongod | None
    database: Database
    monitor: DatabaseMonitor
    store: Store
    bus: LocalCommandBus
    provider: Provider
    payments: BookingPayments
    tracing: "Tracing | None"
    metrics: ProcessMetrics | None
    call_logger: CallLogger
    open_resources: AsyncExitStack

    @property
    def metrics_port(self) -> int:
        """The port of the metrics, 0 without metrics."""
        return self.metrics.port if self.metrics else 0

    @property
    def embedded_uri(self) -> str | None:
        """The URI of our own MongoDB, None for any other database."""
        return self.embedded.uri if self.embedded else None

    async def close(self) -> None:
        """Finish pending archiving, and close every connection."""
        await self.monitor.stop()
        await self.bus.wait_idle()
        self.call_logger.log_suppressed()
        await self.open_resources.aclose()
