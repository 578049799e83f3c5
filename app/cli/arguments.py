"""Reads what people type for passengers and seats.

Pure: text in, plain values out, `UsageError` for what cannot be read. Whether a seat exists or an address is
valid is for the service to say.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from app.cli.failures import UsageError

_PASSENGER = re.compile(r"\s*(?P<name>[^<>]*?)\s*<\s*(?P<email>[^<>\s]+)\s*>\s*")
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)  # no address is made of digits alone; the service says which numbers there are
# Nine digits fit the contract's int32; a longer number is a slip that would not even be sent.
_SEAT = re.compile(r"\s*(?:(?P<section>[A-Za-z0-9]{1,8})-)?(?P<number>[0-9]{1,9})\s*", re.ASCII)


class ParsedPassenger(NamedTuple):
    """Who travels, as typed."""

    first_name: str
    last_name: str
    email: str


def parse_passengers(texts: list[str]) -> list[ParsedPassenger]:
    """All passengers of a booking. Those after the first may lack an address: the booker's stands for it.

    Raises `UsageError` as `parse_passenger` does.
    """
    first, *others = texts
    return [
        parse_passenger(first),
        *(parse_passenger(text) if "<" in text else _parse_without_address(text) for text in others),
    ]


def parse_passenger_selectors(texts: list[str]) -> tuple[list[int], list[str]]:
    """The numbers, or the addresses, of passengers of a booking. Raises `UsageError` for a mixture, and for absurd numbers."""
    numbers = [int(text) for text in texts if _NUMBER.fullmatch(text)]
    emails = [text for text in texts if not _NUMBER.fullmatch(text)]
    if numbers and emails:
        raise UsageError("--passenger: name all of them by number, or all by address")
    return numbers, emails


def parse_passenger(text: str) -> ParsedPassenger:
    """The passenger in "First Last <email>" or "Last, First <email>".

    Without a comma the last word is the family name. Raises `UsageError` when a part is missing.
    """
    read = _PASSENGER.fullmatch(text)
    if read is None:
        raise UsageError(f"--passenger: cannot read {text!r}; write 'First Last <email>'")
    return ParsedPassenger(*_parse_names(read["name"], text), read["email"])


def _parse_without_address(text: str) -> ParsedPassenger:
    if "@" in text or ">" in text:
        raise UsageError(f"--passenger: cannot read {text!r}; write 'First Last <email>', or 'First Last' after the first one")
    return ParsedPassenger(*_parse_names(text, text), "")


def _parse_names(name: str, text: str) -> tuple[str, str]:
    """First and last name. `text` is what was typed."""
    name = " ".join(name.split())
    if "," in name:
        last_name, _, first_name = (part.strip() for part in name.partition(","))
    else:
        first_name, _, last_name = name.rpartition(" ")
    if not first_name or not last_name:
        raise UsageError(f"--passenger: {text!r} needs a first and a last name; write 'First Last <email>'")
    return first_name, last_name


def parse_seats(texts: list[str], section: str) -> tuple[str, list[int]]:
    """Section and seat numbers out of `--seat` values such as "17" or "A-17" and the `--section` given beside them.

    Raises `UsageError` for what is no seat and for seats of different sections.
    """
    section, numbers = section.strip().upper(), []
    for text in texts:
        read = _SEAT.fullmatch(text)
        if read is None:
            raise UsageError(f"--seat: cannot read {text!r}; write 17 or A-17")
        named = (read["section"] or section).upper()
        if section and named != section:
            raise UsageError(f"--seat: {text} is not in section {section}; all seats of a booking are in one section")
        section = named
        numbers.append(int(read["number"]))
    return section, numbers


def comparison_key(text: str) -> str:
    """The form in which what was typed finds a name, a code or an address that was shown; the service compares for itself."""
    return unicodedata.normalize("NFC", text.strip()).casefold()
