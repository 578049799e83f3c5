"""Spans of lane batches, made when the batch has ended."""

from __future__ import annotations

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceFlags

from app.ports.lane_observer import LaneBatch
from app.telemetry.tracing.lanes import LaneTracer

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
COMMIT = "findAndModify train_runs"


class Watched:
    """A lane tracer, and the spans that it has made."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.lanes = LaneTracer(self.tracer, "seatline")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def _caller(number: int) -> SpanContext:
    return SpanContext(trace_id=number, span_id=number, is_remote=False, trace_flags=SAMPLED)


def _batch(*callers: object, committed: bool = True, succeeded: bool = True, decided: bool = True) -> LaneBatch:
    now = time.monotonic()
    return LaneBatch(
        run_id="es9014:2026-12-24",
        callers=callers,
        queued_at=[now - 4] * len(callers),
        begun_at=now - 3,
        decided_at=now - 2 if decided else now - 3,
        ended_at=now - 1,
        committed=committed,
        succeeded=succeeded,
        swaps_lost=1,
    )


def test_a_batch_without_sampled_callers_makes_no_spans(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(None, None))
    assert watched.exporter.get_finished_spans() == ()


def test_only_sampled_callers_have_spans_and_all_callers_are_counted(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(None, _caller(7), None, _caller(8)))
    (commit,) = watched.named(COMMIT)
    assert [link.context.span_id for link in commit.links] == [7, 8]
    assert commit.attributes is not None
    assert commit.attributes["db.operation.batch.size"] == 4
    assert commit.attributes["seatline.swaps_lost"] == 1
    decisions = watched.named("decide")
    assert [decision.parent.span_id for decision in decisions if decision.parent] == [7, 8]
    assert [link.context for decision in decisions for link in decision.links] == [commit.context] * 2
    assert len(watched.named("lane wait")) == 2


def test_spans_have_the_times_of_the_batch(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(_caller(7)))
    now_ns = time.time_ns()
    wait, decide, commit = (watched.named(name)[0] for name in ("lane wait", "decide", COMMIT))
    instants = [wait.start_time, wait.end_time, decide.start_time, decide.end_time, commit.start_time, commit.end_time]
    ages = [round((now_ns - (instant or 0)) / 1e9, 1) for instant in instants]
    assert ages == [4.0, 3.0, 3.0, 2.0, 2.0, 1.0]


def test_a_batch_without_changes_has_no_commit_span(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(_caller(7), committed=False))
    assert watched.named(COMMIT) == []
    assert watched.named("decide")[0].links == ()


def test_a_failed_batch_has_a_failed_commit_span(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(_caller(7), committed=False, succeeded=False))
    (commit,) = watched.named(COMMIT)
    assert commit.status.status_code is trace.StatusCode.ERROR
    assert commit.attributes is not None
    assert commit.attributes["error.type"] == "_OTHER"


def test_an_undecided_batch_has_no_commit_span(watched: Watched) -> None:
    watched.lanes.batch_ended(_batch(_caller(7), committed=False, succeeded=False, decided=False))
    assert watched.named(COMMIT) == []


def test_only_a_caller_in_a_recorded_span_has_a_span_context(watched: Watched) -> None:
    assert watched.lanes.caller_queued() is None
    with watched.tracer.start_as_current_span("call") as span:
        assert watched.lanes.caller_queued() == span.get_span_context()
