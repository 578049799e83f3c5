"""Periodic tasks: they run at their interval, by one worker at a time, and soon after any downtime."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.domain.jobs import JobState
from app.jobs.periodic_tasks import PeriodicTask
from tests.support.job_worlds import BOUNDS, Clock, JobsInMemory, Watched, working


class CountingTask(Watched):
    """Counts its runs. A run ends when it `may_end`."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = self.running = self.running_max = 0
        self.fault: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def run(self) -> None:
        self.runs += 1
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        self.change()
        await self.may_end.wait()
        self.running -= 1
        if self.fault is not None:
            raise self.fault


def every_minute(task: CountingTask) -> PeriodicTask:
    return PeriodicTask("holds", 60, task.run)


def has_run(jobs: JobsInMemory, times: int) -> bool:
    """Whether the task has run so often, and waits for its next time."""
    return jobs.record_calls == times and jobs.stored["sweep holds"].lease_until is None


async def test_a_periodic_task_runs_at_its_times() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    begin = clock()
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)]) as worker:
        for times in range(1, 5):
            await jobs.until(lambda times=times: has_run(jobs, times))  # type: ignore[misc]
            assert jobs.stored["sweep holds"].due_time == begin + times * timedelta(seconds=60)
            clock.move(60)
            worker.wake()
        await task.until(lambda: task.runs == 5)


async def test_a_periodic_task_does_not_run_between_its_times() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)]) as worker:
        await jobs.until(lambda: has_run(jobs, 1))
        lease_calls = jobs.lease_calls
        clock.move(59)
        worker.wake()
        await jobs.until(lambda: jobs.lease_calls > lease_calls)
    assert task.runs == 1


async def test_of_several_workers_one_runs_a_periodic_task_at_a_time() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    task.may_end.clear()
    periodic_tasks = [every_minute(task)]
    async with (
        working(jobs, {}, clock, periodic_tasks=periodic_tasks) as first,
        working(jobs, {}, clock, periodic_tasks=periodic_tasks, owner="b") as second,
    ):
        await task.until(lambda: task.runs == 1)
        lease_calls = jobs.lease_calls
        for worker in (first, second):
            worker.wake()
        await jobs.until(lambda: jobs.lease_calls >= lease_calls + 1)
        task.may_end.set()
        await jobs.until(lambda: has_run(jobs, 1))
        clock.move(60)
        for worker in (first, second):
            worker.wake()
        await jobs.until(lambda: has_run(jobs, 2))
    assert (task.runs, task.running_max) == (2, 1)


async def test_after_downtime_a_periodic_task_runs_once() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    begin = clock()
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)]):
        await jobs.until(lambda: has_run(jobs, 1))
    clock.move(60 * 100 + 7)
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)], owner="b"):
        await jobs.until(lambda: has_run(jobs, 2))
    assert task.runs == 2
    assert jobs.stored["sweep holds"].due_time == begin + 101 * timedelta(seconds=60)


async def test_another_worker_runs_the_periodic_task_of_a_dead_one() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)]):
        await jobs.until(lambda: has_run(jobs, 1))
    clock.move(60)
    await jobs.lease_due(["sweep holds"], clock(), BOUNDS.lease_seconds, "gone", 1)
    clock.move(BOUNDS.lease_seconds)
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)], owner="b"):
        await jobs.until(lambda: has_run(jobs, 2))
    assert task.runs == 2


@pytest.mark.parametrize("attempts", [1, 10])
async def test_a_periodic_task_that_fails_is_tried_again_soon_and_for_ever(attempts: int) -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    task.fault = ConnectionError("gone")
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)]) as worker:
        for record_calls in range(1, attempts + 1):
            await jobs.until(lambda record_calls=record_calls: has_run(jobs, record_calls))  # type: ignore[misc]
            assert jobs.stored["sweep holds"].state is JobState.PENDING
            clock.move(60)
            worker.wake()
        task.fault = None
        await jobs.until(lambda: has_run(jobs, attempts + 1))
    assert (jobs.stored["sweep holds"].attempts, jobs.stored["sweep holds"].last_error) == (0, "")


async def test_a_shorter_interval_applies_from_the_next_start() -> None:
    clock, task, jobs = Clock(), CountingTask(), JobsInMemory()
    async with working(jobs, {}, clock, periodic_tasks=[PeriodicTask("holds", 86_400, task.run)]):
        await jobs.until(lambda: has_run(jobs, 1))
    async with working(jobs, {}, clock, periodic_tasks=[every_minute(task)], owner="b") as worker:
        await jobs.until(lambda: jobs.stored["sweep holds"].due_time == clock() + timedelta(seconds=60))
        clock.move(60)
        worker.wake()
        await jobs.until(lambda: has_run(jobs, 2))
    assert task.runs == 2
