"""Deciding and committing a batch of commands on one run.

Belongs here: which bookings a batch needs, the decisions on the run in memory, the commit, and what to do after a lost swap.
Does not belong here: the queue (`lane.py`), rules (`app/domain/rules`), statements (`app/store/runs.py`).

All commands of a batch are decided in order on the run in memory, and the sum of their changes is committed by one
compare-and-swap. A refusal fails only its own caller. Each answer is based on a version of the run that was the newest after
the command arrived: the swap proves it, or, where nothing changed, a swap that changes nothing.

After a lost swap the committer undoes the batch, reads what the other server changed, and decides again. The bookings that a
command requires, by seat or by reference, are loaded before each decision, since others may be required by then.
"""

import time
from collections.abc import Sequence
from typing import Any

from app.domain.booking import Booking
from app.domain.commands import Command
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import decide, is_first_reference_taken, references_of_requests
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hidden_runs import run_not_found
from app.domain.run.train_run import TrainRun
from app.lanes.batch import BatchProgress, Decisions, QueuedCommand, answer_callers, refuse_unreadable
from app.lanes.claimed_turns import ClaimedTurns
from app.lanes.contention import Contention
from app.lanes.resources import LaneResources
from app.ports.lane_observer import count_outcomes
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from app.store.unreadable import Records, record_unreadable


class BatchCommitter:
    """Decides and commits batches of commands on one run. `cached` is the run in memory, None until it is loaded."""

    def __init__(self, run_id: str, resources: LaneResources, contention: Contention) -> None:
        self.cached: CachedRun | None = None
        self._run_id, self._resources, self._contention = run_id, resources, contention
        self._turns = ClaimedTurns(resources)

    async def commit(self, batch: Sequence[QueuedCommand], progress: BatchProgress) -> None:
        """Decide a batch, commit its changes, and answer its callers. Note in `progress` how far that has come.

        Raises a Refusal for the whole batch: COMMIT_ATTEMPTS_SPENT, DATABASE_UNAVAILABLE, RECORD_UNREADABLE,
        TRAIN_RUN_NOT_FOUND, or DISPLACED_TOO_MANY for a command that requires too many seats. After any error `cached` must
        not be used any more.
        """
        started_at = time.monotonic()
        cached = await self._current_run()
        bookings_of_other_runs = await self._load_bookings(cached, batch)
        for _ in range(self._resources.bounds.commit_attempts_max):
            if cached.claimed_turn is not None:
                cached = await self._turns.wait(cached, self._catch_up)
            if batch[0].command.is_alone:
                cached = await self._load_required(cached, batch[0].command)
            decisions = self._decide(cached.run, batch, bookings_of_other_runs)
            progress.decided_at = time.monotonic()
            outcome = await self._write(cached, progress)
            if outcome is SwapOutcome.DONE:
                if progress.committed:
                    self._contention.record_turn(time.monotonic() - started_at)
                elif batch[0].command.is_alone:
                    await self._turns.release(cached)
                return answer_callers(decisions)
            if outcome is SwapOutcome.DUPLICATE_KEY:
                cached.run.undo()
                bookings_of_other_runs |= await self._find_reference_owners(cached.run, batch)
                continue
            lost_seconds, started_at = time.monotonic() - started_at, time.monotonic()
            cached = await self._catch_up(cached)
            if batch[0].command.is_alone:
                cached = await self._turns.claim(cached, lost_seconds, self._catch_up)
        raise _attempts_spent()

    # -- the run in memory

    async def _current_run(self) -> CachedRun:
        """Return the run in memory. Where it is contended, another server has most likely committed: then read it again."""
        if self.cached is not None and self._contention.is_contended:
            return await self._catch_up(self.cached)
        return await self._load()

    async def _load(self) -> CachedRun:
        if self.cached is None:
            self.cached = await self._resources.runs.load(self._run_id)
        if self.cached is None:
            raise run_not_found(self._run_id)
        return self.cached

    async def _catch_up(self, cached: CachedRun) -> CachedRun:
        """Undo what is not committed, and read what other servers have committed since."""
        cached.run.undo()
        version = cached.run.version
        self.cached = await self._resources.runs.catch_up(cached)
        newest = await self._load()
        if newest.run.version != version:
            self._contention.record_other_server()
        return newest

    # -- bookings that commands are about

    async def _load_bookings(self, cached: CachedRun, batch: Sequence[QueuedCommand]) -> dict[str, Booking]:
        """Load the bookings that the commands are about into the run. Return those of other runs with the same references.

        A booking that is neither in memory nor in `bookings` does not exist: a run's newer bookings stay in memory until they
        are archived.
        """
        run = cached.run
        run.evict_except(cached.references_to_keep())
        found = await self._find_required(run, batch)
        refuse_unreadable(batch, found.unreadable)
        own = [
            booking
            for booking in found.values()
            if booking.journey.run_id == self._run_id and run.find(booking.reference) is None
        ]
        if any(booking.revision > run.version for booking in own):  # another server has committed since
            run.apply_newer(own)
            await self._catch_up(cached)
        else:
            run.load(own)
        return {reference: booking for reference, booking in found.items() if booking.journey.run_id != self._run_id}

    async def _load_required(self, cached: CachedRun, command: Command[Any]) -> CachedRun:
        """Load the live bookings that the command requires, as of the run's version. Return the run.

        The bookings that are not archived are in memory. The others are archived as they are in this version, unless another
        server has committed since; then the run is read again first.
        """
        for _ in range(self._resources.bounds.commit_attempts_max):
            run = cached.run
            found = await self._find_as_of_version(run, command)
            if found is None:
                cached = await self._catch_up(cached)
                continue
            if found.unreadable:
                raise record_unreadable("bookings")
            run.load(booking for reference, booking in found.items() if run.find(reference) is None)
            return cached
        raise _attempts_spent()

    async def _find_as_of_version(self, run: TrainRun, command: Command[Any]) -> Records[Booking] | None:
        """Find what the command requires and is archived; None where another server has committed since the run was read."""
        bookings = self._resources.bookings
        by_seats = await bookings.find_by_seats(run.run_id, command.required_seats(run), run.version)
        if by_seats is None:
            return None
        missing = [reference for reference in command.required_bookings(run) if run.find(reference) is None]
        named = await bookings.find_as_of(run.run_id, missing, run.version)
        return None if named is None else Records(by_seats | named, by_seats.unreadable | named.unreadable)

    async def _find_required(self, run: TrainRun, batch: Sequence[QueuedCommand]) -> Records[Booking]:
        """Find the bookings that the commands require and that are not in memory."""
        references = [
            reference for queued in batch for reference in queued.command.required_references() if run.find(reference) is None
        ]
        found = await self._resources.lookups.find(references)
        taken = [queued.command for queued in batch if is_first_reference_taken(queued.command, run, found)]
        if not taken:
            return found
        others = await self._resources.bookings.find_many(references_of_requests(taken))
        return Records(found | others, found.unreadable | others.unreadable)

    async def _find_reference_owners(self, run: TrainRun, batch: Sequence[QueuedCommand]) -> dict[str, Booking]:
        """Find the bookings of other runs under all references that the batch may use: one of them was taken meanwhile."""
        references = references_of_requests([queued.command for queued in batch])
        found = await self._resources.bookings.find_many(references)
        refuse_unreadable(batch, found.unreadable)
        return {reference: booking for reference, booking in found.items() if reference not in run.bookings}

    # -- decide and commit

    def _decide(self, run: TrainRun, batch: Sequence[QueuedCommand], bookings_of_other_runs: dict[str, Booking]) -> Decisions:
        """Decide the commands of all callers who still wait, in their order."""
        now, now_seconds = self._resources.clock(), time.monotonic()
        expire_due(run, now)
        decisions: Decisions = []
        for queued in batch:
            if not queued.is_waiting(now_seconds):
                continue
            try:
                decisions.append((queued, decide(run, queued.command, now, bookings_of_other_runs)))
            except Refusal as refusal:
                decisions.append((queued, refusal))
        return decisions

    async def _write(self, cached: CachedRun, progress: BatchProgress) -> SwapOutcome:
        """Commit what has changed. Where nothing has, prove that the run in memory is the newest."""
        change_set = cached.run.change_set
        if not change_set:
            return await self._prove_newest(cached)
        outcome = await self._swap(cached)
        if outcome is SwapOutcome.DONE:
            progress.committed, progress.outcomes = True, count_outcomes(change_set)
        elif outcome is SwapOutcome.LOST:
            progress.swaps_lost += 1
        elif outcome is SwapOutcome.IMPOSSIBLE:
            raise record_unreadable("train_runs")
        return outcome

    async def _prove_newest(self, cached: CachedRun) -> SwapOutcome:
        if cached.pending_bookings or cached.pending_events:  # left by a server that ended; no commit may follow for long
            self._resources.archive_queue.add(cached)
        return SwapOutcome.DONE if await self._resources.runs.is_newest(cached.run) else SwapOutcome.LOST

    async def _swap(self, cached: CachedRun) -> SwapOutcome:
        archive_queue = self._resources.archive_queue
        pending_max = self._resources.bounds.pending_bookings_max - len(cached.run.change_set.bookings)
        await archive_queue.wait_for_room(cached, max(0, pending_max))
        if not self._contention.is_contended:
            cached.adopt_foreign()
        started_at = time.monotonic()
        outcome = await self._resources.commits.commit(cached)
        self._contention.record_commit(time.monotonic() - started_at)
        if outcome is SwapOutcome.DONE:
            archive_queue.add(cached, is_contended=self._contention.is_contended)
        return outcome


def _attempts_spent() -> Refusal:
    return Refusal(Reason.COMMIT_ATTEMPTS_SPENT, "other servers keep changing this train first; try again in a moment")
