"""Parsing of typed passengers and seats."""

from __future__ import annotations

import pytest

from app.cli.arguments import parse_passenger, parse_passenger_selectors, parse_passengers, parse_seats
from app.cli.failures import UsageError


@pytest.mark.parametrize(
    ("typed", "first_name", "last_name", "email"),
    [
        ("Ann Lee <ann@example.com>", "Ann", "Lee", "ann@example.com"),
        ("  Ann   Mary Lee<Ann+x@Example.com> ", "Ann Mary", "Lee", "Ann+x@Example.com"),
        ("van der Berg, Jan <jan@example.nl>", "Jan", "van der Berg", "jan@example.nl"),
        ("明 李 <li@example.cn>", "明", "李", "li@example.cn"),
    ],
)
def test_a_passenger_is_parsed_from_names_and_address(typed: str, first_name: str, last_name: str, email: str) -> None:
    assert parse_passenger(typed) == (first_name, last_name, email)


@pytest.mark.parametrize(
    "typed", ["", "Ann Lee", "Ann Lee ann@example.com", "Ann <ann@example.com>", "<ann@example.com>", ", Ann <a@b>"]
)
def test_an_incomplete_passenger_is_refused_with_the_expected_form(typed: str) -> None:
    with pytest.raises(UsageError, match="First Last <email>"):
        parse_passenger(typed)


def test_passengers_after_the_first_need_no_address() -> None:
    assert parse_passengers(["Ann Lee <ann@example.com>", "Lee, Tom", "Ben Lee <b@example.com>"]) == [
        ("Ann", "Lee", "ann@example.com"),
        ("Tom", "Lee", ""),
        ("Ben", "Lee", "b@example.com"),
    ]


@pytest.mark.parametrize("typed", ["", "Tom", "Tom Lee tom@example.com", "Tom Lee >", "Tom Lee <>"])
def test_an_incomplete_later_passenger_is_refused_with_the_expected_form(typed: str) -> None:
    with pytest.raises(UsageError, match="First Last"):
        parse_passengers(["Ann Lee <ann@example.com>", typed])
    with pytest.raises(UsageError, match="First Last <email>"):
        parse_passengers(["Ann Lee"])


def test_passengers_are_selected_by_number_or_by_address() -> None:
    assert parse_passenger_selectors(["2", "3"]) == ([2, 3], [])
    assert parse_passenger_selectors(["ann@example.com"]) == ([], ["ann@example.com"])
    assert parse_passenger_selectors([]) == ([], [])
    with pytest.raises(UsageError, match="numbers only"):
        parse_passenger_selectors(["2", "ann@example.com"])


def test_seats_are_parsed_with_and_without_their_section() -> None:
    assert parse_seats([], "") == ("", [])
    assert parse_seats(["17"], "") == ("", [17])
    assert parse_seats(["a-17", "A-18", "19"], "") == ("A", [17, 18, 19])
    assert parse_seats(["17", "B-18"], "b") == ("B", [17, 18])


@pytest.mark.parametrize("typed", ["A17", "-1", "A-", "seventeen", "", "1.5", "12345678901", "1\u0667"])
def test_an_invalid_seat_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="write 17 or A-17"):
        parse_seats([typed], "")


def test_seats_of_two_sections_are_refused() -> None:
    with pytest.raises(UsageError, match="B-2 is not in section A"):
        parse_seats(["A-1", "B-2"], "")
    with pytest.raises(UsageError, match="A-1 is not in section B"):
        parse_seats(["A-1"], "B")
