"""Statements that all lanes of this server share.

Belongs here: the look-ups and commits of several lanes in one statement. Does not belong here: what is looked up or committed
(`app/store/bookings.py`, `app/store/runs.py`), the archive (`archive.py`).

A statement costs half a millisecond of processor time before it does anything. On one hot run, a batch of bookings shares that
cost. Where fifty runs sell at once, each has a batch of a few bookings: here these batches share it.
"""

from collections.abc import Sequence

from app.domain.booking import Booking
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns
from app.store.shared_statement import SharedStatement
from app.store.unreadable import Records

# Runs that one statement commits. Each brings the bookings of at most one batch.
RUNS_MAX = 64

# Lanes that one look-up serves. Each brings the references of at most one batch: 400 kB at the very most, and few are found.
LOOKUPS_MAX = 64


class BookingLookups:
    """Finds archived bookings by reference."""

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings
        self._statements: SharedStatement[Sequence[str], Records[Booking]] = SharedStatement(
            "look up bookings", self._find, batch_max=LOOKUPS_MAX
        )

    async def find(self, references: Sequence[str]) -> Records[Booking]:
        """Return the archived bookings with these references. The statement begins after the call."""
        return await self._statements.ask(references) if references else Records()

    async def _find(self, lookups: Sequence[Sequence[str]]) -> list[Records[Booking]]:
        found = await self._bookings.find_archived([reference for references in lookups for reference in references])
        if not found and not found.unreadable:
            return [Records() for _ in lookups]
        return [
            Records(
                {reference: found[reference] for reference in references if reference in found},
                found.unreadable.intersection(references),
            )
            for references in lookups
        ]


class RunCommits:
    """Commits runs. Each commit stands for itself, whatever the others of its statement come to."""

    def __init__(self, runs: TrainRuns, statements_max: int) -> None:
        self._statements: SharedStatement[CachedRun, SwapOutcome] = SharedStatement(
            "commit runs",
            lambda batch: runs.commit_each(batch),  # noqa: PLW0108 - looked up at each call: simulated crashes take its place
            batch_max=RUNS_MAX,
            statements_max=statements_max,
        )

    async def commit(self, cached: CachedRun) -> SwapOutcome:
        """Commit what has changed in a run; see `TrainRuns.commit_each`."""
        return await self._statements.ask(cached)
