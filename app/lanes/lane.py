"""The lane: all commands for one run, folded into one commit at a time.

Belongs here: who waits, what goes into a batch, when to commit, what to do after a lost swap, and which runs stay cached. Does
not: rules (`app/domain`), statements (`app/store/runs.py`).

Why: a commit costs milliseconds, a decision microseconds. Requests that arrive while a commit is under way wait together; then
all of them are decided in order on the cached run, and the sum of their changes is committed by one compare-and-swap. A refusal
fails only its own caller. Each answer rests on a version that was the newest after its request arrived: the swap proves it, or,
where nothing changed, a swap that changes nothing does.

Rivals: another server may commit on the same run. The loser of a swap undoes its batch, reads only what the other changed, and
decides again. Two servers that both commit as fast as they can would lose every other swap, and chance would decide who waits
long; so whoever has seen a rival lately leaves it a pause of about one commit after each of its own.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.commands import Command, ResultT
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import (
    decide,
    expire_due,
    is_first_reference_taken,
    references_of_requests,
    required_references,
)
from app.domain.run.train_run import TrainRun
from app.lanes.archive import ArchiveQueue, BookingLookups, RunCommits
from app.lanes.bounds import LaneBounds
from app.ports.observers import LaneBatch, LaneObserver, count_outcomes
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns, run_not_found
from app.store.unreadable import Records, record_unreadable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class QueuedCommand:
    """A caller who waits: `deadline` is the loop's time after which nobody listens any more, `caller` the observer's word."""

    command: Command[Any]
    answer: asyncio.Future[Any]
    deadline: float
    queued_at: float
    caller: object

    def is_waiting(self, now_seconds: float) -> bool:
        """Whether somebody still listens; nothing is decided for those who have gone."""
        if now_seconds >= self.deadline:
            self.refuse(Refusal(Reason.DEADLINE_EXCEEDED, "the deadline passed before this was decided; nothing was changed"))
        return not self.answer.done()

    def refuse(self, error: Exception) -> None:
        """Raise the error to the caller, unless the caller has an answer."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class LaneResources:
    """What every lane works with. `turns` bounds the lanes that commit at a time; `clock` gives the present moment."""

    runs: TrainRuns
    bookings: Bookings
    lookups: BookingLookups
    archive_queue: ArchiveQueue
    commits: RunCommits
    turns: asyncio.Semaphore
    clock: Callable[[], datetime]
    bounds: LaneBounds
    observer: LaneObserver


@dataclass(slots=True)
class BatchProgress:
    """How a batch goes on: when it was decided for the last time, what came of its commits, and what they made happen."""

    decided_at: float
    committed: bool = False
    swaps_lost: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


class Lane:
    """One run's lane in this server. `cached` is the cached run, None until it is needed."""

    def __init__(self, run_id: str, parts: LaneResources, on_idle: Callable[["Lane"], None]) -> None:
        self.run_id = run_id
        self.cached_passengers = 0
        self.cached: CachedRun | None = None
        self._parts, self._bounds = parts, parts.bounds
        self._runs, self._bookings = parts.runs, parts.bookings
        self._on_idle = on_idle
        self._queue: deque[QueuedCommand] = deque()
        self._task: asyncio.Task[None] | None = None
        self._other_server_seen = float("-inf")
        self._commit_seconds = 0.0
        self._turn_seconds = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and nothing is under way."""
        return self._task is None

    def submit(self, command: Command[ResultT], deadline: float) -> asyncio.Future[ResultT]:
        """Has the command decided; the future gives what it came to once that is committed.

        `deadline` is in `time.monotonic` seconds. Refuses RUN_BUSY at once; the future raises the decision's Refusal,
        COMMIT_ATTEMPTS_SPENT or DATABASE_UNAVAILABLE; after the last one, only the same request_id tells what happened.
        """
        if len(self._queue) >= self._bounds.queue_max:
            raise Refusal(Reason.RUN_BUSY, "too many callers wait for this train; try again in a moment")
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        queued = QueuedCommand(command, answer, deadline, time.monotonic(), self._parts.observer.caller_queued())
        self._queue.append(queued)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"lane {self.run_id}")
        return answer

    async def join(self) -> None:
        """Waits until nobody waits and nothing is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._queue:
                # Whoever comes while the lane waits for its turn joins the batch.
                async with self._parts.turns:
                    batch = self._next_batch()
                    if batch:
                        await self._serve(batch)
                await self._pause(len(batch))
        finally:
            self._task = None
            self._on_idle(self)

    def _next_batch(self) -> list[QueuedCommand]:
        batch: list[QueuedCommand] = []
        now_seconds = time.monotonic()
        while self._queue and len(batch) < self._bounds.batch_max:
            queued = self._queue.popleft()
            if queued.is_waiting(now_seconds):
                batch.append(queued)
        return batch

    async def _serve(self, batch: list[QueuedCommand]) -> None:
        """Answers every entry of the batch, whatever happens."""
        begun_at = time.monotonic()
        progress, succeeded = BatchProgress(begun_at), False
        try:
            await self._decide_and_commit(batch, progress)
            succeeded = True
        except Refusal as refusal:
            self.cached = None
            for queued in batch:
                queued.refuse(refusal)
        except Exception as error:
            # A fault of ours: nobody may be left waiting, and the cached run may be half-changed.
            self.cached = None
            _log.exception("lane %s failed", self.run_id)
            for queued in batch:
                queued.refuse(error)
        self._report(batch, progress, begun_at, succeeded)

    def _report(self, batch: list[QueuedCommand], progress: BatchProgress, begun_at: float, succeeded: bool) -> None:
        report = LaneBatch(
            run_id=self.run_id,
            callers=[queued.caller for queued in batch],
            queued_at=[queued.queued_at for queued in batch],
            begun_at=begun_at,
            decided_at=progress.decided_at,
            ended_at=time.monotonic(),
            committed=progress.committed,
            succeeded=succeeded,
            swaps_lost=progress.swaps_lost,
            still_waiting=len(self._queue),
            outcomes=progress.outcomes,
        )
        self._parts.observer.batch_ended(report)

    async def _decide_and_commit(self, batch: list[QueuedCommand], progress: BatchProgress) -> None:
        begin, was_cached = time.monotonic(), self.cached is not None
        cached = await self._current_run()
        if was_cached and self._is_contended():  # which has most likely committed in the meantime
            cached = await self._catch_up(cached)
        bookings_of_other_runs = await self._load_wanted_bookings(cached, batch)
        for _ in range(self._bounds.commit_attempts_max):
            answers = self._fold(cached.run, batch, bookings_of_other_runs)
            progress.decided_at = time.monotonic()
            if not cached.run.change_set:
                if (
                    cached.pending_bookings or cached.pending_events
                ):  # a server that ended has left them, and nobody may commit here for long
                    self._parts.archive_queue.add(cached)
                if await self._runs.is_newest(cached.run):
                    return _answer(answers)
            else:
                change_set = cached.run.change_set
                outcome = await self._commit(cached)
                if outcome is SwapOutcome.DONE:
                    progress.committed, progress.outcomes = True, count_outcomes(change_set)
                    self._turn_seconds = _moving_average(self._turn_seconds, time.monotonic() - begin)
                    return _answer(answers)
                if outcome is SwapOutcome.IMPOSSIBLE:
                    raise record_unreadable("train_runs")
                if outcome is SwapOutcome.DUPLICATE_KEY:
                    cached.run.undo()
                    found = await self._bookings.find_many(references_of_requests([queued.command for queued in batch]))
                    _refuse_unreadable(batch, found.unreadable)
                    bookings_of_other_runs.update(
                        {reference: one for reference, one in found.items() if reference not in cached.run.bookings}
                    )
                    continue
                progress.swaps_lost += 1
            begin = time.monotonic()
            cached = await self._catch_up(cached)
        raise Refusal(Reason.COMMIT_ATTEMPTS_SPENT, "other servers keep changing this train first; try again in a moment")

    def _is_contended(self) -> bool:
        return time.monotonic() - self._other_server_seen < self._bounds.contention_memory_seconds

    async def _catch_up(self, cached: CachedRun) -> CachedRun:
        """The run as it is now; notes whether somebody else has committed."""
        cached.run.undo()
        before = cached.run.version
        self.cached = await self._runs.catch_up(cached)
        caught_up = await self._current_run()
        if caught_up.run.version != before:
            self._other_server_seen = time.monotonic()
        return caught_up

    async def _load_wanted_bookings(self, cached: CachedRun, batch: Sequence[QueuedCommand]) -> dict[str, Booking]:
        """Has the bookings at hand that the batch's commands may be about; gives those of other runs that are in their way.

        What is not at hand and does not rest does not exist: a run's newer bookings are always at hand, until they rest.
        """
        cached.run.evict_except(cached.references_to_keep())
        wanted = [one for queued in batch for one in required_references(queued.command) if cached.run.find(one) is None]
        found = await self._parts.lookups.find(wanted)
        unreadable = found.unreadable
        taken = [queued.command for queued in batch if is_first_reference_taken(queued.command, cached.run, found)]
        if taken:  # the references that these requests try next matter as well
            others = await self._bookings.find_many(references_of_requests(taken))
            found, unreadable = Records(found | others), unreadable | others.unreadable
        _refuse_unreadable(batch, unreadable)
        own = [one for one in found.values() if one.journey.run_id == self.run_id and cached.run.find(one.reference) is None]
        if any(one.revision > cached.run.version for one in own):  # another server has committed: the run would contradict them
            cached.run.apply_newer(own)
            await self._catch_up(cached)
        else:
            cached.run.load(own)
        return {reference: one for reference, one in found.items() if one.journey.run_id != self.run_id}

    async def _current_run(self) -> CachedRun:
        if self.cached is None:
            self.cached = await self._runs.load(self.run_id)
        if self.cached is None:
            raise run_not_found(self.run_id)
        return self.cached

    def _fold(
        self, run: TrainRun, batch: list[QueuedCommand], bookings_of_other_runs: dict[str, Booking]
    ) -> list[tuple[QueuedCommand, object]]:
        """Decides everyone who still waits, in order."""
        now, now_seconds = self._parts.clock(), time.monotonic()
        expire_due(run, now)
        answers: list[tuple[QueuedCommand, object]] = []
        for queued in batch:
            if not queued.is_waiting(now_seconds):
                continue
            try:
                answers.append((queued, decide(run, queued.command, now, bookings_of_other_runs)))
            except Refusal as refusal:
                answers.append((queued, refusal))
        return answers

    async def _commit(self, cached: CachedRun) -> SwapOutcome:
        archive_queue, pending_bookings_max = self._parts.archive_queue, self._bounds.pending_bookings_max
        await archive_queue.wait_for_room(cached, max(0, pending_bookings_max - len(cached.run.change_set.bookings)))
        if not self._is_contended():
            cached.adopt_foreign()
        begin = time.monotonic()
        outcome = await self._parts.commits.commit(cached)
        self._commit_seconds = _moving_average(self._commit_seconds, time.monotonic() - begin)
        if outcome is SwapOutcome.DONE:
            archive_queue.add(cached, is_contended=self._is_contended())
        return outcome

    async def _pause(self, batch_size: int) -> None:
        """Leaves a rival the time for a turn of its own, or lets a crowd gather; a lone caller never waits here."""
        if self._is_contended():
            pause_seconds = self._bounds.contention_pause_turns * self._turn_seconds
        elif batch_size >= self._bounds.gather_from:
            pause_seconds = self._bounds.gather_commits * self._commit_seconds
        else:
            return
        await asyncio.sleep(min(pause_seconds, self._bounds.pause_seconds_max))


def _moving_average(average: float, latest: float) -> float:
    return 0.8 * average + 0.2 * latest


def _answer(answers: list[tuple[QueuedCommand, object]]) -> None:
    for queued, outcome in answers:
        if queued.answer.done():
            continue
        if isinstance(outcome, Refusal):
            queued.answer.set_exception(outcome)
        else:
            queued.answer.set_result(outcome)


def _refuse_unreadable(batch: Sequence[QueuedCommand], unreadable: frozenset[str]) -> None:
    """Refuse whoever asks for a booking that cannot be read; the others of the batch go on."""
    for queued in batch if unreadable else ():
        asked = (*required_references(queued.command), *references_of_requests([queued.command]))
        if unreadable.intersection(asked):
            queued.refuse(record_unreadable("bookings"))
