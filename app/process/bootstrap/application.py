"""Build what servers and workers share.

Belongs here: the database, the store, the command bus, the payment provider, tracing and metrics. Does not belong here: which
payment providers there are (`app/process/payment_providers.py`).
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from app.config import Settings
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import LocalCommandBus, open_command_bus
from app.payments.bounded import RetryBounds
from app.payments.registry import ProviderNotInstalledError, ProviderParts, ProviderSettings
from app.ports.clock import Clock
from app.ports.lane_observer import combine_lane_observers
from app.ports.payment_provider import Provider
from app.process.application import Application
from app.process.clock import PrimaryClock, utc_now
from app.process.database import OpenedDatabase, open_database
from app.process.database_monitor import DatabaseMonitor
from app.process.metrics import ProcessMetrics
from app.process.payment_providers import PAYMENT_PROVIDERS, load_provider_settings
from app.process.start_error import StartError
from app.store.driver import Client, Database
from app.store.ledger import Ledger
from app.store.store import Store, open_store
from app.telemetry.logs.calls import CallLogger
from app.telemetry.tracing.setup import TracingUnusableError, open_tracing
from app.usecases.payments import BookingPayments

if TYPE_CHECKING:
    from app.telemetry.tracing.exporter import Tracing


async def build_application(settings: Settings, client: Client | None, methods: Mapping[str, str]) -> Application:
    """Build what servers and workers share. The metrics port answers from now on, before the database does.

    `methods` are the RPCs that this process answers, with the `grpc_type` of each: alerts tell servers from workers by the
    methods in their metrics. Raises StartError.
    """
    resources = AsyncExitStack()
    try:
        return await _open(settings, client, methods, resources)
    except BaseException:
        await resources.aclose()
        raise


async def _open(
    settings: Settings, client: Client | None, methods: Mapping[str, str], resources: AsyncExitStack
) -> Application:
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
    clock = PrimaryClock(utc_now)
    bus = build_bus(settings, store, clock, tracing, metrics)
    return Application(
        settings=settings,
        clock=clock,
        embedded=embedded,
        database=database,
        monitor=DatabaseMonitor(database, settings, clock),
        store=store,
        bus=bus,
        provider=provider,
        payments=BookingPayments(store, bus, provider, clock, time.monotonic),
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


def build_bus(
    settings: Settings, store: Store, clock: Clock, tracing: "Tracing | None", metrics: ProcessMetrics | None
) -> LocalCommandBus:
    """Build the command bus, observed by tracing and metrics."""
    bounds = LaneBounds(
        batch_max=settings.lane_batch_max,
        queue_max=settings.lane_queue_max,
        commits_max=settings.lane_commits_max,
        commit_attempts_max=settings.lane_commit_attempts_max,
        cached_passengers_max=settings.lane_cached_passengers_max,
    )
    observer = combine_lane_observers([part.lanes for part in (tracing, metrics) if part is not None])
    return open_command_bus(store.runs, store.bookings, clock, bounds, observer)


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
