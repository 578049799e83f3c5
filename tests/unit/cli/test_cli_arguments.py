"""What people type for passengers and seats, and how money, times and people are worded."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from app.cli.arguments import parse_passenger, parse_passenger_selectors, parse_passengers, parse_seats
from app.cli.failures import UsageError, printable
from app.cli.render.text import (
    booking_state_text,
    date_text,
    instant_text,
    local_time_text,
    money_text,
    person_text,
    seat_text,
    zone_by_name,
)
from app.pb.seatline.v1 import booking_pb2, seat_pb2, user_pb2


@pytest.mark.parametrize(
    ("typed", "first_name", "last_name", "email"),
    [
        ("Ann Lee <ann@example.com>", "Ann", "Lee", "ann@example.com"),
        ("  Ann   Mary Lee<Ann+x@Example.com> ", "Ann Mary", "Lee", "Ann+x@Example.com"),
        ("van der Berg, Jan <jan@example.nl>", "Jan", "van der Berg", "jan@example.nl"),
        ("明 李 <li@example.cn>", "明", "李", "li@example.cn"),
    ],
)
def test_a_passenger_is_read_from_names_and_address(typed: str, first_name: str, last_name: str, email: str) -> None:
    assert parse_passenger(typed) == (first_name, last_name, email)


@pytest.mark.parametrize(
    "typed", ["", "Ann Lee", "Ann Lee ann@example.com", "Ann <ann@example.com>", "<ann@example.com>", ", Ann <a@b>"]
)
def test_a_passenger_with_a_part_missing_is_refused_with_the_form_to_write(typed: str) -> None:
    with pytest.raises(UsageError, match="First Last <email>"):
        parse_passenger(typed)


def test_passengers_after_the_first_may_lack_an_address() -> None:
    assert parse_passengers(["Ann Lee <ann@example.com>", "Lee, Tom", "Ben Lee <b@example.com>"]) == [
        ("Ann", "Lee", "ann@example.com"),
        ("Tom", "Lee", ""),
        ("Ben", "Lee", "b@example.com"),
    ]


@pytest.mark.parametrize("typed", ["", "Tom", "Tom Lee tom@example.com", "Tom Lee >", "Tom Lee <>"])
def test_a_later_passenger_with_a_part_missing_is_refused_with_the_form_to_write(typed: str) -> None:
    with pytest.raises(UsageError, match="First Last"):
        parse_passengers(["Ann Lee <ann@example.com>", typed])
    with pytest.raises(UsageError, match="First Last <email>"):
        parse_passengers(["Ann Lee"])


def test_passengers_are_named_by_number_or_by_address() -> None:
    assert parse_passenger_selectors(["2", "3"]) == ([2, 3], [])
    assert parse_passenger_selectors(["ann@example.com"]) == ([], ["ann@example.com"])
    assert parse_passenger_selectors([]) == ([], [])
    with pytest.raises(UsageError, match="numbers only"):
        parse_passenger_selectors(["2", "ann@example.com"])


def test_seats_are_read_with_and_without_their_section() -> None:
    assert parse_seats([], "") == ("", [])
    assert parse_seats(["17"], "") == ("", [17])
    assert parse_seats(["a-17", "A-18", "19"], "") == ("A", [17, 18, 19])
    assert parse_seats(["17", "B-18"], "b") == ("B", [17, 18])


@pytest.mark.parametrize("typed", ["A17", "-1", "A-", "seventeen", "", "1.5", "12345678901", "1\u0667"])
def test_what_is_no_seat_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="write 17 or A-17"):
        parse_seats([typed], "")


def test_seats_of_two_sections_are_refused() -> None:
    with pytest.raises(UsageError, match="B-2 is not in section A"):
        parse_seats(["A-1", "B-2"], "")
    with pytest.raises(UsageError, match="A-1 is not in section B"):
        parse_seats(["A-1"], "B")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(currency_code="USD", units=20), "USD 20.00"),
        (Money(currency_code="USD", units=19, nanos=990_000_000), "USD 19.99"),
        (Money(currency_code="USD", nanos=5_000_000), "USD 0.005"),
        (Money(currency_code="USD", nanos=-500_000_000), "USD -0.50"),
        (Money(currency_code="USD", units=-2, nanos=-250_000_000), "USD -2.25"),
        (Money(currency_code="JPY", units=2000), "JPY 2000"),
        (Money(currency_code="KWD", units=7, nanos=125_000_000), "KWD 7.125"),
        (Money(), "0.00"),
    ],
)
def test_money_is_written_with_its_currencys_decimals_and_hides_no_fraction(money: Money, text: str) -> None:
    assert money_text(money) == text


def test_an_instant_is_written_in_the_zone_of_the_stop() -> None:
    instant = Timestamp(seconds=int(datetime.datetime(2025, 12, 12, 10, 24, tzinfo=datetime.UTC).timestamp()))
    assert instant_text(instant) == "Fri 12 Dec 2025 10:24 UTC"
    assert instant_text(instant, ZoneInfo("Europe/Paris")) == "Fri 12 Dec 2025 11:24 CET"
    assert local_time_text(instant, ZoneInfo("Europe/London"), "2025-12-12") == "10:24 GMT"
    assert local_time_text(instant, ZoneInfo("Pacific/Auckland"), "2025-12-12") == "23:24 NZDT"
    assert local_time_text(instant, ZoneInfo("Europe/Paris"), "2025-12-11") == "11:24 CET +1"


def test_a_zone_that_is_not_known_here_becomes_utc() -> None:
    for name in ("", "Mars/Olympus", "../etc/passwd"):
        assert zone_by_name(name) is datetime.UTC


def test_values_of_a_newer_service_are_still_shown() -> None:
    assert booking_state_text(booking_pb2.BOOKING_STATE_CONFIRMED) == "confirmed"
    assert booking_state_text(99) == "state 99"
    assert date_text("soon") == "soon"


def test_people_and_seats_are_written_with_what_is_known() -> None:
    assert person_text(user_pb2.User(first_name="Ann", last_name="Lee", email="a@b.c")) == "Ann Lee <a@b.c>"
    assert person_text(user_pb2.User(email="a@b.c")) == "a@b.c"
    assert seat_text(seat_pb2.Seat(section="A", number=17)) == "A-17"
    assert seat_text(seat_pb2.Seat()) == "no seat"


def test_what_others_typed_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\x9bd\u202ee") == "a\ufffd[31mb c\ufffdd\ufffde"
    assert printable("نام‌خانوادگی") == "نام‌خانوادگی"
