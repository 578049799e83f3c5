"""Bookings and runs that an earlier version stored: without passenger numbers, schema version and new terms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import grpc

from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import ASHFORD, LILLE, Person, Run, address, refusal
from tests.support.layout_client import layout_client, remove_coach
from tests.support.verified_worlds import findings_of, verify
from tests.support.world import World, eventually, on_day, running_server, settings_for

# Fields that the first version did not store. It made every run from the only version of its train.
NEW_FIELDS = (
    "schema_version",
    "terms.passengers_per_booker_max",
    "made_from_version",
    "layout",
    "layout_reservation",
    "retired_sections",
    "last_displaced_number",
    "hidden",
    "eventless_version",
    "delay",
    "cancellation",
    "sales_windows",
    "clock_state",
    "is_compacted",
    "opened_until",
    "next_due",
)


async def _as_earlier(world: World, run: Run) -> None:
    """Change all documents of a run to the shape that the first version stored."""
    await world.wait_until_archived()
    run_id = f"{run.train_id}:{run.travel_date}"
    await world.database["train_runs"].update_one(
        {"_id": run_id}, {"$set": {"recent": []}, "$unset": dict.fromkeys(NEW_FIELDS, "")}
    )
    await world.database["trains"].update_many({}, {"$unset": {"terms.passengers_per_booker_max": ""}})
    async for document in world.database["bookings"].find({"run_id": run_id}):
        for passenger in (*document["passengers"], *document["cancelled_passengers"]):
            del passenger["passenger_number"]
        del document["schema_version"]
        await world.database["bookings"].replace_one({"_id": document["_id"]}, document)


async def _stored_booking(world: World, reference: str) -> dict[str, Any]:
    await world.wait_until_archived()
    found = await world.database["bookings"].find_one({"_id": reference})
    assert found is not None
    return found


async def test_an_earlier_booking_is_read_with_numbered_passengers(real_world: World, mongod: EmbeddedMongod) -> None:
    run = await real_world.run("A9")
    earlier = await real_world.api_client("bob").book(run, "ann", "ben", "cem")
    await real_world.api_client("bob").cancel(earlier.reference, "ann")
    await _as_earlier(real_world, run)
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as world:
        rows = (await world.desk.section_page(run, "A")).rows
        assert [(row.passenger.first_name, row.passenger.number) for row in rows] == [("Ben", 1), ("Cem", 2)]
        booking = await world.api_client("bob").booking(earlier.reference)
        passengers = (*booking.passengers, *booking.cancelled_passengers)
        assert [(passenger.first_name, passenger.number) for passenger in passengers] == [("Ben", 1), ("Cem", 2), ("Ann", 3)]
        assert await world.api_client("ann").receipts() == []
        same = Person(first_name="BEN", last_name="doe", email=address("ben"))
        assert (await refusal(world.api_client("eve").book(run, same))).reason == "PASSENGER_ALREADY_BOOKED"
        other = Person(first_name="Benita", last_name="Doe", email=address("ben"))
        assert len((await world.api_client("eve").book(run, other)).passengers) == 1
        left = await world.api_client("bob").cancel(earlier.reference, 1)
        assert [passenger.number for passenger in left.passengers] == [2]
        stored = await _stored_booking(world, earlier.reference)
        assert stored["schema_version"] == 2
        assert [passenger["passenger_number"] for passenger in stored["passengers"]] == [2]
        assert [passenger["passenger_number"] for passenger in stored["cancelled_passengers"]] == [3, 1]


async def test_an_earlier_run_has_the_default_limit_and_counts_earlier_bookings(
    real_world: World, mongod: EmbeddedMongod
) -> None:
    run = await real_world.run("A20")
    await real_world.api_client("bob").book(run, *(f"p{number}" for number in range(8)))
    await _as_earlier(real_world, run)
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as world:
        bob = world.api_client("bob")
        refused = await refusal(bob.book(run, "ann", "ben"))
        assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BOOKER_LIMIT")
        await bob.book(run, "ann")
        assert (await refusal(bob.book(run, "ben"))).reason == "BOOKER_LIMIT"
        assert (await world.desk.train(run.train_id)).passengers_per_booker_max == 9


async def test_the_layout_of_an_earlier_run_changes_and_its_passengers_move(real_world: World, mongod: EmbeddedMongod) -> None:
    run = await real_world.run("A3 A3")
    for name in ("ann", "ben"):
        await real_world.api_client(name).book(run)
    await _as_earlier(real_world, run)
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as world:
        desk = layout_client(world)
        assert (await desk.run_of(run)).hidden is False
        plan = await desk.change(run, remove_coach("1"))
        assert [(move.before.label, move.after.label) for move in plan.moves] == [("A-1", "A-4"), ("A-2", "A-5")]
        assert await world.api_client().seat_map(run) == {"A-4": "SOLD", "A-5": "SOLD", "A-6": "FREE"}
        assert (await desk.hide(run)).hidden
        document = await world.run_document(run)
        assert (document["layout"]["revision"], document["layout"]["train_version"], document["hidden"]) == (1, 1, True)


async def _with_earlier_report_time(world: World, run: Run) -> None:
    """Give the time of each report the name that the first version with delays stored."""
    run_id = f"{run.train_id}:{run.travel_date}"
    await world.server.store.runs.archive_leftovers(run_id)
    renamed = await world.database["train_runs"].update_one(
        {"_id": run_id}, {"$rename": {"delay.report_time": "delay.reported_time"}}
    )
    assert renamed.modified_count == 1
    reports = 0
    async for commit in world.database["events"].find({"events.data.report_time": {"$exists": True}}):
        for event in commit["events"]:
            if "report_time" in event["data"]:
                event["data"]["reported_time"] = event["data"].pop("report_time")
                reports += 1
        await world.database["events"].replace_one({"_id": commit["_id"]}, commit)
    assert reports == 2


async def test_a_delay_of_an_earlier_version_is_shown_verified_and_replaced(real_world: World, mongod: EmbeddedMongod) -> None:
    past_date = on_day(-2)  # its train has arrived, and a report of it is still possible
    (run,) = await real_world.runs("A3", past_date)
    await real_world.desk.set_delay(run, 40, from_stop=ASHFORD)
    arrived = datetime.fromisoformat(f"{past_date}T11:20:00+00:00")
    reported = (await real_world.desk.record_arrival(run, LILLE, arrived)).delay.report_time
    await _with_earlier_report_time(real_world, run)
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as world:
        shown = await world.desk.run_of(run)
        assert (shown.delay.report_time, [stop.has_arrived for stop in shown.stops].count(True)) == (reported, 1)
        world.server.start_worker()
        await eventually(lambda: _has_no_new_events(world))
        await world.server.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")
        assert findings_of(await verify(world.database)) == set()
        await world.desk.set_delay(run, 45, from_stop=LILLE)
        assert {"report_time", "reported_time"} & (await world.run_document(run))["delay"].keys() == {"report_time"}


async def _has_no_new_events(world: World) -> bool:
    return await world.database["events"].count_documents({"is_new": True}) == 0
