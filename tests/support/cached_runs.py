"""Runs in memory, for tests of lanes.

Belongs here: building them. Does not belong here: lanes.
"""

from datetime import date

from app.domain.run.new_run import make_run
from app.store.cached_run import CachedRun, PendingBooking
from tests.support.builders import a_train


def a_cached_run(pending_bookings: int = 0) -> CachedRun:
    """Return a run with that many bookings that are not archived."""
    documents = {f"B{number}": PendingBooking({"_id": f"B{number}"}, 2) for number in range(pending_bookings)}
    return CachedRun(make_run(a_train(), date(2031, 5, 1)), documents)
