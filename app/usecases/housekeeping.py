"""What is tidied without anybody asking.

Belongs here: moving the bookings of trains that are over to the archive. Does not: when it happens (`app/server.py`). Nothing
depends on it happening in time; it only keeps the live collection and its indexes small.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from app.store.store import Store

# Runs of one sweep; the next sweep goes on. A run takes some ten milliseconds.
RUNS_PER_SWEEP_MAX = 100


async def archive_runs_over(store: Store, clock: Callable[[], datetime], after_days: int) -> int:
    """Moves the bookings of runs that arrived more than `after_days` ago to the archive; gives how many runs it moved.

    Any number of servers may do it at once: a run that another one changes first is left for the next sweep.
    """
    moved = 0
    for run_id in await store.runs.list_over(clock() - timedelta(days=after_days), RUNS_PER_SWEEP_MAX):
        run = await store.runs.load(run_id)
        if run is not None and run.bookings:
            moved += await store.archive.move_all(run)
    return moved
