"""Parsing of instants, local times and durations as typed on the command line or in a timetable file.

Pure: text in, values out, `ValueError` with the reason for an invalid text. Belongs here: syntax, and which instant a local
time is. Does not belong here: which times are allowed, which the service decides.
"""

from __future__ import annotations

import datetime
import re

_TIME_OF_DAY = re.compile(r"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?", re.ASCII)
# Six digits exceed the hours or minutes that the service accepts.
_DURATION = re.compile(r"(?=[0-9])(?:(?P<hours>[0-9]{1,6})h)? ?(?:(?P<minutes>[0-9]{1,6})m)?", re.ASCII)
_ONE_DAY = datetime.timedelta(days=1)


def parse_instant(text: str) -> datetime.datetime:
    """Parse an instant with its offset, such as "2026-12-01T09:00Z" or "2026-12-01 09:00+01:00". Return it in UTC."""
    try:
        instant = datetime.datetime.fromisoformat(text.strip())
        if instant.tzinfo is not None:
            return instant.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass  # reported below, as an instant without an offset is
    raise ValueError(f"{text!r} is not an instant; write it like 2026-12-01T09:00+01:00, or with Z for UTC")


def parse_station_time(text: str, zone: datetime.tzinfo, near: datetime.datetime) -> datetime.datetime:
    """Parse a time of day such as "14:21" at a station, or an instant with its offset. Return it in UTC.

    Of the times of day around `near`, the nearest is meant: 00:10 for a train that is expected at 23:55 is the next day.
    """
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if match is None:
        try:
            return parse_instant(text)
        except ValueError:
            hint = "write a local time like 14:21, or an instant like 2026-12-01T14:21+01:00"
            raise ValueError(f"{text!r} is not a time; {hint}") from None
    typed = datetime.time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
    today = near.astimezone(zone).date()
    found = [instant for days in (-1, 0, 1) for instant in _instants(today + days * _ONE_DAY, typed, zone)]
    if not found:
        raise ValueError(f"{text!r} does not exist there: clocks go forward over it; write an instant with its offset")
    return min(found, key=lambda instant: abs(instant - near))


def _instants(date: datetime.date, typed: datetime.time, zone: datetime.tzinfo) -> list[datetime.datetime]:
    """Return the instants at which clocks show a time of a date: none where they go forward over it, two where it repeats."""
    local = [datetime.datetime.combine(date, typed.replace(fold=fold), zone) for fold in (0, 1)]
    instants = dict.fromkeys(moment.astimezone(datetime.UTC) for moment in local)
    return [instant for instant in instants if instant.astimezone(zone).time().replace(fold=0) == typed]


def parse_minutes(text: str) -> int:
    """Parse a duration such as "4h", "90m" or "1h 30m". Return its minutes."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a duration; write it like 4h, 90m or 1h 30m')
    return 60 * int(match["hours"] or 0) + int(match["minutes"] or 0)
