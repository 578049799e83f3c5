"""Spans of lanes.

Belongs here: the wait of a sampled caller in a lane, and the commit that many callers share. Does not belong here: exporting
them (`exporter.py`).

A batch is reported when it has ended, so its spans are made with past instants. The commit is one span for all callers: its
parent is the first sampled call, it is linked with each sampled call, and each caller's decision is linked with it.
"""

import time
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Tracer

from app.ports.lane_observer import LaneBatch
from app.telemetry.tracing.context import EMPTY_CONTEXT, mark_failed
from app.telemetry.tracing.conventions import (
    DB_COLLECTION_NAME,
    DB_NAMESPACE,
    DB_OPERATION_BATCH_SIZE,
    DB_OPERATION_NAME,
    DB_SYSTEM_NAME,
    ERROR_TYPE_OTHER,
    RUN_ID,
    SWAPS_LOST,
)

_COLLECTION = "train_runs"
# MongoDB's command for `find_one_and_update`.
_OPERATION = "findAndModify"


class LaneTracer:
    """Makes the spans of batches; a `LaneObserver`. `database` is the name of the database that stores the runs."""

    def __init__(self, tracer: Tracer, database: str) -> None:
        self._tracer = tracer
        self._attributes = {
            DB_SYSTEM_NAME: "mongodb",
            DB_NAMESPACE: database,
            DB_COLLECTION_NAME: _COLLECTION,
            DB_OPERATION_NAME: _OPERATION,
        }

    def caller_queued(self) -> SpanContext | None:
        """Return the caller's span, if it is recorded."""
        span = trace.get_current_span()
        return span.get_span_context() if span.is_recording() else None

    def batch_ended(self, batch: LaneBatch) -> None:
        """Make the spans of the batch, if any of its callers is sampled."""
        if not any(batch.callers):
            return
        clock_ns = time.time_ns() - time.monotonic_ns()
        sampled = [
            (_below(caller), queued_at)
            for caller, queued_at in zip(batch.callers, batch.queued_at, strict=True)
            if isinstance(caller, SpanContext)
        ]
        begun, decided = _instant(batch.begun_at, clock_ns), _instant(batch.decided_at, clock_ns)
        links: list[Link] = []
        # A batch that was never decided, such as one whose run does not exist, had no commit.
        was_decided = batch.decided_at > batch.begun_at
        if batch.committed or (was_decided and not batch.succeeded):
            links = [Link(self._commit(batch, [parent for parent, _ in sampled], clock_ns))]
        for parent, queued_at in sampled:
            waited = self._tracer.start_span("lane wait", parent, start_time=_instant(queued_at, clock_ns))
            waited.end(begun)
            self._tracer.start_span("decide", parent, start_time=begun, links=links).end(decided)

    def _commit(self, batch: LaneBatch, parents: Sequence[Context], clock_ns: int) -> SpanContext:
        attributes: dict[str, str | int] = {**self._attributes, RUN_ID: batch.run_id, SWAPS_LOST: batch.swaps_lost}
        if len(batch.callers) > 1:  # the conventions do not count a single command as a batch
            attributes[DB_OPERATION_BATCH_SIZE] = len(batch.callers)
        span = self._tracer.start_span(
            f"{_OPERATION} {_COLLECTION}",
            parents[0],
            SpanKind.CLIENT,
            attributes,
            [Link(trace.get_current_span(parent).get_span_context()) for parent in parents],
            _instant(batch.decided_at, clock_ns),
        )
        if not batch.succeeded:
            mark_failed(span, ERROR_TYPE_OTHER)
        span.end(_instant(batch.ended_at, clock_ns))
        return span.get_span_context()


def _below(caller: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(caller), EMPTY_CONTEXT)


def _instant(monotonic_seconds: float, clock_ns: int) -> int:
    """Convert an instant in `time.monotonic` seconds to nanoseconds since 1970."""
    return clock_ns + int(monotonic_seconds * 1e9)
