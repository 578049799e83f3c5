"""Metrics: which there are.

Belongs here: each family with its name, its labels, its buckets and what it means; tests hold dashboards and `docs/metrics.md`
to this list. Does not: what is counted when (`metrics_*.py`), nor how they are served (`port.py`).

Every label has few values, all known beforehand: none ever holds a train, a run, a user, or any word of a caller's.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from app.telemetry.metrics.loop_counters import LoopFamily

_Made = TypeVar("_Made", Counter, Gauge, Histogram, LoopFamily)


class Kind(StrEnum):
    """What Prometheus calls the type of a family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(NamedTuple):
    """A metric of one name. `buckets` are the upper bounds of a histogram, in its unit.

    What `is_statistic` is of the whole database, and shown only by processes that survey it. What `is_loop_only` changes with
    each
    call or batch, and only the event loop changes it.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_statistic: bool = False
    is_loop_only: bool = False


# From a call that finds all it needs in memory to the longest that SEATLINE_CALL_SECONDS_MAX lets one take by default. A lone
# booking takes some milliseconds, one in a crowd some tens: most bounds are there.
_CALL_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# A commit takes one or two milliseconds alone, some tens in a crowd, and seconds during an election.
_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# A statement takes from half a millisecond up to SEATLINE_MONGODB_OPERATION_SECONDS_MAX.
_STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# The ledger answers in milliseconds, card networks in a second or two; three tries with their pauses take half a minute.
_PAYMENT_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# The loop turns many times in a millisecond; callers notice what takes longer than some tens of them.
_DELAY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
# Doublings up to the largest batch that SEATLINE_LANE_BATCH_MAX allows.
_BATCH_CALLERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

_METHOD = ("grpc_type", "grpc_service", "grpc_method")
_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def _loop_only(name: str, kind: Kind, meaning: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = ()) -> Family:
    return Family(name, kind, meaning, labels, buckets, is_loop_only=True)


def _statistic(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Family:
    return Family(name, Kind.GAUGE, meaning, labels, is_statistic=True)


FAMILIES: tuple[Family, ...] = (
    _loop_only("grpc_server_started_total", _COUNTER, "Calls that began.", _METHOD),
    _loop_only("grpc_server_handled_total", _COUNTER, "Calls that ended, by their status.", (*_METHOD, "grpc_code")),
    _loop_only(
        "grpc_server_handling_seconds", _HISTOGRAM, "How long calls took, with traces as exemplars.", _METHOD, _CALL_SECONDS
    ),
    Family("grpc_server_in_flight_calls", _GAUGE, "Calls that are being answered."),
    Family("seatline_build_info", _GAUGE, "Always 1; the version that runs.", ("version",)),
    _loop_only(
        "seatline_refusals_total", _COUNTER, "Calls that were refused, by the reason that callers are told.", ("reason",)
    ),
    _loop_only("seatline_bookings_total", _COUNTER, "What was committed to happen to bookings.", ("outcome",)),
    _loop_only("seatline_holds_total", _COUNTER, "What was committed to happen to holds.", ("outcome",)),
    _statistic(
        "seatline_seats",
        "Seats of runs that have not departed. Sold is what is sold or held for any part of the way.",
        ("run_status", "state"),
    ),
    _statistic("seatline_train_runs", "Runs that have not arrived yet.", ("run_status",)),
    _statistic("seatline_waitlist_bookings", "Bookings that wait for seats, on all runs that have not arrived."),
    Family("seatline_lanes", _GAUGE, "Train runs that this process keeps a lane for."),
    Family("seatline_lane_queue_callers", _GAUGE, "Callers who wait in this process's lanes to be decided for."),
    _loop_only("seatline_lane_batch_callers", _HISTOGRAM, "Callers that were decided for together.", (), _BATCH_CALLERS),
    _loop_only(
        "seatline_lane_wait_seconds", _HISTOGRAM, "How long callers waited before their batch began.", (), _CALL_SECONDS
    ),
    _loop_only(
        "seatline_lane_commit_seconds",
        _HISTOGRAM,
        "How long the commits of batches took, from the decisions to the answers.",
        (),
        _COMMIT_SECONDS,
    ),
    _loop_only(
        "seatline_lane_swaps_lost_total", _COUNTER, "Commits that another server was ahead of, and that were decided again."
    ),
    _statistic("seatline_outbox_age_seconds", "How long the oldest event has waited for what follows from it."),
    _statistic("seatline_outbox_events", "Events that nothing has followed up yet, of up to 10,000 commits."),
    _statistic("seatline_jobs", "Jobs that wait, are being done, or were given up; counted up to 10,000.", ("state",)),
    _statistic("seatline_refunds_pending", "Refunds that the payment provider has not done yet; counted up to 10,000."),
    _statistic("seatline_refund_age_seconds", "How long the oldest pending refund has waited."),
    _statistic("seatline_captures_pending", "Payments with money set aside and not taken yet; counted up to 10,000."),
    _statistic(
        "seatline_survey_last_success_timestamp_seconds",
        "When this process last surveyed the database; what it found then stands until the next time.",
    ),
    Family(
        "seatline_payment_requests_total",
        _COUNTER,
        "What the payment provider was asked, with the tries that it took, and what it said in the end.",
        ("operation", "outcome"),
    ),
    Family(
        "seatline_payment_request_seconds",
        _HISTOGRAM,
        "How long the payment provider took, with all tries.",
        ("operation",),
        _PAYMENT_SECONDS,
    ),
    Family("seatline_webhook_deliveries_total", _COUNTER, "Attempts to tell webhooks of events.", ("outcome",)),
    Family(
        "seatline_mongodb_command_seconds",
        _HISTOGRAM,
        "How long MongoDB's answers took. getMore waits for events that are still to come.",
        ("command",),
        _STATEMENT_SECONDS,
    ),
    Family("seatline_mongodb_commands_failed_total", _COUNTER, "Commands that MongoDB failed or did not answer.", ("command",)),
    Family("seatline_mongodb_connections", _GAUGE, "Connections to MongoDB.", ("state",)),
    Family("seatline_mongodb_primary_known", _GAUGE, "Whether the driver knows a primary."),
    Family(
        "seatline_unreadable_records_total",
        _COUNTER,
        "How often this process came across a stored record that it cannot read; it goes on without it.",
        ("collection",),
    ),
    Family("seatline_database_available", _GAUGE, "Whether the database answers and is set up: what readiness follows."),
    Family(
        "seatline_event_loop_delay_seconds",
        _HISTOGRAM,
        "How much later than asked for the event loop came round; looked at four times a second.",
        (),
        _DELAY_SECONDS,
    ),
)

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}


class Metrics:
    """One registry with all families; each of a process's servers has its own."""

    def __init__(self, version: str) -> None:
        # Each series would have another one that says since when it is there: Prometheus knows it from the process's start.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes nothing and gives nothing
        self.registry = CollectorRegistry()
        self._made = {one.name: _make(one, None if one.is_statistic else self.registry) for one in FAMILIES}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.gauge("seatline_build_info").labels(version).set(1)

    def register_statistics(self) -> None:
        """Shows from now on what is surveyed as well: this process surveys."""
        for family in FAMILIES:
            if family.is_statistic:
                self.registry.register(self._made[family.name])

    def loop_family(self, name: str) -> LoopFamily:
        """The family of that name that only the event loop changes."""
        return self._of(name, LoopFamily)

    def counter(self, name: str) -> Counter:
        """The counter of that name."""
        return self._of(name, Counter)

    def gauge(self, name: str) -> Gauge:
        """The gauge of that name."""
        return self._of(name, Gauge)

    def histogram(self, name: str) -> Histogram:
        """The histogram of that name."""
        return self._of(name, Histogram)

    def counters(self, name: str, values: Sequence[str]) -> dict[str, Counter]:
        """A counter for each value of its only label, all of them there from the start."""
        return {one: self.counter(name).labels(one) for one in values}

    def _of(self, name: str, kind: type[_Made]) -> _Made:
        made = self._made[name]
        if not isinstance(made, kind):
            raise TypeError(f"{name} is no {kind.__name__}")
        return made


def metric_names() -> frozenset[str]:
    """The names of all series that a process may show, as queries name them: of a histogram three."""
    names: set[str] = set()
    metrics = Metrics("")
    metrics.register_statistics()
    for family in metrics.registry.collect():
        names.update(family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",)))
    return frozenset(names)


def _make(family: Family, registry: CollectorRegistry | None) -> Counter | Gauge | Histogram | LoopFamily:
    if family.is_loop_only:
        made_on_loop = LoopFamily(family.name, family.meaning, family.labels, family.buckets)
        if registry is not None:
            registry.register(made_on_loop)
        return made_on_loop
    if family.kind is Kind.HISTOGRAM:
        return Histogram(family.name, family.meaning, family.labels, registry=registry, buckets=family.buckets)
    made = Counter if family.kind is Kind.COUNTER else Gauge
    return made(family.name, family.meaning, family.labels, registry=registry)
