"""Export of spans to a collector, by OTLP over gRPC.

Belongs here: the SDK, its sampler and exporter, what is logged when the collector is away, and closing. Does not belong here:
the spans. Imported only by a process that has a collector (`setup.py`).

A collector that is away costs nothing: spans wait in a bounded queue (OTEL_BSP_MAX_QUEUE_SIZE), from which the oldest are
dropped, and a thread of its own tries to send them.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from app.telemetry.tracing.calls import CallTracer, PresetTraceIds
from app.telemetry.tracing.conventions import SCHEMA_URL, SCOPE
from app.telemetry.tracing.lanes import LaneTracer
from app.telemetry.tracing.sampling import Sampling, read_sampling

_log = logging.getLogger(__name__)

# How long a process that ends waits for its last spans; a collector that answers takes milliseconds.
_CLOSE_SECONDS_MAX = 1.0
# How long the exporter's thread may take to end once its channel is closed.
_CUT_OFF_SECONDS_MAX = 0.5
# They log every failed batch and every dropped span; `CollectorExporter` logs an outage once.
_REPETITIVE_LOGGERS = ("opentelemetry.exporter.otlp.proto.grpc", "opentelemetry.sdk._shared_internal")


class CollectorExporter(SpanExporter):
    """Sends spans by `inner`; logs once when that begins to fail, and once when it works again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans, or drop them. Never raises."""
        try:
            result = self._inner.export(spans)
        except Exception as error:  # such as a span that cannot be encoded; the next batch may fare better
            _log.debug("spans cannot be exported: %s", type(error).__name__)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                _log.info("the trace collector accepts spans again; %d were lost", self._lost)
            self._lost = 0
        else:
            if not self._lost:
                _log.warning("the trace collector does not accept spans; they are lost until it does")
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """Abort what is being sent."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter; this one buffers nothing."""
        return self._inner.force_flush(timeout_millis)


class Tracing:
    """The tracing of this process: its observers, and its exporter. `database` is the name of the database in use."""

    def __init__(self, database: str) -> None:
        """Configure from the standard variables OTEL_*. Raises what the exporter raises for bad ones."""
        sampling, ids = read_sampling(os.environ), PresetTraceIds()
        for name in _REPETITIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = CollectorExporter(OTLPSpanExporter())
        self._provider = TracerProvider(make_sampler(sampling), _resource(), shutdown_on_exit=False, id_generator=ids)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        tracer = self._provider.get_tracer(SCOPE, schema_url=SCHEMA_URL)
        self.calls = CallTracer(tracer, sampling, ids)
        self.lanes = LaneTracer(tracer, database)
        trace.set_tracer_provider(self._provider)

    async def close(self) -> None:
        """Send the remaining spans within a bound: a process that ends does not wait for a collector that is away."""
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_SECONDS_MAX)
        if closing.is_alive():
            await asyncio.to_thread(self._exporter.shutdown)
            await asyncio.to_thread(closing.join, _CUT_OFF_SECONDS_MAX)


def make_sampler(sampling: Sampling) -> Sampler:
    """Return the SDK's sampler that decides as `sampling` does."""
    by_chance = TraceIdRatioBased(sampling.share)
    return ParentBased(by_chance) if sampling.follows_parent else by_chance


def _resource() -> Resource:
    attributes = {"service.version": version("seatline")}
    is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create(attributes if is_named else {"service.name": "seatline", **attributes})
