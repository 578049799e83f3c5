"""The run's clock: runs depart and complete by their expected times, with one event each, and are compacted afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.commands import CancelUnpaid
from app.domain.events import Event, EventType
from app.domain.people import Caller
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.follow_clock import clock_due_time
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from app.store.run_fields import next_due
from tests.support.builders import (
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_run,
    book,
    cancel,
    fill,
    hold,
    release,
)
from tests.support.cancellations import cancel_all_bookings, cancel_run
from tests.support.delay_reports import arrive, at, delay_run
from tests.support.run_changes import a_layout_record

A_SECOND = timedelta(seconds=1)
ARRIVES_PARIS = at("11:56")
COMPACTED = ARRIVES_PARIS + timedelta(hours=24)


def pass_time(run: TrainRun, now: datetime) -> list[Event]:
    """Do what is due by now, and commit. Return the events."""
    expire_due(run, now)
    events = run.change_set.events
    if run.change_set:
        run.committed()
    return events


def kinds(events: list[Event]) -> list[EventType]:
    return [event.event_type for event in events]


# -- departing and completing


def test_a_run_departs_and_completes_at_its_times_with_one_event_each() -> None:
    run = a_run()
    assert run.clock_state is RunState.SCHEDULED
    assert not pass_time(run, DEPARTS_LONDON - A_SECOND)
    (departed,) = pass_time(run, DEPARTS_LONDON)
    assert (departed.event_type, departed.subject, run.clock_state) == (EventType.RUN_DEPARTED, run.run_id, RunState.DEPARTED)
    assert departed.data == {
        "state": "DEPARTED",
        "stop": LONDON,
        "depart_time": "2026-09-01T09:24:00+00:00",
        "late_minutes": 0,
    }
    assert not pass_time(run, ARRIVES_PARIS - A_SECOND)
    (completed,) = pass_time(run, ARRIVES_PARIS)
    assert (completed.event_type, run.clock_state) == (EventType.RUN_COMPLETED, RunState.COMPLETED)
    assert completed.data == {
        "state": "COMPLETED",
        "stop": PARIS,
        "arrive_time": "2026-09-01T11:56:00+00:00",
        "late_minutes": 0,
    }
    assert not pass_time(run, ARRIVES_PARIS + timedelta(hours=23))


def test_who_looks_only_after_the_arrival_emits_both_events_in_order() -> None:
    run = a_run()
    assert kinds(pass_time(run, ARRIVES_PARIS)) == [EventType.RUN_DEPARTED, EventType.RUN_COMPLETED]
    assert not pass_time(run, ARRIVES_PARIS)


def test_a_late_run_departs_and_completes_at_the_expected_times() -> None:
    run = a_run()
    delay_run(run, 70)
    assert not pass_time(run, at("10:33"))
    (departed,) = pass_time(run, at("10:34"))
    assert (departed.data["depart_time"], departed.data["late_minutes"]) == ("2026-09-01T10:34:00+00:00", 70)
    assert not pass_time(run, at("13:05"))
    (completed,) = pass_time(run, at("13:06"))
    assert (completed.data["arrive_time"], completed.data["late_minutes"]) == ("2026-09-01T13:06:00+00:00", 70)


def test_a_reported_arrival_completes_the_run() -> None:
    run = a_run()
    pass_time(run, DEPARTS_LONDON)
    arrive(run, PARIS, "11:40", now=at("11:41"))
    (completed,) = pass_time(run, at("11:41"))
    assert (completed.event_type, completed.data["late_minutes"]) == (EventType.RUN_COMPLETED, 0)


def test_a_departed_run_that_turns_out_to_be_late_departs_again() -> None:
    run = a_run()
    pass_time(run, DEPARTS_LONDON)
    delay_run(run, 40, now=at("09:30"))
    assert (run.clock_state, next_due(run)) == (RunState.SCHEDULED, at("10:04"))
    (departed,) = pass_time(run, at("10:04"))
    assert (departed.event_type, departed.data["late_minutes"]) == (EventType.RUN_DEPARTED, 40)


def test_a_completed_run_that_turns_out_to_be_late_completes_again() -> None:
    run = a_run()
    pass_time(run, ARRIVES_PARIS)
    delay_run(run, 30, LILLE, now=at("12:00"))
    assert (run.clock_state, next_due(run)) == (RunState.DEPARTED, at("12:26"))
    assert kinds(pass_time(run, at("12:26"))) == [EventType.RUN_COMPLETED]


def test_a_cancelled_run_neither_departs_nor_completes() -> None:
    run = a_run()
    cancel_run(run)
    cancel_all_bookings(run)
    assert not pass_time(run, ARRIVES_PARIS)
    assert (run.clock_state, next_due(run)) == (RunState.SCHEDULED, COMPACTED)


def test_a_run_that_ends_earlier_completes_at_its_last_stop() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    cancel_all_bookings(run)
    pass_time(run, DEPARTS_LONDON)
    assert not pass_time(run, at("10:47"))
    (completed,) = pass_time(run, at("10:48"))
    assert (completed.event_type, completed.data["stop"]) == (EventType.RUN_COMPLETED, LILLE)


# -- what is due


def test_the_next_event_of_the_clock_is_due() -> None:
    run = a_run()
    moments = [next_due(run)]
    for moment in (DEPARTS_LONDON, ARRIVES_PARIS, COMPACTED):
        pass_time(run, moment)
        moments.append(next_due(run))
    assert moments == [DEPARTS_LONDON, ARRIVES_PARIS, COMPACTED, None]


def test_a_cancellation_is_due_at_once_until_it_is_complete() -> None:
    run = a_run()
    book(run, "ann")
    cancel_run(run)
    assert next_due(run) == NOW
    cancel_all_bookings(run)
    assert next_due(run) == COMPACTED


# -- compaction


def a_run_with_leftovers() -> TrainRun:
    """A run with an ended hold, freed seats, and a remembered layout request."""
    run = a_run("A4 B4")
    first, *_ = fill(run)
    cancel(run, first)
    release(run, hold(run, "cem", section="B"))
    run.set_layout(a_layout_record())
    run.committed()
    return run


def test_a_run_is_compacted_a_day_after_its_arrival_and_its_bookings_stay() -> None:
    run = a_run_with_leftovers()
    bookings, sold = dict(run.bookings), [list(section.sold_legs) for section in run.sections]
    assert run.ended_holds
    pass_time(run, ARRIVES_PARIS)
    assert not pass_time(run, COMPACTED - A_SECOND)
    assert run.ended_holds
    assert not run.is_compacted
    assert not pass_time(run, COMPACTED)
    assert run.is_compacted
    assert (run.ended_holds, run.layout.requests, run.layout.revision) == ({}, (), 1)
    assert [section.freed for section in run.sections] == [{}, {}]
    assert ([section.sold_legs for section in run.sections], run.bookings) == (sold, bookings)
    assert run.eventless_version == run.version


def test_compaction_is_undone_as_any_change() -> None:
    run = a_run_with_leftovers()
    pass_time(run, ARRIVES_PARIS)
    before = [dict(section.freed) for section in run.sections]
    expire_due(run, COMPACTED)
    run.undo()
    assert ([section.freed for section in run.sections], run.is_compacted, bool(run.ended_holds)) == (before, False, True)


def test_a_train_that_is_a_day_late_is_compacted_when_it_arrives() -> None:
    run = a_run()
    delay_run(run, 1_440)
    assert kinds(pass_time(run, COMPACTED - A_SECOND)) == [EventType.RUN_DEPARTED]
    assert kinds(pass_time(run, COMPACTED)) == [EventType.RUN_COMPLETED]
    assert run.is_compacted


def test_no_delay_brings_a_compacted_run_back() -> None:
    run = a_run()
    pass_time(run, COMPACTED)
    delay_run(run, 1_440, now=COMPACTED)
    assert (run.clock_state, next_due(run)) == (RunState.COMPLETED, None)


def test_a_cancelled_run_is_not_compacted_before_all_its_bookings_are_cancelled() -> None:
    run = a_run()
    book(run, "ann")
    cancel_run(run)
    pass_time(run, COMPACTED)
    assert not run.is_compacted
    cancel_all_bookings(run, now=COMPACTED)
    pass_time(run, COMPACTED)
    assert run.is_compacted
    assert [section.freed for section in run.sections] == [{}, {}]


def test_an_unpaid_booking_of_a_compacted_run_still_ends() -> None:
    run = a_run()
    booking = book(run, "ann")
    pass_time(run, COMPACTED)
    decide(run, CancelUnpaid(Caller(), booking.reference), COMPACTED, {})
    run.committed()
    assert not run.sections[0].sold_legs[0]
    assert next_due(run) is None


# -- runs of earlier versions


def an_earlier_run() -> TrainRun:
    run = a_run()
    run.clock_state = None
    return run


def test_nothing_follows_from_the_clock_on_a_run_of_an_earlier_version_until_its_next_commit() -> None:
    run = an_earlier_run()
    assert (clock_due_time(run), next_due(run)) == (None, None)
    assert not pass_time(run, NOW)
    assert (run.clock_state, next_due(run), run.eventless_version) == (RunState.SCHEDULED, DEPARTS_LONDON, run.version)
    assert kinds(pass_time(run, DEPARTS_LONDON)) == [EventType.RUN_DEPARTED]


@pytest.mark.parametrize("moment", [DEPARTS_LONDON, ARRIVES_PARIS, COMPACTED])
def test_a_run_of_an_earlier_version_that_has_departed_stays_as_it_is(moment: datetime) -> None:
    run = an_earlier_run()
    assert not pass_time(run, moment)
    assert (run.clock_state, run.version, run.is_compacted) == (None, 1, False)


def test_the_bookings_of_a_departed_run_of_an_earlier_version_are_cancelled_from_a_stop_on() -> None:
    run = an_earlier_run()
    booked = book(run, "ann")
    cancel_run(run, LILLE, now=at("10:00"))
    assert next_due(run) == at("10:00")
    cancel_all_bookings(run, now=at("10:00"))
    assert not run.bookings[booked.reference].is_live
    assert next_due(run) is None


def test_times_are_followed_without_any_report() -> None:
    """The state at any moment is that of which the last event was emitted, or the event is due."""
    run = a_run()
    run.set_delay(replace(run.delay, minutes=(0, 0, 25, 25), report_time=NOW))
    run.committed()
    for minute in range(0, 300, 7):
        now = DEPARTS_LONDON - timedelta(minutes=60) + timedelta(minutes=minute)
        pass_time(run, now)
        state = run.schedule.state_at(now)
        assert run.clock_state is (RunState.SCHEDULED if state is RunState.DELAYED else state)
