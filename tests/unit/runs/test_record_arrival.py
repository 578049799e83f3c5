"""RecordArrival: what may be said of an arrival, which report counts, and what follows for the run."""

from datetime import datetime, timedelta

import pytest

from app.domain import limits
from app.domain.events import EventType
from app.domain.refusals import Reason
from app.domain.rules.record_arrival import record_arrival
from app.domain.run.delay_record import Arrival
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from tests.support.builders import ASHFORD, LILLE, LONDON, PARIS, a_caller, a_run, time_passes
from tests.support.cancellations import cancel_run
from tests.support.delay_reports import arrive, asks_to_record_arrival, at, delay_run, expected_times
from tests.support.run_snapshots import invalid, refused

SOON_AFTER = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


def arrivals_of(run: TrainRun) -> dict[str, str]:
    """The reported arrivals: the time by the name of the stop."""
    return {run.stops[arrival.stop].name: f"{arrival.time:%H:%M}" for arrival in run.delay.arrivals}


# -- what the times become


def test_a_reported_arrival_counts_in_place_of_the_expected_one() -> None:
    run = a_run()
    delay_run(run, 70)
    arrive(run, ASHFORD, "11:01")
    assert expected_times(run) == "10:34 11:01 11:08 11:58 12:02 13:06"
    arrive(run, "LIL", "12:10")
    assert expected_times(run) == "10:34 11:01 11:08 12:10 12:10 13:06"
    arrive(run, PARIS, "13:03")
    assert expected_times(run) == "10:34 11:01 11:08 12:10 12:10 13:03"
    assert arrivals_of(run) == {ASHFORD: "11:01", LILLE: "12:10", PARIS: "13:03"}


def test_arrivals_may_be_reported_in_any_order() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50")
    arrive(run, ASHFORD, "09:54", now=at("10:51"))
    assert [arrival.stop for arrival in run.delay.arrivals] == [1, 2]


def test_an_arrival_can_be_corrected() -> None:
    run = a_run()
    arrive(run, PARIS, "12:57")
    arrive(run, PARIS, "12:55", now=at("13:00"))
    assert arrivals_of(run) == {PARIS: "12:55"}
    assert run.schedule.late_minutes(run.journey("", "")) == 59


def test_an_arrival_can_be_reported_a_month_later_on_a_compacted_run() -> None:
    run = a_run()
    month_later = at("11:56") + timedelta(days=30)
    time_passes(run, month_later)
    assert run.is_compacted
    arrive(run, PARIS, "14:06", now=month_later)
    assert run.schedule.late_minutes(run.journey("", "")) == 130


# -- what is refused


def test_only_operators_report_arrivals() -> None:
    run = a_run()
    with refused(Reason.NOT_PERMITTED, run):
        record_arrival(run, asks_to_record_arrival(LILLE, at("10:48"), by=a_caller()), at("10:49"))


@pytest.mark.parametrize("stop", [LONDON, "STP", "Rome", ""])
def test_a_train_arrives_at_its_stops_after_the_first(stop: str) -> None:
    run = a_run()
    with invalid("stop", run):
        record_arrival(run, asks_to_record_arrival(stop, at("10:48")), at("10:49"))


ARRIVES = at("10:48")  # scheduled, in Lille
EARLIEST = at("09:58")  # the scheduled departure from Ashford
LATEST = ARRIVES + timedelta(days=7)
AHEAD_MAX = timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX)


@pytest.mark.parametrize(
    ("time", "now", "is_possible"),
    [
        (EARLIEST, ARRIVES, True),
        (EARLIEST - MILLISECOND, ARRIVES, False),
        (LATEST, LATEST + SOON_AFTER, True),
        (LATEST + MILLISECOND, LATEST + SOON_AFTER, False),
        (ARRIVES + AHEAD_MAX, ARRIVES, True),
        (ARRIVES + AHEAD_MAX + MILLISECOND, ARRIVES, False),
    ],
)
def test_an_arrival_is_after_the_departure_before_it_and_neither_in_the_future_nor_beyond_a_week(
    time: datetime, now: datetime, is_possible: bool
) -> None:
    run = a_run()
    command = asks_to_record_arrival(LILLE, time)
    if is_possible:
        record_arrival(run, command, now)
        assert run.delay.arrivals[0].time == time
        return
    with invalid("arrive_time", run):
        record_arrival(run, command, now)


@pytest.mark.parametrize(
    ("stop", "clock", "is_possible"),
    [
        (LILLE, "10:59", False),
        (LILLE, "11:00", True),
        (LILLE, "12:00", True),
        (LILLE, "12:01", False),
        (ASHFORD, "11:01", False),
    ],
)
def test_arrivals_stay_in_order(stop: str, clock: str, is_possible: bool) -> None:
    run = a_run()
    arrive(run, ASHFORD, "11:00")
    arrive(run, PARIS, "12:00")
    arrive(run, LILLE, "11:00")
    command = asks_to_record_arrival(stop, at(clock))
    if is_possible:
        record_arrival(run, command, at("12:02"))
        assert arrivals_of(run)[stop] == clock
        return
    with invalid("arrive_time", run) as caught:
        record_arrival(run, command, at("12:02"))
    assert "reported arrival" in caught[0].message


def test_a_report_from_the_future_is_refused() -> None:
    run, now = a_run(), at("10:48")
    with invalid("report_time", run):
        record_arrival(run, asks_to_record_arrival(LILLE, now, reported=now + AHEAD_MAX + MILLISECOND), now)


def test_a_cancelled_run_arrives_nowhere() -> None:
    run = a_run()
    cancel_run(run)
    with refused(Reason.RUN_CANCELLED, run):
        record_arrival(run, asks_to_record_arrival(LILLE, at("10:48")), at("10:49"))


def test_a_run_that_ends_early_arrives_at_its_last_stop_and_no_further() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    with refused(Reason.RUN_CANCELLED, run):
        record_arrival(run, asks_to_record_arrival(PARIS, at("11:56")), at("11:57"))
    arrive(run, LILLE, "11:30")
    assert run.schedule.arrive_time == at("11:30")


# -- which report counts


def test_an_older_report_of_the_stop_is_refused_and_changes_nothing() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50", reported=at("10:52"), now=at("10:52"))
    with refused(Reason.REPORT_STALE, run):
        record_arrival(run, asks_to_record_arrival(LILLE, at("10:48"), reported=at("10:51")), at("10:53"))


def test_reports_of_different_stops_do_not_make_each_other_stale() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50", reported=at("10:52"), now=at("10:52"))
    arrive(run, ASHFORD, "09:55", reported=at("09:55"), now=at("10:53"))
    delay_run(run, 5, reported=at("09:00"), now=at("10:53"))
    assert arrivals_of(run) == {ASHFORD: "09:55", LILLE: "10:50"}


def test_a_report_without_a_time_counts_where_the_clock_of_who_reported_before_was_ahead() -> None:
    run, ahead = a_run(), at("10:50") + AHEAD_MAX
    arrive(run, LILLE, "10:50", reported=ahead)
    arrive(run, LILLE, "10:49", now=at("10:50"))
    assert run.delay.arrivals == (Arrival(2, at("10:49"), ahead),)


def test_the_same_report_again_changes_nothing() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50", reported=at("10:50"))
    record_arrival(run, asks_to_record_arrival(LILLE, at("10:50"), reported=at("10:50")), at("10:55"))
    assert not run.change_set


def test_a_newer_report_that_says_the_same_has_no_event() -> None:
    run = a_run()
    arrive(run, LILLE, "10:50")
    record_arrival(run, asks_to_record_arrival(LILLE, at("10:50")), at("10:55"))
    assert run.change_set.events == []
    assert run.eventless_version == run.version + 1
    assert run.delay.arrivals == (Arrival(2, at("10:50"), at("10:55")),)


# -- the event, and what follows


def test_the_event_says_when_and_how_late() -> None:
    run = a_run()
    record_arrival(run, asks_to_record_arrival(LILLE, at("11:49"), reported=at("11:50")), at("11:51"))
    (event,) = run.change_set.events
    assert (event.event_type, event.subject) == (EventType.RUN_ARRIVED, run.run_id)
    assert event.data == {
        "stop": LILLE,
        "arrive_time": at("11:49").isoformat(),
        "late_minutes": 61,
        "report_time": at("11:50").isoformat(),
    }


def test_a_late_arrival_on_the_way_brings_a_completed_run_back() -> None:
    run = a_run()
    time_passes(run, at("11:56"))
    completed, now = run.clock_state, at("11:57")
    record_arrival(run, asks_to_record_arrival(LILLE, now + AHEAD_MAX), now)
    assert [completed, run.clock_state] == [RunState.COMPLETED, RunState.DEPARTED]
    assert run.schedule.arrive_time == now + AHEAD_MAX
