"""Spans of calls: which calls have one, and its attributes."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, get_current_span

from app.domain.refusals import Reason
from app.rpc.authentication import caller_from
from app.rpc.errors import STATUS_CODES
from app.telemetry.tracing.calls import FAULTS, CallTracer, PresetTraceIds
from app.telemetry.tracing.context import current_trace_parent
from app.telemetry.tracing.exporter import make_sampler
from app.telemetry.tracing.sampling import Sampling

METHOD = "/seatline.v1.BookingService/CreateBooking"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OK = grpc.StatusCode.OK


class Watched:
    """A call tracer, and the spans that it has made."""

    def __init__(self, share: float = 1.0, *, follows_parent: bool = True) -> None:
        sampling, ids = Sampling(share, follows_parent), PresetTraceIds()
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(make_sampler(sampling), shutdown_on_exit=False, id_generator=ids)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.calls = CallTracer(provider.get_tracer("test"), sampling, ids)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def call(self, *metadata: tuple[str, str], code: grpc.StatusCode = OK, reason: Reason | None = None) -> str:
        """Make a call; return the trace and the span that were current in it."""
        begun = self.calls.call_started(METHOD, _context(*metadata))
        current = get_current_span().get_span_context()
        self.calls.call_ended(begun, METHOD, code, reason)
        assert not get_current_span().get_span_context().is_valid, "the call has left its span behind"
        return f"{current.trace_id:032x}-{current.span_id:016x}"


def _context(*metadata: tuple[str, str]) -> Any:
    class Context:
        def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
            return (("user-agent", "test"), *metadata)

    return Context()


def _sent(flags: str) -> tuple[str, str]:
    return ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-{flags}")


def test_a_call_that_is_not_sampled_has_no_span_and_no_context() -> None:
    watched = Watched(0.0)
    assert watched.calls.call_started(METHOD, _context()) is None
    assert watched.spans == ()


def test_a_share_of_calls_is_sampled_each_in_a_trace_of_its_own() -> None:
    watched = Watched(0.5)
    for _ in range(400):
        watched.call()
    assert 120 < len(watched.spans) < 280, "beyond any chance"
    assert len({span.context.trace_id for span in watched.spans}) == len(watched.spans)
    assert {span.parent for span in watched.spans} == {None}


def test_a_parent_based_sampler_follows_the_caller() -> None:
    assert Watched(0.0).call(_sent("01")) != f"{TRACE_ID}-{SPAN_ID}"
    watched = Watched(1.0)
    assert watched.call(_sent("00")) == f"{TRACE_ID}-{SPAN_ID}", "the caller's context goes on"
    assert watched.spans == ()


def test_any_other_sampler_does_not_follow_the_caller() -> None:
    watched = Watched(1.0, follows_parent=False)
    watched.call(_sent("00"))
    (span,) = watched.spans
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE_ID, SPAN_ID)


def test_the_trace_state_is_passed_on() -> None:
    watched = Watched()
    watched.call(_sent("01"), ("tracestate", "vendor=t61rcWkgMzE"))
    assert watched.spans[0].context.trace_state.to_header() == "vendor=t61rcWkgMzE"


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{TRACE_ID}-{SPAN_ID}", f"ff-{TRACE_ID}-{SPAN_ID}-01"])
def test_a_malformed_context_begins_a_new_trace(sent: str) -> None:
    watched = Watched()
    watched.call(("traceparent", sent), ("tracestate", "==,,"))
    assert watched.spans[0].parent is None


def test_two_trace_parents_are_dropped_and_two_trace_states_are_joined() -> None:
    watched = Watched()
    watched.call(_sent("01"), _sent("01"))
    assert watched.spans[0].parent is None
    watched.call(_sent("01"), ("tracestate", "one=1"), ("tracestate", "two=2"))
    assert watched.spans[1].context.trace_state.to_header() == "one=1,two=2"


def test_the_trace_parent_of_a_recorded_call_is_its_span() -> None:
    watched = Watched()
    metadata = (("x-seatline-user", "jane@example.com"), _sent("01"))
    begun = watched.calls.call_started(METHOD, _context(*metadata))
    caller = caller_from(metadata, current_trace_parent())
    watched.calls.call_ended(begun, METHOD, OK, None)
    assert caller.trace_parent == f"00-{TRACE_ID}-{watched.spans[0].context.span_id:016x}-01"


@pytest.mark.parametrize("reason", Reason)
def test_only_server_errors_mark_the_span_as_failed(reason: Reason) -> None:
    watched, code = Watched(), STATUS_CODES[reason]
    watched.call(code=code, reason=reason)
    (span,) = watched.spans
    attributes = span.attributes or {}
    assert (attributes["rpc.response.status_code"], attributes["seatline.reason"]) == (code.name, reason.value)
    assert (span.status.status_code is StatusCode.ERROR) is (code in FAULTS)
    assert attributes.get("error.type") == (code.name if code in FAULTS else None)


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 50_051), ("/run/seatline.sock", 0)])
def test_a_span_has_the_server_address(address: str, port: int) -> None:
    watched = Watched()
    watched.calls.set_server_address(address, port)
    watched.call()
    attributes = watched.spans[0].attributes or {}
    assert (attributes["server.address"], attributes.get("server.port", 0)) == (address, port)
