"""Metric families: their names, what is counted for calls, lanes, the driver and payments, and the bound of series."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from app.domain.deliveries import DeliveryState
from app.domain.events import EventType, Json
from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.domain.payments import AttemptKind, AttemptOutcome
from app.domain.refusals import Reason
from app.domain.statistics import Backlog, DueNotices, Statistics
from app.domain.timetable import RunState
from app.ports.lane_observer import LaneBatch, count_outcomes
from app.ports.notice_observer import NoticePart, NoticeResult
from app.rpc.services import method_names, method_types
from app.telemetry.metrics.calls import CallMetrics, code_name
from app.telemetry.metrics.database import DatabaseMetrics
from app.telemetry.metrics.families import FAMILIES, Family, Kind, Metrics, metric_names
from app.telemetry.metrics.lanes import LaneMetrics
from app.telemetry.metrics.notices import NoticeMetrics
from app.telemetry.metrics.work import PaymentMetrics, WorkMetrics
from tests.support.builders import a_run
from tests.support.metrics_scrapes import SERIES_MAX

BOOK = "/seatline.v1.BookingService/CreateBooking"
OK = grpc.StatusCode.OK
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


class Shown:
    """The samples of a registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = metrics.registry

    def value(self, name: str, **labels: str) -> float:
        found = self._registry.get_sample_value(name, labels)
        assert found is not None, f"{name} {labels} is not shown"
        return found

    def has(self, name: str) -> bool:
        return any(sample.name == name for family in self._registry.collect() for sample in family.samples)

    @property
    def series(self) -> int:
        return sum(len(family.samples) for family in self._registry.collect())


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


@pytest.fixture
def shown(metrics: Metrics) -> Shown:
    return Shown(metrics)


def call(calls: CallMetrics, method: str = BOOK, code: grpc.StatusCode = OK, reason: Reason | None = None) -> None:
    calls.call_ended(calls.call_started(method, None), method, code, reason)


def labels_of(method: str = BOOK) -> dict[str, str]:
    service, name = method[1:].split("/")
    return {"grpc_type": method_types().get(method, "unary"), "grpc_service": service, "grpc_method": name}


def a_batch(**fields: object) -> LaneBatch:
    usual: dict[str, object] = {
        "run_id": "es9014:2026-09-01",
        "callers": [None, None],
        "queued_at": [1.0, 1.5],
        "begun_at": 2.0,
        "decided_at": 2.25,
        "ended_at": 2.75,
        "committed": True,
        "succeeded": True,
        "swaps_lost": 0,
    }
    return LaneBatch(**{**usual, **fields})  # type: ignore[arg-type]  # fields of several types


# -- names


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_have_their_units_by_prometheus_rules(family: Family) -> None:
    assert re.fullmatch(r"(grpc_server|seatline)_[a-z_]+[a-z]", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.description.endswith(".")
    assert list(family.buckets) == sorted(set(family.buckets))
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)


def test_metric_names_are_the_names_in_queries() -> None:
    names = metric_names()
    assert {"grpc_server_handling_seconds_bucket", "grpc_server_handled_total", "seatline_seats"} <= names
    assert {"process_cpu_seconds_total", "python_gc_collections_total", "python_info"} <= names
    assert not any(name.endswith("_created") for name in names)


def test_the_running_version_is_shown(shown: Shown) -> None:
    assert shown.value("seatline_build_info", version="1.2.3") == 1


# -- calls


def test_a_call_is_in_flight_until_it_ends(metrics: Metrics, shown: Shown) -> None:
    calls = CallMetrics(metrics, {BOOK: "unary"})
    begun = calls.call_started(BOOK, None)
    assert shown.value("grpc_server_started_total", **labels_of()) == 1
    assert shown.value("grpc_server_in_flight_calls") == 1
    assert shown.value("grpc_server_handled_total", **labels_of(), grpc_code="OK") == 0
    calls.call_ended(begun, BOOK, OK, None)
    assert shown.value("grpc_server_in_flight_calls") == 0
    assert shown.value("grpc_server_handled_total", **labels_of(), grpc_code="OK") == 1
    assert shown.value("grpc_server_handling_seconds_count", **labels_of()) == 1


def test_a_refused_call_is_counted_by_code_and_by_reason(metrics: Metrics, shown: Shown) -> None:
    calls = CallMetrics(metrics, {BOOK: "unary"})
    call(calls, code=grpc.StatusCode.FAILED_PRECONDITION, reason=Reason.SEAT_TAKEN)
    assert shown.value("grpc_server_handled_total", **labels_of(), grpc_code="FailedPrecondition") == 1
    assert shown.value("seatline_refusals_total", reason="SEAT_TAKEN") == 1
    assert shown.value("seatline_refusals_total", reason="SECTION_FULL") == 0


def test_every_code_of_every_method_starts_at_zero(metrics: Metrics, shown: Shown) -> None:
    CallMetrics(metrics, method_types())
    for method in (*method_names(), "/unknown/unknown"):
        for code in grpc.StatusCode:
            assert shown.value("grpc_server_handled_total", **labels_of(method), grpc_code=code_name(code)) == 0
        assert shown.value("grpc_server_handling_seconds_count", **labels_of(method)) == 0


def test_a_process_without_methods_shows_no_metrics_of_calls(metrics: Metrics, shown: Shown) -> None:
    CallMetrics(metrics, {})
    assert not shown.has("grpc_server_started_total")


def test_no_series_of_calls_appears_after_the_start(metrics: Metrics, shown: Shown) -> None:
    calls = CallMetrics(metrics, method_types())
    at_start = shown.series
    for method in (*method_names(), "/seatline.v1.BookingService/Steal"):
        for code in grpc.StatusCode:
            call(calls, method, code)
    assert shown.series == at_start


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (grpc.StatusCode.OK, "OK"),
        (grpc.StatusCode.CANCELLED, "Canceled"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded"),
        (grpc.StatusCode.INTERNAL, "Internal"),
    ],
)
def test_codes_have_the_names_of_other_grpc_metrics(code: grpc.StatusCode, name: str) -> None:
    assert code_name(code) == name


def a_span(flags: int) -> NonRecordingSpan:
    return NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(flags)))


@pytest.mark.parametrize(("flags", "exemplars"), [(1, [{"trace_id": f"{0xABC:032x}"}]), (0, [])])
def test_only_a_sampled_trace_is_an_exemplar(flags: int, exemplars: list[Mapping[str, str]], metrics: Metrics) -> None:
    calls = CallMetrics(metrics, {BOOK: "unary"})
    with trace.use_span(a_span(flags)):
        call(calls)
    buckets = [sample for family in metrics.registry.collect() for sample in family.samples if sample.exemplar]
    assert [sample.exemplar.labels for sample in buckets if sample.exemplar] == exemplars


# -- lanes


def test_a_batch_is_counted_with_its_callers_waits_and_commit(metrics: Metrics, shown: Shown) -> None:
    LaneMetrics(metrics).batch_ended(a_batch(swaps_lost=3, outcomes={"booking.confirmed": 2, "hold.used": 1}))
    assert shown.value("seatline_lane_batch_callers_sum") == 2
    assert (shown.value("seatline_lane_wait_seconds_count"), shown.value("seatline_lane_wait_seconds_sum")) == (2, 1.5)
    assert shown.value("seatline_lane_commit_seconds_sum") == 0.5
    assert shown.value("seatline_lane_swaps_lost_total") == 3
    assert shown.value("seatline_bookings_total", outcome="confirmed") == 2
    assert shown.value("seatline_holds_total", outcome="used") == 1


def test_a_layout_change_is_counted_with_its_displaced_passengers(metrics: Metrics, shown: Shown) -> None:
    run = a_run("A4 B2")
    counts: dict[str, Json] = {"moved_passengers": 3, "waitlisted_passengers": 2, "cancelled_passengers": 1}
    run.emit(EventType.LAYOUT_CHANGED, run.run_id, counts, NOW)
    LaneMetrics(metrics).batch_ended(a_batch(outcomes=count_outcomes(run.change_set)))
    assert shown.value("seatline_layout_changes_total") == 1
    displaced = [
        shown.value("seatline_displaced_passengers_total", outcome=name) for name in ("moved", "waitlisted", "cancelled")
    ]
    assert displaced == [3, 2, 1]


def test_what_happens_to_a_run_is_counted_by_event(metrics: Metrics, shown: Shown) -> None:
    run = a_run()
    for event_type in (EventType.RUN_DELAYED, EventType.RUN_DELAYED, EventType.RUN_DEPARTED):
        run.emit(event_type, run.run_id, {}, NOW)
    LaneMetrics(metrics).batch_ended(a_batch(outcomes=count_outcomes(run.change_set)))
    counted = {
        event: shown.value("seatline_run_events_total", event=event)
        for event in ("delayed", "arrived", "departed", "completed", "cancelled")
    }
    assert counted == {"delayed": 2, "arrived": 0, "departed": 1, "completed": 0, "cancelled": 0}


def test_a_batch_without_a_commit_counts_no_outcome(metrics: Metrics, shown: Shown) -> None:
    LaneMetrics(metrics).batch_ended(a_batch(committed=False, succeeded=False, outcomes={"booking.confirmed": 2}))
    assert shown.value("seatline_bookings_total", outcome="confirmed") == 0
    assert shown.value("seatline_lane_commit_seconds_count") == 0
    assert shown.value("seatline_lane_batch_callers_count") == 1


# -- the driver, payments, work


def test_commands_and_connections_are_counted(metrics: Metrics, shown: Shown) -> None:
    database = DatabaseMetrics(metrics)
    database.command_ended("find", 0.5, True)
    database.command_ended("find", 0.25, False)
    database.connections_changed(0, 1)
    database.connections_changed(1, -1)
    database.primary_changed(True)
    assert shown.value("seatline_mongodb_command_seconds_sum", command="find") == 0.75
    assert shown.value("seatline_mongodb_commands_failed_total", command="find") == 1
    assert shown.value("seatline_mongodb_connections", state="in_use") == 1
    assert shown.value("seatline_mongodb_connections", state="idle") == 0
    assert shown.value("seatline_mongodb_primary_known") == 1


def test_requests_to_the_payment_provider_are_counted_by_outcome(metrics: Metrics, shown: Shown) -> None:
    PaymentMetrics(metrics).provider_called(AttemptKind.REFUND, AttemptOutcome.FAILED, 0.5)
    assert shown.value("seatline_payment_requests_total", operation="refund", outcome="unavailable") == 1
    assert shown.value("seatline_payment_requests_total", operation="refund", outcome="ok") == 0
    assert shown.value("seatline_payment_request_seconds_sum", operation="refund") == 0.5


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(DeliveryState.DELIVERED, "delivered"), (DeliveryState.PENDING, "retried"), (DeliveryState.FAILED, "given_up")],
)
def test_delivery_attempts_are_counted_by_outcome(state: DeliveryState, outcome: str, metrics: Metrics, shown: Shown) -> None:
    WorkMetrics(metrics).delivery_attempted("webhooks", state)
    assert shown.value("seatline_webhook_deliveries_total", outcome=outcome) == 1


def test_statistics_are_shown_only_by_a_process_that_collects_them(metrics: Metrics, shown: Shown) -> None:
    assert not shown.has("seatline_refunds_pending")
    work = WorkMetrics(metrics)
    assert shown.value("seatline_survey_last_success_timestamp_seconds") == 0
    backlog = Backlog(7, NOW.replace(minute=0, hour=11), 3, 2, 1, 5, NOW.replace(hour=10), 4, 9, NOW.replace(hour=9))
    backlog = replace(backlog, open_cancellations=2, oldest_cancellation_time=NOW.replace(hour=8))
    work.statistics_collected(Statistics(NOW, {RunState.SCHEDULED: 8, RunState.DEPARTED: 1}, 30, 70, 6, backlog, 15, 16))
    assert shown.value("seatline_seats", run_status="scheduled", state="sold") == 30
    assert shown.value("seatline_seats", run_status="scheduled", state="free") == 70
    assert shown.value("seatline_train_runs", run_status="departed") == 1
    assert [shown.value("seatline_jobs", state=state) for state in ("waiting", "running", "dead")] == [3, 2, 1]
    assert (shown.value("seatline_outbox_events"), shown.value("seatline_outbox_age_seconds")) == (7, 3_600)
    assert (shown.value("seatline_refunds_pending"), shown.value("seatline_refund_age_seconds")) == (5, 7_200)
    assert (shown.value("seatline_layout_jobs"), shown.value("seatline_layout_job_age_seconds")) == (9, 10_800)
    assert (shown.value("seatline_run_cancellations"), shown.value("seatline_run_cancellation_age_seconds")) == (2, 14_400)
    assert [shown.value("seatline_completed_runs", report=report) for report in ("reported", "unreported")] == [15, 16]
    assert (shown.value("seatline_captures_pending"), shown.value("seatline_waitlist_bookings")) == (4, 6)
    assert shown.value("seatline_survey_last_success_timestamp_seconds") == NOW.timestamp()


# -- notices


def report_every_notice(notices: NoticeMetrics) -> None:
    """Report each kind over each channel with each result once, and each part."""
    for channel in NoticeChannelName:
        for kind in NoticeKind:
            for result in NoticeResult:
                notices.notice_handled(channel, kind, result)
        notices.notice_sent(channel, 30.0)
    for part in NoticePart:
        notices.part_failed(part)


def test_notices_are_counted_by_channel_kind_and_outcome(metrics: Metrics, shown: Shown) -> None:
    notices = NoticeMetrics(metrics, [NoticeChannelName.EMAIL])
    by_mail = {"channel": "email", "kind": "ticket"}
    assert shown.value("seatline_notices_total", **by_mail, outcome="failed") == 0
    notices.notice_handled(NoticeChannelName.EMAIL, NoticeKind.TICKET, NoticeResult.SENT)
    notices.notice_sent(NoticeChannelName.EMAIL, 20.0)
    notices.part_failed(NoticePart.PDF)
    assert shown.value("seatline_notices_total", **by_mail, outcome="sent") == 1
    assert shown.value("seatline_notice_late_seconds_sum", channel="email") == 20
    assert shown.value("seatline_notice_parts_failed_total", part="pdf") == 1


def test_an_open_circuit_is_shown_until_it_closes(metrics: Metrics, shown: Shown) -> None:
    notices = NoticeMetrics(metrics, [NoticeChannelName.SMS])
    found = [shown.value("seatline_notice_circuit_open", channel="sms")]
    for is_open in (True, False):
        notices.circuit_changed(NoticeChannelName.SMS, is_open)
        found.append(shown.value("seatline_notice_circuit_open", channel="sms"))
    assert found == [0, 1, 0]


def test_due_notices_and_the_age_of_untried_ones_are_shown_for_each_channel(metrics: Metrics, shown: Shown) -> None:
    work, nothing = WorkMetrics(metrics), Backlog(0, None, 0, 0, 0, 0, None, 0)
    due = (DueNotices("email", 12, NOW.replace(hour=11)), DueNotices("sms", 1, None))
    for backlog, expected in ((replace(nothing, due_notices=due), [(12, 3_600), (1, 0), (0, 0)]), (nothing, [(0, 0)] * 3)):
        work.statistics_collected(Statistics(NOW, {}, 0, 0, 0, backlog))
        found = [
            (shown.value("seatline_notices_due", channel=name), shown.value("seatline_notice_age_seconds", channel=name))
            for name in NoticeChannelName
        ]
        assert found == expected


# -- the number of series


def test_the_number_of_series_is_bounded(metrics: Metrics, shown: Shown) -> None:
    """Whatever callers, MongoDB or trains are called, they add no series."""
    calls, lanes, database = CallMetrics(metrics, method_types()), LaneMetrics(metrics), DatabaseMetrics(metrics)
    payments, work = PaymentMetrics(metrics), WorkMetrics(metrics)
    odd_methods = [f"/seatline.v1.BookingService/Steal{number}" for number in range(100)]
    for method in (*method_names(), *odd_methods):
        for code in grpc.StatusCode:
            call(calls, method, code)
    for reason in Reason:
        call(calls, reason=reason)
    for number in range(100):
        outcomes = {f"booking.{number}": 1, f"hold.{number}": 1, "booking.confirmed": 1}
        lanes.batch_ended(a_batch(run_id=f"train{number}:2026-09-01", outcomes=outcomes))
        database.command_ended(f"odd{number}", 0.1, False)
    for kind in AttemptKind:
        for outcome in AttemptOutcome:
            payments.provider_called(kind, outcome, 0.1)
    for state in DeliveryState:
        work.delivery_attempted("webhooks", state)
    report_every_notice(NoticeMetrics(metrics, NoticeChannelName))
    work.statistics_collected(Statistics(NOW, dict.fromkeys(RunState, 1), 1, 1, 1, Backlog(1, NOW, 1, 1, 1, 1, NOW, 1)))
    most = shown.series
    assert most <= SERIES_MAX
    unknown = labels_of("/unknown/unknown")
    assert shown.value("grpc_server_handled_total", **unknown, grpc_code="NotFound") == len(odd_methods)
    assert shown.value("seatline_mongodb_commands_failed_total", command="other") == 100
    call(calls, "/another/method")
    database.command_ended("another", 0.1, False)
    lanes.batch_ended(a_batch(run_id="another:2026-09-01", outcomes={"booking.another": 1}))
    assert shown.series == most
