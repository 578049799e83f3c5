"""Commands that change nothing but the run itself: whatever a rule has changed is committed before its caller has an answer."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.commands import Command
from app.domain.events import EventType
from app.domain.people import Caller
from app.domain.rules.decisions import RULES
from app.domain.run.train_run import TrainRun
from app.domain.values import value
from app.process.clock import utc_now
from tests.support.clients import seats_of
from tests.support.run_changes import a_delay_record, lengthen
from tests.support.world import World


@value(frozen=True, slots=True)
class ChangeRun(Command[int]):
    """Change the run as the test says. The result is the number of sections."""

    caller: Caller
    run_id: str = ""


@pytest.fixture
def commit(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Commit a change of a run, in a batch of its own."""

    async def commit(run_id: str, change: Callable[[TrainRun], object]) -> int:
        def rule(run: TrainRun, *_: object) -> int:
            change(run)
            return len(run.sections)

        monkeypatch.setitem(RULES, ChangeRun, rule)
        return await world.server.bus.submit(ChangeRun(Caller(), run_id), time.monotonic() + 5)

    return commit


async def test_a_delay_is_committed(world: World, commit: Callable[..., Any]) -> None:
    run = await world.run("A2")
    before = await world.run_document(run)
    assert await commit(before["_id"], lambda run: run.set_delay(replace(a_delay_record(), arrivals=()))) == 1
    after = await world.run_document(run)
    assert after["version"] == before["version"] + 1
    assert after["stops"] == before["stops"]
    assert after["arrive_time"] == before["arrive_time"] + timedelta(minutes=40)
    assert after["next_due"] == before["next_due"] + timedelta(minutes=40)


async def test_a_new_layout_is_committed_and_sold(world: World, commit: Callable[..., Any]) -> None:
    run = await world.run("A1")
    booked = [await world.api_client("ann").book(run)]
    await commit(f"{run.train_id}:{run.travel_date}", lengthen)
    booked.append(await world.api_client("ben").book(run))
    assert [seats_of(booking) for booking in booked] == [["A-1"], ["A-2"]]
    assert (await world.run_document(run))["sections"][0]["sold_legs"][1] != 0


async def test_an_event_alone_is_committed_and_archived(world: World, commit: Callable[..., Any]) -> None:
    run = await world.run("A1")
    run_id = f"{run.train_id}:{run.travel_date}"
    await commit(run_id, lambda run: run.emit(EventType.RUN_DELAYED, run_id, {"minutes": 5}, utc_now()))
    await world.wait_until_archived()
    (event,) = await world.events(run)
    assert (event["type"], event["subject"]) == ("run.delayed", run_id)


async def test_a_command_that_changes_nothing_commits_nothing(world: World, commit: Callable[..., Any]) -> None:
    run = await world.run("A1")
    before = await world.run_document(run)
    await commit(before["_id"], lambda run: None)
    assert await world.run_document(run) == before
