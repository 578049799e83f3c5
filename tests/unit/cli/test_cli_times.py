"""Instants, local times of stations and durations, as typed."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from app.cli.times import parse_instant, parse_minutes, parse_station_time

PARIS = ZoneInfo("Europe/Paris")


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text", ["2026-12-01T08:00Z", "2026-12-01T09:00+01:00", " 2026-12-01 09:00:00+01:00 ", "2026-12-01T08:00:00.000Z"]
)
def test_an_instant_has_an_offset(text: str) -> None:
    assert parse_instant(text) == utc("2026-12-01T08:00")


@pytest.mark.parametrize(
    "text", ["", "2026-12-01", "2026-12-01T08:00", "08:00Z", "tomorrow", "0001-01-01T00:00+14:00", "\ud800"]
)
def test_a_text_without_date_time_or_offset_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="is not an instant; write it like"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("typed", "expected", "meant"),
    [
        ("14:21", "2026-12-01T12:56", "2026-12-01T13:21"),
        ("00:10", "2026-12-01T22:55", "2026-12-01T23:10"),  # 55 minutes past an expected arrival at 23:55 in Paris
        ("23:50", "2026-12-01T23:05", "2026-12-01T22:50"),  # ten minutes before an expected one at 00:05
        ("9:05:30", "2026-12-01T08:00", "2026-12-01T08:05:30"),
        ("2026-12-02T01:00Z", "2026-12-01T08:00", "2026-12-02T01:00"),
    ],
)
def test_the_time_of_day_that_is_nearest_to_the_expected_one_is_meant(typed: str, expected: str, meant: str) -> None:
    assert parse_station_time(typed, PARIS, utc(expected)) == utc(meant)


def test_a_time_that_occurs_twice_is_the_one_nearest_to_the_expected_one() -> None:
    # On 25 October 2026, Paris has 02:30 at 00:30 UTC and again at 01:30 UTC.
    assert parse_station_time("02:30", PARIS, utc("2026-10-25T00:40")) == utc("2026-10-25T00:30")
    assert parse_station_time("02:30", PARIS, utc("2026-10-25T01:20")) == utc("2026-10-25T01:30")


def test_a_time_that_clocks_jump_over_is_that_of_another_day() -> None:
    # On 28 March 2027, Paris has no 02:30.
    assert parse_station_time("02:30", PARIS, utc("2027-03-28T10:00")) == utc("2027-03-29T00:30")


@pytest.mark.parametrize("text", ["noon", "24:00", "14:60", "1421", "14:21 CET"])
def test_a_text_that_is_no_time_is_refused_with_both_ways_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time; write a local time like 14:21, or an instant like"):
        parse_station_time(text, PARIS, utc("2026-12-01T08:00"))


def test_a_duration_is_hours_or_minutes_or_both() -> None:
    assert [parse_minutes(text) for text in ("4h", "90m", "1h 30m", "1h30m", "0m")] == [240, 90, 90, 90, 0]
    for text in ("", "4", "30s", "-5m", "m"):
        with pytest.raises(ValueError, match="is not a duration"):
            parse_minutes(text)
