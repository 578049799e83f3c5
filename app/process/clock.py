"""The clock of a process.

Belongs here: reading the system's clock. Does not belong here: decisions by time; those take `now` as an argument.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the current time in UTC, in whole milliseconds: MongoDB stores no finer instants."""
    return _from_milliseconds(time.time_ns() // 1_000_000)


# On a busy server, a dozen calls ask within the same millisecond.
@lru_cache(maxsize=1)
def _from_milliseconds(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
