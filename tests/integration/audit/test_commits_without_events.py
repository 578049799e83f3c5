"""Commits without events: verify does not take them for commits whose events are lost."""

from __future__ import annotations

from datetime import timedelta

from app.store.runs import TrainRuns
from tests.support.layout_client import layout_client, remove_coach
from tests.support.verified_worlds import now, verify
from tests.support.world import Clock, World

RESERVE_SECONDS = 60
WITHOUT_WORKER = 600  # seconds for which verify lets work wait that no worker does here


async def findings(world: World) -> list[str]:
    await world.wait_until_archived()
    return [finding.text for finding in (await verify(world.database, tolerance_seconds=WITHOUT_WORKER)).findings]


async def test_a_reservation_and_a_change_of_visibility_have_no_events(real_world: World) -> None:
    run, desk = await real_world.run("A2 A2"), layout_client(real_world)
    await real_world.api_client("ann").book(run, seats=[3], section="A")
    await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    assert await findings(real_world) == []
    for hidden in (True, False):
        await desk.hide(run, hidden=hidden)
        assert await findings(real_world) == []
    await desk.change(run, remove_coach("2"))
    assert await findings(real_world) == []


async def test_the_end_of_a_reservation_has_none_either(clock: Clock, real_world: World) -> None:
    run, desk = await real_world.run("A2 A2"), layout_client(real_world)
    await real_world.api_client("ann").book(run, seats=[3], section="A")
    await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    clock.ahead = timedelta(seconds=RESERVE_SECONDS + 1)
    await real_world.desk.promote(run)
    assert "layout_reservation" not in await real_world.run_document(run)
    assert await findings(real_world) == []


async def test_a_claim_that_no_commit_follows_has_none(real_world: World) -> None:
    run = await real_world.run("A2")
    await real_world.api_client("ann").book(run)
    await real_world.wait_until_archived()
    runs = TrainRuns(real_world.database)
    cached = await runs.load(f"{run.train_id}:{run.travel_date}")
    assert cached is not None
    assert await runs.claim_turn(cached, "a server that ended", now() + timedelta(seconds=1))
    assert (await real_world.run_document(run))["version"] == cached.run.version
    assert await findings(real_world) == []
    await runs.release_turn(cached.run)
    assert await findings(real_world) == []


async def test_the_events_of_a_later_commit_are_missed_where_they_are_lost(real_world: World) -> None:
    run, desk = await real_world.run("A2"), layout_client(real_world)
    await real_world.api_client("ann").book(run)
    await desk.hide(run)
    await desk.hide(run, hidden=False)
    await real_world.api_client("bob").hold(run)
    await real_world.wait_until_archived()
    version = (await real_world.run_document(run))["version"]
    run_id = f"{run.train_id}:{run.travel_date}"
    await real_world.database["events"].delete_one({"_id": f"{run_id}:{version}"})
    await real_world.database["train_runs"].update_one({"_id": run_id}, {"$set": {"outbox": []}})
    assert f"has version {version}, of which there are no events" in await findings(real_world)
