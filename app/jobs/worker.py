"""The job worker: takes due jobs, has them run, and records their outcomes.

Belongs here: when to take jobs and how many, leases, outages, shutting down. Does not belong here: running a batch
(`runner.py`), the state of a job after an attempt (`app/domain/jobs.py`), nor statements (`app/store/jobs.py`).

Any number of workers, in any number of processes, may share one store. When a worker dies its leases expire, and other workers
run again the jobs whose outcome it did not record. Each kind of job has slots of its own, so that a handler that hangs holds up
no other kind. Only jobs of kinds with a free slot are taken.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.jobs import PERIODIC_RETRIES, Job, in_batches, job_retries
from app.domain.refusals import Refusal
from app.jobs.handlers import JobHandler
from app.jobs.leases import Lease, Leases
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.runner import JobRunner
from app.ports.background_task import BackgroundTask, repeat
from app.ports.clock import Clock
from app.ports.jobs import JobStore

_log = logging.getLogger(__name__)

# One renewal in a lease's length may fail, and the next one still comes in time.
_RENEWALS_PER_LEASE = 3
# A job was ready and another worker took it first. Its statement takes a few milliseconds.
_LOST_RACE_SECONDS = 0.02
_FIRST_OUTAGE_PAUSE_SECONDS = 0.1
_DOUBLINGS_MAX = 10
# With the longest pauses these are ten minutes: an outage worth waiting out, since the work would have to be done again.
_RECORD_ATTEMPTS_MAX = 120
# A cancelled handler closes its connections, and its jobs are given back with one statement.
_CANCEL_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class JobWorkerBounds:
    """What a worker may hold and how long it may wait; `app/config/` gives the values and their reasons.

    `batch_max` jobs go to a handler at a time, in at most `batches_max` concurrent calls for each kind. A call takes at most
    `run_seconds_max`. `poll_seconds` is how long a job that another process inserted may go unnoticed. `grace_seconds` is how
    long running jobs may take to finish when the worker stops.
    """

    batch_max: int = 100
    batches_max: int = 4
    lease_seconds: float = 30.0
    run_seconds_max: float = 120.0
    poll_seconds: float = 2.0
    attempts_max: int = 60
    grace_seconds: float = 10.0
    outage_pause_seconds_max: float = 5.0


@dataclass(frozen=True, slots=True)
class _Batch:
    jobs: list[Job]
    lease: Lease

    @property
    def job_ids(self) -> list[str]:
        return [job.job_id for job in self.jobs]


@dataclass(slots=True)
class _KindQueue:
    """The batches of one kind: taken and not started, and running."""

    runner: JobRunner
    batches_max: int
    waiting: deque[_Batch] = field(default_factory=deque)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def has_slot(self) -> bool:
        return len(self.running) < self.batches_max


class _Outage:
    """Logs once when the store cannot be reached, and once when it can be reached again."""

    def __init__(self) -> None:
        self._is_on = False

    def begin(self, error: Exception) -> None:
        if not self._is_on:
            # A refusal's text is safe to log; any other error is a fault of ours, whose text may quote a document.
            is_refusal = isinstance(error, Refusal)
            _log.warning(
                "jobs are paused: %s", error if is_refusal else type(error).__name__, exc_info=None if is_refusal else error
            )
        self._is_on = True

    def end(self) -> None:
        if self._is_on:
            _log.info("jobs are running again")
        self._is_on = False


class JobWorker:
    """Runs jobs from `start` until `stop`.

    `handlers` are by kind of job. `owner` names this worker in leases, for people. `clock` returns the present moment in UTC;
    `jitter` a random number in [0, 1]. Clocks of workers that share a store may differ by much less than a lease.
    """

    def __init__(
        self,
        jobs: JobStore,
        handlers: Mapping[str, JobHandler],
        clock: Clock,
        bounds: JobWorkerBounds,
        owner: str,
        *,
        periodic_tasks: Sequence[PeriodicTask] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._jobs, self._clock, self._bounds, self._owner, self._jitter = jobs, clock, bounds, owner, jitter
        self._queues = {kind: _KindQueue(self._runner(handler), bounds.batches_max) for kind, handler in handlers.items()}
        self._queues |= {task.job_id: _KindQueue(self._periodic_runner(task), 1) for task in periodic_tasks}
        self._periodic_tasks = periodic_tasks
        self._has_periodic_jobs = not periodic_tasks
        self._leases = Leases(jobs, clock, timedelta(seconds=bounds.lease_seconds))
        self._outage = _Outage()
        self._woken, self._stopping = asyncio.Event(), asyncio.Event()
        self._is_cancelled = False
        self._work_task: asyncio.Task[None] | None = None
        self._lease_task = BackgroundTask(f"leases of {owner}", self._keep_leases)

    def _runner(self, handler: JobHandler) -> JobRunner:
        retries = job_retries(self._bounds.attempts_max)
        seconds_max = self._bounds.run_seconds_max
        return JobRunner(handler, self._clock, self._jitter, run_seconds_max=seconds_max, retries=retries)

    def _periodic_runner(self, task: PeriodicTask) -> JobRunner:
        return JobRunner(
            task.handle,
            self._clock,
            self._jitter,
            run_seconds_max=self._bounds.run_seconds_max,
            retries=PERIODIC_RETRIES,
            interval_seconds=task.interval_seconds,
        )

    def start(self) -> None:
        """Start working, in tasks of the running event loop. A worker is started once."""
        self._work_task = asyncio.create_task(self._work(), name=f"jobs of {self._owner}")
        self._lease_task.start()

    def wake(self) -> None:
        """Look for due jobs at once; for code that has just inserted some."""
        self._woken.set()

    async def stop(self) -> None:
        """Take no more jobs, give back those not started, and finish those running; cancel them after the grace period."""
        deadline = asyncio.get_running_loop().time() + self._bounds.grace_seconds
        self._stopping.set()
        self.wake()
        if self._work_task is not None:
            await asyncio.wait([self._work_task], timeout=self._bounds.grace_seconds)
        await self._release_waiting()
        running = {task for queue in self._queues.values() for task in queue.running}
        if running:
            await asyncio.wait(running, timeout=max(deadline - asyncio.get_running_loop().time(), 0))
        self._is_cancelled = True
        late = [task for task in (*running, self._work_task) if task is not None and not task.done()]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_SECONDS_MAX)
        await self._lease_task.stop()

    # -- taking jobs

    async def _work(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                if failures:  # outcomes are still to be recorded; no other worker could take the jobs either
                    await self._leases.renew()
                wait_seconds = await self._poll()
            except Exception as error:  # whatever it is, there will be jobs to run after it
                self._outage.begin(error)
                await _wait(self._stopping, self._outage_pause_seconds(failures))
                failures += 1
                continue
            self._outage.end()
            failures = 0
            await _wait(self._woken, wait_seconds)

    async def _poll(self) -> float:
        """Take due jobs of kinds with a free slot; return how many seconds to wait before the next poll."""
        await self._insert_periodic_jobs()
        limit = self._bounds.batch_max
        kinds = self._kinds_with_slot()
        if kinds:
            now = self._clock()
            jobs = await self._jobs.lease_due(kinds, now, self._bounds.lease_seconds, self._owner, limit)
            if jobs:
                self._enqueue(jobs, now)
            if len(jobs) == limit:
                return 0
            kinds = self._kinds_with_slot()
        ready_time = await self._jobs.next_ready_time(kinds) if kinds else None
        if ready_time is None:  # a slot that comes free wakes the worker
            return self._bounds.poll_seconds
        seconds = (ready_time - self._clock()).total_seconds()
        return min(max(seconds, _LOST_RACE_SECONDS), self._bounds.poll_seconds)

    def _kinds_with_slot(self) -> list[str]:
        return [kind for kind, queue in self._queues.items() if queue.has_slot]

    async def _insert_periodic_jobs(self) -> None:
        if self._has_periodic_jobs:
            return
        now = self._clock()
        await self._jobs.insert_if_absent([Job(task.job_id, task.job_id, {}, now, now) for task in self._periodic_tasks])
        for task in self._periodic_tasks:  # the stored job may have been left by a version with a longer interval
            await self._jobs.bring_forward(task.job_id, now + timedelta(seconds=task.interval_seconds))
        self._has_periodic_jobs = True

    def _enqueue(self, jobs: Sequence[Job], taken_at: datetime) -> None:
        lease = self._leases.add(jobs, taken_at)
        for batch in in_batches(jobs, self._bounds.batch_max):
            self._queues[batch[0].kind].waiting.append(_Batch(batch, lease))
        for kind in {job.kind for job in jobs}:
            self._start_waiting(self._queues[kind])

    def _start_waiting(self, queue: _KindQueue) -> None:
        while queue.waiting and queue.has_slot and not self._stopping.is_set():
            batch = queue.waiting.popleft()
            queue.running.add(asyncio.create_task(self._run_batch(queue, batch), name=f"jobs {batch.jobs[0].kind}"))

    # -- running jobs

    async def _run_batch(self, queue: _KindQueue, batch: _Batch) -> None:
        """Run a batch and record its outcomes, whatever happens."""
        try:
            if batch.lease.until > self._clock():
                await self._record_outcomes(await queue.runner.run(batch.jobs), batch.lease)
            else:  # it waited here through an outage; whoever takes the jobs now starts them
                _log.warning("the lease on %d jobs expired before they were started", len(batch.jobs))
        except Exception:  # the lease will expire
            _log.exception("the outcomes of %d jobs are not recorded", len(batch.jobs))
        finally:
            self._leases.forget(batch.lease, batch.job_ids)
            queue.running.discard(asyncio.current_task())
            self._start_waiting(queue)
            self.wake()

    async def _record_outcomes(self, jobs: list[Job], lease: Lease) -> None:
        """Record the outcomes of a batch; wait for an outage to end."""
        for attempt in range(_RECORD_ATTEMPTS_MAX):
            try:
                held = await self._jobs.record_outcomes(jobs, lease.owner)
            except Refusal as refusal:
                self._outage.begin(refusal)
                if self._is_cancelled:
                    break
                await asyncio.sleep(self._outage_pause_seconds(attempt))
                continue
            if held < len(jobs) and attempt == 0:  # in a later attempt, part of it may be recorded already
                _log.warning("the lease on %d of %d jobs was lost before they were done", len(jobs) - held, len(jobs))
            return
        _log.error("the outcomes of %d jobs cannot be recorded; they will run again", len(jobs))

    # -- leases

    async def _keep_leases(self) -> None:
        await repeat(self._bounds.lease_seconds / _RENEWALS_PER_LEASE, self._renew_leases)

    async def _renew_leases(self) -> None:
        try:
            await self._leases.renew()
        except Exception as error:  # the next renewal comes soon; a lost lease is noticed when outcomes are recorded
            self._outage.begin(error)

    async def _release_waiting(self) -> None:
        for queue in self._queues.values():
            for batch in queue.waiting:
                self._leases.forget(batch.lease, batch.job_ids)
                try:
                    await self._jobs.release(batch.job_ids, batch.lease.owner, self._clock())
                except Exception as error:  # then the lease expires
                    self._outage.begin(error)
            queue.waiting.clear()

    def _outage_pause_seconds(self, failures: int) -> float:
        pause_seconds = _FIRST_OUTAGE_PAUSE_SECONDS * 2.0 ** min(failures, _DOUBLINGS_MAX)
        return min(pause_seconds, self._bounds.outage_pause_seconds_max)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most `seconds`. Always yields to the event loop: the in-memory database never does."""
    await asyncio.sleep(0)
    if seconds <= 0 or event.is_set():
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
