"""Spans of the worker and of requests to other services.

Belongs here: processing events, asking a payment provider, sending events, each below the call that caused it. Does not
belong here: the work (`app/usecases`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.events import Event
from app.domain.notices.notice import Notice
from app.ports.notices import NoticeOutcome, NoticeOutcomeKind
from app.telemetry.tracing.context import (
    child_span,
    continue_trace,
    format_trace_parent,
    is_sampled,
    mark_failed,
    parse_trace_parent,
    tracer,
)
from app.telemetry.tracing.conventions import (
    CLOUDEVENTS_EVENT_ID,
    CLOUDEVENTS_EVENT_TYPE,
    MESSAGING_BATCH_MESSAGE_COUNT,
    NOTICE_ID,
    NOTICE_KIND,
    NOTICE_STATUS,
    PAYMENT_ID,
    PAYMENT_OPERATION,
    PAYMENT_PROVIDER,
)


@contextmanager
def payment_request_span(provider: str, operation: str, payment_id: str) -> Iterator[None]:
    """Run a request to the payment provider inside a span."""
    with child_span(f"{operation} payment", SpanKind.CLIENT) as span:
        if span.is_recording():
            span.set_attributes({PAYMENT_PROVIDER: provider, PAYMENT_OPERATION: operation, PAYMENT_ID: payment_id})
        yield


@contextmanager
def delivery_span(name: str, attributes: Mapping[str, str | int], event: Event) -> Iterator[Span]:
    """Open the span of one attempt to send an event; end it with `record_delivery_outcome`.

    `attributes` describe the receiver. The span continues the trace of the call that the event comes from.
    """
    with continue_trace(event.trace_parent, name, SpanKind.CLIENT) as span:
        if span.is_recording():
            identity = {CLOUDEVENTS_EVENT_ID: event.event_id, CLOUDEVENTS_EVENT_TYPE: event.event_type.value}
            span.set_attributes({**attributes, **identity})
        yield span


def record_delivery_outcome(span: Span, outcome: SendOutcome, status_attribute: str) -> None:
    """Set the receiver's status as that attribute, and mark the span failed unless the event was delivered."""
    if not span.is_recording():
        return
    if outcome.status:
        span.set_attribute(status_attribute, outcome.status)
    if outcome.kind is not OutcomeKind.DELIVERED:
        mark_failed(span, str(outcome.status) if outcome.status else outcome.kind.value)


@contextmanager
def notice_span(notice: Notice) -> Iterator[Span]:
    """Open the span of one attempt to send a notice; end it with `record_notice_outcome`. It names no person."""
    with continue_trace(notice.trace_parent, f"send {notice.channel.value} notice", SpanKind.CLIENT) as span:
        if span.is_recording():
            span.set_attributes({NOTICE_ID: notice.notice_id, NOTICE_KIND: notice.kind.value})
        yield span


def record_notice_outcome(span: Span, outcome: NoticeOutcome) -> None:
    """Set the provider's status, and mark the span failed unless the notice was accepted."""
    if not span.is_recording():
        return
    if outcome.status:
        span.set_attribute(NOTICE_STATUS, outcome.status)
    if outcome.kind is not NoticeOutcomeKind.ACCEPTED:
        mark_failed(span, str(outcome.status) if outcome.status else outcome.kind.value)


@contextmanager
def event_processing_spans(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Run the processing of events together: inside a span for each event whose trace is sampled.

    With several such events, one more span stands for all of them, and is linked with each. Yield the events; those with a
    span have the context of that span, for the jobs that they cause.
    """
    contexts = {event.event_id: parse_trace_parent(event.trace_parent) for event in events if is_sampled(event.trace_parent)}
    if not contexts:
        yield list(events)
        return
    with ExitStack() as spans:
        links = _links_of_batch(spans, len(events), list(contexts.values()))
        passed_on = []
        for event in events:
            if event.event_id in contexts:
                name = f"follow up {event.event_type.value}"
                span = tracer.start_span(name, contexts[event.event_id], SpanKind.CONSUMER, links=links)
                spans.enter_context(_ended(span))
                span.set_attributes({CLOUDEVENTS_EVENT_ID: event.event_id, CLOUDEVENTS_EVENT_TYPE: event.event_type.value})
                passed_on.append(replace(event, trace_parent=format_trace_parent(span)))
            else:
                passed_on.append(event)
        yield passed_on


def _links_of_batch(spans: ExitStack, count: int, contexts: Sequence[Context | None]) -> list[Link]:
    """Return a link to a span for all events together, which is linked with each; none for a single event."""
    if len(contexts) == 1:
        return []
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts]
    attributes = {MESSAGING_BATCH_MESSAGE_COUNT: count}
    span = tracer.start_span("follow up events", contexts[0], SpanKind.CONSUMER, attributes, links)
    spans.enter_context(_ended(span))
    return [Link(span.get_span_context())]


@contextmanager
def _ended(span: Span) -> Iterator[None]:
    """End the span with the block, without making it the current one."""
    try:
        yield
    except Exception as error:
        mark_failed(span, type(error).__qualname__)
        raise
    finally:
        span.end()
