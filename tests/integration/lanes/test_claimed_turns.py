"""Claimed turns: a command that takes long to decide wins against a server that sells as fast as it can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from app.domain.run.train_run import TrainRun
from app.process.clock import utc_now
from app.store.cached_run import CachedRun
from app.store.driver import Database, SwapOutcome
from app.store.runs import TrainRuns
from tests.support.builders import NOW, a_run
from tests.support.trial_lanes import TO_COME, Change, LaneServer, register_trial_rule
from tests.support.world import World, eventually


@pytest.fixture(autouse=True)
def _trial_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    register_trial_rule(monkeypatch)


@pytest.fixture
def database(real_world: World) -> Database:
    return real_world.database


@pytest_asyncio.fixture
async def run(database: Database) -> TrainRun:
    """A run that is stored in version 1."""
    run = a_run("A9", travel_date=TO_COME)
    await LaneServer(database).store.runs.insert_if_absent([run], NOW)
    return run


@pytest_asyncio.fixture
async def pair(database: Database, run: TrainRun) -> AsyncIterator[tuple[LaneServer, LaneServer]]:
    """Two servers that have the run in memory."""
    servers = LaneServer(database), LaneServer(database)
    for server in servers:
        await server.make(nothing, run)
    yield servers
    for server in servers:
        await server.bus.wait_idle()


def nothing(run: TrainRun, now: datetime) -> None:
    """Change nothing."""


def noting(name: str, decided: list[tuple[str, int]]) -> Change:
    """Note that this was decided, and on which version of the run; and change the run."""

    def change(run: TrainRun, now: datetime) -> None:
        decided.append((name, run.version))
        run.set_layout(replace(run.layout, revision=run.layout.revision + 1))

    return change


def before_commits(monkeypatch: pytest.MonkeyPatch, server: LaneServer, steps: list[Callable[[], object]]) -> None:
    """Before each commit of the server, do the next of these steps to its end."""
    commit_each = server.store.runs.commit_each

    async def commit_after_a_step(batch: object) -> list[SwapOutcome]:
        if steps:
            step = steps.pop(0)()
            if asyncio.iscoroutine(step):
                await step
        return await commit_each(batch)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(server.store.runs, "commit_each", commit_after_a_step)


def note_readings(monkeypatch: pytest.MonkeyPatch, server: LaneServer) -> list[int]:
    """Return a list of the versions that the server reads from now on: many of one while it waits."""
    catch_up, versions = server.store.runs.catch_up, list[int]()

    async def catch_up_and_note(cached: CachedRun) -> CachedRun | None:
        found = await catch_up(cached)
        versions.append(cached.run.version)
        return found

    monkeypatch.setattr(server.store.runs, "catch_up", catch_up_and_note)
    return versions


async def test_after_one_lost_swap_the_other_server_waits_for_the_command_that_is_alone(
    pair: tuple[LaneServer, LaneServer], run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    decided: list[tuple[str, int]] = []
    sales: list[asyncio.Future[str]] = []

    async def sell_at_once() -> None:
        await there.make(noting("sale", decided), run)

    async def let_another_sale_try() -> None:
        readings = note_readings(monkeypatch, there)
        sale = asyncio.ensure_future(there.make(noting("later sale", decided), run))
        sales.append(sale)

        async def waits_or_is_sold() -> bool:
            return len(readings) > 2 or sale.done()

        await eventually(waits_or_is_sold)

    monkeypatch.setattr("app.lanes.claimed_turns._CLAIM_SECONDS_MIN", 3.0)  # far longer than the test takes
    before_commits(monkeypatch, here, [sell_at_once, let_another_sale_try])
    await here.make_alone(noting("alone", decided), run)
    await asyncio.gather(*sales)
    assert [name for name, _ in decided if name != "later sale"] == ["alone", "sale", "alone"]
    last_alone = max(version for name, version in decided if name == "alone")
    assert ("later sale", last_alone + 1) in decided, "it was decided on what the command left"
    stored = await here.store.runs.get(run.run_id)
    assert (stored.layout.revision, stored.version) == (3, 5), "three commits, and the claim"


async def test_a_claim_of_a_server_that_ended_is_waited_for_until_it_expires(
    pair: tuple[LaneServer, LaneServer], run: TrainRun
) -> None:
    here, there = pair
    cached = await here.store.runs.load(run.run_id)
    assert cached is not None
    expire_time = utc_now() + timedelta(milliseconds=150)
    assert await here.store.runs.claim_turn(cached, "a server that ended", expire_time)
    decided: list[datetime] = []

    def hide(run: TrainRun, now: datetime) -> None:
        decided.append(now)
        run.set_hidden(hidden=True)

    await there.make(hide, run)
    assert decided[-1] >= expire_time
    assert (await there.store.runs.get(run.run_id)).hidden


async def test_a_commit_of_a_server_that_does_not_wait_ends_the_claim(
    pair: tuple[LaneServer, LaneServer], run: TrainRun, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.lanes.claimed_turns._CLAIM_SECONDS_MAX", 60.0)  # what a server would wait otherwise
    here, there = pair
    cached = await here.store.runs.load(run.run_id)
    assert cached is not None
    assert await here.store.runs.claim_turn(cached, "another server", utc_now() + timedelta(hours=1))
    await database["train_runs"].update_one({"_id": run.run_id}, {"$inc": {"version": 1}})  # as an earlier version commits
    assert await asyncio.wait_for(there.make(nothing, run, seconds=90), 20) == "done"


async def test_a_plan_ends_the_claim_that_it_made(
    pair: tuple[LaneServer, LaneServer], run: TrainRun, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    here, there = pair
    is_newest = TrainRuns.is_newest
    sold: list[str] = []

    async def lose_once(runs: TrainRuns, newest: TrainRun) -> bool:
        if runs is here.store.runs and not sold:
            sold.append(await there.make(noting("sale", []), run))
        return await is_newest(runs, newest)

    monkeypatch.setattr(TrainRuns, "is_newest", lose_once)
    assert await here.make_alone(nothing, run) == "done"
    document = await database["train_runs"].find_one({"_id": run.run_id})
    assert document is not None
    assert (document["version"], "claimed_turn" in document) == (3, False)


async def test_a_claim_loses_against_a_commit_that_came_first(pair: tuple[LaneServer, LaneServer], run: TrainRun) -> None:
    here, there = pair
    cached = await here.store.runs.load(run.run_id)
    assert cached is not None
    await there.make(noting("sale", []), run)
    assert not await here.store.runs.claim_turn(cached, "here", utc_now() + timedelta(seconds=1))
    assert cached.run.version == 1
