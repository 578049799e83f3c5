"""Parsing of passengers and seats as typed on the command line.

Pure: text in, values out, `UsageError` for invalid text. Belongs here: syntax. Does not belong here: whether a seat exists or
an address is valid, which the service decides.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from app.cli.failures import UsageError

_PASSENGER = re.compile(r"\s*(?P<name>[^<>]*?)\s*<\s*(?P<email>[^<>\s]+)\s*>\s*")
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)  # no address consists of digits only
# Nine digits fit the contract's int32; a longer number is a mistake.
_SEAT = re.compile(r"\s*(?:(?P<section>[A-Za-z0-9]{1,8})-)?(?P<number>[0-9]{1,9})\s*", re.ASCII)


class ParsedPassenger(NamedTuple):
    """A passenger as typed."""

    first_name: str
    last_name: str
    email: str


def parse_passengers(texts: list[str]) -> list[ParsedPassenger]:
    """Parse all passengers of a booking. Those after the first may have no address; the booker's is used for them.

    Raises `UsageError` like `parse_passenger`.
    """
    first, *others = texts
    return [
        parse_passenger(first),
        *(parse_passenger(text) if "<" in text else _parse_without_address(text) for text in others),
    ]


def parse_passenger_selectors(texts: list[str]) -> tuple[list[int], list[str]]:
    """Parse passenger numbers, or addresses. Raises `UsageError` for a mixture of both."""
    numbers = [int(text) for text in texts if _NUMBER.fullmatch(text)]
    emails = [text for text in texts if not _NUMBER.fullmatch(text)]
    if numbers and emails:
        raise UsageError("--passenger: give either numbers only or addresses only")
    return numbers, emails


def parse_passenger(text: str) -> ParsedPassenger:
    """Parse "First Last <email>" or "Last, First <email>".

    Without a comma, the last word is the last name. Raises `UsageError` if a part is missing.
    """
    match = _PASSENGER.fullmatch(text)
    if match is None:
        raise UsageError(f"--passenger: cannot parse {text!r}; write 'First Last <email>'")
    return ParsedPassenger(*_parse_names(match["name"], text), match["email"])


def _parse_without_address(text: str) -> ParsedPassenger:
    if "@" in text or ">" in text:
        raise UsageError(
            f"--passenger: cannot parse {text!r}; write 'First Last <email>', or 'First Last' after the first passenger"
        )
    return ParsedPassenger(*_parse_names(text, text), "")


def _parse_names(name: str, text: str) -> tuple[str, str]:
    """Split a full name into first and last name. `text` is the whole argument, for the error."""
    name = " ".join(name.split())
    if "," in name:
        last_name, _, first_name = (part.strip() for part in name.partition(","))
    else:
        first_name, _, last_name = name.rpartition(" ")
    if not first_name or not last_name:
        raise UsageError(f"--passenger: {text!r} needs a first and a last name; write 'First Last <email>'")
    return first_name, last_name


def parse_seats(texts: list[str], section: str) -> tuple[str, list[int]]:
    """Parse `--seat` values such as "17" or "A-17", with the section from `--section`. Return the section and seat numbers.

    Raises `UsageError` for an invalid seat and for seats of different sections.
    """
    section, numbers = section.strip().upper(), []
    for text in texts:
        match = _SEAT.fullmatch(text)
        if match is None:
            raise UsageError(f"--seat: cannot parse {text!r}; write 17 or A-17")
        seat_section = (match["section"] or section).upper()
        if section and seat_section != section:
            raise UsageError(f"--seat: {text} is not in section {section}; all seats must be in one section")
        section = seat_section
        numbers.append(int(match["number"]))
    return section, numbers


def comparison_key(text: str) -> str:
    """Return the form in which typed names, codes and addresses are compared with those that the service returned."""
    return unicodedata.normalize("NFC", text.strip()).casefold()
