"""A lane answers every caller: it folds waiting commands into one commit, and a command that fails fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest
import pytest_asyncio

from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from app.store.cached_run import CachedRun
from app.store.driver import Database, SwapOutcome
from app.store.in_memory import connect_in_memory
from app.store.store import open_store
from tests.support.builders import NOW, a_run
from tests.support.trial_lanes import BOUNDS, TO_COME, Change, LaneServer, register_trial_rule


@pytest.fixture(autouse=True)
def _trial_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    register_trial_rule(monkeypatch)


@pytest.fixture
def database() -> Database:
    return connect_in_memory()["test"]


@pytest_asyncio.fixture
async def run(database: Database) -> TrainRun:
    """A run with nine seats that is stored in version 1."""
    run = a_run("A9", travel_date=TO_COME)
    await open_store(database, jobs_kept_seconds=3_600).runs.insert_if_absent([run], NOW)
    return run


def sell(number: int) -> Change:
    """Sell the first leg of that seat."""
    return lambda run, now: run.sell(0, number, 1)


def refuse(run: TrainRun, now: datetime) -> None:
    raise Refusal(Reason.SECTION_FULL, "full")


def fail(run: TrainRun, now: datetime) -> None:
    run.sell(0, 9, 1)
    raise ZeroDivisionError("a bug")


async def stored(server: LaneServer, run: TrainRun) -> tuple[int, int]:
    """Return the version of the run in the database, and how many of its seats are sold."""
    found = await server.store.runs.get(run.run_id)
    return found.version, sum(1 for legs in found.sections[0].sold_legs if legs)


async def test_commands_that_wait_together_are_committed_together(database: Database, run: TrainRun) -> None:
    server = LaneServer(database)
    assert await asyncio.gather(*(server.make(sell(number), run) for number in range(1, 6))) == ["done"] * 5
    assert await stored(server, run) == (2, 5)


async def test_a_refusal_fails_only_its_own_caller(database: Database, run: TrainRun) -> None:
    server = LaneServer(database)
    changes = (sell(1), refuse, sell(2))
    first, refused, last = await asyncio.gather(*(server.make(change, run) for change in changes), return_exceptions=True)
    assert (first, last) == ("done", "done")
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SECTION_FULL
    assert await stored(server, run) == (2, 2)


async def test_a_full_queue_refuses_the_next_command_at_once(database: Database, run: TrainRun) -> None:
    server = LaneServer(database, replace(BOUNDS, queue_max=2))
    waiting = [server.make(sell(number), run) for number in (1, 2)]
    with pytest.raises(Refusal) as refused:
        server.make(sell(3), run)
    assert refused.value.reason is Reason.RUN_BUSY
    assert await asyncio.gather(*waiting) == ["done", "done"]
    assert await stored(server, run) == (2, 2)


async def test_a_command_whose_deadline_has_passed_is_not_decided(database: Database, run: TrainRun) -> None:
    server = LaneServer(database)
    late, early = server.make(sell(1), run, seconds=0.0), server.make(sell(2), run)
    with pytest.raises(Refusal) as refused:
        await late
    assert refused.value.reason is Reason.DEADLINE_EXCEEDED
    assert await early == "done"
    assert await stored(server, run) == (2, 1)


async def test_a_bug_in_a_rule_fails_its_batch_and_leaves_nothing_of_it(database: Database, run: TrainRun) -> None:
    server = LaneServer(database)
    found = await asyncio.gather(server.make(sell(1), run), server.make(fail, run), return_exceptions=True)
    assert [type(error) for error in found] == [ZeroDivisionError, ZeroDivisionError]
    assert await stored(server, run) == (1, 0)
    assert await server.make(sell(2), run) == "done"
    assert await stored(server, run) == (2, 1)


async def test_a_batch_that_loses_every_swap_is_refused_and_leaves_nothing(
    database: Database, run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, batches = LaneServer(database), list[int]()

    async def lose(batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        batches.append(len(batch))
        return [SwapOutcome.LOST] * len(batch)

    with monkeypatch.context() as patched:
        patched.setattr(server.store.runs, "commit_each", lose)
        with pytest.raises(Refusal) as refused:
            await server.make(sell(1), run)
    assert refused.value.reason is Reason.COMMIT_ATTEMPTS_SPENT
    assert len(batches) == BOUNDS.commit_attempts_max
    assert await server.make(sell(2), run) == "done"
    assert await stored(server, run) == (2, 1)


async def test_a_command_for_a_missing_run_is_refused_and_its_lane_is_dropped(database: Database) -> None:
    server = LaneServer(database)
    with pytest.raises(Refusal) as refused:
        await server.make(refuse, a_run("A1"))
    assert refused.value.reason is Reason.TRAIN_RUN_NOT_FOUND
    await server.bus.wait_idle()
    assert server.bus.load_counts() == (0, 0)
