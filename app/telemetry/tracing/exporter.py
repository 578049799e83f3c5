"""Where spans go: to a collector, by OTLP over gRPC.

Belongs here: the SDK, its sampler and its exporter, what is said when the collector is away, and the end. Does not: which spans
there are. Imported only by a process that has a collector (`setup.py`).

A collector that is away costs nothing: spans wait in a queue of bounded length (OTEL_BSP_MAX_QUEUE_SIZE), from which the oldest
drop out, and a thread of its own tries to send them.
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

# A process that ends gives its last spans so long; a collector that takes them does so in milliseconds.
_CLOSE_SECONDS_MAX = 1.0
# What remains of the exporter's thread once its channel is closed.
_CUT_OFF_SECONDS_MAX = 0.5
# They tell of every failed batch and every dropped span; `CollectorExporter` tells of an outage once.
_REPETITIVE_LOGGERS = ("opentelemetry.exporter.otlp.proto.grpc", "opentelemetry.sdk._shared_internal")


class CollectorExporter(SpanExporter):
    """Sends spans by `inner`, and tells once when that begins to fail and once when it works again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends them, or gives them up. Nothing is raised."""
        try:
            result = self._inner.export(spans)
        except Exception as error:  # such as a span that cannot be encoded; the next batch may fare better
            _log.debug("spans cannot be exported: %s", type(error).__name__)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                _log.info("the trace collector takes spans again; %d were lost", self._lost)
            self._lost = 0
        else:
            if not self._lost:
                _log.warning("the trace collector does not take spans; they are lost until it does")
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """Cuts off what is being sent."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._inner.force_flush(timeout_millis)


class Tracing:
    """The tracing of this process: what looks on, and the way to the collector. `database` is the name of the one in use."""

    def __init__(self, database: str) -> None:
        """Configured by the standard's variables, OTEL_*. What the exporter does not like of them, it raises."""
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
        """Sends what is left, within a bound: a process that ends does not wait for a collector that is away."""
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_SECONDS_MAX)
        if closing.is_alive():
            await asyncio.to_thread(self._exporter.shutdown)
            await asyncio.to_thread(closing.join, _CUT_OFF_SECONDS_MAX)


def make_sampler(sampling: Sampling) -> Sampler:
    """The SDK's sampler that decides alike."""
    by_chance = TraceIdRatioBased(sampling.share)
    return ParentBased(by_chance) if sampling.follows_parent else by_chance


def _resource() -> Resource:
    attributes = {"service.version": version("seatline")}
    is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create(attributes if is_named else {"service.name": "seatline", **attributes})
