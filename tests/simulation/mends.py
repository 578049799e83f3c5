"""Faults of the service that the simulation has found, and that are mended here until they are mended there.

Belongs here: for each of them what goes wrong, and a stand-in for the mend, so that the histories can look for what else there
is. `test_breakages.py` shows that each is still found without its mend; once that fails, the mend has to go. Does not: faults
that are put in on purpose (`breakages.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from app.store.lane import Lane
from app.store.runs import KeptRun, TrainRuns

# Puts something in place of a part of the service, until the block ends.
Change = Callable[[], Any]


@contextmanager
def catching_up_reads_what_was_emptied() -> Iterator[None]:
    """`settle_left` empties a run's document without a new version. A server that knows the version before the last one then
    takes the document for all that the last commit changed, and goes on with bookings as they were.
    """
    catch_up = TrainRuns.catch_up

    async def mended(runs: TrainRuns, kept: KeptRun) -> KeptRun | None:
        kept.run.version -= 1  # as if more than one commit had been made: bookings at rest are read, too
        try:
            return await catch_up(runs, kept)
        except Exception:
            kept.run.version += 1
            raise

    with patch.object(TrainRuns, "catch_up", mended):
        yield


@contextmanager
def looking_up_notices_that_the_run_is_old() -> Iterator[None]:
    """A booking that is looked up may be newer than the run in memory: then the two contradict each other. Giving up a place in
    a line that the run has never heard of is a KeyError, and the whole batch is answered INTERNAL.
    """
    look_up = Lane._look_up

    async def mended(lane: Lane, kept: KeptRun, batch: Sequence[Any]) -> dict[str, Any]:
        elsewhere = await look_up(lane, kept, batch)
        if any(booking.revision > kept.run.version for booking in kept.run.bookings.values()):
            await lane._catch_up(kept)
        return elsewhere

    with patch.object(Lane, "_look_up", mended):
        yield


MENDS: dict[str, Change] = {
    "catching up reads what was emptied": catching_up_reads_what_was_emptied,
    "looking up notices that the run is old": looking_up_notices_that_the_run_is_old,
}


@contextmanager
def mended(*, but: str = "") -> Iterator[None]:
    """All mends, but for one."""
    with ExitStack() as changes:
        for name, change in MENDS.items():
            if name != but:
                changes.enter_context(change())
        yield
