"""Build the application from its settings.

Belongs here: every object that a process is made of, and the lists that features extend: services, payment providers, outbox
subscribers, channels. This is the only place that builds anything. Does not belong here: serving and working (`server.py`,
`worker_process.py`).
"""

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from app.config import Settings
from app.jobs.handlers import JobHandler
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.worker import JobWorker, JobWorkerBounds
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import LocalCommandBus, open_command_bus
from app.notifications.webhook import WebhookChannel
from app.payments.bounded import RetryBounds
from app.payments.registry import ProviderNotInstalledError, ProviderParts, ProviderSettings
from app.ports.call_observer import CallObserver, combine_call_observers
from app.ports.channel import Channel
from app.ports.lane_observer import combine_lane_observers
from app.ports.outbox import EventSubscriber
from app.ports.payment_provider import Provider
from app.process.application import Application
from app.process.clock import utc_now
from app.process.connections import limit_connections
from app.process.database import OpenedDatabase, open_database
from app.process.database_monitor import DatabaseMonitor
from app.process.grpc_options import grpc_options
from app.process.health import Health
from app.process.metrics import ProcessMetrics
from app.process.payment_providers import PAYMENT_PROVIDERS, load_provider_settings
from app.process.server import Edge, Server
from app.process.start_error import StartError
from app.process.worker import BackgroundWork
from app.process.worker_process import WorkerProcess
from app.rpc.guard import Guard, GuardedServer
from app.rpc.public_services import PublicGuard, add_public_services
from app.rpc.services import UseCases, add_services, method_names
from app.store.driver import Client, Database
from app.store.ledger import Ledger
from app.store.store import Store, open_store
from app.telemetry.logs.calls import CallLogger
from app.telemetry.tracing.setup import TracingUnusableError, open_tracing
from app.usecases.bookings import BookingUseCases
from app.usecases.deliveries import DeliveryEngine, DeliverySubscriber
from app.usecases.holds import HoldUseCases
from app.usecases.jobs import JobUseCases
from app.usecases.outbox import JobSubscriber, OutboxRelay
from app.usecases.outbox_listener import OutboxListener
from app.usecases.payment_jobs import SETTLE_PAYMENT, settlement_handler, settlement_jobs
from app.usecases.payments import BookingPayments
from app.usecases.run_maintenance import RunMaintenance
from app.usecases.statistics import StatisticsCollector, StatisticsTask
from app.usecases.train_runs import TrainRunUseCases
from app.usecases.trains import TrainUseCases
from app.usecases.users import UserUseCases
from app.usecases.webhooks import WebhookUseCases

if TYPE_CHECKING:
    from app.telemetry.tracing.exporter import Tracing


async def build_server(settings: Settings, client: Client | None = None) -> Server:
    """Build a server that does not serve yet, over the database of `client` if one is given. Raise StartError."""
    application = await build_application(settings, client, method_names())
    try:
        return Server(application, build_edge(application), lambda: build_worker(application))
    except BaseException:
        await application.close()
        raise


async def start_server(settings: Settings, client: Client | None = None) -> Server:
    """Build a server and start it. Raise StartError."""
    server = await build_server(settings, client)
    try:
        await server.start()
    except BaseException:
        await server.stop()
        raise
    return server


async def build_worker_process(settings: Settings, client: Client | None = None) -> WorkerProcess:
    """Build a worker process that does not work yet, over the database of `client` if one is given. Raise StartError."""
    application = await build_application(settings, client, ())
    return WorkerProcess(application, lambda: build_worker(application))


async def build_application(settings: Settings, client: Client | None, methods: Sequence[str]) -> Application:
    """Build what servers and workers share. The metrics port answers from now on, before the database does.

    `methods` are the RPCs that this process answers: alerts tell servers from workers by the methods in their metrics. Raises
    StartError.
    """
    resources = AsyncExitStack()
    try:
        return await _open(settings, client, methods, resources)
    except BaseException:
        await resources.aclose()
        raise


async def _open(settings: Settings, client: Client | None, methods: Sequence[str], resources: AsyncExitStack) -> Application:
    """Open every part, and register with `resources` how it is closed; what is opened last is closed first."""
    provider_settings = load_provider_settings(settings)  # first: an error in them must not leave a database running
    metrics = await ProcessMetrics.start(settings, methods)
    if metrics is not None:
        resources.push_async_callback(metrics.stop)
    client, embedded = await _open_client(settings, client, metrics, resources)
    database = client[settings.mongodb_database]
    provider = build_provider(settings, provider_settings, database, metrics)
    resources.push_async_callback(provider.close)
    tracing = build_tracing(settings)
    if tracing is not None:
        resources.push_async_callback(tracing.close)
    store = open_store(database, jobs_kept_seconds=settings.job_kept_seconds)
    bus = build_bus(settings, store, tracing, metrics)
    return Application(
        settings=settings,
        clock=utc_now,
        embedded=embedded,
        database=database,
        monitor=DatabaseMonitor(database, settings),
        store=store,
        bus=bus,
        provider=provider,
        payments=BookingPayments(store, bus, provider, utc_now, time.monotonic),
        tracing=tracing,
        metrics=metrics,
        call_logger=CallLogger(settings.log_call_lines_per_second_max),
        open_resources=resources,
    )


async def _open_client(
    settings: Settings, client: Client | None, metrics: ProcessMetrics | None, resources: AsyncExitStack
) -> OpenedDatabase:
    if client is not None:
        opened = OpenedDatabase(client, None)
    else:
        opened = await open_database(settings, metrics.database if metrics else None)
    if opened.embedded is not None:
        resources.push_async_callback(asyncio.to_thread, opened.embedded.stop)
    resources.callback(opened.client.close)
    return opened


def build_bus(settings: Settings, store: Store, tracing: "Tracing | None", metrics: ProcessMetrics | None) -> LocalCommandBus:
    """Build the command bus, observed by tracing and metrics."""
    bounds = LaneBounds(
        batch_max=settings.lane_batch_max,
        queue_max=settings.lane_queue_max,
        commits_max=settings.lane_commits_max,
        commit_attempts_max=settings.lane_commit_attempts_max,
        cached_passengers_max=settings.lane_cached_passengers_max,
    )
    observer = combine_lane_observers([part.lanes for part in (tracing, metrics) if part is not None])
    return open_command_bus(store.runs, store.bookings, utc_now, bounds, observer)


def build_provider(
    settings: Settings, provider_settings: ProviderSettings, database: Database, metrics: ProcessMetrics | None
) -> Provider:
    """Build the payment provider that the settings name, measured by `metrics`. Raise StartError."""
    bounds = RetryBounds(
        settings.payments_timeout_seconds,
        settings.payments_attempts_max,
        settings.payments_retry_seconds,
        settings.payments_retry_seconds_max,
    )
    parts = ProviderParts(Ledger(database, utc_now), bounds)
    try:
        provider = PAYMENT_PROVIDERS.make(settings.payments_provider, provider_settings, parts)
    except (ProviderNotInstalledError, ValueError) as error:
        raise StartError(str(error)) from error
    return provider if metrics is None else metrics.observe_provider(provider)


def build_tracing(settings: Settings) -> "Tracing | None":
    """Build the tracing, None where the environment names no trace collector. Raise StartError."""
    try:
        return open_tracing(settings.mongodb_database)
    except TracingUnusableError as error:
        raise StartError(str(error)) from error


def build_edge(application: Application) -> Edge:
    """Build the gRPC server, its guard and its health checks, and add every service to it."""
    settings, logger = application.settings, application.call_logger
    guard = Guard(
        calls_in_flight_max=settings.calls_in_flight_max,
        call_seconds_max=settings.call_seconds_max,
        request_seconds_max=settings.request_seconds_max,
        is_available=lambda: application.monitor.is_available,
        observer=_call_observer(application),
    )
    own_connections = settings.mongodb_connections_max + settings.webhook_sends_max
    connections_max = limit_connections(settings.connections_max, own_connections)
    server = grpc.aio.server(options=grpc_options(settings, connections_max))
    services = _add_services(GuardedServer(server, guard.around), application)
    health = Health(services)
    add_public_services(server, PublicGuard(settings.request_seconds_max, logger), health.servicer, services)
    return Edge(server, guard, health, connections_max)


def _call_observer(application: Application) -> CallObserver:
    """Combine tracing, metrics and logs. The first begins first and ends last: the others run inside its span."""
    observed = [part.calls for part in (application.tracing, application.metrics) if part is not None]
    return combine_call_observers([*observed, application.call_logger])


def _add_services(server: GuardedServer, application: Application) -> tuple[str, ...]:
    """Add the services of the contract; return their full names."""
    settings, store, bus = application.settings, application.store, application.bus
    payments, clock = application.payments, application.clock
    use_cases = UseCases(
        bookings=BookingUseCases(store, bus, payments, clock),
        holds=HoldUseCases(bus),
        trains=TrainUseCases(store, clock, payments.amounts),
        train_runs=TrainRunUseCases(store, bus, clock),
        users=UserUseCases(store, clock),
        webhooks=WebhookUseCases(store, clock, allow_private_addresses=settings.webhook_allow_private_addresses),
        jobs=JobUseCases(store, clock),
    )
    return add_services(server, use_cases, settings.call_seconds_max)


# -- the worker

# Each call costs about two milliseconds of processor time. Where the database reports changes, new events do not wait for it.
_OUTBOX_SECONDS = 1.0
# Each unreadable event counts once per call, so that its alert lasts until it is repaired.
_UNREADABLE_EVENTS_SECONDS = 60.0
_EXPIRE_DUE_SECONDS = 1.0
_ARCHIVE_LEFTOVERS_SECONDS = 5.0
_VOID_ABANDONED_SECONDS = 30.0
_SEND_DUE_SECONDS = 1.0


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


def build_subscribers(application: Application, channels: Sequence[Channel[Any]]) -> list[EventSubscriber]:
    """Build whatever acts on events, in the order in which it is given them. A new subscriber is one more entry."""
    store = application.store
    return [
        JobSubscriber(store.jobs, settlement_jobs, application.clock),
        *(DeliverySubscriber(channel, store.deliveries) for channel in channels),
    ]


def build_job_handlers(application: Application) -> dict[str, JobHandler]:
    """Build the handlers of jobs by kind. A new kind of job is one more entry."""
    return {SETTLE_PAYMENT: settlement_handler(application.payments)}


def build_periodic_tasks(
    application: Application, channels: Sequence[Channel[Any]], outbox_task: PeriodicTask, relay: OutboxRelay
) -> list[PeriodicTask]:
    """Build what runs at fixed intervals. A new task is one more entry; the names are stored, and stay."""
    store, clock = application.store, application.clock
    maintenance = RunMaintenance(store.runs, application.bus, clock, time.monotonic)
    return [
        outbox_task,
        PeriodicTask("look at unreadable events again", _UNREADABLE_EVENTS_SECONDS, relay.retry_unreadable),
        PeriodicTask("tidy runs", _EXPIRE_DUE_SECONDS, maintenance.expire_due),
        PeriodicTask("copy what was left", _ARCHIVE_LEFTOVERS_SECONDS, maintenance.archive_leftovers),
        PeriodicTask("let go of payments", _VOID_ABANDONED_SECONDS, application.payments.void_abandoned),
        *(
            PeriodicTask(f"send to {channel.name}", _SEND_DUE_SECONDS, _delivery_engine(application, channel).send_due)
            for channel in channels
        ),
    ]


def _delivery_engine(application: Application, channel: Channel[Any]) -> DeliveryEngine:
    store, metrics = application.store, application.metrics
    engine = partial(DeliveryEngine, channel, store.events, store.deliveries, application.clock)
    return engine() if metrics is None else engine(observe_attempt=partial(metrics.work.delivery_attempted, channel.name))


def build_worker(application: Application) -> BackgroundWork:
    """Build the background work, not started."""
    store, metrics, clock = application.store, application.metrics, application.clock
    channels = build_channels(application)

    def wake_worker() -> None:  # which is built after the relay, since it runs it
        worker.wake()

    relay = OutboxRelay(store.events, build_subscribers(application, channels), wake_worker)
    outbox_task = PeriodicTask("follow up events", _OUTBOX_SECONDS, relay.process)
    periodic_tasks = build_periodic_tasks(application, channels, outbox_task, relay)
    bounds, owner = worker_bounds(application.settings), f"{socket.gethostname()}/{os.getpid()}"
    worker = JobWorker(store.jobs, build_job_handlers(application), clock, bounds, owner, periodic_tasks=periodic_tasks)

    async def process_events_now() -> None:
        await store.jobs.bring_forward(outbox_task.job_id, clock())
        wake_worker()

    statistics = None
    if metrics is not None:
        seconds = application.settings.survey_seconds
        statistics = StatisticsTask(StatisticsCollector(store.statistics, clock), metrics.work.statistics_collected, seconds)
    return BackgroundWork(worker, OutboxListener(store.events, process_events_now), channels, statistics)


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
