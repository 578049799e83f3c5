"""When people are reminded of their departure and arrival."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.disruption import DisruptionReason
from app.domain.notices.notice import NoticeKind
from app.domain.notices.reminders import (
    DEFAULT_QUIET_HOURS,
    QuietHours,
    departure_reminder_time,
    is_short,
    is_too_late,
    look_time,
    reminded_moment,
    reminder_job,
    reminder_stop,
    reminder_time,
    send_time,
)
from app.domain.run.delay_record import DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import TrainRun
from tests.support.builders import DEPARTS_LILLE, DEPARTS_LONDON, NOW, a_run

PARIS = "Europe/Paris"
DEPARTURE, ARRIVAL = NoticeKind.DEPARTURE_REMINDER, NoticeKind.ARRIVAL_REMINDER
THREE_HOURS = 180


def local(text: str, zone: str = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("departs", "minutes_before", "reminded"),
    [
        ("2026-09-01T14:00", 180, "2026-09-01T11:00"),
        ("2026-09-01T09:00", 180, "2026-09-01T06:00"),
        ("2026-09-01T08:59", 180, "2026-09-01T06:00"),  # planned at 05:59
        ("2026-09-01T07:00", 180, "2026-09-01T06:00"),  # leaves an hour after the quiet hours
        ("2026-09-01T06:59", 180, "2026-08-31T22:00"),  # less than an hour
        ("2026-09-01T06:59", 30, "2026-09-01T06:29"),  # planned after the quiet hours
        ("2026-09-01T00:10", 180, "2026-08-31T22:00"),
        ("2026-09-01T00:10", 5, "2026-08-31T22:00"),
        ("2026-09-01T23:30", 60, "2026-09-01T22:30"),  # of the same day
        ("2026-09-01T14:00", 1_440, "2026-09-01T06:00"),  # on the travel day
    ],
)
def test_departures_are_reminded_of_on_their_day_and_not_at_night(departs: str, minutes_before: int, reminded: str) -> None:
    assert departure_reminder_time(local(departs), PARIS, minutes_before, DEFAULT_QUIET_HOURS) == local(reminded)


def test_the_quiet_hours_are_those_of_the_clock_at_the_origin() -> None:
    departs = local("2026-09-01T08:30")
    assert departure_reminder_time(departs, PARIS, THREE_HOURS, DEFAULT_QUIET_HOURS) == local("2026-09-01T06:00")
    in_london = departure_reminder_time(departs, "Europe/London", THREE_HOURS, DEFAULT_QUIET_HOURS)
    assert in_london == local("2026-09-01T06:00", "Europe/London")


def test_an_operator_may_choose_other_quiet_hours() -> None:
    quiet = QuietHours(until_hour=8, from_hour=20)
    assert departure_reminder_time(local("2026-09-01T10:00"), PARIS, THREE_HOURS, quiet) == local("2026-09-01T08:00")
    assert departure_reminder_time(local("2026-09-01T08:30"), PARIS, THREE_HOURS, quiet) == local("2026-08-31T20:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])  # clocks change
def test_the_quiet_hours_follow_the_clock_in_the_nights_in_which_it_changes(day: str) -> None:
    reminded = departure_reminder_time(local(f"{day}T08:00"), PARIS, THREE_HOURS, DEFAULT_QUIET_HOURS)
    assert reminded == local(f"{day}T06:00")
    before = departure_reminder_time(local(f"{day}T04:00"), PARIS, THREE_HOURS, DEFAULT_QUIET_HOURS)
    assert before.astimezone(ZoneInfo(PARIS)).strftime("%H:%M") == "22:00"
    assert timedelta(hours=4) < local(f"{day}T04:00") - before < timedelta(hours=8)


def test_a_reminder_comes_five_minutes_after_the_sale_at_the_earliest() -> None:
    sale_time = NOW + timedelta(hours=1)
    assert send_time(NOW, sale_time, NOW) == sale_time + timedelta(minutes=5)
    assert send_time(NOW + timedelta(hours=2), sale_time, NOW) == NOW + timedelta(hours=2)
    assert send_time(NOW, NOW - timedelta(days=1), NOW) == NOW  # bought late at night: at once, not the evening before


# -- of a run: London, Ashford, Lille, Paris


def late(run: TrainRun, *minutes: int) -> RunSchedule:
    return RunSchedule(run.stops, DelayRecord(minutes=minutes, report_time=NOW))


def planned(kind: NoticeKind, schedule: RunSchedule, stop: int, minutes_before: int = THREE_HOURS) -> datetime | None:
    return reminder_time(kind, schedule, stop, minutes_before, DEFAULT_QUIET_HOURS)


def test_reminders_follow_the_expected_times_of_each_stop() -> None:
    run = a_run()
    on_time, delayed = run.schedule, late(run, 0, 0, 60, 60)
    assert planned(DEPARTURE, on_time, 0) == DEPARTS_LONDON - timedelta(hours=3)
    assert planned(DEPARTURE, delayed, 0) == planned(DEPARTURE, on_time, 0)
    assert planned(DEPARTURE, delayed, 2) == DEPARTS_LILLE - timedelta(hours=2)
    for stop in (2, 3):
        scheduled = on_time.stops[stop].arrive
        assert scheduled is not None
        assert planned(ARRIVAL, on_time, stop) == scheduled - timedelta(minutes=30)
        assert planned(ARRIVAL, delayed, stop) == scheduled + timedelta(minutes=30)


def test_nobody_is_reminded_of_what_the_run_does_not_serve() -> None:
    run = a_run()
    assert planned(ARRIVAL, run.schedule, 0) is None
    assert planned(DEPARTURE, run.schedule, 3) is None
    assert planned(DEPARTURE, run.schedule, 4) is None
    cancelled = cancelled_from(0)
    assert all(planned(kind, cancelled, stop) is None for kind in (DEPARTURE, ARRIVAL) for stop in range(4))
    ends_in_lille = cancelled_from(2)
    assert planned(DEPARTURE, ends_in_lille, 1) is not None
    assert planned(ARRIVAL, ends_in_lille, 2) is not None
    assert planned(DEPARTURE, ends_in_lille, 2) is None
    assert planned(ARRIVAL, ends_in_lille, 3) is None


def cancelled_from(stop: int) -> RunSchedule:
    return RunSchedule(a_run().stops, cancellation=RunCancellation(NOW, DisruptionReason.STAFF, from_stop=stop))


def test_a_train_that_never_reminds_of_departures_still_reminds_of_arrivals() -> None:
    schedule = a_run().schedule
    assert planned(DEPARTURE, schedule, 0, 0) is None
    assert planned(ARRIVAL, schedule, 3, 0) is not None


# -- the job of a stop


def looks(kind: NoticeKind, now: datetime, *, stop: int = 0, minutes_before: int = THREE_HOURS) -> datetime | None:
    return look_time(kind, a_run().schedule, stop, minutes_before, DEFAULT_QUIET_HOURS, now)


def test_the_job_of_a_departure_waits_for_the_day_before_and_then_looks_every_hour_for_changes_of_the_train() -> None:
    hour, reminded = timedelta(hours=1), DEPARTS_LONDON - timedelta(hours=3)
    assert looks(DEPARTURE, NOW) == DEPARTS_LONDON - timedelta(days=1)
    assert looks(DEPARTURE, DEPARTS_LONDON - 12 * hour) == DEPARTS_LONDON - 11 * hour
    assert looks(DEPARTURE, reminded - hour / 2) == reminded
    assert looks(DEPARTURE, reminded) is None


def test_the_job_of_a_train_that_never_reminds_looks_for_as_long_as_a_reminder_is_of_use() -> None:
    last = DEPARTS_LONDON - timedelta(minutes=30)
    assert looks(DEPARTURE, last, minutes_before=0) == last + timedelta(hours=1)
    assert looks(DEPARTURE, last + timedelta(seconds=1), minutes_before=0) is None


def test_the_job_of_an_arrival_waits_until_half_an_hour_before() -> None:
    arrives = a_run().schedule.arrive_time
    assert looks(ARRIVAL, NOW, stop=3) == arrives - timedelta(minutes=30)
    assert looks(ARRIVAL, arrives - timedelta(minutes=30), stop=3) is None


def test_there_is_one_job_for_each_stop_and_kind_of_a_run() -> None:
    run = a_run()
    jobs = [reminder_job(kind, run.run_id, stop, NOW) for kind in (DEPARTURE, ARRIVAL) for stop in (0, 1)]
    assert [job.job_id for job in jobs] == [
        "remind departure es9014:2026-09-01 0",
        "remind departure es9014:2026-09-01 1",
        "remind arrival es9014:2026-09-01 0",
        "remind arrival es9014:2026-09-01 1",
    ]
    assert {job.due_time for job in jobs} == {NOW}


# -- journeys


def test_a_journey_is_reminded_of_by_the_jobs_of_its_own_stops() -> None:
    run = a_run()
    journey = run.journey_between(1, 2)
    assert (reminder_stop(DEPARTURE, journey), reminder_stop(ARRIVAL, journey)) == (1, 2)
    assert (reminder_stop(DEPARTURE, run.journey("", "")), reminder_stop(ARRIVAL, run.journey("", ""))) == (0, 3)
    expected = late(run, 10, 10, 20, 20).expected_journey(run.journey("", ""))
    assert reminded_moment(DEPARTURE, expected) == DEPARTS_LONDON + timedelta(minutes=10)
    assert reminded_moment(ARRIVAL, expected) == run.schedule.arrive_time + timedelta(minutes=20)


@pytest.mark.parametrize(("minutes", "short"), [(44, True), (45, False)])
def test_only_journeys_of_less_than_three_quarters_of_an_hour_are_short(minutes: int, short: bool) -> None:
    journey = a_run().journey("", "")
    assert is_short(replace(journey, arrive=journey.depart + timedelta(minutes=minutes))) is short


@pytest.mark.parametrize(
    ("kind", "minutes_before", "too_late"),
    [(DEPARTURE, 30, False), (DEPARTURE, 29, True), (ARRIVAL, 1, False), (ARRIVAL, 0, True)],
)
def test_reminders_are_of_use_until_half_an_hour_before_departure_and_until_arrival(
    kind: NoticeKind, minutes_before: int, too_late: bool
) -> None:
    assert is_too_late(kind, NOW + timedelta(minutes=minutes_before), NOW) is too_late
