"""The lane: the queue of one run.

Belongs here: which commands wait, which make up a batch, and what happens to a batch that fails. Does not belong here: deciding
and committing (`committer.py`), pauses (`contention.py`).

Why a lane: a commit costs milliseconds, a decision microseconds. Commands that arrive while a commit is under way wait
together, and the next commit is of all of them.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from app.domain.commands import Command, ResultT
from app.domain.refusals import Reason, Refusal
from app.lanes.batch import BatchProgress, QueuedCommand, fail_all
from app.lanes.committer import BatchCommitter
from app.lanes.contention import Contention
from app.lanes.resources import LaneResources
from app.ports.lane_observer import LaneBatch
from app.store.cached_run import CachedRun

_log = logging.getLogger(__name__)


class Lane:
    """The lane of one run in this server. Calls `on_idle` with itself each time it has no more commands."""

    def __init__(self, run_id: str, resources: LaneResources, on_idle: Callable[["Lane"], None]) -> None:
        self.run_id = run_id
        self._resources, self._on_idle = resources, on_idle
        self._queue_max, self._caller_queued = resources.bounds.queue_max, resources.observer.caller_queued
        self._contention = Contention(resources.bounds)
        self._committer = BatchCommitter(run_id, resources, self._contention)
        self._queue: deque[QueuedCommand] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def cached(self) -> CachedRun | None:
        """The run in memory."""
        return self._committer.cached

    @property
    def is_idle(self) -> bool:
        """Whether no caller waits and no commit is under way."""
        return self._task is None

    @property
    def queue_length(self) -> int:
        """How many callers wait in the queue."""
        return len(self._queue)

    def submit(self, command: Command[ResultT], deadline: float) -> asyncio.Future[ResultT]:
        """Queue a command; see `CommandBus.submit`."""
        if len(self._queue) >= self._queue_max:
            raise Refusal(Reason.RUN_BUSY, "too many callers wait for this train; try again in a moment")
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._queue.append(QueuedCommand(command, answer, deadline, time.monotonic(), self._caller_queued()))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"lane {self.run_id}")
        return answer

    async def wait_idle(self) -> None:
        """Wait until no caller waits and no commit is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._queue:
                # Callers who come while the lane waits for its turn join the batch.
                async with self._resources.turns:
                    batch = self._next_batch()
                    if batch:
                        await self._serve(batch)
                pause_seconds = self._contention.pause_seconds(len(batch))
                if pause_seconds:
                    await asyncio.sleep(pause_seconds)
        finally:
            self._task = None
            self._on_idle(self)

    def _next_batch(self) -> list[QueuedCommand]:
        """Take the next commands from the queue, in its order. A command that is alone makes a batch of its own."""
        batch: list[QueuedCommand] = []
        now_seconds = time.monotonic()
        while self._queue and len(batch) < self._resources.bounds.batch_max:
            is_alone = self._queue[0].command.is_alone
            if is_alone and batch:
                break
            queued = self._queue.popleft()
            if queued.is_waiting(now_seconds):
                batch.append(queued)
                if is_alone:
                    break
        return batch

    async def _serve(self, batch: list[QueuedCommand]) -> None:
        """Answer every caller of the batch, whatever happens."""
        begun_at = time.monotonic()
        progress, succeeded = BatchProgress(begun_at), False
        try:
            await self._committer.commit(batch, progress)
            succeeded = True
        except Refusal as refusal:
            self._committer.cached = None
            fail_all(batch, refusal)
        except Exception as error:
            # A bug: no caller may be left waiting, and the run in memory may be half-changed.
            self._committer.cached = None
            _log.exception("lane %s failed", self.run_id)
            fail_all(batch, error)
        self._report(batch, progress, begun_at, succeeded)

    def _report(self, batch: list[QueuedCommand], progress: BatchProgress, begun_at: float, succeeded: bool) -> None:
        self._resources.observer.batch_ended(
            LaneBatch(
                run_id=self.run_id,
                callers=[queued.caller for queued in batch],
                queued_at=[queued.queued_at for queued in batch],
                begun_at=begun_at,
                decided_at=progress.decided_at,
                ended_at=time.monotonic(),
                committed=progress.committed,
                succeeded=succeeded,
                swaps_lost=progress.swaps_lost,
                outcomes=progress.outcomes,
            )
        )
