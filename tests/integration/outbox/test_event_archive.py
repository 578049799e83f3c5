"""The archive of events: each gets from the run's document to `events` once, wherever a crash left it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.domain.refusals import Reason, Refusal
from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import Run, people, person, refusal
from tests.support.event_batches import events_of_batches
from tests.support.world import NEXT_DATE, TRAVEL_DATE, Clock, World, outcomes, running_server, settings_for


async def _away(_: object) -> None:
    raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")


@pytest_asyncio.fixture
async def unarchived(real_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A server that never archives, as if it died after each commit."""
    monkeypatch.setattr(real_world.server.store.runs, "archive", _away)
    return real_world


@pytest_asyncio.fixture
async def successor(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """Another server on the same database, with nothing in memory."""
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as made:
        yield made


async def outbox(world: World, run: Run) -> list[str]:
    """Return the ids of the events in the run's document."""
    return [event["_id"] for event in events_of_batches((await world.run_document(run))["outbox"])]


def types_and_subjects(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["subject"]) for event in events]


def require_in_order(events: list[dict[str, Any]]) -> None:
    """Fail unless each event is there once, and in order."""
    assert len({event["_id"] for event in events}) == len(events)
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))


async def test_every_event_of_a_run_is_archived_once_and_in_order(real_world: World) -> None:
    run = await real_world.run("A2 B2")
    jane, ann = real_world.api_client("jane"), real_world.api_client("ann")
    held = await jane.hold(run, section="A")
    booked = await jane.book(run, hold_id=held.hold_id)
    other = await ann.hold(run, section="A")
    waiting = await real_world.api_client("ben").wait(run, section="A")
    await jane.update(booked.reference, person("jane", "Janet"))
    await jane.move(booked.reference, section="B")
    await ann.release(other.hold_id)
    await jane.cancel(booked.reference)
    await real_world.wait_until_archived()
    events = await real_world.events(run)
    assert types_and_subjects(events) == [
        ("hold.placed", held.hold_id),
        ("booking.confirmed", booked.reference),
        ("hold.placed", other.hold_id),
        ("booking.waitlisted", waiting.reference),
        ("booking.changed", booked.reference),
        ("booking.changed", booked.reference),
        ("booking.promoted", waiting.reference),
        ("hold.released", other.hold_id),
        ("booking.cancelled", booked.reference),
    ]
    require_in_order(events)
    assert all("example.com" not in str(event) and "Janet" not in str(event) for event in events)


async def test_an_event_is_archived_as_it_was_emitted(real_world: World) -> None:
    run = await real_world.run("A2")
    booked = await real_world.api_client("jane").book(run, "jane", "ann")
    await real_world.wait_until_archived()
    (event,) = await real_world.events(run)
    assert event["_id"] == f"{run.train_id}:{run.travel_date}:2:0"
    assert (event["run_id"], event["trace_parent"]) == (f"{run.train_id}:{run.travel_date}", "")
    assert event["time"] == booked.create_time.ToDatetime(event["time"].tzinfo)
    assert event["data"] == {
        "state": "CONFIRMED",
        "seats": ["A-1", "A-2"],
        "passenger_count": 2,
        "passenger_numbers": [1, 2],
        "price_minor": 4_000,
        "refunded_minor": 0,
        "currency": "USD",
        "payment_id": booked.payment.payment_id,
    }


async def test_refused_and_validated_requests_emit_no_events(real_world: World) -> None:
    run = await real_world.run("A1")
    jane = real_world.api_client("jane")
    booked = await jane.book(run)
    for call in (jane.book(run), real_world.api_client("ann").book(run), real_world.api_client("ann").hold(run)):
        await refusal(call)
    await jane.give_back(booked.reference, validate_only=True)
    await real_world.wait_until_archived()
    assert types_and_subjects(await real_world.events(run)) == [("booking.confirmed", booked.reference)]


async def test_a_later_commit_removes_archived_events_from_the_run(real_world: World) -> None:
    run = await real_world.run("A9")
    names = people("p", 5)
    for version, name in enumerate(names, 2):
        await real_world.api_client(name).book(run)
        await real_world.wait_until_archived()
        assert await outbox(real_world, run) == [f"{run.train_id}:{run.travel_date}:{version}:0"]
    assert len(await real_world.events(run)) == len(names)


async def test_events_that_a_dead_server_left_are_archived_by_its_successor(unarchived: World, successor: World) -> None:
    run = await unarchived.run("A9")
    booked = [await unarchived.api_client(name).book(run) for name in people("p", 3)]
    await unarchived.api_client("p1").cancel(booked[0].reference)
    assert await unarchived.events(run) == []
    assert len(await outbox(unarchived, run)) == 4

    last = await successor.api_client("last").book(run)
    await successor.wait_until_archived()
    events = await successor.events(run)
    assert types_and_subjects(events) == [
        *(("booking.confirmed", booking.reference) for booking in booked),
        ("booking.cancelled", booked[0].reference),
        ("booking.confirmed", last.reference),
    ]
    require_in_order(events)
    await successor.api_client("very-last").book(run)
    assert len(await outbox(successor, run)) == 1


async def test_events_that_were_archived_and_not_removed_are_archived_once(real_world: World, successor: World) -> None:
    run = await real_world.run("A9")
    await real_world.api_client("ann").book(run)
    await real_world.wait_until_archived()
    assert len(await outbox(real_world, run)) == len(await real_world.events(run)) == 1
    await successor.api_client("ben").book(run)
    await successor.wait_until_archived()
    await successor.api_client("cem").book(run)
    await successor.wait_until_archived()
    assert [kind for kind, _ in types_and_subjects(await successor.events(run))] == ["booking.confirmed"] * 3
    assert len(await outbox(successor, run)) == 1


async def test_a_server_that_could_not_archive_does_so_with_its_next_commit(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A9")
    with monkeypatch.context() as patched:
        patched.setattr(real_world.server.store.runs, "archive", _away)
        for name in people("p", 3):
            await real_world.api_client(name).book(run)
        await real_world.wait_until_archived()
    assert await real_world.events(run) == []
    await real_world.api_client("last").book(run)
    await real_world.wait_until_archived()
    events = await real_world.events(run)
    assert len(events) == 4
    require_in_order(events)


async def test_a_server_that_dies_halfway_has_archived_every_event_once(
    real_world: World, successor: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A9")
    # Events are archived first, and then bookings are not.
    monkeypatch.setattr(real_world.server.store.runs._archive, "_archive_bookings", _away)
    booked = [await real_world.api_client(name).book(run) for name in ("ann", "ben")]
    await real_world.wait_until_archived()
    assert len(await real_world.events(run)) == 2
    assert await real_world.database["bookings"].count_documents({}) == 0
    last = await successor.api_client("cem").book(run)
    await successor.wait_until_archived()
    events = await successor.events(run)
    assert types_and_subjects(events) == [("booking.confirmed", booking.reference) for booking in (*booked, last)]
    assert await successor.database["bookings"].count_documents({}) == 3


async def test_two_servers_that_commit_in_turns_archive_each_event_once(real_world: World, successor: World) -> None:
    run = await real_world.run("A20")
    booked = [await (real_world, successor)[index % 2].api_client(name).book(run) for index, name in enumerate(people("p", 12))]
    for world in (real_world, successor):
        await world.wait_until_archived()
    events = await real_world.events(run)
    assert types_and_subjects(events) == [("booking.confirmed", booking.reference) for booking in booked]
    require_in_order(events)


async def test_two_servers_with_a_crowd_archive_the_events_of_committed_bookings_only(
    real_world: World, successor: World
) -> None:
    run = await real_world.run("A30")

    async def live(index: int) -> str:
        here, there = ((real_world, successor)[(index + step) % 2].api_client(f"p{index}") for step in (0, 1))
        booking = await here.wait(run)
        if index % 2:
            await there.cancel(booking.reference)
        return booking.reference

    references = await asyncio.gather(*(live(index) for index in range(60)))
    for world in (real_world, successor):
        await world.wait_until_archived()
    await real_world.api_client("last").wait(run)
    await real_world.wait_until_archived()
    events = await real_world.events(run)
    require_in_order(events)
    kinds = Counter(types_and_subjects(events))
    for index, reference in enumerate(references):
        bought = kinds["booking.confirmed", reference] + kinds["booking.waitlisted", reference]
        assert bought == 1, "each is sold, or joins the line, once"
        assert kinds["booking.cancelled", reference] == index % 2
        assert kinds["booking.promoted", reference] <= kinds["booking.waitlisted", reference]
    latest = {event["subject"]: event["data"]["state"] for event in events}
    stored = await real_world.database["bookings"].find({}, {"state": 1}).to_list(100)
    assert {booking["_id"]: booking["state"] for booking in stored} == latest


async def test_every_event_of_a_crowd_on_several_runs_is_archived(real_world: World) -> None:
    runs = await real_world.runs("A20", TRAVEL_DATE, NEXT_DATE)
    found = await outcomes([real_world.api_client(name).book(run) for run in runs for name in people("p", 25)])
    await real_world.wait_until_archived()
    sold = {answer.reference for answer in found if not isinstance(answer, BaseException)}
    assert len(sold) == 40
    events = [await real_world.events(run) for run in runs]
    assert sorted(subject for run_events in events for _, subject in types_and_subjects(run_events)) == sorted(sold)
    for run_events in events:
        require_in_order(run_events)


async def test_events_of_expired_holds_are_emitted_with_the_next_commit(clock: Clock, real_world: World) -> None:
    run = await real_world.run("A1")
    held = await real_world.api_client("jane").hold(run)
    waiting = await real_world.api_client("ann").wait(run)
    clock.ahead = timedelta(minutes=6)
    await refusal(real_world.api_client("joe").book(run))
    await real_world.wait_until_archived()
    assert types_and_subjects(await real_world.events(run))[2:] == [
        ("hold.expired", held.hold_id),
        ("booking.promoted", waiting.reference),
    ]
