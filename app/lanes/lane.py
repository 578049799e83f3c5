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
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.booking import Booking, Command
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import Outcome, decide, is_reference_taken, references_of_requests, tidy, wanted_references
from app.domain.run.train_run import TrainRun
from app.lanes.archive import Commits, LookUps, Settler
from app.ports.observers import LaneBatch, LaneObserver, outcomes_of
from app.store.bookings import Bookings
from app.store.cached_run import KeptRun
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns, run_not_found
from app.store.unreadable import Records, record_unreadable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneBounds:
    """What a lane may hold; `app/config.py` gives the first ones and their reasons.

    `unsettled_max` bounds the bookings in a run's document: 512 of nine passengers with the longest names take 6 MB of the 16
    that a document may have. Of `statements_max` statements that commit, MongoDB works on one while the next is gathered. The
    pauses were measured with two servers on one run: shorter ones lose more swaps, longer ones idle.
    """

    batch_max: int
    commits_max: int
    queue_max: int
    commit_attempts_max: int
    cached_passengers_max: int
    unsettled_max: int = 512
    statements_max: int = 2
    gather_from: int = 16
    gather_commits: float = 1.5
    rival_memory_seconds: float = 0.5
    rival_pause_turns: float = 1.5
    pause_seconds_max: float = 0.25


@dataclass(slots=True)
class _Entry:
    """A caller who waits: `deadline` is the loop's time after which nobody listens any more, `caller` the observer's word."""

    command: Command
    answer: asyncio.Future[Outcome]
    deadline: float
    queued_at: float
    caller: object

    def is_waiting(self, now_seconds: float) -> bool:
        """Whether somebody still listens; nothing is decided for those who have gone."""
        if now_seconds >= self.deadline:
            self.refuse(Refusal(Reason.DEADLINE_EXCEEDED, "the deadline passed before this was decided; nothing was changed"))
        return not self.answer.done()

    def refuse(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What every lane works with. `turns` bounds the lanes that commit at a time; `clock` gives the present moment."""

    runs: TrainRuns
    bookings: Bookings
    look_ups: LookUps
    settler: Settler
    commits: Commits
    turns: asyncio.Semaphore
    clock: Callable[[], datetime]
    bounds: LaneBounds
    observer: LaneObserver


@dataclass(slots=True)
class _Course:
    """How a batch goes on: when it was decided for the last time, what came of its commits, and what they made happen."""

    decided_at: float
    committed: bool = False
    swaps_lost: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


class Lane:
    """One run's lane in this server. `kept` is the cached run, None until it is needed."""

    def __init__(self, run_id: str, parts: LaneParts, when_idle: Callable[["Lane"], None]) -> None:
        self.run_id = run_id
        self.counted_passengers = 0
        self.kept: KeptRun | None = None
        self._parts, self._bounds = parts, parts.bounds
        self._runs, self._bookings = parts.runs, parts.bookings
        self._when_idle = when_idle
        self._queue: deque[_Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._rival_seen = float("-inf")
        self._commit_seconds = 0.0
        self._turn_seconds = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and nothing is under way."""
        return self._task is None

    def submit(self, command: Command, deadline: float) -> asyncio.Future[Outcome]:
        """Has the command decided; the future gives what it came to once that is committed.

        `deadline` is in `time.monotonic` seconds. Refuses LANE_FULL at once; the future raises the decision's Refusal,
        COMMIT_ATTEMPTS_SPENT or DATABASE_UNAVAILABLE; after the last one, only the same request_id tells what happened.
        """
        if len(self._queue) >= self._bounds.queue_max:
            raise Refusal(Reason.LANE_FULL, "too many callers wait for this train; try again in a moment")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        entry = _Entry(command, answer, deadline, time.monotonic(), self._parts.observer.joined())
        self._queue.append(entry)
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
            self._when_idle(self)

    def _next_batch(self) -> list[_Entry]:
        batch: list[_Entry] = []
        now_seconds = time.monotonic()
        while self._queue and len(batch) < self._bounds.batch_max:
            entry = self._queue.popleft()
            if entry.is_waiting(now_seconds):
                batch.append(entry)
        return batch

    async def _serve(self, batch: list[_Entry]) -> None:
        """Answers every entry of the batch, whatever happens."""
        begun_at = time.monotonic()
        course, succeeded = _Course(begun_at), False
        try:
            await self._decide_and_commit(batch, course)
            succeeded = True
        except Refusal as refusal:
            self.kept = None
            for entry in batch:
                entry.refuse(refusal)
        except Exception as error:
            # A fault of ours: nobody may be left waiting, and the cached run may be half-changed.
            self.kept = None
            _log.exception("lane %s failed", self.run_id)
            for entry in batch:
                entry.refuse(error)
        self._tell(batch, course, begun_at, succeeded)

    def _tell(self, batch: list[_Entry], course: _Course, begun_at: float, succeeded: bool) -> None:
        told = LaneBatch(
            run_id=self.run_id,
            callers=[entry.caller for entry in batch],
            queued_at=[entry.queued_at for entry in batch],
            begun_at=begun_at,
            decided_at=course.decided_at,
            ended_at=time.monotonic(),
            committed=course.committed,
            succeeded=succeeded,
            swaps_lost=course.swaps_lost,
            still_waiting=len(self._queue),
            outcomes=course.outcomes,
        )
        self._parts.observer.batch_ended(told)

    async def _decide_and_commit(self, batch: list[_Entry], course: _Course) -> None:
        begin, was_cached = time.monotonic(), self.kept is not None
        kept = await self._current_run()
        if was_cached and self._has_rival():  # which has most likely committed in the meantime
            kept = await self._catch_up(kept)
        elsewhere = await self._look_up(kept, batch)
        for _ in range(self._bounds.commit_attempts_max):
            answers = self._fold(kept.run, batch, elsewhere)
            course.decided_at = time.monotonic()
            if not kept.run.journal:
                if kept.unsettled or kept.untold:  # a server that ended has left them, and nobody may commit here for long
                    self._parts.settler.add(kept)
                if await self._runs.is_newest(kept.run):
                    return _answer(answers)
            else:
                journal = kept.run.journal
                outcome = await self._commit(kept)
                if outcome is SwapOutcome.DONE:
                    course.committed, course.outcomes = True, outcomes_of(journal)
                    self._turn_seconds = _smoothed(self._turn_seconds, time.monotonic() - begin)
                    return _answer(answers)
                if outcome is SwapOutcome.IMPOSSIBLE:
                    raise record_unreadable("train_runs")
                if outcome is SwapOutcome.DUPLICATE_KEY:
                    kept.run.undo()
                    found = await self._bookings.find_many(references_of_requests([entry.command for entry in batch]))
                    _refuse_unreadable(batch, found.unreadable)
                    elsewhere.update({reference: one for reference, one in found.items() if reference not in kept.run.bookings})
                    continue
                course.swaps_lost += 1
            begin = time.monotonic()
            kept = await self._catch_up(kept)
        raise Refusal(Reason.COMMIT_ATTEMPTS_SPENT, "other servers keep changing this train first; try again in a moment")

    def _has_rival(self) -> bool:
        return time.monotonic() - self._rival_seen < self._bounds.rival_memory_seconds

    async def _catch_up(self, kept: KeptRun) -> KeptRun:
        """The run as it is now; notes whether somebody else has committed."""
        kept.run.undo()
        before = kept.run.version
        self.kept = await self._runs.catch_up(kept)
        caught_up = await self._current_run()
        if caught_up.run.version != before:
            self._rival_seen = time.monotonic()
        return caught_up

    async def _look_up(self, kept: KeptRun, batch: Sequence[_Entry]) -> dict[str, Booking]:
        """Has the bookings at hand that the batch's commands may be about; gives those of other runs that are in their way.

        What is not at hand and does not rest does not exist: a run's newer bookings are always at hand, until they rest.
        """
        kept.run.retain(kept.references_at_hand())
        wanted = [one for entry in batch for one in wanted_references(entry.command) if kept.run.find(one) is None]
        found = await self._parts.look_ups.find(wanted)
        unreadable = found.unreadable
        taken = [entry.command for entry in batch if is_reference_taken(entry.command, kept.run, found)]
        if taken:  # the references that these requests try next matter as well
            others = await self._bookings.find_many(references_of_requests(taken))
            found, unreadable = Records(found | others), unreadable | others.unreadable
        _refuse_unreadable(batch, unreadable)
        own = [one for one in found.values() if one.journey.run_id == self.run_id and kept.run.find(one.reference) is None]
        if any(one.revision > kept.run.version for one in own):  # another server has committed: the run would contradict them
            kept.run.take_over(own)
            await self._catch_up(kept)
        else:
            kept.run.put_at_hand(own)
        return {reference: one for reference, one in found.items() if one.journey.run_id != self.run_id}

    async def _current_run(self) -> KeptRun:
        if self.kept is None:
            self.kept = await self._runs.load(self.run_id)
        if self.kept is None:
            raise run_not_found(self.run_id)
        return self.kept

    def _fold(
        self, run: TrainRun, batch: list[_Entry], elsewhere: dict[str, Booking]
    ) -> list[tuple[_Entry, Outcome | Refusal]]:
        """Decides everyone who still waits, in order."""
        now, now_seconds = self._parts.clock(), time.monotonic()
        tidy(run, now)
        answers: list[tuple[_Entry, Outcome | Refusal]] = []
        for entry in batch:
            if not entry.is_waiting(now_seconds):
                continue
            try:
                answers.append((entry, decide(run, entry.command, now, elsewhere)))
            except Refusal as refusal:
                answers.append((entry, refusal))
        return answers

    async def _commit(self, kept: KeptRun) -> SwapOutcome:
        settler, unsettled_max = self._parts.settler, self._bounds.unsettled_max
        await settler.wait_for_room(kept, max(0, unsettled_max - len(kept.run.journal.bookings)))
        if not self._has_rival():
            kept.adopt_carried()
        begin = time.monotonic()
        outcome = await self._parts.commits.commit(kept)
        self._commit_seconds = _smoothed(self._commit_seconds, time.monotonic() - begin)
        if outcome is SwapOutcome.DONE:
            settler.add(kept, has_rival=self._has_rival())
        return outcome

    async def _pause(self, batch_size: int) -> None:
        """Leaves a rival the time for a turn of its own, or lets a crowd gather; a lone caller never waits here."""
        if self._has_rival():
            pause_seconds = self._bounds.rival_pause_turns * self._turn_seconds
        elif batch_size >= self._bounds.gather_from:
            pause_seconds = self._bounds.gather_commits * self._commit_seconds
        else:
            return
        await asyncio.sleep(min(pause_seconds, self._bounds.pause_seconds_max))


def _smoothed(average: float, latest: float) -> float:
    return 0.8 * average + 0.2 * latest


def _answer(answers: list[tuple[_Entry, Outcome | Refusal]]) -> None:
    for entry, outcome in answers:
        if entry.answer.done():
            continue
        if isinstance(outcome, Refusal):
            entry.answer.set_exception(outcome)
        else:
            entry.answer.set_result(outcome)


def _refuse_unreadable(batch: Sequence[_Entry], unreadable: frozenset[str]) -> None:
    """Refuse whoever asks for a booking that cannot be read; the others of the batch go on."""
    for entry in batch if unreadable else ():
        asked = (*wanted_references(entry.command), *references_of_requests([entry.command]))
        if unreadable.intersection(asked):
            entry.refuse(record_unreadable("bookings"))


class Lanes:
    """All lanes of this server; those used longest ago give up their cached run when the cache is full."""

    def __init__(self, parts: LaneParts) -> None:
        self._parts = parts
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._cached_passengers = 0

    def submit(self, run_id: str, command: Command, deadline: float) -> asyncio.Future[Outcome]:
        """Has the command decided in the lane of its run; see `Lane.submit`."""
        lane = self._lanes.get(run_id)
        if lane is None:
            lane = self._lanes[run_id] = Lane(run_id, self._parts, self._make_room)
        self._lanes.move_to_end(run_id)
        return lane.submit(command, deadline)

    def load(self) -> tuple[int, int]:
        """How many lanes there are, and how many callers wait in their queues."""
        return len(self._lanes), sum(len(lane._queue) for lane in self._lanes.values())

    async def join(self) -> None:
        """Waits until every lane is idle."""
        for lane in list(self._lanes.values()):
            await lane.join()
        await self._parts.settler.join()

    def _make_room(self, lane: Lane) -> None:
        """Counts what a lane that has become idle keeps, and forgets idle lanes, oldest first, until all that is kept fits."""
        self._count(lane, _cached_passengers(lane))
        if lane.kept is None:
            del self._lanes[lane.run_id]
        if self._cached_passengers <= self._parts.bounds.cached_passengers_max:
            return
        for oldest in [one for one in self._lanes.values() if one.is_idle]:
            self._count(oldest, 0)
            del self._lanes[oldest.run_id]
            if self._cached_passengers <= self._parts.bounds.cached_passengers_max:
                return

    def _count(self, lane: Lane, passengers: int) -> None:
        self._cached_passengers += passengers - lane.counted_passengers
        lane.counted_passengers = passengers


def _cached_passengers(lane: Lane) -> int:
    """How many passengers a cached run takes the memory of: seats take about a hundredth of one each, and the rest ten."""
    if lane.kept is None:
        return 0
    return len(lane.kept.run.travellers.references) + 10 + sum(section.size for section in lane.kept.run.sections) // 100
