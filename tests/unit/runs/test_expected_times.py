"""Expected times: what follows for each stop from a delay and from reported arrivals."""

from datetime import timedelta

import pytest

from app.domain.run.delay_record import NO_DELAY, Arrival, DelayRecord
from app.domain.run.expected_times import expected_stops, late_minutes
from app.domain.run.run_schedule import RunSchedule
from app.domain.timetable import RunState
from tests.support.builders import a_run
from tests.support.delay_reports import at, times_of

ON_TIME = "09:24 09:55 09:58 10:48 10:52 11:56"
STOPS = a_run().stops
NOBODY_ARRIVED: dict[int, str] = {}


def recorded(minutes: tuple[int, ...] = (), arrivals: dict[int, str] | None = None) -> DelayRecord:
    """A record of these minutes by stop, and of arrivals: the time by the index of the stop."""
    reported = tuple(Arrival(stop, at(clock), at(clock)) for stop, clock in sorted((arrivals or {}).items()))
    return DelayRecord(minutes=minutes, report_time=at("08:00") if minutes else None, arrivals=reported)


# -- the times


@pytest.mark.parametrize(
    ("minutes", "arrivals", "expected"),
    [
        pytest.param((0, 0, 0, 0), NOBODY_ARRIVED, ON_TIME, id="the end of a delay"),
        pytest.param((70, 70, 70, 70), NOBODY_ARRIVED, "10:34 11:05 11:08 11:58 12:02 13:06", id="late everywhere"),
        pytest.param((0, 0, 40, 40), NOBODY_ARRIVED, "09:24 09:55 09:58 11:28 11:32 12:36", id="late from Lille on"),
        pytest.param((20, 20, 20, 0), NOBODY_ARRIVED, "09:44 10:15 10:18 11:08 11:12 11:56", id="on time again in Paris"),
        pytest.param((), {2: "11:05"}, "09:24 09:55 09:58 11:05 11:05 11:56", id="a late arrival delays the departure"),
        pytest.param((), {2: "10:40"}, "09:24 09:55 09:58 10:40 10:52 11:56", id="an early train waits for its departure"),
        pytest.param((), {1: "12:30"}, "09:24 12:30 12:30 12:30 12:30 12:30", id="nothing is before a very late arrival"),
        pytest.param((70, 70, 70, 70), {1: "09:57"}, "09:57 09:57 11:08 11:58 12:02 13:06", id="it left before it arrived"),
        pytest.param((70, 70, 70, 70), {3: "11:50"}, "10:34 11:05 11:08 11:50 11:50 11:50", id="all stops are behind it"),
        pytest.param((), {1: "10:20", 2: "10:21"}, "09:24 10:20 10:20 10:21 10:52 11:56", id="two arrivals"),
        pytest.param((90, 90, 90, 90), {1: "10:20", 2: "10:55"}, "10:20 10:20 10:55 10:55 12:22 13:26", id="between two"),
    ],
)
def test_expected_times_follow_from_delay_and_arrivals(
    minutes: tuple[int, ...], arrivals: dict[int, str], expected: str
) -> None:
    assert times_of(expected_stops(STOPS, recorded(minutes, arrivals))) == expected


def test_a_run_on_which_nobody_reported_shares_the_scheduled_stops() -> None:
    assert expected_stops(STOPS, NO_DELAY) is STOPS


@pytest.mark.parametrize(("seconds", "minutes"), [(-300, 0), (0, 0), (59, 0), (60, 1), (3_599, 59), (3_600, 60)])
def test_late_minutes_are_whole_minutes_rounded_down(seconds: int, minutes: int) -> None:
    arrived = at("11:56") + timedelta(seconds=seconds)
    expected = expected_stops(STOPS, DelayRecord(arrivals=(Arrival(3, arrived, arrived),)))
    assert late_minutes(STOPS, expected, 3) == minutes


def test_nobody_arrives_late_at_the_first_stop() -> None:
    assert late_minutes(STOPS, expected_stops(STOPS, recorded((70,) * 4)), 0) == 0


# -- the schedule of a run


def test_a_journey_gets_the_expected_times_of_its_ends() -> None:
    schedule, journey = RunSchedule(STOPS, recorded((0, 0, 40, 40))), a_run().journey("Ashford", "Lille")
    expected = schedule.expected_journey(journey)
    assert (expected.depart, expected.arrive) == (at("09:58"), at("11:28"))
    assert (expected.origin, expected.destination, expected.legs) == (journey.origin, journey.destination, journey.legs)
    assert schedule.late_minutes(journey) == 40
    assert RunSchedule(STOPS).expected_journey(journey) is journey


@pytest.mark.parametrize(
    ("minutes", "now", "state"),
    [
        ((), "09:23", RunState.SCHEDULED),
        ((), "09:24", RunState.DEPARTED),
        ((), "11:56", RunState.COMPLETED),
        ((0,) * 4, "09:23", RunState.SCHEDULED),
        ((70,) * 4, "09:23", RunState.DELAYED),
        ((70,) * 4, "10:33", RunState.DELAYED),
        ((70,) * 4, "10:34", RunState.DEPARTED),
        ((70,) * 4, "13:05", RunState.DEPARTED),
        ((70,) * 4, "13:06", RunState.COMPLETED),
        ((0, 0, 0, 40), "09:23", RunState.DELAYED),
        ((0, 0, 0, 40), "12:35", RunState.DEPARTED),
    ],
)
def test_the_state_of_a_run_follows_its_expected_times(minutes: tuple[int, ...], now: str, state: RunState) -> None:
    assert RunSchedule(STOPS, recorded(minutes)).state_at(at(now)) is state
