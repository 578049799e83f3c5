"""Spans of the worker: part of the trace that caused the work, if it is sampled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.events import Event, EventType
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.webhooks import make_webhook
from app.notifications.webhook import WebhookChannel, webhook_trace_attributes
from app.payments.stripe.sdk import HttpConnections
from app.ports.notices import NoticeOutcome, NoticeOutcomeKind
from app.telemetry.tracing.context import child_span, continue_trace, current_trace_parent, format_trace_parent
from app.telemetry.tracing.work import (
    delivery_span,
    event_processing_spans,
    notice_span,
    payment_request_span,
    record_delivery_outcome,
    record_notice_outcome,
)
from app.usecases.payment_jobs import settlement_jobs
from tests.support.webhook_receiver import LOOPBACK, answering, running_receiver

NOW = datetime(2026, 9, 1, tzinfo=UTC)
RUN_ID = "es9014:2026-12-24"
SECRET = "jane.doe@example.com"  # noqa: S105 - an address


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The recorded spans, as in a process with a collector."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for module in ("tracing.context", "tracing.work"):
        monkeypatch.setattr(f"app.telemetry.{module}.tracer", provider.get_tracer("test"))
    return exporter


def _trace_parent(digit: str, flags: str = "01") -> str:
    return f"00-{digit * 32}-{digit * 16}-{flags}"


def _event(number: int, trace_parent: str = "") -> Event:
    data = {"payment_id": "pay_1"}
    return Event(f"{RUN_ID}:{number}:0", EventType.BOOKING_CONFIRMED, RUN_ID, number, NOW, "7QK2MZ", data, trace_parent)


def _named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def _ids(spans: list[ReadableSpan]) -> list[str]:
    return [f"{span.parent.span_id:x}" for span in spans if span.parent]


def test_events_of_unsampled_traces_are_processed_without_spans(exporter: InMemorySpanExporter) -> None:
    events = [_event(1), _event(2, _trace_parent("a", "00"))]
    with event_processing_spans(events) as told:
        assert told == events
    assert exporter.get_finished_spans() == ()


def test_an_event_of_a_sampled_trace_has_a_span_and_passes_it_on_to_its_jobs(exporter: InMemorySpanExporter) -> None:
    events = [_event(1), _event(2, _trace_parent("a"))]
    with event_processing_spans(events) as told:
        jobs = settlement_jobs(told, NOW)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, _ids([span])) == ("follow up booking.confirmed", SpanKind.CONSUMER, ["a" * 16])
    assert [job.payload for job in jobs] == [
        {"reference": "7QK2MZ"},
        {"reference": "7QK2MZ", "trace_parent": f"00-{'a' * 32}-{span.context.span_id:016x}-01"},
    ]


def test_events_processed_together_share_a_span_that_is_linked_with_each(exporter: InMemorySpanExporter) -> None:
    with event_processing_spans([_event(1, _trace_parent("a")), _event(2), _event(3, _trace_parent("b"))]):
        pass
    (batch,) = _named(exporter, "follow up events")
    each = _named(exporter, "follow up booking.confirmed")
    assert [f"{link.context.span_id:x}" for link in batch.links] == ["a" * 16, "b" * 16]
    assert batch.attributes == {"messaging.batch.message_count": 3}
    assert sorted(_ids(each)) == ["a" * 16, "b" * 16]
    assert [link.context for span in each for link in span.links] == [batch.context] * 2


def test_failed_processing_marks_the_span_without_the_text_of_the_error(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="jane"), event_processing_spans([_event(1, _trace_parent("a"))]):
        raise ValueError(SECRET)
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert SECRET not in span.to_json()


def test_a_payment_request_is_a_span_below_the_current_one(exporter: InMemorySpanExporter) -> None:
    with continue_trace(_trace_parent("a"), "settle payment", SpanKind.CONSUMER) as settling:
        with payment_request_span("stripe", "capture", "pay_1"):
            inside = current_trace_parent()
        assert current_trace_parent() == format_trace_parent(settling)
    capture, settle = exporter.get_finished_spans()
    assert (capture.name, capture.kind, capture.parent) == ("capture payment", SpanKind.CLIENT, settle.context)
    assert inside.split("-")[2] == f"{capture.context.span_id:016x}"
    assert not get_current_span().get_span_context().is_valid


def test_without_a_recorded_span_no_child_span_is_made(exporter: InMemorySpanExporter) -> None:
    with continue_trace("", "settle payment", SpanKind.CONSUMER), child_span("capture payment", SpanKind.CLIENT):
        assert current_trace_parent() == ""
    with continue_trace("nonsense", "settle payment", SpanKind.CONSUMER), payment_request_span("ledger", "capture", "pay_1"):
        assert current_trace_parent() == ""
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (SendOutcome(OutcomeKind.DELIVERED, 204), 204, None),
        (SendOutcome(OutcomeKind.FAILED, 503, "out of order"), 503, "503"),
        (SendOutcome(OutcomeKind.GONE, 410), 410, "410"),
        (SendOutcome(OutcomeKind.FAILED, detail="no answer within 10 s"), None, "FAILED"),
    ],
)
def test_a_webhook_delivery_span_has_the_status_and_no_secrets(
    exporter: InMemorySpanExporter, outcome: SendOutcome, status: int | None, error: str | None
) -> None:
    webhook = make_webhook("w1", "https://hooks.example.com/x?token=h00k", ("booking.*",), "whsec_", NOW)
    described = webhook_trace_attributes(webhook)
    with delivery_span(WebhookChannel.span_name, described, replace(_event(1), trace_parent=_trace_parent("a"))) as span:
        record_delivery_outcome(span, outcome, WebhookChannel.status_attribute)
    (sent,) = exporter.get_finished_spans()
    attributes = sent.attributes or {}
    assert (attributes["server.address"], attributes["server.port"]) == ("hooks.example.com", 443)
    assert (attributes.get("http.response.status_code"), attributes.get("error.type")) == (status, error)
    assert (sent.status.status_code is StatusCode.ERROR) is (error is not None)
    assert "h00k" not in sent.to_json()


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (NoticeOutcome(NoticeOutcomeKind.ACCEPTED, 250), 250, None),
        (NoticeOutcome(NoticeOutcomeKind.REFUSED, 550, "550 at RCPT TO"), 550, "550"),
        (NoticeOutcome(NoticeOutcomeKind.FAILED, detail="no answer"), None, "FAILED"),
    ],
)
def test_a_notice_span_has_the_status_and_no_address(
    exporter: InMemorySpanExporter, outcome: NoticeOutcome, status: int | None, error: str | None
) -> None:
    notice = Notice(
        "TICKET 7QK2MZ - event email", NoticeKind.TICKET, NoticeChannelName.EMAIL, "7QK2MZ", RUN_ID, "-", (1,), SECRET,
        "event", 1, NOW, NOW, trace_parent=_trace_parent("a"),
    )  # fmt: skip
    with notice_span(notice) as span:
        record_notice_outcome(span, outcome)
    (sent,) = exporter.get_finished_spans()
    attributes = sent.attributes or {}
    assert (sent.name, attributes["seatline.notice.kind"]) == ("send email notice", "TICKET")
    assert (attributes.get("seatline.notice.status"), attributes.get("error.type")) == (status, error)
    assert (sent.status.status_code is StatusCode.ERROR) is (error is not None)
    assert SECRET not in sent.to_json()


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_request_to_stripe_has_the_trace_parent(exporter: InMemorySpanExporter, flags: str) -> None:
    connections = HttpConnections(5.0)
    async with running_receiver(answering(200, b"{}")) as receiver:
        with continue_trace(_trace_parent("a", flags), "settle payment", SpanKind.CONSUMER) as span:
            await connections.request_async("POST", f"http://{LOOPBACK}:{receiver.port}/", {"authorization": "Bearer x"}, "")
            expected = format_trace_parent(span)
        await connections.request_async("POST", f"http://{LOOPBACK}:{receiver.port}/", {}, "")
        await connections.close_async()
    traced, untraced = receiver.received
    assert (traced.headers["traceparent"], traced.headers["authorization"]) == (expected, "Bearer x")
    assert "traceparent" not in untraced.headers
