"""Build the background work of a process.

Belongs here: the lists of channels, subscribers, job handlers and periodic tasks, and the job worker that runs them. Does not
belong here: the work itself (`app/usecases`), nor the order in which its parts start and stop (`app/process/worker.py`).
"""

import os
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from app.config import Settings
from app.jobs.handlers import JobHandler
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.notifications.webhook import WebhookChannel
from app.ports.channel import Channel
from app.ports.outbox import EventSubscriber
from app.process.application import Application
from app.process.bootstrap.notice_work import NoticeParts, build_notice_parts
from app.process.worker import BackgroundWork
from app.usecases.deliveries import DeliveryEngine, DeliverySubscriber
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT, LayoutFanOut
from app.usecases.layout_jobs import run_layout_handler
from app.usecases.outbox import JobSubscriber, OutboxRelay
from app.usecases.outbox_listener import OutboxListener
from app.usecases.payment_jobs import SETTLE_PAYMENT, settlement_handler, settlement_jobs
from app.usecases.run_maintenance import RunMaintenance
from app.usecases.run_scheduling import RunScheduling
from app.usecases.statistics import StatisticsCollector, StatisticsTask

# Each call costs about two milliseconds of processor time. Where the database reports changes, new events do not wait for it.
_OUTBOX_SECONDS = 1.0
# Each unreadable event counts once per call, so that its alert lasts until it is repaired.
_UNREADABLE_EVENTS_SECONDS = 60.0
_EXPIRE_DUE_SECONDS = 1.0
_ARCHIVE_LEFTOVERS_SECONDS = 5.0
# Runs of an earlier version are found after an upgrade, and where a server of that version still schedules some.
_ADOPT_EARLIER_RUNS_SECONDS = 60.0
_VOID_ABANDONED_SECONDS = 30.0
_SEND_DUE_SECONDS = 1.0
# A new layout job is started by its own call; this is for calls that ended halfway, and for runs that were made meanwhile.
_START_LAYOUT_JOBS_SECONDS = 5.0
# A new day begins somewhere every quarter of an hour; a train that has just got a horizon need not wait long.
_SCHEDULE_AHEAD_SECONDS = 30.0


def build_channels(application: Application) -> list[Channel[Any]]:
    """Build the channels by which events leave the service. A new channel is one more entry."""
    from app.notifications.webhook_sender import (  # noqa: PLC0415 - its HTTP client takes memory that other servers save
        WebhookSender,
    )

    settings = application.settings
    sender = WebhookSender(
        timeout_seconds=settings.webhook_timeout_seconds,
        sends_max=settings.webhook_sends_max,
        allow_private_addresses=settings.webhook_allow_private_addresses,
    )
    return [WebhookChannel(application.store.webhooks, sender, sends_max=settings.webhook_sends_max)]


def build_subscribers(
    application: Application, channels: Sequence[Channel[Any]], notices: NoticeParts | None
) -> list[EventSubscriber]:
    """Build whatever acts on events, in the order in which it is given them. A new subscriber is one more entry."""
    store = application.store
    return [
        JobSubscriber(store.jobs, settlement_jobs, application.clock),
        *([] if notices is None else [JobSubscriber(store.jobs, notices.make_jobs, application.clock)]),
        *(DeliverySubscriber(channel, store.deliveries) for channel in channels),
    ]


def build_job_handlers(application: Application, notices: NoticeParts | None) -> dict[str, JobHandler]:
    """Build the handlers of jobs by kind. A new kind of job is one more entry."""
    return {
        SETTLE_PAYMENT: settlement_handler(application.payments, None if notices is None else notices.after_refunds),
        UPDATE_RUN_LAYOUT: run_layout_handler(
            application.store.layout_jobs, application.bus, application.clock, time.monotonic
        ),
        **({} if notices is None else notices.handlers),
    }


def build_periodic_tasks(
    application: Application, channels: Sequence[Channel[Any]], outbox_task: PeriodicTask, relay: OutboxRelay
) -> list[PeriodicTask]:
    """Build what runs at fixed intervals. A new task is one more entry; the names are stored, and stay."""
    store, clock = application.store, application.clock
    layout_fan_out = LayoutFanOut(store, clock)
    maintenance = RunMaintenance(store.runs, application.bus, clock, time.monotonic)
    return [
        outbox_task,
        PeriodicTask("look at unreadable events again", _UNREADABLE_EVENTS_SECONDS, relay.retry_unreadable),
        PeriodicTask("tidy runs", _EXPIRE_DUE_SECONDS, maintenance.expire_due),
        PeriodicTask("copy what was left", _ARCHIVE_LEFTOVERS_SECONDS, maintenance.archive_leftovers),
        PeriodicTask("adopt earlier runs", _ADOPT_EARLIER_RUNS_SECONDS, maintenance.adopt_earlier_runs),
        PeriodicTask("let go of payments", _VOID_ABANDONED_SECONDS, application.payments.void_abandoned),
        PeriodicTask("start layout jobs", _START_LAYOUT_JOBS_SECONDS, layout_fan_out.start_new),
        PeriodicTask(
            "schedule trains ahead", _SCHEDULE_AHEAD_SECONDS, RunScheduling(store, clock, layout_fan_out).schedule_ahead
        ),
        *(
            PeriodicTask(f"send to {channel.name}", _SEND_DUE_SECONDS, _delivery_engine(application, channel).send_due)
            for channel in channels
        ),
    ]


def _delivery_engine(application: Application, channel: Channel[Any]) -> DeliveryEngine[Any]:
    store, metrics = application.store, application.metrics
    engine = partial(DeliveryEngine, channel, store.events, store.deliveries, application.clock)
    return engine() if metrics is None else engine(observe_attempt=partial(metrics.work.delivery_attempted, channel.name))


def build_worker(application: Application) -> BackgroundWork:
    """Build the background work, not started."""
    store, metrics, clock = application.store, application.metrics, application.clock
    notices = build_notice_parts(application)
    channels = build_channels(application)

    def wake_worker() -> None:  # which is built after the relay, since it runs it
        worker.wake()

    relay = OutboxRelay(store.events, build_subscribers(application, channels, notices), wake_worker)
    outbox_task = PeriodicTask("follow up events", _OUTBOX_SECONDS, relay.process)
    periodic_tasks = build_periodic_tasks(application, channels, outbox_task, relay)
    bounds, owner = worker_bounds(application.settings), f"{socket.gethostname()}/{os.getpid()}"
    handlers = build_job_handlers(application, notices)
    worker = JobWorker(store.jobs, handlers, clock, bounds, owner, periodic_tasks=periodic_tasks)

    async def process_events_now() -> None:
        await store.jobs.bring_forward(outbox_task.job_id, clock())
        wake_worker()

    statistics = None
    if metrics is not None:
        seconds = application.settings.survey_seconds
        statistics = StatisticsTask(StatisticsCollector(store.statistics, clock), metrics.work.statistics_collected, seconds)
    closables = [*channels, *(() if notices is None else notices.closables)]
    return BackgroundWork(worker, OutboxListener(store.events, process_events_now), closables, statistics)


def worker_bounds(settings: Settings) -> JobWorkerBounds:
    """Return the bounds of the job worker."""
    return JobWorkerBounds(
        batch_max=settings.job_batch_max,
        batches_max=settings.job_batches_max,
        lease_seconds=settings.job_lease_seconds,
        poll_seconds=settings.job_poll_seconds,
        attempts_max=settings.job_attempts_max,
        grace_seconds=settings.drain_seconds,
    )
