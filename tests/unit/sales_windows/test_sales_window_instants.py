"""When sales open by a local time: on ordinary days, in nights in which clocks change, and far from Greenwich; and possible
windows.
"""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from app.domain import limits
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow, check_opens_in_time, check_sales_window, opening_time
from app.domain.zones import ZONE_NAMES, change_dates, load_zone
from tests.support.builders import seeded_random
from tests.support.run_snapshots import invalid

LONDON, PARIS, NEW_YORK = "Europe/London", "Europe/Paris", "America/New_York"
LORD_HOWE, APIA, KOLKATA, KIRITIMATI = "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "Pacific/Kiritimati"
TRAVEL_DATE = date(2026, 9, 1)
MILLISECOND = timedelta(milliseconds=1)


def opens(travel_date: str, days_before: int, local_time: str, zone_name: str) -> str:
    """The opening as text, in UTC."""
    window = SalesWindow(open_days_before=days_before, open_at=time.fromisoformat(local_time))
    opening = opening_time(window, date.fromisoformat(travel_date), zone_name)
    assert opening is not None
    assert opening.tzinfo is UTC
    return f"{opening:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("travel_date", "days_before", "local_time", "zone_name", "opening"),
    [
        # Ordinary days, on both sides of Greenwich and of the date line.
        ("2026-01-15", 0, "06:00", LONDON, "2026-01-15 06:00"),
        ("2026-07-15", 0, "06:00", LONDON, "2026-07-15 05:00"),
        ("2026-07-15", 90, "09:00", LONDON, "2026-04-16 08:00"),
        ("2026-07-15", 180, "09:00", LONDON, "2026-01-16 09:00"),  # in winter: the clock of that day counts
        ("2026-07-15", 180, "09:00", PARIS, "2026-01-16 08:00"),
        ("2026-07-15", 7, "00:00", NEW_YORK, "2026-07-08 04:00"),
        ("2026-07-15", 7, "00:00", KOLKATA, "2026-07-07 18:30"),
        ("2026-07-15", 7, "00:00", KIRITIMATI, "2026-07-07 10:00"),
        # Leap days, and a year.
        ("2028-03-01", 1, "12:00", LONDON, "2028-02-29 12:00"),
        ("2027-01-15", 366, "12:00", LONDON, "2026-01-14 12:00"),
        # Clocks go forward: at the change, whatever time was skipped; before and after it, by the clock.
        ("2026-03-29", 0, "00:59", LONDON, "2026-03-29 00:59"),
        ("2026-03-29", 0, "01:00", LONDON, "2026-03-29 01:00"),
        ("2026-03-29", 0, "01:30", LONDON, "2026-03-29 01:00"),
        ("2026-03-29", 0, "01:59", LONDON, "2026-03-29 01:00"),
        ("2026-03-29", 0, "02:00", LONDON, "2026-03-29 01:00"),
        ("2026-03-29", 0, "02:01", LONDON, "2026-03-29 01:01"),
        ("2026-04-28", 30, "02:30", PARIS, "2026-03-29 01:00"),
        ("2026-03-08", 0, "02:15", NEW_YORK, "2026-03-08 07:00"),
        ("2026-10-04", 0, "02:15", LORD_HOWE, "2026-10-03 15:30"),  # by half an hour
        ("2011-12-30", 0, "12:00", APIA, "2011-12-30 10:00"),  # a whole day was skipped
        # Clocks go back: the first of two.
        ("2026-10-25", 0, "00:59", LONDON, "2026-10-24 23:59"),
        ("2026-10-25", 0, "01:00", LONDON, "2026-10-25 00:00"),
        ("2026-10-25", 0, "01:30", LONDON, "2026-10-25 00:30"),
        ("2026-10-25", 0, "01:59", LONDON, "2026-10-25 00:59"),
        ("2026-10-25", 0, "02:00", LONDON, "2026-10-25 02:00"),
        ("2026-11-24", 30, "02:30", PARIS, "2026-10-25 00:30"),
        ("2026-04-05", 0, "01:45", LORD_HOWE, "2026-04-04 14:45"),
    ],
)
def test_sales_open_at_the_local_time_of_the_first_stop(
    travel_date: str, days_before: int, local_time: str, zone_name: str, opening: str
) -> None:
    assert opens(travel_date, days_before, local_time, zone_name) == opening


def test_sales_open_at_the_first_instant_at_which_the_clock_shows_the_time_in_every_zone() -> None:
    # Against a search through every minute around the nights in which clocks change.
    pick, compared = seeded_random(6), 0
    for zone_name in pick.sample(sorted(ZONE_NAMES), 60):
        zone = load_zone(zone_name)
        for changed in change_dates(zone_name, 2026)[:2]:
            local = datetime.combine(changed, time(pick.randrange(4), pick.randrange(60)))
            found = opening_time(SalesWindow(open_days_before=0, open_at=local.time()), changed, zone_name)
            minutes = (local.replace(tzinfo=UTC) - timedelta(hours=15) + timedelta(minutes=number) for number in range(30 * 60))
            assert found == next(minute for minute in minutes if minute.astimezone(zone).replace(tzinfo=None) >= local)
            compared += 1
    assert compared > 20


def test_sales_that_open_at_an_instant_do_so_wherever_the_train_begins() -> None:
    instant = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    window = SalesWindow(open_time=instant)
    assert opening_time(window, TRAVEL_DATE, LONDON) == opening_time(window, TRAVEL_DATE, KOLKATA) == instant


def test_sales_without_an_opening_are_open_as_soon_as_the_run_exists() -> None:
    assert opening_time(ALWAYS_OPEN, TRAVEL_DATE, LONDON) is None
    assert opening_time(SalesWindow(closes_minutes_before=60), TRAVEL_DATE, LONDON) is None


# -- windows that are possible

AN_INSTANT = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "window",
    [
        ALWAYS_OPEN,
        SalesWindow(open_time=AN_INSTANT),
        SalesWindow(open_time=AN_INSTANT + MILLISECOND, closes_minutes_before=1),
        SalesWindow(open_time=datetime(1970, 1, 1, tzinfo=UTC)),
        SalesWindow(open_time=datetime(2199, 12, 31, 23, 59, tzinfo=UTC)),
        SalesWindow(open_days_before=0),
        SalesWindow(open_days_before=limits.SALES_OPEN_DAYS_BEFORE_MAX, open_at=time(23, 59)),
        SalesWindow(closes_minutes_before=limits.SALES_CLOSES_MINUTES_MAX),
    ],
)
def test_a_window_up_to_its_limits_is_fine(window: SalesWindow) -> None:
    check_sales_window(window, "sales_window")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        (SalesWindow(open_time=AN_INSTANT, open_days_before=1), "w"),
        (SalesWindow(open_time=AN_INSTANT + timedelta(microseconds=1)), "w.open_time"),
        (SalesWindow(open_time=datetime(1969, 12, 31, 23, 59, tzinfo=UTC)), "w.open_time"),
        (SalesWindow(open_time=datetime(2200, 1, 1, tzinfo=UTC)), "w.open_time"),
        (SalesWindow(open_days_before=-1), "w.opens_before.days_before"),
        (SalesWindow(open_days_before=367), "w.opens_before.days_before"),
        (SalesWindow(open_days_before=1, open_at=time(9, 0, 1)), "w.opens_before.local_time"),
        (SalesWindow(open_days_before=1, open_at=time(9, 0, 0, 1)), "w.opens_before.local_time"),
        (SalesWindow(closes_minutes_before=-1), "w.closes_before"),
        (SalesWindow(closes_minutes_before=30 * 24 * 60 + 1), "w.closes_before"),
    ],
)
def test_a_window_out_of_its_limits_is_refused_under_its_field(window: SalesWindow, field: str) -> None:
    with invalid(field):
        check_sales_window(window, "w")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        (SalesWindow(open_time=AN_INSTANT), "w.open_time"),
        (SalesWindow(open_days_before=1), "w.opens_before"),
    ],
)
def test_a_window_has_to_open_before_it_closes_for_the_last_journey(window: SalesWindow, field: str) -> None:
    closes = SalesWindow(window.open_time, window.open_days_before, closes_minutes_before=30)
    last_depart = AN_INSTANT + timedelta(minutes=30)
    check_opens_in_time(closes, AN_INSTANT, last_depart + MILLISECOND, "w")
    with invalid(field) as caught:
        check_opens_in_time(closes, AN_INSTANT, last_depart, "w")
    assert "2026-08-01 00:00 UTC" in caught[0].message
