"""The metric families.

Belongs here: each family with its name, labels, buckets and description. Dashboards and the documentation are tested against
this list. Does not belong here: counting (the other modules of this package), nor serving them (`port.py`).

Every label has few values, all known beforehand: no label contains a train, a run, a user, or anything that callers send.
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
    """The type of a family, in Prometheus's words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(NamedTuple):
    """A metric family. `buckets` are the upper bounds of a histogram, in its unit.

    A family with `is_statistic` describes the whole database, and is shown only by processes that collect statistics. A family
    with `is_loop_only` changes with each call or batch, and is changed by the event loop only.
    """

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_statistic: bool = False
    is_loop_only: bool = False


# From a call answered from memory to the default of SEATLINE_CALL_SECONDS_MAX. A booking takes some milliseconds on an idle
# server, some tens on a busy one: most bounds are there.
_CALL_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# A commit takes one or two milliseconds on an idle server, some tens on a busy one, and seconds during an election.
_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# A command takes from half a millisecond up to SEATLINE_MONGODB_OPERATION_SECONDS_MAX.
_STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# The ledger answers in milliseconds, card networks in one or two seconds; three tries with their pauses take half a minute.
_PAYMENT_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# The event loop turns many times in a millisecond; callers notice delays of some tens of milliseconds.
_DELAY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
# Powers of two up to the largest batch that SEATLINE_LANE_BATCH_MAX allows.
_BATCH_CALLERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

# A mail takes seconds; a provider that is down for an hour makes all of them late.
_LATE_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)

_METHOD = ("grpc_type", "grpc_service", "grpc_method")
_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def _loop_only(
    name: str, kind: Kind, description: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = ()
) -> Family:
    return Family(name, kind, description, labels, buckets, is_loop_only=True)


def _statistic(name: str, description: str, labels: tuple[str, ...] = ()) -> Family:
    return Family(name, Kind.GAUGE, description, labels, is_statistic=True)


FAMILIES: tuple[Family, ...] = (
    _loop_only("grpc_server_started_total", _COUNTER, "Calls that started.", _METHOD),
    _loop_only("grpc_server_handled_total", _COUNTER, "Calls that ended, by status.", (*_METHOD, "grpc_code")),
    _loop_only(
        "grpc_server_handling_seconds", _HISTOGRAM, "Duration of calls, with traces as exemplars.", _METHOD, _CALL_SECONDS
    ),
    Family("grpc_server_in_flight_calls", _GAUGE, "Calls in flight."),
    Family("seatline_build_info", _GAUGE, "Always 1; the label is the running version.", ("version",)),
    _loop_only("seatline_refusals_total", _COUNTER, "Refused calls, by the reason in the error.", ("reason",)),
    _loop_only("seatline_bookings_total", _COUNTER, "Committed changes of bookings, by outcome.", ("outcome",)),
    _loop_only("seatline_holds_total", _COUNTER, "Committed changes of holds, by outcome.", ("outcome",)),
    _loop_only("seatline_layout_changes_total", _COUNTER, "Committed changes of the layouts of runs."),
    _loop_only(
        "seatline_displaced_passengers_total",
        _COUNTER,
        "Passengers whose seats layout changes removed: moved to other seats, waitlisted, or cancelled and refunded.",
        ("outcome",),
    ),
    _loop_only(
        "seatline_run_events_total",
        _COUNTER,
        "What happened to runs: delays reported, arrivals recorded, departed, completed, cancelled.",
        ("event",),
    ),
    _statistic(
        "seatline_seats",
        "Seats of runs that have not departed. A seat counts as sold when it is sold or held on any leg.",
        ("run_status", "state"),
    ),
    _statistic("seatline_train_runs", "Runs that have not arrived.", ("run_status",)),
    _statistic("seatline_waitlist_bookings", "Waitlisted bookings of all runs that have not arrived."),
    Family("seatline_lanes", _GAUGE, "Train runs that have a lane in this process."),
    Family("seatline_lane_queue_callers", _GAUGE, "Callers waiting in the queues of this process's lanes."),
    _loop_only("seatline_lane_batch_callers", _HISTOGRAM, "Callers per batch.", (), _BATCH_CALLERS),
    _loop_only(
        "seatline_lane_wait_seconds",
        _HISTOGRAM,
        "How long callers waited in the queue before their batch started.",
        (),
        _CALL_SECONDS,
    ),
    _loop_only(
        "seatline_lane_commit_seconds",
        _HISTOGRAM,
        "Duration of batch commits, from the decision to the answer.",
        (),
        _COMMIT_SECONDS,
    ),
    _loop_only(
        "seatline_lane_swaps_lost_total", _COUNTER, "Commits that lost to another server's commit and were decided again."
    ),
    _statistic("seatline_outbox_age_seconds", "Age of the oldest unprocessed event."),
    _statistic("seatline_outbox_events", "Unprocessed events, of up to 10,000 commits."),
    _statistic("seatline_jobs", "Jobs that are waiting, running or dead; counted up to 10,000.", ("state",)),
    _statistic("seatline_layout_jobs", "Layout jobs that are not complete; counted up to 10,000."),
    _statistic("seatline_layout_job_age_seconds", "Age of the oldest layout job that is not complete."),
    _statistic("seatline_run_cancellations", "Cancelled runs with bookings that are not cancelled yet; counted up to 10,000."),
    _statistic("seatline_run_cancellation_age_seconds", "Age of the oldest cancellation of a run that is not complete."),
    _statistic(
        "seatline_completed_runs",
        "Runs that were expected to arrive within the last day, an hour ago or more, by whether anybody has reported on them.",
        ("report",),
    ),
    _statistic("seatline_refunds_pending", "Refunds that the payment provider has not made yet; counted up to 10,000."),
    _statistic("seatline_refund_age_seconds", "Age of the oldest pending refund."),
    _statistic("seatline_captures_pending", "Authorized payments that are not captured yet; counted up to 10,000."),
    _statistic(
        "seatline_survey_last_success_timestamp_seconds",
        "When this process last collected statistics of the database; they are shown until the next time.",
    ),
    Family(
        "seatline_payment_requests_total",
        _COUNTER,
        "Requests to the payment provider, each with all its tries, by the final outcome.",
        ("operation", "outcome"),
    ),
    Family(
        "seatline_payment_request_seconds",
        _HISTOGRAM,
        "Duration of requests to the payment provider, with all tries.",
        ("operation",),
        _PAYMENT_SECONDS,
    ),
    Family("seatline_webhook_deliveries_total", _COUNTER, "Attempts to deliver events to webhooks.", ("outcome",)),
    Family(
        "seatline_notices_total",
        _COUNTER,
        "Notices that were due or replaced by newer ones, by outcome: sent, skipped, to be tried again, or failed for good.",
        ("channel", "kind", "outcome"),
    ),
    Family(
        "seatline_notice_late_seconds",
        _HISTOGRAM,
        "How long after their due time notices were accepted by the channel, with all attempts.",
        ("channel",),
        _LATE_SECONDS,
    ),
    Family(
        "seatline_notice_circuit_open", _GAUGE, "1 while this process sends nothing by the channel but probes.", ("channel",)
    ),
    Family(
        "seatline_notice_parts_failed_total",
        _COUNTER,
        "Parts of notices that could not be made; the notices were sent without them.",
        ("part",),
    ),
    _statistic(
        "seatline_notices_due", "Notices that are due and neither sent nor given up; counted up to 10,000.", ("channel",)
    ),
    _statistic(
        "seatline_notice_age_seconds", "How long the oldest notice that nobody has tried to send has been due.", ("channel",)
    ),
    Family(
        "seatline_mongodb_command_seconds",
        _HISTOGRAM,
        "Duration of MongoDB commands. getMore includes waiting for new events.",
        ("command",),
        _STATEMENT_SECONDS,
    ),
    Family(
        "seatline_mongodb_commands_failed_total", _COUNTER, "MongoDB commands that failed or were not answered.", ("command",)
    ),
    Family("seatline_mongodb_connections", _GAUGE, "Connections to MongoDB.", ("state",)),
    Family("seatline_mongodb_primary_known", _GAUGE, "1 while the driver knows a primary, else 0."),
    Family(
        "seatline_unreadable_records_total",
        _COUNTER,
        "Stored records that this process could not read and skipped.",
        ("collection",),
    ),
    Family(
        "seatline_database_available", _GAUGE, "1 while the database answers and has its indexes, else 0; readiness follows it."
    ),
    Family(
        "seatline_event_loop_delay_seconds",
        _HISTOGRAM,
        "Delay of the event loop beyond the requested time, sampled four times a second.",
        (),
        _DELAY_SECONDS,
    ),
)

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}


class Metrics:
    """A registry with all families. Each server in a process has its own."""

    def __init__(self, version: str) -> None:
        # Otherwise each series gets another one with its creation time, which Prometheus knows from the process start time.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it is not annotated
        self.registry = CollectorRegistry()
        self._made = {family.name: _make(family, None if family.is_statistic else self.registry) for family in FAMILIES}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.gauge("seatline_build_info").labels(version).set(1)

    def register_statistics(self) -> None:
        """Show the statistics of the database from now on: this process collects them."""
        for family in FAMILIES:
            if family.is_statistic:
                self.registry.register(self._made[family.name])

    def loop_family(self, name: str) -> LoopFamily:
        """Return the family of that name; only the event loop may change it."""
        return self._of(name, LoopFamily)

    def counter(self, name: str) -> Counter:
        """Return the counter of that name."""
        return self._of(name, Counter)

    def gauge(self, name: str) -> Gauge:
        """Return the gauge of that name."""
        return self._of(name, Gauge)

    def histogram(self, name: str) -> Histogram:
        """Return the histogram of that name."""
        return self._of(name, Histogram)

    def counters(self, name: str, values: Sequence[str]) -> dict[str, Counter]:
        """Return a counter for each value of its only label; all are shown from the start."""
        return {value: self.counter(name).labels(value) for value in values}

    def _of(self, name: str, kind: type[_Made]) -> _Made:
        made = self._made[name]
        if not isinstance(made, kind):
            raise TypeError(f"{name} is not a {kind.__name__}")
        return made


def metric_names() -> frozenset[str]:
    """Return the names of all series that a process may show, as queries use them: three for each histogram."""
    names: set[str] = set()
    metrics = Metrics("")
    metrics.register_statistics()
    for family in metrics.registry.collect():
        names.update(family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",)))
    return frozenset(names)


def _make(family: Family, registry: CollectorRegistry | None) -> Counter | Gauge | Histogram | LoopFamily:
    if family.is_loop_only:
        made_on_loop = LoopFamily(family.name, family.description, family.labels, family.buckets)
        if registry is not None:
            registry.register(made_on_loop)
        return made_on_loop
    if family.kind is Kind.HISTOGRAM:
        return Histogram(family.name, family.description, family.labels, registry=registry, buckets=family.buckets)
    made = Counter if family.kind is Kind.COUNTER else Gauge
    return made(family.name, family.description, family.labels, registry=registry)
