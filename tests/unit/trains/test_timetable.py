"""Legs, local times and instants: borders, midnights and clock changes."""

from datetime import UTC, date, datetime, time

import pytest

from app.domain import limits
from app.domain.refusals import Reason, Refusal
from app.domain.timetable import (
    Call,
    Stop,
    TimetableStop,
    calls_in_order,
    earliest_date_under_way,
    find_legs,
    find_stop,
    legs_between,
    stops_on_date,
)
from tests.support.builders import ASHFORD, LILLE, LONDON, PARIS, TRAVEL_DATE, a_stop, london_to_paris
from tests.support.run_snapshots import invalid, refused

CLOCKS_GO_FORWARD = date(2026, 3, 29)  # at 01:00 UTC, in London and in Paris
CLOCKS_GO_BACK = date(2026, 10, 25)  # at 01:00 UTC, in London and in Paris


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def instants(stops: tuple[Stop, ...]) -> list[datetime]:
    return [instant for stop in stops for instant in (stop.arrive, stop.depart) if instant is not None]


def night_train() -> list[TimetableStop]:
    return [
        a_stop("London", "Europe/London", depart="23:30"),
        a_stop("Lille", "Europe/Paris", arrive="01:50+1", depart="03:20+1"),
        a_stop("Paris", "Europe/Paris", arrive="04:40+1"),
    ]


def todays_stops() -> tuple[Stop, ...]:
    return stops_on_date(london_to_paris(), TRAVEL_DATE)


# -- legs


@pytest.mark.parametrize(
    ("origin", "destination", "legs"),
    [(0, 1, 0b001), (1, 2, 0b010), (2, 3, 0b100), (0, 2, 0b011), (1, 3, 0b110), (0, 3, 0b111)],
)
def test_a_journey_covers_the_legs_from_its_origin_to_its_destination(origin: int, destination: int, legs: int) -> None:
    assert legs_between(origin, destination) == legs


def test_journeys_that_only_touch_at_a_stop_share_no_leg() -> None:
    assert legs_between(0, 2) & legs_between(2, 3) == 0


def test_the_legs_of_the_longest_train_fit_a_signed_64_bit_integer() -> None:
    assert legs_between(0, 59) < 2**63


# -- instants


def test_each_stop_reads_its_own_clock_across_a_border() -> None:
    assert instants(todays_stops()) == [
        utc("2026-09-01T09:24"),  # London, an hour ahead of UTC in summer
        utc("2026-09-01T09:55"),
        utc("2026-09-01T09:58"),
        utc("2026-09-01T10:48"),  # Lille, two hours ahead
        utc("2026-09-01T10:52"),
        utc("2026-09-01T11:56"),
    ]


def test_a_train_that_crosses_midnight_arrives_on_the_next_date() -> None:
    assert instants(stops_on_date(night_train(), date(2026, 1, 31))) == [
        utc("2026-01-31T23:30"),
        utc("2026-02-01T00:50"),
        utc("2026-02-01T02:20"),
        utc("2026-02-01T03:40"),
    ]


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter() -> None:
    assert instants(stops_on_date(night_train(), date(2026, 3, 28))) == [
        utc("2026-03-28T23:30"),
        utc("2026-03-29T00:50"),
        utc("2026-03-29T01:20"),  # 03:20 in summer time: the train stands in Lille for half an hour, not for one and a half
        utc("2026-03-29T02:40"),
    ]


def test_the_night_in_which_clocks_go_back_is_an_hour_longer() -> None:
    assert instants(stops_on_date(night_train(), date(2026, 10, 24))) == [
        utc("2026-10-24T22:30"),
        utc("2026-10-24T23:50"),
        utc("2026-10-25T02:20"),
        utc("2026-10-25T03:40"),
    ]


def test_of_two_instants_with_the_same_local_time_the_earlier_is_meant() -> None:
    stops = [a_stop("Lyon", "Europe/Paris", depart="01:30"), a_stop("Dijon", "Europe/Paris", arrive="02:30")]
    assert stops_on_date(stops, CLOCKS_GO_BACK)[1].arrive == utc("2026-10-25T00:30")


def test_the_previous_call_tells_which_of_two_instants_is_meant() -> None:
    stops = [
        a_stop("Lyon", "Europe/Paris", depart="02:45"),
        a_stop("Dijon", "Europe/Paris", arrive="02:30", depart="02:40"),
        a_stop("Paris", "Europe/Paris", arrive="04:00"),
    ]
    assert instants(stops_on_date(stops, CLOCKS_GO_BACK)) == [
        utc("2026-10-25T00:45"),  # the first 02:45
        utc("2026-10-25T01:30"),  # the second 02:30, since the train has left Lyon
        utc("2026-10-25T01:40"),
        utc("2026-10-25T03:00"),
    ]


def test_a_local_time_that_does_not_exist_is_read_with_the_offset_before_the_change() -> None:
    stops = [a_stop("Lyon", "Europe/Paris", depart="01:30"), a_stop("Dijon", "Europe/Paris", arrive="02:30")]
    dijon = stops_on_date(stops, CLOCKS_GO_FORWARD)[1]
    assert dijon.arrive == utc("2026-03-29T01:30")


def test_a_train_may_leave_in_the_minute_in_which_it_arrives() -> None:
    stops = [
        a_stop("Lyon", depart="10:00"),
        a_stop("Dijon", arrive="11:00", depart="11:00"),
        a_stop("Paris", arrive="12:00"),
    ]
    assert stops_on_date(stops, TRAVEL_DATE)[1].arrive == stops_on_date(stops, TRAVEL_DATE)[1].depart


def test_the_instants_never_run_backwards_on_any_date_of_ten_years() -> None:
    for ordinal in range(date(2026, 1, 1).toordinal(), date(2036, 1, 1).toordinal()):
        found = instants(stops_on_date(night_train(), date.fromordinal(ordinal)))
        assert found == sorted(found)
        assert all(instant.tzinfo is UTC for instant in found)


@pytest.mark.parametrize("travel_date", [date.min, date.max])
def test_a_date_at_the_edge_of_the_calendar_is_refused_like_any_impossible_one(travel_date: date) -> None:
    stops = [a_stop("Tokyo", "Asia/Tokyo", depart="01:00"), a_stop("Honolulu", "Pacific/Honolulu", arrive="23:00")]
    with refused(Reason.TIMETABLE_IMPOSSIBLE):
        stops_on_date(stops, travel_date)
    with refused(Reason.TIMETABLE_IMPOSSIBLE):
        stops_on_date(night_train(), date.max)


# -- finding stops


@pytest.mark.parametrize("text", [LILLE, "lille", "LILLE", "LIL", "lil", "  Lille  "])
def test_a_stop_is_found_by_name_and_by_code_in_any_case(text: str) -> None:
    assert find_stop(todays_stops(), text, "origin") == 2


def test_a_stop_without_a_code_is_not_found_by_an_empty_text() -> None:
    stops = stops_on_date([a_stop("Here", depart="10:00"), a_stop("There", arrive="11:00")], TRAVEL_DATE)
    with invalid("origin"):
        find_stop(stops, "", "origin")


def test_case_is_folded_as_the_script_wants_it() -> None:
    stops = stops_on_date([a_stop("Gießen", depart="10:00"), a_stop("Αθήνα", arrive="11:00")], TRAVEL_DATE)
    assert find_legs(stops, "GIESSEN", "ΑΘΉΝΑ") == (0, 1)


@pytest.mark.parametrize("asked", ["Aurora", " AURORA ", "Aurora ", "aurora\u00a0", "AUR", " aur"])
def test_a_stop_that_was_stored_with_blanks_is_found_with_and_without_them(asked: str) -> None:
    stops = stops_on_date(
        [a_stop(" Aurora  ", code="AUR ", depart="10:00"), a_stop("Zu\u0308rich", arrive="11:00")], TRAVEL_DATE
    )
    assert find_legs(stops, asked, "Zürich") == (0, 1)
    assert calls_in_order(stops, asked, "ZÜRICH")


def test_an_unknown_stop_is_refused_with_its_field_and_the_stops_that_there_are() -> None:
    with invalid("destination") as caught:
        find_legs(todays_stops(), LONDON, "Brussels")
    assert all(name in caught[0].message for name in ("Brussels", LONDON, ASHFORD, LILLE, PARIS))


def test_empty_stops_stand_for_the_whole_journey() -> None:
    assert find_legs(todays_stops(), "", "") == (0, 3)
    assert find_legs(todays_stops(), ASHFORD, "") == (1, 3)
    assert find_legs(todays_stops(), "", LILLE) == (0, 2)


@pytest.mark.parametrize(("origin", "destination"), [(PARIS, LONDON), (LILLE, ASHFORD), (LILLE, "lil"), (PARIS, "")])
def test_an_origin_that_is_not_before_the_destination_is_refused(origin: str, destination: str) -> None:
    with invalid("origin"):
        find_legs(todays_stops(), origin, destination)


@pytest.mark.parametrize(
    ("origin", "destination", "leads"),
    [
        ("", "", True),
        ("stp", "pno", True),
        (" lille ", "", True),
        ("", ASHFORD.upper(), True),
        (PARIS, LONDON, False),
        (LILLE, LILLE, False),
        ("Brussels", "", False),
        ("", LONDON, False),
        (PARIS, "", False),
    ],
)
def test_a_journey_is_possible_only_in_the_order_of_the_stops(origin: str, destination: str, leads: bool) -> None:
    assert calls_in_order(todays_stops(), origin, destination) is leads


def test_an_impossible_call_is_a_refusal_that_says_its_local_time() -> None:
    stops = [a_stop("Here", depart="10:00"), a_stop("There", arrive="09:00")]
    with pytest.raises(Refusal, match=f"{time(9):%H:%M}"):
        stops_on_date(stops, TRAVEL_DATE)


# -- runs under way


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Pacific/Kiritimati", "Pacific/Apia", "Africa/Casablanca", "UTC"])
def test_no_run_that_is_under_way_began_before_the_earliest_date(zone: str) -> None:
    stops = [
        a_stop("Here", "Pacific/Kiritimati", depart="00:00"),
        TimetableStop("There", "", zone, Call(time(23, 59), limits.DAY_OFFSET_MAX), None),
    ]
    for ordinal in range(date(2026, 1, 1).toordinal(), date(2028, 1, 1).toordinal()):
        travel_date = date.fromordinal(ordinal)
        arrive = stops_on_date(stops, travel_date)[-1].arrive
        assert arrive is not None
        assert earliest_date_under_way(arrive) <= travel_date
