"""Whatever a command changes on a run is committed through its lane, whichever field it is; and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from app.domain.disruption import DisruptionReason
from app.domain.events import EventType
from app.domain.run.delay_record import DelayRecord
from app.domain.run.train_run import TrainRun
from app.store.driver import Database
from app.store.store import open_store
from tests.support.builders import NOW, a_run
from tests.support.event_batches import events_of_batches
from tests.support.trial_lanes import TO_COME, Change, LaneServer, register_trial_rule
from tests.support.world import World


@pytest.fixture(autouse=True)
def _trial_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    register_trial_rule(monkeypatch)


@pytest.fixture
def database(world: World) -> Database:
    return world.database


@pytest_asyncio.fixture
async def run(database: Database) -> TrainRun:
    """A run with two seats that is stored in version 1."""
    run = a_run("A2", travel_date=TO_COME)
    await open_store(database, jobs_kept_seconds=3_600).runs.insert_if_absent([run], NOW)
    return run


# -- changes of a single kind


def emit(run: TrainRun, now: datetime) -> None:
    run.emit(EventType.RUN_DELAYED, run.run_id, {"section": "A"}, now)


def delay_departure(run: TrainRun, now: datetime) -> None:
    run.set_delay(DelayRecord((7,) * len(run.stops), DisruptionReason.STAFF, "", now))


def sell_a_seat(run: TrainRun, now: datetime) -> None:
    run.sell(0, 2, 1)


def replace_sections(run: TrainRun, now: datetime) -> None:
    (section,) = run.sections
    (coach,) = section.coaches
    longer = replace(section, coaches=(replace(coach, last=3),), sold_legs=[*section.sold_legs, 0])
    run.set_sections([longer])


def change_nothing(run: TrainRun, now: datetime) -> None:
    return None


async def test_a_command_that_only_emits_an_event_is_committed(database: Database, run: TrainRun) -> None:
    server = LaneServer(database)
    assert await server.make(emit, run) == "done"
    document = await database["train_runs"].find_one({"_id": run.run_id})
    assert document is not None
    assert document["version"] == 2
    assert [event["type"] for event in events_of_batches(document["outbox"])] == [EventType.RUN_DELAYED.value]
    await server.bus.wait_idle()
    stored = events_of_batches(await database["events"].find({}).to_list(10))
    assert [event["subject"] for event in stored] == [run.run_id]


async def test_a_command_that_only_delays_the_run_is_committed(database: Database, run: TrainRun) -> None:
    assert await LaneServer(database).make(delay_departure, run) == "done"
    stored = await LaneServer(database).store.runs.get(run.run_id)
    assert stored.version == 2
    assert stored.stops == run.stops
    assert stored.schedule.depart_time == run.schedule.depart_time + timedelta(minutes=7)


@pytest.mark.parametrize(("change", "sold_legs"), [(sell_a_seat, [0, 1]), (replace_sections, [0, 0, 0])])
async def test_a_command_that_only_changes_sections_is_committed(
    database: Database, run: TrainRun, change: Change, sold_legs: list[int]
) -> None:
    assert await LaneServer(database).make(change, run) == "done"
    stored = await LaneServer(database).store.runs.get(run.run_id)
    assert (stored.version, stored.sections[0].sold_legs) == (2, sold_legs)


async def test_a_command_that_changes_nothing_writes_nothing(database: Database, run: TrainRun) -> None:
    before = await database["train_runs"].find_one({"_id": run.run_id})
    assert await LaneServer(database).make(change_nothing, run) == "done"
    assert await database["train_runs"].find_one({"_id": run.run_id}) == before


@pytest.mark.parametrize("change", [emit, delay_departure, sell_a_seat, replace_sections])
async def test_a_change_whose_swap_is_lost_is_undone_and_made_again(database: Database, run: TrainRun, change: Change) -> None:
    here, there = LaneServer(database), LaneServer(database)
    await here.make(change_nothing, run)  # so that this server has the run in memory
    await there.make(sell_a_seat, run)
    assert await here.make(change, run) == "done"
    expected = a_run("A2", travel_date=TO_COME)
    sell_a_seat(expected, NOW)
    change(expected, NOW)
    stored = await LaneServer(database).store.runs.get(run.run_id)
    assert stored.version == 3
    assert (stored.stops, stored.sections[0].sold_legs) == (expected.stops, expected.sections[0].sold_legs)
