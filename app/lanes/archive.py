"""Gathering: many small statements of different runs in one.

Belongs here: the look-ups, commits and copies that all lanes of this server share. Does not: what is looked up, committed or
copied (`app/store/runs.py`, `app/store/bookings.py`).

A statement costs a fixed half millisecond of processor time before it does anything. On one hot run a batch of bookings shares
it. Where fifty runs sell at once, each with a batch of a few, those batches share it here: whatever is asked for while a
statement is under way waits, and goes into the next one together.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from app.domain.booking import Booking
from app.domain.refusals import Refusal
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns
from app.store.shared_statement import SharedStatement
from app.store.unreadable import Records

_log = logging.getLogger(__name__)

# Bookings stay in their run's document for that long and one statement more. Two statements copy all that was sold meanwhile.
# Each takes the processor a millisecond: shorter, and a booking's share of them grows. Longer, and each commit writes more that
# it only carries along: a hot run sold some hundredths less at a tenth of a second.
ARCHIVE_DELAY_SECONDS = 0.05
# Where a rival sells the same run it is this much: in each of its turns it reads all that is still in the document.
ARCHIVE_DELAY_SECONDS_CONTENDED = 0.02

# Runs that one statement commits, each with at most some hundred bookings.
RUNS_MAX = 64

# Lanes that one look-up serves, each with the references of at most one batch: 400 kB at the very most, and few are found.
LOOKUPS_MAX = 64


class BookingLookups:
    """Finds bookings at rest by reference, for all lanes together."""

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings
        self._statements: SharedStatement[Sequence[str], Records[Booking]] = SharedStatement(
            "look up bookings", self._find, batch_max=LOOKUPS_MAX
        )

    async def find(self, references: Sequence[str]) -> Records[Booking]:
        """The bookings at rest that have these references. The statement begins after the call."""
        return await self._statements.ask(references) if references else Records()

    async def _find(self, asked: Sequence[Sequence[str]]) -> list[Records[Booking]]:
        found = await self._bookings.find_archived([one for references in asked for one in references])
        if not found and not found.unreadable:
            return [Records() for _ in asked]
        return [
            Records({one: found[one] for one in references if one in found}, found.unreadable.intersection(references))
            for references in asked
        ]


class RunCommits:
    """RunCommits runs, each for itself; those that come while earlier statements are under way share the next one."""

    def __init__(self, runs: TrainRuns, statements_max: int) -> None:
        self._statements: SharedStatement[CachedRun, SwapOutcome] = SharedStatement(
            "commit runs",
            lambda batch: runs.commit_each(batch),  # noqa: PLW0108 - looked up at each call: simulated crashes take its place
            batch_max=RUNS_MAX,
            statements_max=statements_max,
        )

    async def commit(self, cached: CachedRun) -> SwapOutcome:
        """RunCommits what is in the run's journal; see `TrainRuns.commit_each`."""
        return await self._statements.ask(cached)


class ArchiveQueue:
    """Copies bookings to where they rest, for all lanes together, while the lanes go on."""

    def __init__(self, runs: TrainRuns) -> None:
        self._runs = runs
        self._waiting: dict[int, CachedRun] = {}
        self._task: asyncio.Task[None] | None = None
        self._archived, self._wake_early = asyncio.Event(), asyncio.Event()

    def add(self, cached: CachedRun, *, is_contended: bool = False) -> None:
        """Has a run's unsettled bookings copied soon, and sooner where a rival sells the same run."""
        self._waiting[id(cached)] = cached
        if is_contended:
            self._wake_early.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="settle bookings")

    async def wait_for_room(self, cached: CachedRun, pending_bookings_max: int) -> None:
        """Waits until at most so many bookings of the run are unsettled, or nothing more can be settled now."""
        while len(cached.pending_bookings) > pending_bookings_max and self._task is not None:
            self._archived.clear()
            self._wake_early.set()
            await self._archived.wait()

    async def join(self) -> None:
        """Waits until nothing is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch, self._waiting = list(self._waiting.values()), {}
                try:
                    await self._runs.settle(batch)
                except Refusal as refusal:  # the next commit of each run carries its bookings along, and tries again
                    _log.info("settling the bookings of %d runs is put off: %s", len(batch), refusal)
                except Exception:
                    _log.exception("settling the bookings of %d runs is put off", len(batch))
                self._archived.set()
        finally:
            self._task = None
            self._archived.set()

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ARCHIVE_DELAY_SECONDS - ARCHIVE_DELAY_SECONDS_CONTENDED):
                await self._wake_early.wait()
        self._wake_early.clear()
        await asyncio.sleep(ARCHIVE_DELAY_SECONDS_CONTENDED)
