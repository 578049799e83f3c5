"""Spans of calls.

Belongs here: the span around each sampled call. Does not belong here: exporting it (`exporter.py`).

This uses the SDK directly: OpenTelemetry's instrumentation package for gRPC takes 65 to 100 microseconds of every call, and a
booking takes 440 in all. Here the sampling decision comes first; a call that is not sampled gets no span and no attributes.
"""

from contextvars import Token
from random import getrandbits

import grpc
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, Tracer

from app.domain.refusals import Reason
from app.telemetry.tracing.context import EMPTY_CONTEXT, mark_failed, parse_trace_parent
from app.telemetry.tracing.conventions import (
    REASON,
    RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME,
    SERVER_ADDRESS,
    SERVER_PORT,
)
from app.telemetry.tracing.sampling import Sampling

# The statuses that are errors of the server. All others are the caller's, and are no errors of a server span.
FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_TRACE_ID_BITS = 128


class PresetTraceIds(RandomIdGenerator):
    """Random ids, except for a trace id that was chosen before its span was made."""

    def __init__(self) -> None:
        self.preset = 0

    def generate_trace_id(self) -> int:
        """Return the preset trace id once, and random ones otherwise."""
        preset, self.preset = self.preset, 0
        return preset or super().generate_trace_id()


class CallTracer:
    """Makes a span for each sampled call; a `CallObserver`. `tracer` decides as `sampling` does, with ids from `ids`."""

    def __init__(self, tracer: Tracer, sampling: Sampling, ids: PresetTraceIds) -> None:
        self._tracer, self._sampling, self._ids = tracer, sampling, ids
        self._attributes: dict[str, str | int] = {RPC_SYSTEM_NAME: "grpc"}

    def set_server_address(self, address: str, port: int) -> None:
        """Set the address that spans name: a host and its port, or the path of a socket, which has no port."""
        self._attributes |= {SERVER_ADDRESS: address, SERVER_PORT: port} if port else {SERVER_ADDRESS: address}

    def call_started(
        self, method: str, context: "grpc.aio.ServicerContext[object, object]"
    ) -> tuple[Span | None, Token[Context]] | None:
        """Make the call's span the current one; for an unsampled call the caller's context, if it sent one."""
        trace_parent = trace_state = ""
        for key, value in context.invocation_metadata() or ():
            # Repeated headers are one list (RFC 9110): `tracestate` is a list anyway, a list of `traceparent` is malformed.
            if key == "traceparent":
                trace_parent = f"{trace_parent},{value!s}" if trace_parent else str(value)
            elif key == "tracestate":
                trace_state = f"{trace_state},{value!s}" if trace_state else str(value)
        remote = parse_trace_parent(trace_parent, trace_state) if trace_parent else None
        if remote is None:
            trace_id = getrandbits(_TRACE_ID_BITS)
            if not self._sampling.samples(trace_id, None):
                return None
            self._ids.preset = trace_id
        else:
            caller = trace.get_current_span(remote).get_span_context()
            if not self._sampling.samples(caller.trace_id, caller.trace_flags.sampled):
                return None, attach(remote)
        name, parent = method[1:], remote or EMPTY_CONTEXT
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, {**self._attributes, RPC_METHOD: name})
        return span, attach(trace.set_span_in_context(span, parent))

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """End the span."""
        if not isinstance(begun, tuple):
            return
        span, token = begun
        if span is not None:
            span.set_attribute(RPC_RESPONSE_STATUS_CODE, code.name)
            if reason is not None:
                span.set_attribute(REASON, reason.value)
            if code in FAULTS:
                mark_failed(span, code.name)
            span.end()
        detach(token)
