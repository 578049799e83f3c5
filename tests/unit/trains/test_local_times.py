"""Local times on a date: nights in which clocks change, zones that change apart, and zones that only some hosts have."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from app.domain.local_times import LocalCall, find_timetable_fault, instants_on
from app.domain.refusals import Reason, Refusal
from app.domain.timetable import TimetableStop, local_calls, stops_on_date
from app.domain.zones import ZONE_NAMES, change_dates
from tests.support.builders import a_stop, seeded_random
from tests.support.run_snapshots import refused

PARIS, BERLIN = "Europe/Paris", "Europe/Berlin"
MARCH, OCTOBER = date(2026, 3, 29), date(2026, 10, 25)  # the days on which European clocks change, at 01:00 UTC
TIMETABLES_OF_A_ZONE = 3  # with about 350 zones that change their clocks, and four nights each


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(stops: list[TimetableStop], travel_date: date) -> list[str]:
    """The instants of all calls, as "29T00:30" in UTC."""
    return [f"{instant:%dT%H:%M}" for instant in instants_on(local_calls(stops), travel_date)]


def kingman_to_needles() -> list[TimetableStop]:
    """Westward over the Colorado: Arizona keeps no summer time, California does."""
    return [
        a_stop("Kingman", "America/Phoenix", depart="00:28"),
        a_stop("Needles", "America/Los_Angeles", arrive="00:26"),
    ]


# -- each date is judged by itself


def test_a_train_that_arrives_before_it_left_by_the_clocks_runs_where_the_zones_are_an_hour_apart() -> None:
    assert runs(kingman_to_needles(), date(2026, 1, 15)) == ["15T07:28", "15T08:26"]
    assert find_timetable_fault(local_calls(kingman_to_needles())) == ""


@pytest.mark.parametrize("travel_date", [date(2026, 3, 9), date(2026, 7, 15), date(2026, 10, 31)])
def test_that_train_is_refused_with_date_and_stop_where_the_zones_are_alike(travel_date: date) -> None:
    with refused(Reason.TIMETABLE_IMPOSSIBLE) as caught:
        stops_on_date(kingman_to_needles(), travel_date)
    assert travel_date.isoformat() in caught[0].message
    assert "Needles" in caught[0].message
    assert "00:26" in caught[0].message


def test_the_days_of_the_change_are_distinguished() -> None:
    possible = [day for day in range(1, 32) if _runs_on(kingman_to_needles(), date(2026, 3, day))]
    assert possible == [1, 2, 3, 4, 5, 6, 7, 8]  # clocks go forward on the 8th at 02:00, after the train has arrived
    possible = [day for day in range(1, 8) if _runs_on(kingman_to_needles(), date(2026, 11, day))]
    assert possible == [2, 3, 4, 5, 6, 7]  # and back on the 1st at 02:00, when it would have arrived before it left


def _runs_on(stops: list[TimetableStop], travel_date: date) -> bool:
    try:
        stops_on_date(stops, travel_date)
    except Refusal:
        return False
    return True


# -- March


def test_a_call_in_the_hour_that_is_left_out_moves_with_all_calls_after_it() -> None:
    night_train = [
        a_stop("Lyon", PARIS, depart="01:30"),
        a_stop("Dijon", PARIS, arrive="02:30", depart="02:40"),
        a_stop("Paris", PARIS, arrive="03:10", depart="03:30"),
        a_stop("Lille", PARIS, arrive="04:30"),
    ]
    assert runs(night_train, date(2026, 3, 28)) == ["28T00:30", "28T01:30", "28T01:40", "28T02:10", "28T02:30", "28T03:30"]
    # Running times are kept: by the clocks, the train calls at Dijon at 03:30 and is in Lille at 05:30.
    assert runs(night_train, MARCH) == ["29T00:30", "29T01:30", "29T01:40", "29T02:10", "29T02:30", "29T03:30"]
    assert runs(night_train, date(2026, 3, 30)) == ["29T23:30", "30T00:30", "30T00:40", "30T01:10", "30T01:30", "30T02:30"]


def test_a_train_of_the_evening_before_is_late_in_the_morning() -> None:
    nightjet = [
        a_stop("Hamburg", BERLIN, depart="20:50"),
        a_stop("Hannover", BERLIN, arrive="22:40", depart="23:10"),
        a_stop("Göttingen", BERLIN, arrive="02:05+1", depart="02:07+1"),
        a_stop("Innsbruck", "Europe/Vienna", arrive="09:14+1"),
    ]
    assert runs(nightjet, date(2026, 3, 28)) == ["28T19:50", "28T21:40", "28T22:10", "29T01:05", "29T01:07", "29T08:14"]
    assert runs(nightjet, date(2026, 3, 27))[-1] == "28T08:14"
    assert runs(nightjet, MARCH)[-1] == "30T07:14"


def test_a_train_that_calls_nowhere_in_that_hour_keeps_its_published_times() -> None:
    stops = [a_stop("Lyon", PARIS, depart="01:50"), a_stop("Dijon", PARIS, arrive="03:20")]
    assert runs(stops, MARCH) == ["29T00:50", "29T01:20"]


def test_a_train_that_begins_in_the_skipped_hour_leaves_by_the_old_offset() -> None:
    stops = [a_stop("Lyon", PARIS, depart="02:30"), a_stop("Dijon", PARIS, arrive="03:20")]
    assert runs(stops, MARCH) == ["29T01:30", "29T02:20"]


def test_a_train_is_late_by_one_hour_and_not_by_one_for_each_zone() -> None:
    stops = [
        a_stop("Toronto", "America/Toronto", depart="01:40"),
        a_stop("Hornepayne", "America/Toronto", arrive="02:30", depart="02:45"),
        a_stop("Winnipeg", "America/Winnipeg", arrive="02:50", depart="03:10"),
        a_stop("Melville", "America/Regina", arrive="09:00"),
    ]
    before, night = runs(stops, date(2026, 3, 7)), runs(stops, date(2026, 3, 8))
    assert before == ["07T06:40", "07T07:30", "07T07:45", "07T08:50", "07T09:10", "07T15:00"]
    # It is late by the clocks of Ontario and Manitoba, and in time by those of Saskatchewan, which stand still.
    assert night == ["08T06:40", "08T07:30", "08T07:45", "08T08:50", "08T09:10", "08T15:00"]


def test_clocks_that_go_forward_an_hour_later_in_the_next_zone_do_not_make_the_train_wait() -> None:
    stops = [
        a_stop("Fort Wayne", "America/New_York", depart="02:35"),
        a_stop("Hammond", "America/Chicago", arrive="01:39", depart="02:09"),
        a_stop("Chicago", "America/Chicago", arrive="03:35"),
    ]
    assert runs(stops, date(2026, 3, 7)) == ["07T07:35", "07T07:39", "07T08:09", "07T09:35"]
    assert runs(stops, date(2026, 3, 8)) == ["08T07:35", "08T07:39", "08T08:09", "08T09:35"]


@pytest.mark.parametrize(("zone", "night"), [("Asia/Beirut", date(2026, 3, 29)), ("Africa/Cairo", date(2026, 4, 24))])
def test_an_hour_that_is_left_out_after_midnight_moves_a_train_as_one_at_two_does(zone: str, night: date) -> None:
    stops = [
        a_stop("North", zone, depart="23:30"),
        a_stop("Middle", zone, arrive="00:30+1", depart="00:31+1"),
        a_stop("South", zone, arrive="01:10+1"),
    ]
    evening = night - timedelta(days=1)
    assert [later[-5:] for later in runs(stops, evening)] == [later[-5:] for later in runs(stops, evening - timedelta(days=7))]


def test_half_an_hour_is_left_out_where_clocks_go_forward_by_half_an_hour() -> None:
    zone, night = "Australia/Lord_Howe", date(2026, 10, 4)
    stops = [
        a_stop("North", zone, depart="01:45"),
        a_stop("Middle", zone, arrive="02:15", depart="02:16"),
        a_stop("South", zone, arrive="02:40"),
    ]
    assert runs(stops, night) == ["03T15:15", "03T15:45", "03T15:46", "03T16:10"]
    assert runs(stops[:1] + stops[2:], night) == ["03T15:15", "03T15:40"]


def test_where_a_whole_day_is_left_out_the_train_is_a_day_late() -> None:
    # Samoa had no 30 December 2011.
    stops = [
        a_stop("West", "Pacific/Apia", depart="20:00"),
        a_stop("Middle", "Pacific/Apia", arrive="12:00+1", depart="18:00+1"),
        a_stop("East", "Pacific/Apia", arrive="06:00+2"),
    ]
    assert runs(stops, date(2011, 12, 29)) == ["30T06:00", "30T22:00", "31T04:00", "31T16:00"]


def test_clocks_that_go_forward_in_the_zone_ahead_make_the_train_late_there() -> None:
    # Eastern clocks go forward at 07:00 UTC, while the train is still on Central time.
    stops = [
        a_stop("Chicago", "America/Chicago", depart="01:50"),
        a_stop("South Bend", "America/New_York", arrive="03:20", depart="03:25"),
        a_stop("Toledo", "America/New_York", arrive="05:30"),
    ]
    assert runs(stops, date(2026, 3, 7)) == ["07T07:50", "07T08:20", "07T08:25", "07T10:30"]
    assert runs(stops, date(2026, 3, 8)) == ["08T07:50", "08T08:20", "08T08:25", "08T10:30"]


# -- October


def test_a_train_that_comes_into_the_hour_that_comes_twice_takes_the_first_and_waits_after_it() -> None:
    stops = [
        a_stop("Lyon", PARIS, depart="01:30"),
        a_stop("Dijon", PARIS, arrive="02:30", depart="02:40"),
        a_stop("Paris", PARIS, arrive="03:10"),
    ]
    assert runs(stops, OCTOBER) == ["24T23:30", "25T00:30", "25T00:40", "25T02:10"]


def test_a_train_that_crosses_a_border_inside_that_hour_goes_on_in_the_second() -> None:
    stops = [
        a_stop("Ashford", "Europe/London", depart="01:50"),
        a_stop("Lille", PARIS, arrive="02:40"),
    ]
    # 01:50 and 02:40 both come twice; after the first 01:50 (00:50 UTC) comes the second 02:40 (01:40 UTC).
    assert runs(stops, OCTOBER) == ["25T00:50", "25T01:40"]


# -- every zone


@pytest.mark.parametrize("seed", range(4))
def test_a_timetable_of_one_zone_is_in_order_on_every_night_in_which_its_clocks_change(seed: int) -> None:
    random = seeded_random(seed)
    for name in sorted(ZONE_NAMES):
        for changed in change_dates(name, 2026 + seed):
            for _ in range(TIMETABLES_OF_A_ZONE):
                minutes = sorted(random.randrange(-120, 420) for _ in range(random.randrange(2, 12)))
                calls = [LocalCall("X", name, *_clock(minute)) for minute in minutes]
                found = list(instants_on(calls, changed - timedelta(days=1)))
                assert found == sorted(found)
                assert len(found) == len(minutes)


def _clock(minute: int) -> tuple[time, int]:
    """A local time by its minute from midnight, on the day after the travel date."""
    days, rest = divmod(minute, 24 * 60)
    return time(rest // 60, rest % 60), days + 1


def test_calls_after_the_hour_that_is_left_out_keep_their_distances() -> None:
    random = seeded_random(6)
    for _ in range(300):
        minutes = sorted([*(random.randrange(0, 360) for _ in range(8)), random.randrange(120, 180)])
        calls = [LocalCall("X", PARIS, *_clock(minute)) for minute in minutes]
        before, night = (list(instants_on(calls, MARCH - timedelta(days))) for days in (2, 1))
        assert [later - before[0] for later in before] == [later - night[0] for later in night]


# -- zones of the host


def test_a_train_of_an_earlier_version_with_the_zone_of_a_host_is_not_scheduled() -> None:
    stops = [a_stop("Here", "localtime", depart="10:00"), a_stop("There", "Europe/London", arrive="11:00")]
    with refused(Reason.TIMETABLE_IMPOSSIBLE) as caught:
        stops_on_date(stops, date(2026, 9, 1))
    assert all(part in caught[0].message for part in ("2026-09-01", "Here", "localtime"))


def test_zones_are_those_of_the_package_whatever_the_host_has(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    # What Europe/London would be on this host: UTC, with one offset and no changes; RFC 8536.
    utc_file = b"TZif" + b"\0" * 16 + b"\0\0\0\0" * 4 + b"\0\0\0\1" + b"\0\0\0\4" + b"\0\0\0\0\0\0" + b"UTC\0"
    for name in ("Europe/London", "Europe/Atlantis", "localtime"):
        (tmp_path / name).write_bytes(utc_file)
    program = (
        "import zoneinfo; print(zoneinfo.ZoneInfo('Europe/Atlantis').key)\n"
        "from datetime import datetime\n"
        "from app.domain.zones import ZONE_NAMES, load_zone\n"
        "print(datetime(2026, 7, 1, tzinfo=load_zone('Europe/London')).utcoffset())\n"
        "print('Europe/Atlantis' in ZONE_NAMES, 'localtime' in ZONE_NAMES)\n"
    )
    environment = {**os.environ, "PYTHONTZPATH": str(tmp_path)}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert printed[:3] == ["Europe/Atlantis", "1:00:00", "False False"]
