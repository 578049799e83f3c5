"""The dates for which the service schedules a train by itself."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.limits import TRAVEL_DATE_MAX
from app.domain.rolling_schedule import dates_due
from app.domain.train import Train
from tests.support.builders import a_stop, a_train

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = date(2026, 6, 1)


def a_train_ahead(days: int, zone: str = "Europe/London") -> Train:
    stops = (a_stop("Here", zone, depart="10:00"), a_stop("There", zone, arrive="11:00"))
    return replace(a_train(stops=stops), schedule_horizon_days=days)


def days_after(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]


def test_a_train_without_a_horizon_is_never_scheduled_by_itself() -> None:
    assert dates_due(a_train_ahead(0), "", NOON) == []


def test_a_new_horizon_needs_runs_from_today_to_its_last_day() -> None:
    assert dates_due(a_train_ahead(3), "", NOON) == days_after(TODAY, 4)


def test_each_day_needs_one_more_run() -> None:
    train = a_train_ahead(3)
    assert dates_due(train, "2026-06-04", NOON) == []
    assert dates_due(train, "2026-06-04", NOON + timedelta(days=1)) == [date(2026, 6, 5)]


def test_a_longer_horizon_goes_on_behind_the_last_date() -> None:
    assert dates_due(a_train_ahead(5), "2026-06-04", NOON) == [date(2026, 6, 5), date(2026, 6, 6)]


def test_a_shorter_horizon_takes_nothing_back() -> None:
    assert dates_due(a_train_ahead(1), "2026-06-04", NOON) == []


def test_after_a_pause_of_weeks_only_dates_from_today_on_are_scheduled() -> None:
    assert dates_due(a_train_ahead(1), "2026-04-01", NOON) == days_after(TODAY, 2)


@pytest.mark.parametrize(
    ("zone", "now", "first"),
    [
        ("Pacific/Auckland", datetime(2026, 6, 1, 12, 30, tzinfo=UTC), date(2026, 6, 2)),
        ("America/Los_Angeles", datetime(2026, 6, 1, 6, 30, tzinfo=UTC), date(2026, 5, 31)),
    ],
)
def test_today_is_the_date_at_the_first_stop(zone: str, now: datetime, first: date) -> None:
    assert dates_due(a_train_ahead(1, zone), "", now) == days_after(first, 2)


def test_nothing_is_scheduled_beyond_the_last_travel_date() -> None:
    eve = datetime(2199, 12, 30, 12, tzinfo=UTC)
    assert dates_due(a_train_ahead(30), "", eve) == [date(2199, 12, 30), TRAVEL_DATE_MAX]
