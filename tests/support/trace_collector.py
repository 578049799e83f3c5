"""A trace collector: a real OTLP server over gRPC that stores the spans it receives.

Belongs here: the server, and spans as tests read them. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class Seen:
    """A received span, with ids in hexadecimal and `links` as span ids."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    is_error: bool
    start_ns: int
    end_ns: int


@dataclass
class Collector(TraceServiceServicer):
    """The spans received so far, with their service."""

    target: str = ""
    spans: list[Seen] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:  # noqa: N802 - OTLP's
        for resource in request.resource_spans:
            self.services.add(_attributes(resource.resource.attributes)["service.name"])
            self.spans += [_seen(span) for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()

    def trace(self, trace_id: str) -> list[Seen]:
        """Return the spans of a trace, by the time at which they began."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.start_ns)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector on a free port until the block ends."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # theirs is
    collector.target = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _seen(span: Span) -> Seen:
    return Seen(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
