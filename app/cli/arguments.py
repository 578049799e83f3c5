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
# Nine digits fit the contract's int32; a longer number is a slip that would not even be sent.
_SEAT = re.compile(r"\s*(?:(?P<section>[A-Za-z0-9]{1,8})-)?(?P<number>[0-9]{1,9})\s*", re.ASCII)


class TypedPassenger(NamedTuple):
    """Who travels, as typed."""

    first_name: str
    last_name: str
    email: str


def passenger_from(text: str) -> TypedPassenger:
    """The passenger in "First Last <email>" or "Last, First <email>".

    Without a comma the last word is the family name. Raises `UsageError` when a part is missing.
    """
    read = _PASSENGER.fullmatch(text)
    if read is None:
        raise UsageError(f"--passenger: cannot read {text!r}; write 'First Last <email>'")
    name = " ".join(read["name"].split())
    if "," in name:
        last_name, _, first_name = (part.strip() for part in name.partition(","))
    else:
        first_name, _, last_name = name.rpartition(" ")
    if not first_name or not last_name:
        raise UsageError(f"--passenger: {text!r} needs a first and a last name; write 'First Last <email>'")
    return TypedPassenger(first_name, last_name, read["email"])


def seats_from(texts: list[str], section: str) -> tuple[str, list[int]]:
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


def spelling(text: str) -> str:
    """The form in which what was typed finds a name, a code or an address that was shown; the service compares for itself."""
    return unicodedata.normalize("NFC", text.strip()).casefold()
