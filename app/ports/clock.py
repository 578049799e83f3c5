"""The clock.

Belongs here: the type of the function that returns the time, and what a database says about it. Does not belong here: the clock
of a process (`app/process/clock.py`); the domain takes `now` as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

# Returns the current time in UTC and whole milliseconds, which is what MongoDB stores.
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ClockMeasurement:
    """What the clock of a database's primary showed between two moments of `time.monotonic_ns`.

    `primary` is the address of the member that answered.
    """

    sent_ns: int
    received_ns: int
    primary_time: datetime
    primary: str

    @property
    def round_trip_ns(self) -> int:
        """How long the answer took. The measurement is wrong by at most half of it, and the primary's whole millisecond."""
        return self.received_ns - self.sent_ns
