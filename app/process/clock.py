"""The clock of a process.

Belongs here: reading the system's clock, and the clock that all servers of a database share. Does not belong here: decisions by
time; those take `now` as an argument.

Servers decide by the clock what a buyer may have: sales that open, holds that expire, trains that leave. So they share one
clock, that of the database's primary: servers whose own clocks differ do not undo each other's promises, and nobody buys early
at a server that is ahead. Each server asks the primary for the time with each check of the database. As long as the clock of
its own host agrees with the answers, as far as these can tell, it goes by that. Otherwise it goes by its monotonic clock and
the distance between that and the primary's. A server without answers, since its database is away, is not ready
(`database_monitor.py`).
"""

import logging
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from app.ports.clock import Clock, ClockMeasurement

_log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The last measurements, of which the quickest counts: a slow answer says less. Hosts drift apart by less than a millisecond in
# as many seconds.
_MEASUREMENTS_MAX = 8
_MILLISECOND_NS = 1_000_000  # the primary and the host say whole milliseconds, on average half of one ago
# Worth a warning: people compare the times of answers with clocks on the wall.
_DIFFERENCE_SECONDS_MAX = 1.0


def utc_now() -> datetime:
    """Return the current time in UTC, in whole milliseconds: MongoDB stores no finer instants."""
    return _from_milliseconds(time.time_ns() // 1_000_000)


# On a busy server, a dozen calls ask within the same millisecond.
@lru_cache(maxsize=1)
def _from_milliseconds(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


class PrimaryClock:
    """The clock of the database's primary, as this process knows it.

    It is the `local` clock of the host as long as no measurement says otherwise.
    """

    __slots__ = ("_ahead_ns", "_local", "_measurements")  # a call asks several times

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._measurements: deque[ClockMeasurement] = deque(maxlen=_MEASUREMENTS_MAX)
        self._ahead_ns: int | None = None  # of the monotonic clock; None where the local clock is right

    def __call__(self) -> datetime:
        """Return the present time in UTC and whole milliseconds."""
        if self._ahead_ns is None:
            return self._local()
        return _from_milliseconds((time.monotonic_ns() + self._ahead_ns) // 1_000_000)

    def correct(self, measurement: ClockMeasurement) -> None:
        """Take a new measurement into account. Those of another primary are forgotten: its clock may differ."""
        known = self._measurements
        if known and known[-1].primary != measurement.primary:
            known.clear()
        is_first = not known
        known.append(measurement)
        best = min(known, key=lambda each: each.round_trip_ns)
        ahead_ns = _ahead_ns(best)
        local_ahead_ns = _nanoseconds(self._local()) - time.monotonic_ns() - ahead_ns
        is_right = abs(local_ahead_ns) <= best.round_trip_ns // 2 + _MILLISECOND_NS
        self._ahead_ns = None if is_right else ahead_ns
        if is_first:
            _warn_of_difference(local_ahead_ns / 1e9, measurement.primary)


def _warn_of_difference(seconds: float, primary: str) -> None:
    """Warn of a host whose clock is `seconds` ahead of the primary's."""
    if abs(seconds) > _DIFFERENCE_SECONDS_MAX:
        text = "the clock of this host is %.1f s %s that of the database's primary %s, which counts"
        _log.warning(text, abs(seconds), "ahead of" if seconds > 0 else "behind", primary)


def _ahead_ns(measurement: ClockMeasurement) -> int:
    """Return by how much the primary's clock, since 1970, is ahead of the monotonic clock."""
    return _nanoseconds(measurement.primary_time) - (measurement.sent_ns + measurement.received_ns) // 2


def _nanoseconds(moment: datetime) -> int:
    """Return the nanoseconds since 1970 of a moment that a clock has said in whole milliseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000 + _MILLISECOND_NS // 2
