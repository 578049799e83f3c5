"""Worlds in which workers run jobs: jobs in memory, a clock that is moved by hand, and handlers that record their calls.

Belongs here: stand-ins for the store, the clock and handlers, and waiting for a worker. Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from app.domain.jobs import Job, JobState, is_due
from app.domain.refusals import Reason, Refusal
from app.jobs.handlers import JobHandler
from app.jobs.periodic_tasks import PeriodicTask
from app.jobs.worker import JobWorker, JobWorkerBounds

WAIT_SECONDS_MAX = 30.0  # on a busy machine; the condition usually holds at once
HOUR_SECONDS = 3600.0
# In most tests nothing happens by polling, so that they see what wakes a worker.
BOUNDS = JobWorkerBounds(batch_max=10, batches_max=2, poll_seconds=HOUR_SECONDS, attempts_max=5, outage_pause_seconds_max=0.01)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = datetime(2026, 8, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Watched:
    """An object whose changes tests can wait for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def change(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the condition holds; fail after a time."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class JobsInMemory(Watched):
    """Jobs in memory, for workers of one process. The next `outage_statements` statements find no database."""

    def __init__(self, *jobs: Job) -> None:
        super().__init__()
        self.stored = {job.job_id: job for job in jobs}
        self.outage_statements = 0
        self.lease_calls = self.renew_calls = self.record_calls = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._numbers = count(1)

    def states(self) -> dict[str, JobState]:
        return {job.job_id: job.state for job in self.stored.values()}

    def are_done(self, *job_ids: str) -> bool:
        return all(self.stored[job_id].state is JobState.DONE for job_id in job_ids)

    def _write(self, jobs: Iterable[Job]) -> int:
        written = 0
        for job in jobs:
            self.stored[job.job_id] = job
            written += 1
        self.change()
        return written

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        self.change()
        await self.may_answer.wait()
        if self.outage_statements > 0:
            self.outage_statements -= 1
            self.change()
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")

    def _held(self, job_ids: Sequence[str], lease_owner: str) -> list[Job]:
        return [self.stored[job_id] for job_id in job_ids if self.stored[job_id].lease_owner == lease_owner]

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int:
        await self._answer()
        return self._write(job for job in jobs if job.job_id not in self.stored)

    async def bring_forward(self, job_id: str, due_time: datetime) -> None:
        await self._answer()
        job = self.stored[job_id]
        if job.lease_until is None and job.due_time > due_time:
            self._write([replace(job, due_time=due_time)])

    async def lease_due(self, kinds: Collection[str], now: datetime, lease_seconds: float, owner: str, limit: int) -> list[Job]:
        self.lease_calls += 1
        await self._answer()
        due = [job for job in self.stored.values() if job.kind in kinds and is_due(job, now)][:limit]
        lease_owner, lease_until = f"{owner}/{next(self._numbers)}", now + timedelta(seconds=lease_seconds)
        taken = [replace(job, attempts=job.attempts + 1, lease_owner=lease_owner, lease_until=lease_until) for job in due]
        self._write(taken)
        return taken

    async def renew(self, job_ids: Sequence[str], lease_owner: str, lease_until: datetime) -> int:
        self.renew_calls += 1
        await self._answer()
        return self._write(replace(job, lease_until=lease_until) for job in self._held(job_ids, lease_owner))

    async def release(self, job_ids: Sequence[str], lease_owner: str, now: datetime) -> int:
        await self._answer()
        held = self._held(job_ids, lease_owner)
        return self._write(replace(job, attempts=job.attempts - 1, lease_owner="", lease_until=None) for job in held)

    async def record_outcomes(self, jobs: Sequence[Job], lease_owner: str) -> int:
        self.record_calls += 1
        await self._answer()
        held = {job.job_id for job in self._held([job.job_id for job in jobs], lease_owner)}
        return self._write(job for job in jobs if job.job_id in held)

    async def next_ready_time(self, kinds: Collection[str]) -> datetime | None:
        await self._answer()
        times = [job.ready_time for job in self.stored.values() if job.kind in kinds and job.state is JobState.PENDING]
        return min(times, default=None)


class RecordingHandler(Watched):
    """A handler that records its batches, and how many ran at a time. A batch ends when it `may_end`."""

    def __init__(self, *, may_end: bool = True) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.running = self.running_max = self.cancelled = 0
        self.errors: dict[str, Exception | None] = {}
        self.fault: Exception | None = None
        self.may_end = asyncio.Event()
        if may_end:
            self.may_end.set()

    async def __call__(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        self.batches.append([job.job_id for job in jobs])
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        self.change()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
            self.change()
        if self.fault is not None:
            raise self.fault
        return {job.job_id: self.errors.get(job.job_id) for job in jobs}


def a_job(job_id: str, now: datetime, kind: str = "refund") -> Job:
    """Return a job that is due now."""
    return Job(job_id, kind, {}, due_time=now, create_time=now)


@asynccontextmanager
async def working(
    jobs: JobsInMemory,
    handlers: Mapping[str, JobHandler],
    clock: Callable[[], datetime],
    bounds: JobWorkerBounds = BOUNDS,
    *,
    periodic_tasks: Sequence[PeriodicTask] = (),
    owner: str = "worker",
) -> AsyncIterator[JobWorker]:
    """Run a worker until the block ends. Pauses after failures have their greatest length."""
    worker = JobWorker(jobs, handlers, clock, bounds, owner, periodic_tasks=periodic_tasks, jitter=lambda: 1.0)
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop()
