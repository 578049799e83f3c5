"""Trace contexts that are passed on: from a caller, through an event or a job, to the next service.

Belongs here: W3C trace contexts as text, and spans below one. Does not belong here: the spans of calls, lanes and work
(`calls.py`, `lanes.py`, `work.py`), nor exporting them (`exporter.py`).

This uses OpenTelemetry's API only. The SDK is loaded only by a process with a collector; without it no spans are made, but the
context of a caller is still passed on.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.telemetry.tracing.conventions import ERROR_TYPE, SCHEMA_URL, SCOPE

EMPTY_CONTEXT = Context()
_PLAIN = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_W3C = TraceContextTextMapPropagator()
_SAMPLED_DIGITS = frozenset("13579bdf")
tracer = trace.get_tracer(SCOPE, schema_url=SCHEMA_URL)


def parse_trace_parent(trace_parent: str, trace_state: str = "") -> Context | None:
    """Return the context of a `traceparent` and its `tracestate`; None for a malformed one."""
    match = None if trace_state else _PLAIN.fullmatch(trace_parent)
    if match is None:
        context = _W3C.extract({"traceparent": trace_parent, "tracestate": trace_state}, EMPTY_CONTEXT)
        return None if context is EMPTY_CONTEXT else context
    # The form that nearly all callers send, parsed in a third of the propagator's time.
    trace_id, span_id, flags = (int(digits, 16) for digits in match.groups())
    span_context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(span_context), EMPTY_CONTEXT) if span_context.is_valid else None


def format_trace_parent(span: Span) -> str:
    """Return the `traceparent` of a span, empty when the span has no valid context."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, EMPTY_CONTEXT))
    return carrier.get("traceparent", "")


def current_trace_parent() -> str:
    """Return the `traceparent` of the current span, empty when there is none or it is not recorded."""
    span = trace.get_current_span()
    return format_trace_parent(span) if span.is_recording() else ""


def is_sampled(trace_parent: str) -> bool:
    """Return whether the sender of this `traceparent` samples the trace."""
    return trace_parent[-1:] in _SAMPLED_DIGITS


def mark_failed(span: Span, error_type: str) -> None:
    """Mark a span as failed. It gets the type of the error only: the text may quote what people sent."""
    span.set_attribute(ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


@contextmanager
def continue_trace(trace_parent: str, name: str, kind: SpanKind) -> Iterator[Span]:
    """Run the block as part of that trace, and inside a new span if the trace is sampled."""
    context = parse_trace_parent(trace_parent) if trace_parent else None
    if context is None:
        yield INVALID_SPAN
        return
    # The SDK would give an unsampled span an id of its own, which no other span refers to.
    span = tracer.start_span(name, context, kind) if is_sampled(trace_parent) else trace.get_current_span(context)
    with _entered(span):
        yield span


@contextmanager
def child_span(name: str, kind: SpanKind) -> Iterator[Span]:
    """Run the block inside a new span, if the current span is recorded."""
    if not trace.get_current_span().is_recording():
        yield INVALID_SPAN
        return
    with _entered(tracer.start_span(name, kind=kind)) as span:
        yield span


@contextmanager
def _entered(span: Span) -> Iterator[Span]:
    # The text of an exception stays out of spans; see `mark_failed`.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            mark_failed(span, type(error).__qualname__)
            raise
