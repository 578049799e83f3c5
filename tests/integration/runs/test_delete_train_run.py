"""Deleting runs: only while nothing was booked on them, whatever servers have in memory; and scheduling them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from app.domain.refusals import Reason, Refusal
from app.store.driver import Database
from app.store.indexes import make_indexes
from app.store.run_deletions import RunDeletions
from tests.support.builders import TRAIN_ID, a_caller, a_train, an_operator, asks_for_seats, asks_to_cancel
from tests.support.event_batches import events_of_batches
from tests.support.run_servers import RUN_ID, TRAVEL_DATE, RunServer, put_train, reason_of
from tests.support.world import World


@pytest.fixture
def database(world: World) -> Database:
    return world.database


@pytest.fixture
def real_database(real_world: World) -> Database:
    return real_world.database


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[RunServer]:
    """A server with one scheduled run of four seats."""
    await put_train(database, a_train("A4"))
    server = RunServer(database)
    assert await server.schedule() == 1
    yield server
    await server.bus.wait_idle()


@pytest_asyncio.fixture
async def pair(real_database: Database) -> AsyncIterator[tuple[RunServer, RunServer]]:
    """Two servers that have the same run in memory."""
    await put_train(real_database, a_train("A4"))
    here, there = RunServer(real_database), RunServer(real_database)
    await here.schedule()
    for server in (here, there):
        await server.show()
    yield here, there
    for server in (here, there):
        await server.bus.wait_idle()


# -- what is left


async def test_a_deleted_run_is_found_by_nobody(server: RunServer) -> None:
    await server.delete()
    assert await reason_of(server.runs.get(TRAIN_ID, TRAVEL_DATE.isoformat(), "", "", an_operator())) is (
        Reason.TRAIN_RUN_NOT_FOUND
    )
    for day in (TRAVEL_DATE.isoformat(), ""):
        views, _ = await server.runs.list_page(
            origin="", destination="", travel_date=day, after=None, limit=10, caller=an_operator()
        )
        assert views == []
    assert await reason_of(server.book("ann")) is Reason.TRAIN_RUN_NOT_FOUND
    assert await reason_of(server.hold("ann")) is Reason.TRAIN_RUN_NOT_FOUND
    assert await reason_of(server.delete()) is Reason.TRAIN_RUN_NOT_FOUND


async def test_a_tombstone_has_nothing_but_a_version_and_a_time(server: RunServer, database: Database) -> None:
    await server.delete()
    tombstone = await database["train_runs"].find_one({"_id": RUN_ID})
    assert tombstone is not None
    assert sorted(tombstone) == ["_id", "deleted_time", "version"]
    assert tombstone["version"] == 2


async def test_tombstones_are_removed_by_the_database_in_time(database: Database) -> None:
    await make_indexes(database)
    indexes = await database["train_runs"].index_information()
    assert indexes["tombstones_lifetime"]["expireAfterSeconds"] == 400 * 24 * 3_600


async def test_an_unknown_run_cannot_be_deleted(server: RunServer) -> None:
    assert await reason_of(server.runs.delete(TRAIN_ID, "2031-01-01")) is Reason.TRAIN_RUN_NOT_FOUND


# -- what keeps a run


async def test_a_run_with_a_booking_stays_also_after_it_was_cancelled_and_archived(server: RunServer) -> None:
    booking = (await server.send(asks_for_seats("ann", travel_date=TRAVEL_DATE))).booking
    assert await reason_of(server.delete()) is Reason.RUN_NOT_EMPTY
    await server.send(replace(asks_to_cancel(booking), run_id=RUN_ID))
    assert await reason_of(server.delete()) is Reason.RUN_NOT_EMPTY
    await server.bus.wait_idle()
    await server.store.runs.archive_leftovers(RUN_ID)
    assert await reason_of(server.delete()) is Reason.RUN_NOT_EMPTY


async def test_a_run_with_a_hold_stays_until_the_hold_ends_and_its_events_are_archived_first(
    server: RunServer, database: Database
) -> None:
    held = await server.hold("ann")
    assert await reason_of(server.delete()) is Reason.RUN_NOT_EMPTY
    await server.release("ann", held)
    await server.delete()
    archived = events_of_batches(await database["events"].find({"run_id": RUN_ID}).sort("version", 1).to_list(10))
    assert [event["type"] for event in archived] == ["hold.placed", "hold.released"]


# -- scheduling again


async def test_a_deleted_run_is_scheduled_again_in_a_newer_version(server: RunServer, database: Database) -> None:
    await server.delete()
    assert await server.schedule(2) == 3, "the deleted one, and two more"
    assert await server.schedule(2) == 0
    document = await database["train_runs"].find_one({"_id": RUN_ID})
    assert document is not None
    assert (document["version"], "deleted_time" in document) == (3, False)
    assert await server.book("ann") == "A-1"


async def test_no_event_is_lost_under_the_id_of_another_after_a_run_was_deleted_and_scheduled_again(
    server: RunServer, database: Database
) -> None:
    for _ in range(3):
        held = await server.hold("ann")
        await server.release("ann", held)
        await server.delete()
        await server.schedule()
    await server.book("ben")
    await server.bus.wait_idle()
    events = events_of_batches(await database["events"].find({"run_id": RUN_ID}).sort("version", 1).to_list(100))
    assert [event["type"] for event in events] == ["hold.placed", "hold.released"] * 3 + ["booking.confirmed"]


# -- races of several servers


async def test_a_server_with_the_run_in_memory_sells_nothing_of_it_after_another_one_deleted_it(
    pair: tuple[RunServer, RunServer], real_database: Database
) -> None:
    here, there = pair
    await there.delete()
    assert await reason_of(here.book("ann")) is Reason.TRAIN_RUN_NOT_FOUND
    assert await reason_of(here.hold("ann")) is Reason.TRAIN_RUN_NOT_FOUND
    assert await real_database["bookings"].count_documents({}) == 0


async def test_a_server_with_the_old_run_in_memory_sells_the_new_one_with_its_terms_and_seats(
    pair: tuple[RunServer, RunServer], real_database: Database
) -> None:
    here, there = pair
    await there.delete()
    train = a_train("B2", number="ES 9014 bis", fares={"B": 7_000})
    await put_train(real_database, replace(train, terms=replace(train.terms, passengers_per_booker_max=1)), version=5)
    await there.schedule()
    assert await here.book("ann") == "B-1"
    assert await reason_of(here.send(asks_for_seats("x", "y", by="zoe", travel_date=TRAVEL_DATE))) is Reason.BOOKER_LIMIT
    found = (await here.runs.get(TRAIN_ID, TRAVEL_DATE.isoformat(), "", "", a_caller())).run
    assert (found.number, found.made_from_version, found.layout.train_version) == ("ES 9014 bis", 5, 5)
    booking = (await there.send(asks_for_seats("ben", travel_date=TRAVEL_DATE))).booking
    assert (booking.journey.train_number, booking.price.minor) == ("ES 9014 bis", 7_000)


async def test_the_same_run_scheduled_again_is_sold_from_an_old_memory_without_a_loss(
    pair: tuple[RunServer, RunServer], real_database: Database
) -> None:
    here, there = pair
    await there.delete()
    await there.schedule()
    assert sorted([await here.book("ann"), await there.book("ben"), await here.book("cem")]) == ["A-1", "A-2", "A-3"]
    document = await real_database["train_runs"].find_one({"_id": RUN_ID})
    assert document is not None
    assert document["sections"][0]["sold_legs"] == [7, 7, 7, 0]


async def test_of_a_sale_and_a_deletion_at_once_exactly_one_succeeds(
    pair: tuple[RunServer, RunServer], real_database: Database
) -> None:
    here, there = pair
    results: list[tuple[bool, bool]] = []
    for attempt in range(12):
        sold, deleted = await asyncio.gather(here.book(f"p{attempt}"), there.delete(), return_exceptions=True)
        outcome = (not isinstance(sold, BaseException), deleted is None)
        assert outcome in {(True, False), (False, True)}, (sold, deleted)
        results.append(outcome)
        if outcome[0]:  # begin anew, with nothing booked
            assert isinstance(deleted, Refusal)
            assert deleted.reason is Reason.RUN_NOT_EMPTY
            break
        assert isinstance(sold, Refusal)
        assert sold.reason is Reason.TRAIN_RUN_NOT_FOUND
        assert await there.schedule() == 1
    await here.bus.wait_idle()
    bookings = await real_database["bookings"].count_documents({"run_id": RUN_ID})
    assert bookings == sum(sold for sold, _ in results)


async def test_a_sale_that_is_archived_between_the_look_and_the_deletion_keeps_the_run(
    pair: tuple[RunServer, RunServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    deletions = there.store.run_deletions
    look = deletions._require_empty

    async def look_and_let_others_sell(found: Mapping[str, Any]) -> None:
        await look(found)
        if not sold:
            sold.append(await here.book("ann"))
            await here.bus.wait_idle()
            await here.store.runs.archive_leftovers(RUN_ID)

    sold: list[str] = []
    monkeypatch.setattr(RunDeletions, "_require_empty", lambda self, found: look_and_let_others_sell(found))
    assert await reason_of(there.delete()) is Reason.RUN_NOT_EMPTY
    assert (sold, await here.book("ben")) == (["A-1"], "A-2")


async def test_of_two_deletions_at_once_one_succeeds(pair: tuple[RunServer, RunServer], real_database: Database) -> None:
    found = await asyncio.gather(*(server.delete() for server in pair * 3), return_exceptions=True)
    refused = [error.reason for error in found if isinstance(error, Refusal)]
    assert (found.count(None), refused) == (1, [Reason.TRAIN_RUN_NOT_FOUND] * 5)
    tombstone = await real_database["train_runs"].find_one({"_id": RUN_ID})
    assert tombstone is not None
    assert tombstone["version"] == 2


async def test_of_many_who_schedule_a_deleted_run_again_one_makes_it(
    pair: tuple[RunServer, RunServer], real_database: Database
) -> None:
    await pair[0].delete()
    assert sum(await asyncio.gather(*(server.schedule() for server in pair * 4))) == 1
    document = await real_database["train_runs"].find_one({"_id": RUN_ID})
    assert document is not None
    assert document["version"] == 3
