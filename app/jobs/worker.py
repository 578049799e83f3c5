"""The worker: takes jobs that are due, has them done, and writes what came of them.

Belongs here: when to take and how much, leases, waiting, outages, the end. Does not: what is done (`handlers.py`), what becomes
of a job then (`attempts.py`, `app/domain/jobs.py`), statements (`app/store/jobs.py`).

Any number of workers, in any number of processes, may share one store. A worker that ends without a word loses its leases with
time; others then do again what it did not write down. Each kind has slots of its own, so that one whose handler hangs keeps no
other waiting. Nothing is taken that finds no slot.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.jobs import Job, in_batches
from app.domain.refusals import Refusal
from app.jobs.attempts import JobRunner
from app.jobs.handlers import JobHandler, PeriodicTask

_log = logging.getLogger(__name__)

# Leases are looked at three times in their length, so that one renewal may fail; what was leased just before can wait.
_RENEWALS_PER_LEASE = 3
_RENEW_BELOW = 0.7  # of a lease's length
# Something was ready and another worker was first. Its statement takes a few milliseconds.
_LOST_RACE_SECONDS = 0.02
_FIRST_OUTAGE_PAUSE_SECONDS = 0.1
_DOUBLINGS_MAX = 10
# With the longest pauses these are ten minutes: an outage worth waiting out, since the work would be done again otherwise.
_RECORD_ATTEMPTS_MAX = 120
# A handler that is cut off has its connections to close, and its jobs to be given back with one statement.
_CANCEL_SECONDS_MAX = 5.0


class JobStore(Protocol):
    """What a worker needs of `app.store.jobs.Jobs`, which says what each does. All may refuse DATABASE_UNAVAILABLE."""

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int: ...  # noqa: D102
    async def bring_forward(self, job_id: str, due_time: datetime) -> None: ...  # noqa: D102
    async def lease_due(  # noqa: D102
        self, kinds: Collection[str], now: datetime, lease_seconds: float, owner: str, limit: int
    ) -> list[Job]: ...
    async def renew(self, job_ids: Sequence[str], lease_owner: str, lease_until: datetime) -> int: ...  # noqa: D102
    async def release(self, job_ids: Sequence[str], lease_owner: str, now: datetime) -> int: ...  # noqa: D102
    async def record_outcomes(self, jobs: Sequence[Job], lease_owner: str) -> int: ...  # noqa: D102
    async def next_ready_time(self, kinds: Collection[str]) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class JobWorkerBounds:
    """What a worker may hold and how long it may wait; `app/config.py` gives the values and their reasons.

    `batch_max` jobs go to a handler at a time, in at most `batches_max` calls at a time for each kind. A call takes at most
    `run_seconds_max`. `poll_seconds` is how long a job that another process made may go unnoticed. `grace_seconds` is how long
    what runs at the end may take to finish.
    """

    batch_max: int = 100
    batches_max: int = 4
    lease_seconds: float = 30.0
    run_seconds_max: float = 120.0
    poll_seconds: float = 2.0
    attempts_max: int = 60
    grace_seconds: float = 10.0
    outage_pause_seconds_max: float = 5.0


@dataclass(slots=True)
class _Lease:
    """What was taken at once: until when it is held, and the jobs of which nothing is written yet."""

    owner: str
    until: datetime
    job_ids: set[str]


@dataclass(frozen=True, slots=True)
class _Batch:
    jobs: list[Job]
    lease: _Lease

    @property
    def job_ids(self) -> list[str]:
        return [job.job_id for job in self.jobs]


@dataclass(slots=True)
class _KindQueue:
    """One kind: what was taken and not begun, and what runs."""

    attempts: JobRunner
    batches_max: int
    waiting: deque[_Batch] = field(default_factory=deque)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def has_room(self) -> bool:
        return len(self.running) < self.batches_max


class _Outage:
    """Tells once that the jobs cannot be reached, and once that they can."""

    def __init__(self) -> None:
        self._is_on = False

    def note(self, error: Exception) -> None:
        if not self._is_on:
            # A refusal says all there is to say; anything else is a fault of ours, whose text may quote a document.
            is_refusal = isinstance(error, Refusal)
            _log.warning("jobs wait: %s", error if is_refusal else type(error).__name__, exc_info=None if is_refusal else error)
        self._is_on = True

    def over(self) -> None:
        if self._is_on:
            _log.info("jobs go on")
        self._is_on = False


class JobWorker:
    """Does jobs from `start` until `stop`.

    `owner` names this worker in leases, for people. `clock` gives the present moment in UTC; `jitter` a number from 0 to 1.
    Clocks of workers that share a store may differ by much less than a lease.
    """

    def __init__(
        self,
        jobs: JobStore,
        handlers: Mapping[str, JobHandler],
        clock: Callable[[], datetime],
        bounds: JobWorkerBounds,
        owner: str,
        *,
        periodic_tasks: Sequence[PeriodicTask] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._jobs, self._clock, self._bounds, self._owner, self._jitter = jobs, clock, bounds, owner, jitter
        self._queues = {kind: _KindQueue(self._attempts(handler), bounds.batches_max) for kind, handler in handlers.items()}
        self._queues |= {one.job_id: _KindQueue(self._attempts(one.handle, one.interval_seconds), 1) for one in periodic_tasks}
        self._sweeps = periodic_tasks
        self._has_periodic_tasks = not periodic_tasks
        self._lease_length = timedelta(seconds=bounds.lease_seconds)
        self._leases: dict[str, _Lease] = {}
        self._outage = _Outage()
        self._woken, self._stopping = asyncio.Event(), asyncio.Event()
        self._is_cancelled = False
        self._tasks: list[asyncio.Task[None]] = []

    def _attempts(self, handler: JobHandler, interval_seconds: float | None = None) -> JobRunner:
        bounds = self._bounds
        return JobRunner(
            handler,
            self._clock,
            self._jitter,
            run_seconds_max=bounds.run_seconds_max,
            attempts_max=bounds.attempts_max,
            interval_seconds=interval_seconds,
        )

    def start(self) -> None:
        """Begins to work, in tasks of the running event loop. A worker is started once."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"jobs of {self._owner}"),
            asyncio.create_task(self._keep_leases(), name=f"leases of {self._owner}"),
        ]

    def wake(self) -> None:
        """Has it look for jobs at once; for whoever has just made some."""
        self._woken.set()

    async def stop(self) -> None:
        """Takes no more, gives back what was not begun, and finishes what runs; what outlasts the grace period is cut off."""
        deadline = asyncio.get_running_loop().time() + self._bounds.grace_seconds
        self._stopping.set()
        self.wake()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=self._bounds.grace_seconds)
        await self._release_waiting()
        running = {task for line in self._queues.values() for task in line.running}
        if running:
            await asyncio.wait(running, timeout=max(deadline - asyncio.get_running_loop().time(), 0))
        self._is_cancelled = True
        late = [task for task in running if not task.done()]
        for task in (*late, *self._tasks):
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_SECONDS_MAX)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- taking

    async def _work(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                if failures:  # what came of them is still to be written; nobody else was able to take them either
                    await self._renew_leases()
                wait_seconds = await self._poll()
            except Exception as error:  # whatever it is, there will be jobs to do after it
                self._outage.note(error)
                await _wait(self._stopping, self._outage_pause_seconds(failures))
                failures += 1
                continue
            self._outage.over()
            failures = 0
            await _wait(self._woken, wait_seconds)

    async def _poll(self) -> float:
        """Takes what is due and finds a slot; gives how many seconds to wait for more."""
        await self._insert_periodic_tasks()
        limit = self._bounds.batch_max
        kinds = self._kinds_with_room()
        if kinds:
            now = self._clock()
            jobs = await self._jobs.lease_due(kinds, now, self._bounds.lease_seconds, self._owner, limit)
            if jobs:
                self._enqueue(jobs, now + self._lease_length)
            if len(jobs) == limit:
                return 0
            kinds = self._kinds_with_room()
        ready_time = await self._jobs.next_ready_time(kinds) if kinds else None
        if ready_time is None:  # whatever makes room wakes
            return self._bounds.poll_seconds
        seconds = (ready_time - self._clock()).total_seconds()
        return min(max(seconds, _LOST_RACE_SECONDS), self._bounds.poll_seconds)

    def _kinds_with_room(self) -> list[str]:
        return [kind for kind, line in self._queues.items() if line.has_room]

    async def _insert_periodic_tasks(self) -> None:
        if self._has_periodic_tasks:
            return
        now = self._clock()
        await self._jobs.insert_if_absent([Job(one.job_id, one.job_id, {}, now, now) for one in self._sweeps])
        for one in self._sweeps:  # which may have come round less often until now
            await self._jobs.bring_forward(one.job_id, now + timedelta(seconds=one.interval_seconds))
        self._has_periodic_tasks = True

    def _enqueue(self, jobs: Sequence[Job], until: datetime) -> None:
        lease = _Lease(jobs[0].lease_owner, until, {job.job_id for job in jobs})
        self._leases[lease.owner] = lease
        for batch in in_batches(jobs, self._bounds.batch_max):
            self._queues[batch[0].kind].waiting.append(_Batch(batch, lease))
        for kind in {job.kind for job in jobs}:
            self._start_waiting(self._queues[kind])

    def _start_waiting(self, line: _KindQueue) -> None:
        while line.waiting and len(line.running) < line.batches_max and not self._stopping.is_set():
            batch = line.waiting.popleft()
            line.running.add(asyncio.create_task(self._run_batch(line, batch), name=f"jobs {batch.jobs[0].kind}"))

    # -- doing

    async def _run_batch(self, line: _KindQueue, batch: _Batch) -> None:
        """Does a batch and writes what came of it, whatever happens."""
        try:
            if batch.lease.until > self._clock():
                await self._record_outcomes(await line.attempts.attempt(batch.jobs), batch.lease)
            else:  # it waited here through an outage; whoever takes the jobs now begins them
                _log.warning("a lease on %d jobs ran out before they were begun", len(batch.jobs))
        except Exception:  # the lease will run out
            _log.exception("what came of %d jobs is not written", len(batch.jobs))
        finally:
            self._forget_lease(batch)
            line.running.discard(asyncio.current_task())
            self._start_waiting(line)
            self.wake()

    def _forget_lease(self, batch: _Batch) -> None:
        batch.lease.job_ids.difference_update(batch.job_ids)
        if not batch.lease.job_ids:
            self._leases.pop(batch.lease.owner, None)

    async def _record_outcomes(self, jobs: list[Job], lease: _Lease) -> None:
        """Writes what came of a batch, also after an outage."""
        for attempt in range(_RECORD_ATTEMPTS_MAX):
            try:
                held = await self._jobs.record_outcomes(jobs, lease.owner)
            except Refusal as refusal:
                self._outage.note(refusal)
                if self._is_cancelled:
                    break
                await asyncio.sleep(self._outage_pause_seconds(attempt))
                continue
            if held < len(jobs) and attempt == 0:  # in a further attempt, part of it may be written already
                _log.warning("of %d jobs, %d have passed on before they were done", len(jobs), len(jobs) - held)
            return
        _log.error("what came of %d jobs cannot be written; they will be done again", len(jobs))

    # -- holding

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._bounds.lease_seconds / _RENEWALS_PER_LEASE)
            try:
                await self._renew_leases()
            except Exception as error:  # tried again soon; whoever loses a lease finds out when it writes
                self._outage.note(error)

    async def _renew_leases(self) -> None:
        for lease in list(self._leases.values()):
            now = self._clock()
            if lease.job_ids and lease.until - now < _RENEW_BELOW * self._lease_length:
                until = now + self._lease_length
                if await self._jobs.renew(list(lease.job_ids), lease.owner, until):
                    lease.until = until

    async def _release_waiting(self) -> None:
        for line in self._queues.values():
            for batch in line.waiting:
                self._forget_lease(batch)
                try:
                    await self._jobs.release(batch.job_ids, batch.lease.owner, self._clock())
                except Exception as error:  # then the lease runs out
                    self._outage.note(error)
            line.waiting.clear()

    def _outage_pause_seconds(self, failures: int) -> float:
        pause_seconds = _FIRST_OUTAGE_PAUSE_SECONDS * 2.0 ** min(failures, _DOUBLINGS_MAX)
        return min(pause_seconds, self._bounds.outage_pause_seconds_max)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Waits until the event is set, and at most so long. Always lets others have a turn: the database in memory never does."""
    await asyncio.sleep(0)
    if seconds <= 0 or event.is_set():
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
