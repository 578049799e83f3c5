"""Syntax of sales windows, on the command line and in timetable files.

Pure: text in, messages out, `ValueError` with the reason for an invalid text. Belongs here: this syntax. Does not belong
here: the command (`app.cli.sales_windows`), and what is allowed, which the service decides.

    opens:  "90d 09:00"  90 days before the travel date, at this local time of the first stop; "90d" is at 00:00
            "2026-12-01T09:00+01:00"  at this instant
    closes: "30m", "4h", "1h 30m"  so long before the expected departure from the journey's origin
"""

from __future__ import annotations

import re

from app.cli.times import parse_instant, parse_minutes
from app.pb.seatline.v1 import sales_window_pb2

# Four digits exceed the days that the service accepts.
_DAYS_BEFORE = re.compile(
    r"(?P<days>[0-9]{1,4})d(?: (?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9]))?", re.ASCII | re.IGNORECASE
)


def set_opening(window: sales_window_pb2.SalesWindow, text: str) -> None:
    """Set when sales open. Raises `ValueError`."""
    match = _DAYS_BEFORE.fullmatch(" ".join(text.split()))
    if match is not None:
        window.opens_before.days_before = int(match["days"])
        window.opens_before.local_time = f"{int(match['hour'] or 0):02d}:{match['minute'] or '00'}"
        return
    try:
        window.open_time.FromDatetime(parse_instant(text))
    except ValueError:
        hint = "write it like 90d, 90d 09:00 or 2026-12-01T09:00+01:00"
        raise ValueError(f'"{text}" is not an opening of sales; {hint}') from None


def set_closing(window: sales_window_pb2.SalesWindow, text: str) -> None:
    """Set how long before the expected departure sales close. Raises `ValueError`."""
    window.closes_before.seconds = 60 * parse_minutes(text)
