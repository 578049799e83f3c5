"""Rules of delays, cancellations, the clock and sales windows that are broken on purpose, to prove that the simulation notices.

Belongs here: context managers that each replace a part of such a rule by a faulty one. Does not belong here: other rules
(`breakages.py`, `layout_breakages.py`), or looking for the violations (`test_breakages.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

import app.domain.limits
import app.domain.run.run_schedule
import app.store.run_fields
from app.domain.rules import (
    cancel_booking,
    cancel_next_bookings,
    cancel_train_run,
    change_seat,
    close_waitlist,
    delay_reports,
    departures,
    expire_due,
    follow_clock,
    promote_waitlist,
    record_arrival,
    sales_windows,
    set_delay,
    update_layout,
    waitlist,
)
from app.domain.rules.booking_changes import with_refund_due
from app.domain.rules.delay_reports import report_time_of
from app.domain.run import expected_times
from app.domain.run.delay_record import DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings, SetDelay
from app.domain.timetable import Journey, Stop
from tests.simulation.broken import broken, broken_constant, broken_in, broken_rule

Breakage = Callable[[], AbstractContextManager[Any]]


# -- delays and arrivals


@contextmanager
def late_messages_win() -> Iterator[None]:
    def reported(given: datetime | None, known: datetime | None, now: datetime, what: str) -> datetime:
        return report_time_of(given, None, now, what)

    with broken_in((set_delay, record_arrival), "report_time_of", reported):
        yield


@contextmanager
def delays_add_up() -> Iterator[None]:
    def delayed(run: TrainRun, command: SetDelay, stop: int, reported: datetime) -> DelayRecord:
        before = (run.delay.minutes or (0,) * len(run.stops))[-1]
        return original(run, replace(command, minutes=command.minutes + before), stop, reported)

    original = set_delay._delayed
    with broken(set_delay, "_delayed", delayed):
        yield


def arrivals_do_not_count() -> AbstractContextManager[Any]:
    def without_arrivals(stops: tuple[Stop, ...], record: DelayRecord) -> tuple[Stop, ...]:
        return original(stops, replace(record, arrivals=()))

    original = expected_times.expected_stops
    return broken(app.domain.run.run_schedule, "expected_stops", without_arrivals)


def delays_end_at_the_next_stop() -> AbstractContextManager[Any]:
    def of_one_stop(stops: tuple[Stop, ...], record: DelayRecord) -> tuple[Stop, ...]:
        return original(stops, replace(record, minutes=record.minutes[:1] + (0,) * len(record.minutes[1:])))

    original = expected_times.expected_stops
    return broken(app.domain.run.run_schedule, "expected_stops", of_one_stop)


def departures_are_judged_by_the_timetable() -> AbstractContextManager[Any]:
    return broken(RunSchedule, "expected_journey", lambda schedule, journey: journey)


def nobody_asks_whether_the_train_has_left() -> AbstractContextManager[Any]:
    def pass_all(run: TrainRun, journey: Journey, now: datetime) -> None:
        return None

    return broken(departures, "require_not_departed", pass_all)


def late_trains_refund_by_the_terms() -> AbstractContextManager[Any]:
    return broken_constant(app.domain.limits, "LATE_MINUTES_FREE_CANCELLATION", 10**6)


@contextmanager
def waitlists_close_by_the_timetable() -> Iterator[None]:
    closing_time = waitlist.waitlist_closing_time

    def by_timetable(run: TrainRun) -> datetime:
        depart, expected = run.stops[0].depart, run.schedule.expected_stops[0].depart
        assert depart is not None
        assert expected is not None
        return closing_time(run) - (expected - depart)

    with broken_in((waitlist, close_waitlist, promote_waitlist, app.store.run_fields), "waitlist_closing_time", by_timetable):
        yield


# -- the clock


def runs_never_depart() -> AbstractContextManager[Any]:
    return broken(expire_due, "follow_clock", lambda run, now: None)


@contextmanager
def a_delay_does_not_turn_the_clock_back() -> Iterator[None]:
    with broken(delay_reports, "turn_back_clock", lambda run, now: None):
        yield


@contextmanager
def runs_depart_by_the_timetable() -> Iterator[None]:
    def due_time(run: TrainRun) -> datetime | None:
        due: datetime | None = _by_timetable(run, original)
        return due

    def follow(run: TrainRun, now: datetime) -> None:
        _by_timetable(run, lambda early: followed(early, now))

    original, followed = follow_clock.clock_due_time, follow_clock.follow_clock
    with (
        broken(app.store.run_fields, "clock_due_time", due_time),
        broken(expire_due, "follow_clock", follow),
    ):
        yield


def _by_timetable(run: TrainRun, act: Callable[[TrainRun], Any]) -> Any:
    """Do something on a run as if it were not late."""
    schedule, run.schedule = run.schedule, RunSchedule(run.stops, cancellation=run.cancellation)
    done = act(run)
    run.schedule = schedule
    return done


def runs_are_compacted_on_arrival() -> AbstractContextManager[Any]:
    return broken_constant(app.domain.limits, "RUN_COMPACTED_AFTER_HOURS", 0)


def compacted_runs_keep_what_sales_need() -> AbstractContextManager[Any]:
    return broken(follow_clock, "_compact", lambda run: run.set_compacted())


def the_clock_is_not_recorded_as_due() -> AbstractContextManager[Any]:
    return broken(app.store.run_fields, "clock_due_time", lambda run: None)


# -- cancellations


def cancelled_runs_are_sold() -> AbstractContextManager[Any]:
    return broken(departures, "require_not_cancelled", lambda run, journey: None)


def holds_on_cancelled_legs_stay() -> AbstractContextManager[Any]:
    return broken(cancel_train_run, "_end_holds", lambda run, now, trace_parent: None)


def bookings_of_cancelled_runs_get_a_share() -> AbstractContextManager[Any]:
    def half(booking: Any, minor: int, now: datetime, reason: Any) -> Any:
        return with_refund_due(booking, minor // 2, now, reason)

    return broken(cancel_next_bookings, "with_refund_due", half)


def bookings_of_cancelled_runs_are_refunded_twice() -> AbstractContextManager[Any]:
    def twice(booking: Any, minor: int, now: datetime, reason: Any) -> Any:
        return with_refund_due(with_refund_due(booking, minor, now, reason), minor, now, reason)

    return broken(cancel_next_bookings, "with_refund_due", twice)


@contextmanager
def a_step_skips_a_booking() -> Iterator[None]:
    step = cancel_next_bookings.cancel_next_bookings

    def skip(run: TrainRun, command: CancelNextBookings, now: datetime) -> bool:
        following = sorted(set(run.passenger_index.references.values()))
        if (
            run.cancellation is not None
            and run.cancellation.complete_time is None
            and not run.cancellation.cursor
            and following
        ):
            run.set_cancellation(replace(run.cancellation, cursor=following[0]))
        return step(run, command, now)

    with broken_rule(CancelNextBookings, lambda run, command, now, others: skip(run, command, now)):
        yield


@contextmanager
def everybody_is_cancelled_with_the_last_legs() -> Iterator[None]:
    step = cancel_next_bookings.cancel_next_bookings

    def cancel_all(run: TrainRun, command: CancelNextBookings, now: datetime) -> bool:
        with patch.object(RunSchedule, "misses", lambda schedule, legs: True):
            return step(run, command, now)

    with broken_rule(CancelNextBookings, lambda run, command, now, others: cancel_all(run, command, now)):
        yield


def cancelled_bookings_are_not_counted() -> AbstractContextManager[Any]:
    def count(cancellation: RunCancellation, booking: Any) -> RunCancellation:
        return cancellation

    return broken(cancel_next_bookings, "_counted", count)


def cancelled_bookings_keep_their_seats() -> AbstractContextManager[Any]:
    return broken(cancel_next_bookings, "release_seats", lambda run, booking, leaving: None)


def open_cancellations_are_not_due() -> AbstractContextManager[Any]:
    def next_due(run: TrainRun) -> datetime | None:
        if run.cancellation is not None and run.cancellation.complete_time is None:
            return None
        return original(run)

    original = app.store.run_fields.next_due
    return broken(app.store.run_fields, "next_due", next_due)


def a_wider_cancellation_does_not_begin_again() -> AbstractContextManager[Any]:
    def plan(run: TrainRun, command: Any, now: datetime) -> RunCancellation | None:
        planned, before = original(run, command, now), run.cancellation
        if planned is None or before is None:
            return planned
        return replace(planned, cursor=before.cursor, complete_time=before.complete_time)

    original = cancel_train_run.plan_cancellation
    return broken(cancel_train_run, "plan_cancellation", plan)


def cancelled_journeys_are_refunded_by_the_terms() -> AbstractContextManager[Any]:
    def reason(run: TrainRun, booking: Any, leaving: Any) -> Any:
        return _as_if_it_ran(run, lambda running: original(running, booking, leaving))

    original = cancel_booking._refund_reason
    return broken(cancel_booking, "_refund_reason", reason)


@contextmanager
def the_waitlist_gets_cancelled_legs() -> Iterator[None]:
    promote = promote_waitlist.promote

    def promote_all(run: TrainRun, now: datetime) -> None:
        _as_if_it_ran(run, lambda running: promote(running, now))

    with broken_in((cancel_next_bookings, cancel_train_run, cancel_booking, expire_due), "promote", promote_all):
        yield


def reservations_outlive_a_cancellation() -> AbstractContextManager[Any]:
    return broken(cancel_train_run, "end_reservation", lambda run: None)


@contextmanager
def cancelled_runs_depart() -> Iterator[None]:
    def due_time(run: TrainRun) -> datetime | None:
        due: datetime | None = _as_if_it_ran(run, original)
        return due

    def follow(run: TrainRun, now: datetime) -> None:
        _as_if_it_ran(run, lambda running: followed(running, now))

    original, followed = follow_clock.clock_due_time, follow_clock.follow_clock
    with (
        broken(app.store.run_fields, "clock_due_time", due_time),
        broken(expire_due, "follow_clock", follow),
    ):
        yield


def _as_if_it_ran(run: TrainRun, act: Callable[[TrainRun], Any]) -> Any:
    """Do something on a run as if nothing of it were cancelled."""
    schedule, run.schedule = run.schedule, RunSchedule(run.stops, run.delay)
    done = act(run)
    run.schedule = schedule
    return done


def seats_change_on_cancelled_legs() -> AbstractContextManager[Any]:
    return broken(change_seat, "require_not_cancelled", lambda run, journey: None)


def layouts_of_cancelled_runs_change() -> AbstractContextManager[Any]:
    return broken(update_layout, "require_running", lambda run, journey, now: None)


# -- sales windows


def sales_are_always_open() -> AbstractContextManager[Any]:
    return broken(sales_windows, "sections_on_sale", lambda run, journey, now: range(len(run.sections)))


def openings_are_not_followed() -> AbstractContextManager[Any]:
    return broken(expire_due, "follow_openings", lambda run, now: False)


def the_waitlist_is_promoted_before_the_opening() -> AbstractContextManager[Any]:
    return broken(promote_waitlist, "opened_sections", lambda run, now: None)


def named_sections_are_always_open() -> AbstractContextManager[Any]:
    return broken(sales_windows, "require_opened", lambda run, section, now: None)


def sales_close_by_the_timetable() -> AbstractContextManager[Any]:
    close_time = sales_windows.sales_close_time

    def by_timetable(run: TrainRun, section: int, journey: Journey) -> datetime:
        return close_time(run, section, journey) - (run.schedule.expected_journey(journey).depart - journey.depart)

    return broken(sales_windows, "sales_close_time", by_timetable)


def sales_never_close() -> AbstractContextManager[Any]:
    return broken(
        sales_windows, "sales_close_time", lambda run, section, journey: run.schedule.expected_journey(journey).depart
    )


def sales_of_any_section_never_close() -> AbstractContextManager[Any]:
    return broken(sales_windows, "sections_on_sale", lambda run, journey, now: sales_windows.opened_sections(run, now))


DISRUPTION_BREAKAGES: tuple[Breakage, ...] = (
    late_messages_win,
    delays_add_up,
    arrivals_do_not_count,
    delays_end_at_the_next_stop,
    departures_are_judged_by_the_timetable,
    nobody_asks_whether_the_train_has_left,
    late_trains_refund_by_the_terms,
    waitlists_close_by_the_timetable,
    runs_never_depart,
    a_delay_does_not_turn_the_clock_back,
    runs_depart_by_the_timetable,
    runs_are_compacted_on_arrival,
    compacted_runs_keep_what_sales_need,
    the_clock_is_not_recorded_as_due,
    cancelled_runs_are_sold,
    holds_on_cancelled_legs_stay,
    bookings_of_cancelled_runs_get_a_share,
    bookings_of_cancelled_runs_are_refunded_twice,
    a_step_skips_a_booking,
    everybody_is_cancelled_with_the_last_legs,
    cancelled_bookings_are_not_counted,
    cancelled_bookings_keep_their_seats,
    open_cancellations_are_not_due,
    a_wider_cancellation_does_not_begin_again,
    cancelled_journeys_are_refunded_by_the_terms,
    the_waitlist_gets_cancelled_legs,
    reservations_outlive_a_cancellation,
    cancelled_runs_depart,
    seats_change_on_cancelled_legs,
    layouts_of_cancelled_runs_change,
    sales_are_always_open,
    openings_are_not_followed,
    the_waitlist_is_promoted_before_the_opening,
    named_sections_are_always_open,
    sales_close_by_the_timetable,
    sales_never_close,
    sales_of_any_section_never_close,
)
