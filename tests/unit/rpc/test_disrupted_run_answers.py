"""Late and cancelled runs as messages, and when their sections are on sale."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from app.domain.disruption import DisruptionReason
from app.domain.money import Money
from app.domain.people import Caller
from app.domain.rules.cancel_train_run import cancel_train_run
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.terms import DEFAULT_TERMS
from app.pb.seatline.v1 import disruption_pb2, train_run_pb2
from app.rpc.train_runs import answers
from app.rpc.wire_values import money
from app.usecases.train_runs import RunView
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_caller,
    a_run,
    an_operator,
    book,
)
from tests.support.cancellations import asks_to_cancel_run, cancel_all_bookings, cancel_run
from tests.support.delay_reports import arrive, asks_to_delay, at, delay_run, report

EVIDENCE = "https://example.com/storm"
MINUTE = timedelta(minutes=1)


def answer_for(
    run: TrainRun, *, now: datetime = NOW, caller: Caller | None = None, origin: str = "", destination: str = ""
) -> train_run_pb2.TrainRun:
    view = RunView(run, run.journey(origin, destination), run.schedule.state_at(now), now)
    return answers.train_run(view, caller or an_operator())


def expected(answer: train_run_pb2.TrainRun) -> str:
    """Return the expected arrivals and departures in UTC: "09:24 09:55 09:58 10:48 10:52 11:56"."""
    moments = [
        getattr(stop, field).ToDatetime(UTC)
        for stop in answer.stops
        for field in ("expected_arrive_time", "expected_depart_time")
        if stop.HasField(field)
    ]
    return " ".join(f"{moment:%H:%M}" for moment in moments)


def test_a_run_of_which_nothing_was_reported_is_expected_at_its_scheduled_times() -> None:
    answer = answer_for(a_run())
    assert expected(answer) == "09:24 09:55 09:58 10:48 10:52 11:56"
    for stop in answer.stops:
        assert (stop.HasField("expected_arrive_time"), stop.HasField("expected_depart_time")) == (
            stop.HasField("arrive_time"),
            stop.HasField("depart_time"),
        )
    assert not any(stop.cancelled or stop.has_arrived for stop in answer.stops)
    assert {"delay", "cancellation", "cancelled_from_stop"}.isdisjoint(field.name for field, _ in answer.ListFields())


def test_a_late_run_shows_scheduled_and_expected_times_and_what_was_reported() -> None:
    run = a_run()
    report(run, asks_to_delay(40, ASHFORD, reason=DisruptionReason.EXTREME_WEATHER, evidence=EVIDENCE, reported=NOW), NOW)
    answer = answer_for(run)
    assert answer.state == train_run_pb2.RUN_STATE_DELAYED
    assert answer.stops[0].depart_time.ToDatetime(UTC) == DEPARTS_LONDON
    assert answer.stops[2].depart_time.ToDatetime(UTC) == DEPARTS_LILLE
    assert expected(answer) == "09:24 10:35 10:38 11:28 11:32 12:36"
    assert (answer.delay.minutes, answer.delay.reason) == (40, disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER)
    assert (answer.delay.evidence, answer.delay.report_time.ToDatetime(UTC)) == (EVIDENCE, NOW)


def test_an_arrival_is_shown_at_its_stop_and_alone_it_states_no_reason() -> None:
    run = a_run()
    arrived = at("10:05")
    arrive(run, ASHFORD, "10:05")
    answer = answer_for(run, now=arrived)
    assert [stop.has_arrived for stop in answer.stops] == [False, True, False, False]
    assert answer.stops[1].expected_arrive_time.ToDatetime(UTC) == arrived
    assert (answer.HasField("delay"), answer.delay.reason, answer.delay.HasField("report_time")) == (True, 0, False)


def test_a_cancelled_run_shows_its_progress_to_operators_and_to_others_only_that_it_is_cancelled() -> None:
    run = a_run()
    book(run, "ann", "bob")
    book(run, "eve")
    cancel_train_run(run, asks_to_cancel_run(reason=DisruptionReason.TERRORISM, evidence=EVIDENCE), NOW)
    run.committed()
    begun = answer_for(run).cancellation
    assert (begun.cancelled_booking_count, begun.HasField("complete_time")) == (0, False)
    cancel_all_bookings(run)
    answer = answer_for(run)
    assert answer.state == train_run_pb2.RUN_STATE_CANCELLED
    assert all(stop.cancelled for stop in answer.stops)
    assert answer.cancelled_from_stop == ""
    found = answer.cancellation
    assert (found.reason, found.evidence) == (disruption_pb2.DISRUPTION_REASON_TERRORISM, EVIDENCE)
    assert (found.cancel_time.ToDatetime(UTC), found.complete_time.ToDatetime(UTC)) == (NOW, NOW)
    assert (found.cancelled_booking_count, found.cancelled_passenger_count) == (2, 3)
    assert found.refunded == money(Money(6_000, "USD"))
    for caller in (Caller(), a_caller()):
        shown = answer_for(run, caller=caller).cancellation
        assert {field.name for field, _ in shown.ListFields()} == {"cancel_time", "reason"}


@pytest.mark.parametrize("caller", [Caller(), a_caller()], ids=["anonymous", "passenger"])
def test_evidence_of_a_delay_is_shown_to_operators_only(caller: Caller) -> None:
    run = a_run()
    report(run, asks_to_delay(40, reason=DisruptionReason.TERRORISM, evidence=EVIDENCE), NOW)
    assert answer_for(run, caller=caller).delay.evidence == ""
    assert answer_for(run, caller=caller).delay.minutes == 40


def test_a_run_that_ends_early_names_the_stop_and_keeps_its_state() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    answer = answer_for(run)
    assert (answer.state, answer.cancelled_from_stop) == (train_run_pb2.RUN_STATE_SCHEDULED, LILLE)
    assert [stop.cancelled for stop in answer.stops] == [False, False, True, True]


# -- sales


def sales(answer: train_run_pb2.TrainRun) -> list[tuple[str, str, bool]]:
    """Return the opening, the closing and whether it is on sale, of each section."""
    return [
        (
            f"{part.sales_open_time.ToDatetime(UTC):%m-%d %H:%M}" if part.HasField("sales_open_time") else "",
            f"{part.sales_close_time.ToDatetime(UTC):%m-%d %H:%M}",
            part.on_sale,
        )
        for part in answer.sections
    ]


def test_without_windows_all_sections_are_on_sale_until_the_expected_departure_from_the_origin() -> None:
    run = a_run("A4 B4")
    answer = answer_for(run)
    assert sales(answer) == [("", "09-01 09:24", True)] * 2
    assert not answer.HasField("sales_open_time")
    assert sales(answer_for(run, now=DEPARTS_LONDON)) == [("", "09-01 09:24", False)] * 2
    assert sales(answer_for(run, now=DEPARTS_LONDON, origin=LILLE)) == [("", "09-01 10:52", True)] * 2
    delay_run(run, 30)
    assert sales(answer_for(run, now=DEPARTS_LONDON)) == [("", "09-01 09:54", True)] * 2


def test_each_section_shows_its_window_and_the_run_the_first_opening_and_the_last_closing() -> None:
    early = SalesWindow(open_days_before=31, open_at=time(9, 30), closes_minutes_before=60)
    late = SalesWindow(open_time=NOW + 60 * MINUTE, closes_minutes_before=20)
    run = a_run("A4 B4", terms=replace(DEFAULT_TERMS, sales_window=early, section_windows=(("B", late),)))
    answer = answer_for(run)
    assert sales(answer) == [("08-01 08:30", "09-01 08:24", True), ("08-01 13:00", "09-01 09:04", False)]
    assert f"{answer.sales_open_time.ToDatetime(UTC):%m-%d %H:%M}" == "08-01 08:30"
    assert f"{answer.sales_close_time.ToDatetime(UTC):%m-%d %H:%M}" == "09-01 09:04"
    assert not answer.sales_windows
    run.set_sales_windows((("", SalesWindow(closes_minutes_before=5)),))
    answer = answer_for(run)
    assert sales(answer) == [("", "09-01 09:19", True)] * 2
    assert [(window.section, window.sales_window.closes_before.seconds) for window in answer.sales_windows] == [("", 300)]


def test_missing_legs_are_not_on_sale_and_the_others_are() -> None:
    run = a_run("A4")
    cancel_run(run, LILLE)
    assert not answer_for(run).sections[0].on_sale
    assert not answer_for(run, origin=LILLE, destination=PARIS).sections[0].on_sale
    assert answer_for(run, origin=LONDON, destination=LILLE).sections[0].on_sale
