"""The worker: what goes on without anybody asking.

Belongs here: which work there is, who does it and how often. Does not: the work itself (`app/usecases`), nor the process that
it runs in (`server.py`, `cli/`).
"""

import os
import socket
import time
from collections.abc import Callable
from datetime import datetime

from app.config import Settings
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.lanes.bus import CommandBus
from app.notifications.webhook import WebhookSender
from app.ports.work_observer import WorkObserver
from app.store.store import Store
from app.usecases.deliveries import DeliveryEngine
from app.usecases.outbox import SETTLE_PAYMENT, OutboxRelay
from app.usecases.outbox_listener import OutboxListener
from app.usecases.payments import BookingPayments
from app.usecases.statistics import StatisticsCollector, StatisticsTask

# Each look costs about two milliseconds of processor time. New events are heard of earlier where the database tells of them.
_FOLLOW_UP_SECONDS = 1.0
# An unreadable event counts each time, so that its alert goes on until it is mended.
_LOOK_AGAIN_SECONDS = 60.0
_TIDY_SECONDS = 1.0
_COPY_SECONDS = 5.0
_LET_GO_SECONDS = 30.0
_DISPATCH_SECONDS = 1.0


class BackgroundWork:
    """Everything that goes on without callers, from `start` until `stop`; any number of processes may share a store.

    Where nobody looks on, nothing is surveyed.
    """

    def __init__(
        self,
        store: Store,
        bus: CommandBus,
        paying: BookingPayments,
        clock: Callable[[], datetime],
        settings: Settings,
        observer: WorkObserver | None = None,
    ) -> None:
        self._sender = WebhookSender(
            timeout_seconds=settings.webhook_timeout_seconds,
            sends_max=settings.webhook_sends_max,
            allow_private_addresses=settings.webhook_allow_private_addresses,
        )
        delivery_attempted = (lambda _: None) if observer is None else observer.delivery_attempted
        dispatcher = DeliveryEngine(
            store, self._sender, clock, sends_max=settings.webhook_sends_max, delivery_attempted=delivery_attempted
        )
        relay = OutboxRelay(store, bus, paying, dispatcher.fan_out, self._wake, clock, time.monotonic)
        self._follow_up = PeriodicTask("follow up events", _FOLLOW_UP_SECONDS, relay.process)
        self._jobs, self._clock = store.jobs, clock
        self._worker = JobWorker(
            store.jobs,
            {SETTLE_PAYMENT: relay.settle_payments},
            clock,
            _bounds(settings),
            f"{socket.gethostname()}/{os.getpid()}",
            periodic_tasks=(
                self._follow_up,
                PeriodicTask("look at unreadable events again", _LOOK_AGAIN_SECONDS, relay.retry_unreadable),
                PeriodicTask("tidy runs", _TIDY_SECONDS, relay.expire_due),
                PeriodicTask("copy what was left", _COPY_SECONDS, relay.archive_leftovers),
                PeriodicTask("let go of payments", _LET_GO_SECONDS, paying.void_abandoned),
                PeriodicTask("send to webhooks", _DISPATCH_SECONDS, dispatcher.send_due),
            ),
        )
        self._listener = OutboxListener(store.events, self._hurry)
        self._surveyor = None
        if observer is not None:
            self._surveyor = StatisticsTask(
                StatisticsCollector(store.surveys, clock), observer.statistics_collected, settings.survey_seconds
            )

    def start(self) -> None:
        """Begins."""
        self._worker.start()
        self._listener.start()
        if self._surveyor is not None:
            self._surveyor.start()

    async def stop(self) -> None:
        """Finishes what runs."""
        if self._surveyor is not None:
            await self._surveyor.stop()
        await self._listener.stop()
        await self._worker.stop()
        await self._sender.close()

    def _wake(self) -> None:
        self._worker.wake()

    async def _hurry(self) -> None:
        await self._jobs.bring_forward(self._follow_up.job_id, self._clock())
        self._worker.wake()


def _bounds(settings: Settings) -> JobWorkerBounds:
    return JobWorkerBounds(
        batch_max=settings.job_batch_max,
        batches_max=settings.job_batches_max,
        lease_seconds=settings.job_lease_seconds,
        poll_seconds=settings.job_poll_seconds,
        attempts_max=settings.job_attempts_max,
        grace_seconds=settings.drain_seconds,
    )
