"""What workers do on runs without any caller: they depart, complete and are compacted, and their bookings are cancelled."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from app.domain import limits
from app.domain.audit.check import Check
from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from app.store.runs import CLOCK_STATE_INDEX
from app.usecases.run_maintenance import RunMaintenance
from app.usecases.verification.verification import Verification, audit_sources
from tests.support.clients import ASHFORD, LILLE, PARIS, Run, people
from tests.support.world import Clock, World, on_day, running_server, settings_for

CANCELLED = booking_pb2.BOOKING_STATE_CANCELLED
CHECKS = {
    Check.SOLD_LEGS,
    Check.INVENTORY,
    Check.WAITLIST,
    Check.PROMOTIONS,
    Check.FIELDS,
    Check.SHAPE,
    Check.STATES,
    Check.HISTORY,
    Check.CLOCK,
    Check.CANCELLATIONS,
}
FEW = 2  # bookings that a step of a cancellation looks at, here


def maintenance_of(world: World, clock: Clock) -> RunMaintenance:
    return RunMaintenance(world.server.store.runs, world.server.bus, clock.now, time.monotonic)


def run_id(run: Run) -> str:
    return f"{run.train_id}:{run.travel_date}"


async def put_at(clock: Clock, world: World, run: Run, stop: int, minutes: int = 0) -> None:
    """Set the clock to some minutes after the scheduled arrival at a stop, or the departure from the first."""
    found = (await world.run_document(run))["stops"][stop]
    clock.ahead = (found["arrive"] or found["depart"]).replace(tzinfo=UTC) - datetime.now(UTC) + timedelta(minutes=minutes)


async def event_types(world: World, run: Run, *groups: str) -> list[str]:
    await world.wait_until_archived()
    return [event["type"] for event in await world.events(run) if event["type"].partition(".")[0] in groups]


async def require_sound(world: World, clock: Clock) -> None:
    """The audit finds nothing in the runs and their bookings. Payments and events are left to a worker."""
    await world.wait_until_archived()
    report = await Verification(audit_sources(world.database, ("ledger",), clock.now), timedelta(0)).verify()
    assert [finding.text for finding in report.findings if finding.check in CHECKS] == []


# -- the clock


async def test_a_worker_lets_runs_depart_complete_and_be_compacted(clock: Clock, world: World) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    booked = await jane.book(run)
    await jane.hold(run)
    await jane.cancel(booked.reference)
    maintenance = maintenance_of(world, clock)
    seen = []
    for stop, minutes in ((0, -1), (0, 1), (3, 1), (3, 24 * 60 + 1)):
        await put_at(clock, world, run, stop, minutes)
        await maintenance.expire_due()
        found = await world.run_document(run)
        seen.append((found["clock_state"], found.get("is_compacted", False), "next_due" in found))
    assert seen == [
        ("SCHEDULED", False, True),
        ("DEPARTED", False, True),
        ("COMPLETED", False, True),
        ("COMPLETED", True, False),
    ]
    assert await event_types(world, run, "run") == ["run.departed", "run.completed"]
    assert (found["ended_holds"], [section["freed"] for section in found["sections"]]) == ({}, [{}])
    assert (await jane.booking(booked.reference)).state == CANCELLED
    await require_sound(world, clock)


# -- cancellations


@pytest.fixture
def few_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", FEW)


@pytest_asyncio.fixture
async def two_servers(clock: Clock, real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[tuple[World, World]]:
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as second:
        yield real_world, second


@pytest.mark.usefixtures("few_a_step")
async def test_workers_cancel_the_bookings_of_a_cancelled_run_by_turns(
    clock: Clock, two_servers: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_servers
    run = await first.run("A9")
    booked = [await first.api_client(name).book(run) for name in people("p", 9)]
    await second.api_client("p1").cancel(booked[0].reference)
    await first.desk.cancel_run(run)
    monkeypatch.setattr("app.usecases.run_maintenance._EXPIRE_ROUNDS_MAX", 1)
    left = []
    for world in (first, second) * 3:
        await maintenance_of(world, clock).expire_due()
        await world.wait_until_archived()
        states = [(await first.desk.booking(booking.reference)).state for booking in booked]
        left.append(sum(state != CANCELLED for state in states))
    assert left == [6, 4, 2, 0, 0, 0]
    found = await first.run_document(run)
    assert found["cancellation"]["complete_time"] is not None
    assert found["cancellation"]["booking_count"] == 8
    assert found["sections"][0]["sold_legs"] == [0] * 9
    await require_sound(first, clock)


@pytest.mark.usefixtures("few_a_step")
async def test_a_long_cancellation_holds_up_no_other_run(clock: Clock, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled, other = await world.runs("A9", on_day(40), on_day(41))
    for name in people("p", 9):
        await world.api_client(name).book(cancelled)
    await world.api_client("jane").hold(other)
    await world.desk.cancel_run(cancelled)
    clock.ahead = timedelta(minutes=6)
    monkeypatch.setattr("app.usecases.run_maintenance._EXPIRE_ROUNDS_MAX", 1)
    await maintenance_of(world, clock).expire_due()
    assert (await world.run_document(other))["holds"] == {}
    assert (await world.run_document(cancelled))["cancellation"]["booking_count"] == FEW


@pytest.mark.usefixtures("few_a_step")
async def test_only_journeys_over_missing_legs_are_cancelled_and_their_seats_go_to_the_waitlist(
    clock: Clock, world: World
) -> None:
    run = await world.run("A2")
    through = [await world.api_client(name).book(run) for name in ("ann", "ben")]
    short = await world.api_client("cem").wait(run, destination=ASHFORD)
    await world.desk.cancel_run(run, LILLE)
    await maintenance_of(world, clock).expire_due()
    states = [(await world.desk.booking(booking.reference)).state for booking in (*through, short)]
    assert states == [CANCELLED, CANCELLED, booking_pb2.BOOKING_STATE_CONFIRMED]
    await require_sound(world, clock)


async def test_a_cancellation_that_fails_is_left_for_the_next_call(
    clock: Clock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await world.run("A2")
    await world.api_client("ann").book(run)
    await world.desk.cancel_run(run)
    maintenance = maintenance_of(world, clock)
    with monkeypatch.context() as broken:
        broken.setattr(world.server.bus, "submit", lambda *_: 1 / 0)
        await maintenance.expire_due()
    assert (await world.run_document(run))["cancellation"]["complete_time"] is None
    await maintenance.expire_due()
    assert (await world.run_document(run))["cancellation"]["complete_time"] is not None


# -- runs of earlier versions


async def as_earlier(world: World, *runs: Run) -> None:
    """Store these runs as an earlier version has made and changed them."""
    for run in runs:
        version = (await world.run_document(run))["version"] + 1
        changed = {"$set": {"version": version, "eventless_version": version}, "$unset": {"clock_state": "", "next_due": ""}}
        await world.database["train_runs"].update_one({"_id": run_id(run)}, changed)


async def test_runs_of_an_earlier_version_depart_once_a_worker_has_seen_them(clock: Clock, world: World) -> None:
    run, left, new = await world.runs("A4", on_day(40), on_day(30), on_day(50))
    await world.api_client("jane").book(run)
    await as_earlier(world, run, left)
    await put_at(clock, world, left, 0, 1)
    maintenance = maintenance_of(world, clock)
    before = await world.run_document(new)
    await maintenance.adopt_earlier_runs()
    assert await world.run_document(new) == before
    assert "clock_state" not in await world.run_document(left)
    adopted = await world.run_document(run)
    assert (adopted["clock_state"], adopted["next_due"]) == ("SCHEDULED", adopted["stops"][0]["depart"])
    await put_at(clock, world, run, 0, 1)
    await maintenance.expire_due()
    assert await event_types(world, run, "run") == ["run.departed"]
    assert await event_types(world, left, "run") == []
    await require_sound(world, clock)


async def test_a_run_whose_due_time_a_server_of_an_earlier_version_removed_departs_all_the_same(
    clock: Clock, world: World
) -> None:
    run, cancelled = await world.runs("A4", on_day(40), on_day(39))
    await world.desk.cancel_run(cancelled)
    await put_at(clock, world, run, 0, 1)
    maintenance = maintenance_of(world, clock)
    await maintenance.expire_due()
    await world.database["train_runs"].update_many({}, {"$unset": {"next_due": ""}})
    await put_at(clock, world, run, 3, 1)
    await maintenance.adopt_earlier_runs()
    assert await event_types(world, run, "run") == ["run.departed", "run.completed"]
    assert "next_due" in await world.run_document(run)
    assert await event_types(world, cancelled, "run") == ["run.cancelled"]


async def test_a_server_that_has_an_earlier_run_in_memory_sells_on_after_its_adoption(
    clock: Clock, two_servers: tuple[World, World]
) -> None:
    first, second = two_servers
    run = await first.run("A4")
    await as_earlier(first, run)
    assert (await first.api_client("ann").hold(run)).seats
    await as_earlier(first, run)
    await maintenance_of(second, clock).adopt_earlier_runs()
    assert (await first.api_client("ben").book(run, destination=PARIS)).reference
    found = await first.run_document(run)
    assert found["clock_state"] == "SCHEDULED"
    assert found["next_due"] < found["stops"][0]["depart"]  # the hold


async def test_adopted_runs_are_not_read_when_earlier_ones_are_looked_for(clock: Clock, mongod: EmbeddedMongod) -> None:
    async with running_server(settings_for(mongod.uri)) as world:
        runs = await world.runs("A1", *(on_day(40 + day) for day in range(9)))
        await as_earlier(world, runs[4])
        await world.database.command("profile", 2)
        found = await world.server.store.runs.list_behind_clock(clock.now(), 100)
        await world.database.command("profile", 0)
        profiled = world.database["system.profile"].find({"op": "query", "ns": f"{world.database.name}.train_runs"})
        entries = await profiled.to_list(10)
        await world.database.client.drop_database(world.database.name)
    assert found == [run_id(runs[4])]
    assert all(CLOCK_STATE_INDEX in str(entry["execStats"]) for entry in entries)
    assert [entry["docsExamined"] for entry in entries] == [1, 0]
    assert sum(entry["keysExamined"] for entry in entries) <= 3
