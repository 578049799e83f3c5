"""A background task runs from start to stop, and a failure is logged."""

from __future__ import annotations

import asyncio
import logging

import pytest

from app.ports.background_task import BackgroundTask, repeat

# Turns of the event loop: the coroutine fails in the first, its callback runs in the second.
TURNS_UNTIL_LOGGED = 3


class Work:
    """A coroutine that runs until it is cancelled, and counts its starts and ends."""

    def __init__(self) -> None:
        self.starts, self.ends = 0, 0
        self.started = asyncio.Event()

    async def run(self) -> None:
        self.starts += 1
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ends += 1


async def fail() -> None:
    raise LookupError("broken")


async def test_stop_cancels_the_coroutine_and_waits_for_its_end() -> None:
    work = Work()
    task = BackgroundTask("work", work.run)
    task.start()
    await work.started.wait()
    assert task.is_running
    await task.stop()
    assert (work.starts, work.ends, task.is_running) == (1, 1, False)


async def test_stop_without_start_does_nothing() -> None:
    task = BackgroundTask("work", Work().run)
    await task.stop()
    assert not task.is_running


async def test_a_second_start_of_a_running_task_is_refused() -> None:
    task = BackgroundTask("work", Work().run)
    task.start()
    with pytest.raises(RuntimeError, match="'work' is already running"):
        task.start()
    await task.stop()


async def test_a_stopped_task_can_be_started_again() -> None:
    work = Work()
    task = BackgroundTask("work", work.run)
    for _ in range(2):
        work.started.clear()
        task.start()
        await work.started.wait()
        await task.stop()
    assert (work.starts, work.ends) == (2, 2)


async def test_the_asyncio_task_has_the_name() -> None:
    task = BackgroundTask("work", Work().run)
    task.start()
    assert "work" in {each.get_name() for each in asyncio.all_tasks()}
    await task.stop()


async def test_a_failure_is_logged_when_it_happens_and_not_raised_by_stop(caplog: pytest.LogCaptureFixture) -> None:
    task = BackgroundTask("work", fail)
    with caplog.at_level(logging.ERROR):
        task.start()
        for _ in range(TURNS_UNTIL_LOGGED):
            await asyncio.sleep(0)
        assert not task.is_running
        assert [record.getMessage() for record in caplog.records] == ["the background task 'work' failed"]
        await task.stop()
    assert len(caplog.records) == 1


async def test_a_cancelled_stop_is_cancelled() -> None:
    """The task ignores its cancellation for a while; whoever stops it can still give up."""
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()

    task = BackgroundTask("stubborn", stubborn)
    task.start()
    await asyncio.sleep(0)
    stopping = asyncio.create_task(task.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    release.set()


async def test_an_action_is_repeated_until_it_is_stopped() -> None:
    done, times = asyncio.Event(), 0

    async def act() -> None:
        nonlocal times
        times += 1
        if times == 3:
            done.set()

    task = BackgroundTask("repeat", lambda: repeat(0.0, act))
    task.start()
    await done.wait()
    await task.stop()
    assert times >= 3
