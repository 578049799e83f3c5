"""Query plans on a real server: every query of the service uses an index, receipts with all of their filters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import train_pb2
from app.store.bookings import ReceiptQuery, receipts_match, recent_pipeline
from app.store.indexes import RECEIPTS_INDEX, make_indexes
from tests.support.clients import LILLE, LONDON, PARIS, person
from tests.support.layout_client import layout_client, remove_seats
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, running_server, settings_for

COLLECTIONS = ("train_runs", "bookings", "trains", "train_versions")
JANE = '["jane@example.com", "jane@example.com"]'
DAY, FROM, TO = f'["{TRAVEL_DATE}", "{TRAVEL_DATE}"]', f'["{LONDON}", "{LONDON}"]', f'["{PARIS}", "{PARIS}"]'
EVERY = "[MinKey, MaxKey]"


@pytest_asyncio.fixture
async def own_database(mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """A server over a database of its own, in which some bookings are not archived."""
    async with running_server(settings_for(mongod.uri)) as made:
        run = await made.run("A9")
        for name in ("jane", "joe", "jim"):
            await made.api_client(name).book(run, destination=LILLE)
        yield made
        await made.database.client.drop_database(made.database.name)


async def _indexes(world: World) -> dict[str, Any]:
    return {name: await world.database[name].index_information() for name in COLLECTIONS}


async def test_indexes_may_be_made_again_and_are_made_once(own_database: World) -> None:
    before = await _indexes(own_database)
    await make_indexes(own_database.database)
    assert await _indexes(own_database) == before
    assert RECEIPTS_INDEX in before["train_runs"]
    assert RECEIPTS_INDEX in before["bookings"]


async def test_many_servers_may_make_the_indexes_of_a_new_database_at_once(own_database: World) -> None:
    database = own_database.database.client[f"{own_database.database.name}_2"]
    await asyncio.gather(*(make_indexes(database) for _ in range(8)))
    assert {name: await database[name].index_information() for name in COLLECTIONS} == await _indexes(own_database)
    await database.client.drop_database(database.name)


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Return all stages of the winning plan, at any depth."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for name, part in plan.items():
            if name != "rejectedPlans":
                yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)


async def _bounds(world: World, collection: str, pipeline: list[dict[str, Any]]) -> list[list[str]]:
    """Return the bounds of the index scan by field. Fail if another index than that of receipts is read."""
    command = {"aggregate": collection, "pipeline": pipeline, "cursor": {}}
    stages = list(_stages(await world.database.command("explain", command, verbosity="queryPlanner")))
    assert "COLLSCAN" not in {stage["stage"] for stage in stages}
    (scan,) = [stage for stage in stages if stage["stage"] == "IXSCAN"]
    assert scan["indexName"] == RECEIPTS_INDEX
    return list(scan["indexBounds"].values())


@pytest.mark.parametrize(
    ("query", "bounds"),
    [
        (ReceiptQuery("jane@example.com"), [[JANE], [EVERY], [EVERY], [EVERY]]),
        (ReceiptQuery("jane@example.com", TRAVEL_DATE), [[JANE], [DAY], [EVERY], [EVERY]]),
        (ReceiptQuery("jane@example.com", origins=(LONDON,)), [[JANE], [EVERY], [FROM], [EVERY]]),
        (ReceiptQuery("jane@example.com", destinations=(PARIS,)), [[JANE], [EVERY], [EVERY], [TO]]),
        (ReceiptQuery("jane@example.com", TRAVEL_DATE, (LONDON,), (PARIS,)), [[JANE], [DAY], [FROM], [TO]]),
    ],
    ids=["all", "by date", "by origin", "by destination", "by all three"],
)
async def test_receipts_are_read_by_index_with_bounds_for_each_filter(
    own_database: World, query: ReceiptQuery, bounds: list[list[str]]
) -> None:
    match = receipts_match(query)
    assert await _bounds(own_database, "train_runs", recent_pipeline(match)) == bounds
    assert await _bounds(own_database, "bookings", [{"$match": match}]) == bounds


async def test_no_call_of_the_service_reads_a_whole_collection(own_database: World) -> None:
    world, jane, desk = own_database, own_database.api_client("jane"), own_database.desk
    run = (await world.runs("A9", TRAVEL_DATE, train_id="es2"))[0]
    await world.database.command("profile", 2)
    await layout_client(world).update_train(train_pb2.Train(train_id="es2", number="ES 3"), mask=["number"], etag="1")
    booking = await jane.book(run)
    await jane.booking(booking.reference)
    await jane.receipt(booking.reference)
    await jane.receipts(travel_date=TRAVEL_DATE, origin=LONDON, destination=PARIS)
    await jane.receipts()
    await jane.update(booking.reference, person("jane", "Janet"))
    await jane.move(booking.reference, seat_number=5)
    await jane.cancel(booking.reference)
    await jane.list_runs()
    await jane.list_runs(origin=LONDON, destination=PARIS, travel_date=TRAVEL_DATE)
    await jane.seat_map(run)
    await desk.section(run, "A")
    await desk.list_trains()
    await desk.train("es9014")
    await jane.register("Jane", "Doe")
    await jane.user()
    operator, (empty,) = layout_client(world), (await desk.schedule("es2", NEXT_DATE)).train_runs
    await operator.change(run, remove_seats("A", 3))
    await operator.hide(empty)
    await jane.list_runs(travel_date=NEXT_DATE)
    await operator.delete_run(empty)
    await desk.schedule("es2", NEXT_DATE)
    await world.server.bus.wait_idle()
    await world.database.command("profile", 0)
    profiled = (
        await world.database["system.profile"].find({"ns": {"$ne": f"{world.database.name}.system.profile"}}).to_list(1_000)
    )
    plans = {(entry["op"], entry["ns"].partition(".")[2], entry["planSummary"]) for entry in profiled if "planSummary" in entry}
    assert len(plans) > 8
    assert [plan for plan in plans if "COLLSCAN" in plan[2]] == []


async def test_a_booking_is_found_by_its_reference_through_indexes_alone(own_database: World) -> None:
    match = {"_id": "ZZZZZZ"}
    command = {"aggregate": "train_runs", "pipeline": recent_pipeline(match), "cursor": {}}
    stages = list(_stages(await own_database.database.command("explain", command, verbosity="queryPlanner")))
    (scan,) = [stage for stage in stages if stage["stage"] == "IXSCAN"]
    assert scan["indexBounds"] == {"recent._id": ['["ZZZZZZ", "ZZZZZZ"]']}


async def test_the_bookings_of_seats_are_looked_for_among_those_of_the_run(own_database: World) -> None:
    await own_database.server.bus.wait_idle()
    await own_database.database.command("profile", 2)
    run = (await own_database.database["train_runs"].find_one({})) or {}
    found = await own_database.server.store.bookings.find_by_seats(run["_id"], [("A", 1), ("A", 3)], run["version"])
    await own_database.database.command("profile", 0)
    profiled = await own_database.database["system.profile"].find({"ns": f"{own_database.database.name}.bookings"}).to_list(10)
    assert found is not None
    assert [booking.user_key for booking in found.values()] == ["jane@example.com", "jim@example.com"]
    assert {entry["planSummary"] for entry in profiled} == {"IXSCAN { run_id: 1, revision: 1 }"}
    assert [entry["docsExamined"] for entry in profiled] == [3, 0], "all of the run, and none that are newer"
