"""Metrics of calls.

Belongs here: what is counted when a call starts and ends. Does not belong here: the families (`families.py`).

This code runs within every call, so it looks up nothing twice and makes few function calls.
"""

from bisect import bisect_left
from collections.abc import Mapping
from time import perf_counter, time

import grpc
from opentelemetry.context import get_current
from opentelemetry.trace import format_trace_id, get_current_span
from prometheus_client.core import Exemplar

from app.domain.refusals import Reason
from app.telemetry.metrics.families import Metrics
from app.telemetry.metrics.loop_counters import LoopCounter, LoopHistogram

_OK = grpc.StatusCode.OK
# Stands for every method that is not in the contract.
_UNKNOWN = "/unknown/unknown"


class _Method:
    """The metrics of one method, or of all unknown methods.

    Every series starts at 0 when the process starts. Prometheus takes the first sample of a series as its baseline: calls
    counted before that sample have no rate, so a burst of first failures would not reach the objective of CreateBooking.
    """

    __slots__ = ("codes", "ok", "seconds", "started")

    def __init__(self, metrics: Metrics, method: str, grpc_type: str) -> None:
        service, name = method.strip("/").split("/")
        labels = (grpc_type, service, name)
        handled = metrics.loop_family("grpc_server_handled_total")
        self.seconds: LoopHistogram = metrics.loop_family("grpc_server_handling_seconds").histogram(*labels)
        self.started = metrics.loop_family("grpc_server_started_total").count(*labels)
        self.codes: dict[grpc.StatusCode, LoopCounter] = {
            code: handled.count(*labels, code_name(code)) for code in grpc.StatusCode
        }
        self.ok = self.codes[_OK]

    @property
    def in_flight(self) -> int:
        """The number of calls of this method in flight."""
        # The ended calls are read first: a call that ends between the two reads must not make the difference negative.
        call_ended = sum(count.value for count in self.codes.values())
        return self.started.value - call_ended


class CallMetrics:
    """Counts and times calls. `methods` has the `grpc_type` of the contract's methods by full name; any other is unknown.

    A process without methods, such as a worker, shows no metrics of calls: alerts tell servers from workers by them.
    """

    def __init__(self, metrics: Metrics, methods: Mapping[str, str]) -> None:
        known = {**methods, _UNKNOWN: "unary"} if methods else {}
        self._methods = {method: _Method(metrics, method, grpc_type) for method, grpc_type in known.items()}
        refusals = metrics.loop_family("seatline_refusals_total")
        self._refusals = {reason: refusals.count(reason.value) for reason in Reason}
        metrics.gauge("grpc_server_in_flight_calls").set_function(self._in_flight)

    def call_started(self, method: str, context: object) -> tuple[_Method, float]:
        """Count the start of a call; return the metrics of its method and the time."""
        counted = self._methods.get(method) or self._methods[_UNKNOWN]
        counted.started.value += 1
        return counted, perf_counter()

    def call_ended(self, begun: tuple[_Method, float], method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Count the end of a call. Its trace becomes an exemplar, if it is sampled."""
        counted, began_at = begun
        seconds = perf_counter() - began_at
        if code is _OK:
            counted.ok.value += 1
        else:
            counted.codes[code].value += 1
        histogram = counted.seconds
        bucket = bisect_left(histogram.bounds, seconds)
        histogram.counts[bucket] += 1
        histogram.total += seconds
        if reason is not None:
            self._refusals[reason].value += 1
        if get_current():  # empty in a process without tracing
            _keep_exemplar(histogram, bucket, seconds)

    def _in_flight(self) -> float:
        return sum(counted.in_flight for counted in self._methods.values())


def code_name(code: grpc.StatusCode) -> str:
    """Return the name of a status in gRPC metrics: "OK", "InvalidArgument"; CANCELLED is "Canceled", with one l."""
    if code is _OK:
        return "OK"
    return "Canceled" if code is grpc.StatusCode.CANCELLED else code.name.title().replace("_", "")


def _keep_exemplar(histogram: LoopHistogram, bucket: int, seconds: float) -> None:
    context = get_current_span().get_span_context()
    if context.trace_flags.sampled:
        histogram.exemplars[bucket] = Exemplar({"trace_id": format_trace_id(context.trace_id)}, seconds, time())
