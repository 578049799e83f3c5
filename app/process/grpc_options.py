"""The options of the gRPC server.

Belongs here: gRPC's own limits and pings, from the settings. Does not belong here: limits that the guard keeps (`app/rpc`).
"""

from app.config import Settings

# Clients may ping every ten seconds, also between calls; a little less is allowed, since their clocks differ from ours.
_CLIENT_PING_MILLISECONDS_MIN = 5_000
_SERVER_PING_MILLISECONDS = 60_000
_SERVER_PING_ANSWER_MILLISECONDS_MAX = 20_000
# A client that has connected must complete the HTTP/2 handshake in this time. gRPC would wait for two minutes.
_HANDSHAKE_MILLISECONDS_MAX = 10_000
# A connection without calls is closed after this time, also where connections have no maximum age.
_IDLE_MILLISECONDS_MAX = 300_000
# Calls that have arrived and are not started, since the event loop starts one after the other. gRPC answers CANCELLED to a
# random part of them from a thousand on, and to all from three thousand on, before the guard sees them. Each takes some
# kilobytes. A server that answers few calls at a time still accepts the minimum: the guard refuses the excess with a reason.
_PENDING_CALLS_PER_CALL_IN_FLIGHT = 4
_PENDING_CALLS_MIN = 20_000
# Streams of a connection that have ended and are not deallocated. At the number of open streams allowed, gRPC would refuse new
# streams of well-behaved clients; a client that opens streams only to reset them meets this bound.
_ENDED_STREAMS_PER_OPEN_STREAM = 4


def grpc_options(settings: Settings, connections_max: int) -> list[tuple[str, int]]:
    """Return the options of a gRPC server that accepts `connections_max` connections."""
    pending_max = max(_PENDING_CALLS_MIN, _PENDING_CALLS_PER_CALL_IN_FLIGHT * settings.calls_in_flight_max)
    return [
        ("grpc.so_reuseport", 0),  # otherwise a second server on the port would start silently and take half the calls
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_allowed_incoming_connections", connections_max),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS_MAX),
        ("grpc.max_connection_idle_ms", _IDLE_MILLISECONDS_MAX),
        ("grpc.max_concurrent_streams", settings.connection_calls_max),
        ("grpc.http2.max_deallocating_streams", _ENDED_STREAMS_PER_OPEN_STREAM * settings.connection_calls_max),
        ("grpc.server.max_pending_requests", pending_max),
        ("grpc.server.max_pending_requests_hard_limit", pending_max),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _CLIENT_PING_MILLISECONDS_MIN),
        ("grpc.keepalive_time_ms", _SERVER_PING_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", _SERVER_PING_ANSWER_MILLISECONDS_MAX),
        *_age_options(settings),
    ]


def _age_options(settings: Settings) -> list[tuple[str, int]]:
    """Return the options that end connections of a certain age, if the settings set one."""
    if not settings.connection_seconds_max:
        return []
    return [
        ("grpc.max_connection_age_ms", int(settings.connection_seconds_max * 1000)),
        # Calls in flight finish. A health watch, which never ends, starts again on the next connection.
        ("grpc.max_connection_age_grace_ms", int(settings.call_seconds_max * 1000)),
    ]
