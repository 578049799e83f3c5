"""SetDelay: what may be said of a delay, which report counts, and what follows for the run."""

from datetime import date, datetime, timedelta
from typing import Any

import bson
import pytest

from app.domain import limits
from app.domain.booking import BookingState
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, EventType
from app.domain.refusals import Reason
from app.domain.rules.set_delay import set_delay
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetDelay
from app.domain.timetable import RunState
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_caller,
    a_run,
    book_waitlisted,
    current_booking,
    fill,
    time_passes,
)
from tests.support.cancellations import cancel_run
from tests.support.delay_reports import arrive, asks_to_delay, at, delay_run, expected_times
from tests.support.largest_values import largest_train
from tests.support.run_snapshots import invalid, refused

ON_TIME = "09:24 09:55 09:58 10:48 10:52 11:56"
MINUTE = timedelta(minutes=1)


def events_of(run: TrainRun, minutes: int, from_stop: str = "", *, now: datetime = NOW, **report: Any) -> list[Event]:
    """The events of a report, which is not committed."""
    set_delay(run, asks_to_delay(minutes, from_stop, **report), now)
    return run.change_set.events


def clock_states(run: TrainRun, *clocks: str) -> list[RunState | None]:
    """The states of which the run has emitted the last event, as time passes."""
    states = []
    for clock in clocks:
        time_passes(run, at(clock))
        states.append(run.clock_state)
    return states


# -- what the times become


def test_a_delay_is_set_and_does_not_add() -> None:
    run = a_run()
    for minutes, expected in (
        (70, "10:34 11:05 11:08 11:58 12:02 13:06"),
        (40, "10:04 10:35 10:38 11:28 11:32 12:36"),
        (0, ON_TIME),
        (130, "11:34 12:05 12:08 12:58 13:02 14:06"),
    ):
        delay_run(run, minutes)
        assert expected_times(run) == expected


@pytest.mark.parametrize("from_stop", [LILLE, "lille", "LIL"])
def test_a_delay_from_a_stop_on_leaves_the_stops_before_as_they_were(from_stop: str) -> None:
    run = a_run()
    delay_run(run, 20)
    delay_run(run, 40, from_stop)
    assert expected_times(run) == "09:44 10:15 10:18 11:28 11:32 12:36"


def test_scheduled_times_stay_for_ever() -> None:
    run = a_run()
    scheduled, journey = run.stops, run.journey("", "")
    delay_run(run, 1_440)
    assert run.stops == scheduled
    assert run.journey("", "") == journey


def test_without_a_stop_a_delay_counts_from_the_last_stop_where_the_train_has_arrived() -> None:
    run = a_run()
    delay_run(run, 70)
    arrive(run, ASHFORD, "10:00")
    delay_run(run, 5, now=at("10:00"))
    assert run.delay.minutes == (70, 5, 5, 5)
    assert expected_times(run) == "10:00 10:00 10:03 10:53 10:57 12:01"


def test_a_train_that_has_arrived_everywhere_is_late_only_where_it_arrived_late() -> None:
    run = a_run()
    arrive(run, PARIS, "12:30")
    delay_run(run, 0, now=at("12:31"))
    assert expected_times(run) == "09:24 09:55 09:58 10:48 10:52 12:30"


# -- what is refused


@pytest.mark.parametrize("minutes", [-1, 1_441, 10**9])
def test_a_delay_is_at_most_a_day(minutes: int) -> None:
    run = a_run()
    with invalid("minutes", run):
        set_delay(run, asks_to_delay(minutes), NOW)


def test_a_delay_of_a_day_is_possible() -> None:
    run = a_run()
    delay_run(run, limits.DELAY_MINUTES_MAX)
    assert run.schedule.depart_time == at("09:24+1")


def test_an_unknown_stop_is_refused_with_the_stops_of_the_train() -> None:
    run = a_run()
    with invalid("from_stop", run) as caught:
        set_delay(run, asks_to_delay(20, "Rome"), NOW)
    assert all(stop.name in caught[0].message for stop in run.stops)


def test_only_operators_report_delays() -> None:
    run = a_run()
    with refused(Reason.NOT_PERMITTED, run):
        set_delay(run, asks_to_delay(20, by=a_caller()), NOW)


@pytest.mark.parametrize(
    ("minutes", "reason", "evidence", "field"),
    [
        (20, None, "", "reason"),
        (20, DisruptionReason.EXTREME_WEATHER, "", "evidence"),
        (20, DisruptionReason.STAFF, "x" * 501, "evidence"),
        (20, DisruptionReason.STAFF, "line\nbreak", "evidence"),
        (0, DisruptionReason.EXTREME_WEATHER, "", "evidence"),
        (0, None, "storm warning 7", "evidence"),
    ],
)
def test_a_delay_needs_a_reason_and_some_reasons_need_evidence(
    minutes: int, reason: DisruptionReason | None, evidence: str, field: str
) -> None:
    run = a_run()
    with invalid(field, run):
        set_delay(run, asks_to_delay(minutes, reason=reason, evidence=evidence), NOW)


@pytest.mark.parametrize(("minutes", "is_possible"), [(0, False), (19, False), (20, True), (70, True)])
def test_a_train_does_not_arrive_before_it_has_left_the_stop_before(minutes: int, is_possible: bool) -> None:
    run = a_run()
    delay_run(run, 70)  # it leaves Ashford at 11:08 and takes 50 minutes to Lille
    if is_possible:
        delay_run(run, minutes, LILLE)
        assert run.delay.minutes == (70, 70, minutes, minutes)
        return
    with invalid("minutes", run) as caught:
        set_delay(run, asks_to_delay(minutes, LILLE), NOW)
    assert LILLE in caught[0].message
    assert ASHFORD in caught[0].message


def test_a_train_that_has_arrived_has_left_the_stop_before_whatever_was_expected() -> None:
    run = a_run()
    delay_run(run, 70)
    arrive(run, ASHFORD, "09:56")
    delay_run(run, 0, ASHFORD, now=at("09:57"))
    assert expected_times(run) == "09:56 09:56 09:58 10:48 10:52 11:56"


def test_a_delay_before_a_stop_where_the_train_has_arrived_is_refused() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50")
    with invalid("from_stop", run) as caught:
        set_delay(run, asks_to_delay(20, ASHFORD), at("10:51"))
    assert LILLE in caught[0].message


def test_a_report_from_the_future_is_refused() -> None:
    run, most = a_run(), timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX)
    with invalid("report_time", run):
        set_delay(run, asks_to_delay(20, reported=NOW + most + timedelta(milliseconds=1)), NOW)
    delay_run(run, 20, reported=NOW + most)
    assert run.delay.report_time == NOW + most


def test_a_cancelled_run_is_not_delayed() -> None:
    run = a_run()
    cancel_run(run)
    with refused(Reason.RUN_CANCELLED, run):
        set_delay(run, asks_to_delay(20), NOW)


def test_a_run_that_ends_early_is_delayed_up_to_its_last_stop() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    with refused(Reason.RUN_CANCELLED, run):
        set_delay(run, asks_to_delay(20, PARIS), NOW)
    delay_run(run, 20, LILLE)
    assert run.schedule.arrive_time == at("11:08")


# -- which report counts


def test_an_older_report_is_refused_and_changes_nothing() -> None:
    run = a_run()
    delay_run(run, 70, reported=NOW)
    with refused(Reason.REPORT_STALE, run):
        set_delay(run, asks_to_delay(40, reported=NOW - timedelta(milliseconds=1)), NOW)
    assert run.schedule.depart_time == at("10:34")


def test_of_two_reports_of_one_time_the_one_that_comes_last_counts() -> None:
    run = a_run()
    delay_run(run, 70, reported=NOW)
    delay_run(run, 40, reported=NOW)
    assert run.schedule.depart_time == at("10:04")


def test_a_report_without_a_time_counts_where_the_clock_of_who_reported_before_was_ahead() -> None:
    run, ahead = a_run(), NOW + timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX)
    delay_run(run, 70, reported=ahead)
    delay_run(run, 40)
    assert (run.delay.minutes[0], run.delay.report_time) == (40, ahead)


def test_the_same_report_again_changes_nothing() -> None:
    run = a_run()
    delay_run(run, 70, reported=NOW)
    set_delay(run, asks_to_delay(70, reported=NOW), NOW + MINUTE)
    assert not run.change_set


def test_a_newer_report_that_says_the_same_has_no_event_and_makes_older_ones_stale() -> None:
    run = a_run()
    delay_run(run, 70)
    assert events_of(run, 70, now=NOW + MINUTE) == []
    assert run.eventless_version == run.version + 1
    run.committed()
    with refused(Reason.REPORT_STALE, run):
        set_delay(run, asks_to_delay(40, reported=NOW), NOW + MINUTE)


def test_a_late_message_about_a_stop_behind_the_train_is_stale_and_not_invalid() -> None:
    run = a_run()
    delay_run(run, 70, reported=NOW)
    arrive(run, LILLE, "12:00")
    with refused(Reason.REPORT_STALE, run):
        set_delay(run, asks_to_delay(40, LONDON, reported=NOW - MINUTE), at("12:01"))


# -- the reason


def test_the_end_of_a_delay_needs_no_reason_and_forgets_the_one_before() -> None:
    run = a_run()
    delay_run(run, 70)
    set_delay(run, asks_to_delay(0, reason=None), NOW)
    assert (run.delay.reason, run.delay.evidence) == (None, "")


def test_stops_that_stay_late_keep_the_reason() -> None:
    run = a_run()
    storm = asks_to_delay(20, reason=DisruptionReason.EXTREME_WEATHER, evidence="storm warning 7")
    set_delay(run, storm, NOW)
    set_delay(run, asks_to_delay(0, PARIS, reason=None), NOW)
    assert run.delay.minutes == (20, 20, 20, 0)
    assert (run.delay.reason, run.delay.evidence) == (DisruptionReason.EXTREME_WEATHER, "storm warning 7")


# -- the event


def test_the_event_says_what_is_expected_at_each_stop() -> None:
    run = a_run()
    (event,) = events_of(run, 40, LILLE)
    assert (event.event_type, event.subject) == (EventType.RUN_DELAYED, run.run_id)
    assert event.data["minutes"] == 40
    assert event.data["from_stop"] == LILLE
    assert event.data["reason"] == "ROLLING_STOCK"
    assert event.data["state"] == "DELAYED"
    assert event.data["report_time"] == NOW.isoformat()
    assert event.data["stops"] == [
        {"name": LONDON, "expected_arrive_time": None, "expected_depart_time": at("09:24").isoformat()},
        {
            "name": ASHFORD,
            "expected_arrive_time": at("09:55").isoformat(),
            "expected_depart_time": at("09:58").isoformat(),
        },
        {"name": LILLE, "expected_arrive_time": at("11:28").isoformat(), "expected_depart_time": at("11:32").isoformat()},
        {"name": PARIS, "expected_arrive_time": at("12:36").isoformat(), "expected_depart_time": None},
    ]


def test_the_end_of_a_delay_has_an_event_too() -> None:
    run = a_run()
    delay_run(run, 70)
    (event,) = events_of(run, 0, reason=None)
    assert (event.data["minutes"], event.data["reason"], event.data["state"]) == (0, None, "SCHEDULED")


def test_the_event_of_a_run_that_ends_early_has_only_the_stops_that_it_serves() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    (event,) = events_of(run, 20)
    stops: Any = event.data["stops"]
    assert [stop["name"] for stop in stops] == [LONDON, ASHFORD, LILLE]


def test_the_event_of_the_longest_train_takes_31_kb_and_so_the_command_is_alone_in_its_commit() -> None:
    run = make_run(largest_train(), date(2199, 12, 24))
    set_delay(run, asks_to_delay(1_439), run.schedule.depart_time)
    (event,) = run.change_set.events
    assert len(bson.encode(dict(event.data))) in range(30_000, 32_000)
    assert SetDelay.is_alone


# -- what follows


def test_a_delay_brings_a_departed_run_back_and_it_departs_again() -> None:
    run = a_run()
    assert clock_states(run, "09:24") == [RunState.DEPARTED]
    delay_run(run, 70, now=at("09:25"))
    assert clock_states(run, "09:25", "10:33", "10:34") == [RunState.SCHEDULED, RunState.SCHEDULED, RunState.DEPARTED]


def test_a_delay_brings_a_completed_run_back_to_where_it_is() -> None:
    run = a_run()
    assert clock_states(run, "12:00") == [RunState.COMPLETED]
    delay_run(run, 70, now=at("12:00"))
    assert clock_states(run, "12:00", "13:05", "13:06") == [RunState.DEPARTED, RunState.DEPARTED, RunState.COMPLETED]


def test_a_delay_opens_the_waitlist_again_and_expired_bookings_stay_expired() -> None:
    run = a_run("A1")
    fill(run)
    early = book_waitlisted(run, "ann")
    closed = waitlist_closing_time(run)
    time_passes(run, closed)
    assert current_booking(run, early).state is BookingState.EXPIRED
    with refused(Reason.WAITLIST_CLOSED):
        book_waitlisted(run, "ben", now=closed)
    run.undo()
    delay_run(run, 70, now=closed)
    assert book_waitlisted(run, "ben", now=closed).state is BookingState.WAITLISTED
    assert current_booking(run, early).state is BookingState.EXPIRED
    assert waitlist_closing_time(run) == closed + 70 * MINUTE


def test_who_still_waits_when_the_waitlist_opens_again_gets_the_seats_that_came_free_meanwhile() -> None:
    run = a_run("A1")
    (seated,) = fill(run)
    waiting = [book_waitlisted(run, f"w{number}") for number in range(limits.WAITLIST_EXPIRED_PER_DECISION + 2)]
    closed = waitlist_closing_time(run)
    time_passes(run, closed)  # ends only the first of them
    run.release(seated.passengers[0].assigned_seat, seated.journey.legs)
    set_delay(run, asks_to_delay(70), closed)
    assert [current_booking(run, booking).state for booking in waiting[-2:]] == [
        BookingState.CONFIRMED,
        BookingState.WAITLISTED,
    ]
