"""Metrics of calls.

Belongs here: what is counted of a call as it begins and ends. Does not: which families there are (`metrics.py`).

All of it runs within every call, so each child of a family is looked up once and kept.
"""

from collections.abc import Iterable
from time import perf_counter

import grpc
from opentelemetry.trace import format_trace_id, get_current_span
from prometheus_client import Counter, Histogram

from app.domain.refusals import Reason
from app.telemetry.metrics import Metrics

UNARY = "unary"
_OK = grpc.StatusCode.OK
# A method that nobody has named beforehand.
_UNKNOWN = "/unknown/unknown"


class _Method:
    """The metrics of one method, or of all that are unknown. There is no histogram before a first call."""

    __slots__ = ("_family", "_histogram", "_labels", "_seconds", "codes", "started")

    def __init__(self, metrics: Metrics, method: str) -> None:
        service, name = method.strip("/").split("/")
        self._labels = (UNARY, service, name)
        self._family = metrics.counter("grpc_server_handled_total")
        self.started: Counter = metrics.counter("grpc_server_started_total").labels(*self._labels)
        self._histogram = metrics.histogram("grpc_server_handling_seconds")
        self._seconds: Histogram | None = None
        self.codes: dict[grpc.StatusCode, Counter] = {}
        self.counter_of(_OK)

    def observe(self, seconds: float, exemplar: dict[str, str] | None) -> None:
        """A call of this method took so long."""
        if self._seconds is None:
            self._seconds = self._histogram.labels(*self._labels)
        self._seconds.observe(seconds, exemplar)

    def counter_of(self, code: grpc.StatusCode) -> Counter:
        """The calls of this method that ended with that status."""
        found = self.codes.get(code)
        if found is None:
            found = self.codes[code] = self._family.labels(*self._labels, code_name(code))
        return found


class CallMetrics:
    """Counts and times calls. `methods` are the full names of all there are; any other one is counted as unknown."""

    def __init__(self, metrics: Metrics, methods: Iterable[str]) -> None:
        self._methods = {method: _Method(metrics, method) for method in methods}
        self._unknown: _Method | None = None
        self._metrics = metrics
        self._refusals = metrics.counters("seatline_refusals_total", [reason.value for reason in Reason])
        self._in_flight = 0
        metrics.gauge("grpc_server_in_flight_calls").set_function(lambda: self._in_flight)

    def began(self, method: str, context: object) -> tuple[_Method, float]:
        """A call begins; gives its method's metrics and when that was."""
        counted = self._methods.get(method) or self._of_unknown()
        counted.started.inc()
        self._in_flight += 1
        return counted, perf_counter()

    def ended(self, begun: tuple[_Method, float], method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """The call has ended. The trace that it belongs to is shown as an exemplar, if it is kept."""
        counted, began_at = begun
        self._in_flight -= 1
        (counted.codes.get(code) or counted.counter_of(code)).inc()
        counted.observe(perf_counter() - began_at, _exemplar())
        if reason is not None:
            self._refusals[reason.value].inc()

    def _of_unknown(self) -> _Method:
        if self._unknown is None:
            self._unknown = _Method(self._metrics, _UNKNOWN)
        return self._unknown


def code_name(code: grpc.StatusCode) -> str:
    """A status as it is called in metrics of gRPC everywhere: "OK", "InvalidArgument"; CANCELLED has one l."""
    if code is _OK:
        return "OK"
    return "Canceled" if code is grpc.StatusCode.CANCELLED else code.name.title().replace("_", "")


def _exemplar() -> dict[str, str] | None:
    context = get_current_span().get_span_context()
    return {"trace_id": format_trace_id(context.trace_id)} if context.trace_flags.sampled else None
