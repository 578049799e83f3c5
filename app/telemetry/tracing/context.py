"""Traces that go on: from a caller, through an event or a job, to whoever is asked next.

Belongs here: W3C trace contexts as text, and spans below one. Does not: which spans there are (`calls.py`,
`lanes.py`, `work.py`), where they go (`exporter.py`).

Only OpenTelemetry's API is used here. Without its SDK, which only a process with a collector loads, no spans come to be, but a
caller's context still goes on to whoever is asked.
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
    """The context of a `traceparent` and its `tracestate`; None for one that is malformed."""
    match = None if trace_state else _PLAIN.fullmatch(trace_parent)
    if match is None:
        context = _W3C.extract({"traceparent": trace_parent, "tracestate": trace_state}, EMPTY_CONTEXT)
        return None if context is EMPTY_CONTEXT else context
    # What nearly all callers send, in a third of the propagator's time.
    trace_id, span_id, flags = (int(digits, 16) for digits in match.groups())
    span_context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(span_context), EMPTY_CONTEXT) if span_context.is_valid else None


def format_trace_parent(span: Span) -> str:
    """The `traceparent` of a span, empty where it has none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, EMPTY_CONTEXT))
    return carrier.get("traceparent", "")


def current_trace_parent() -> str:
    """The `traceparent` of the span that we are in, empty where that is none of ours or not sampled."""
    span = trace.get_current_span()
    return format_trace_parent(span) if span.is_recording() else ""


def is_sampled(trace_parent: str) -> bool:
    """Whether whoever made this `traceparent` records the trace."""
    return trace_parent[-1:] in _SAMPLED_DIGITS


def mark_failed(span: Span, error_type: str) -> None:
    """The span's work has failed. Only the kind of failure is told: the text of an error may quote what people sent."""
    span.set_attribute(ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


@contextmanager
def continue_trace(trace_parent: str, name: str, kind: SpanKind) -> Iterator[Span]:
    """What runs inside is part of that trace, and below a span of that name if the trace is sampled."""
    context = parse_trace_parent(trace_parent) if trace_parent else None
    if context is None:
        yield INVALID_SPAN
        return
    # The SDK would give an unsampled span an id of its own, to which nothing leads.
    span = tracer.start_span(name, context, kind) if is_sampled(trace_parent) else trace.get_current_span(context)
    with _entered(span):
        yield span


@contextmanager
def child_span(name: str, kind: SpanKind) -> Iterator[Span]:
    """What runs inside is below a span of that name, if we are in a span that is recorded."""
    if not trace.get_current_span().is_recording():
        yield INVALID_SPAN
        return
    with _entered(tracer.start_span(name, kind=kind)) as span:
        yield span


@contextmanager
def _entered(span: Span) -> Iterator[Span]:
    # The text of an exception stays out of spans, see `mark_failed`.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            mark_failed(span, type(error).__qualname__)
            raise
