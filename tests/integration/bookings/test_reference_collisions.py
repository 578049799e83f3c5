"""References that other bookings have already: the request gets a longer one, and every call finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.reference import earlier_references, reference_for
from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import Run, booking_request, seats_of
from tests.support.world import World, running_server, settings_for

JANE = "jane@example.com"
CLICK = "click"


@pytest_asyncio.fixture
async def successor(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """Another server on the same database, with an empty cache."""
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as made:
        yield made


async def _occupy(world: World, run: Run, *references: str, is_of_run: bool) -> None:
    """Store bookings of others under these references, of `run` or of another one."""
    model = await world.api_client("joe").book(run)
    await world.wait_until_archived()
    document = await world.database["bookings"].find_one({"_id": model.reference})
    assert document is not None
    run_id = document["run_id"] if is_of_run else f"es9016:{run.travel_date}"
    taken = [document | {"_id": reference, "run_id": run_id, "state": "CANCELLED"} for reference in references]
    await world.database["bookings"].insert_many(taken)


@pytest.mark.parametrize("is_of_run", [True, False], ids=["same run", "another run"])
async def test_a_taken_reference_is_replaced_by_one_of_eight_characters_that_all_calls_find(
    real_world: World, successor: World, is_of_run: bool
) -> None:
    run = await real_world.run()
    await _occupy(real_world, run, reference_for(JANE, CLICK, 0), is_of_run=is_of_run)
    request = booking_request(run, "jane", request_id=CLICK)
    jane = real_world.api_client("jane")
    booking = await jane.send(request)
    assert booking.reference == reference_for(JANE, CLICK, 1)
    await real_world.wait_until_archived()
    assert await successor.api_client("jane").send(request) == booking
    assert (await jane.receipt(booking.reference.lower())).reference == booking.reference
    assert (await jane.move(booking.reference, seat_number=4)).passengers[0].seat.number == 4
    assert await jane.receipts() == [booking.reference]
    cancelled = await jane.give_back(booking.reference)
    assert cancelled.booking.refunds[0].refund_id == f"{booking.reference}-1"


async def test_a_booking_of_an_earlier_version_under_its_second_short_reference_is_found_again(
    real_world: World, mongod: EmbeddedMongod
) -> None:
    run = await real_world.run()
    await _occupy(real_world, run, reference_for(JANE, CLICK, 0), is_of_run=False)
    request = booking_request(run, "jane", request_id=CLICK)
    made = await real_world.api_client("jane").send(request)
    await real_world.wait_until_archived()
    bookings = real_world.database["bookings"]
    document = await bookings.find_one({"_id": made.reference})
    assert document is not None
    earlier = earlier_references(JANE, CLICK)[0]
    await bookings.insert_one(document | {"_id": earlier})
    await bookings.delete_one({"_id": made.reference})
    await real_world.database["train_runs"].update_one({"_id": document["run_id"]}, {"$set": {"recent": []}})
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as upgraded:
        assert (await upgraded.api_client("jane").send(request)).reference == earlier
        assert await upgraded.api_client("jane").receipts() == [earlier]


async def test_a_taken_reference_does_not_affect_concurrent_cancellations(real_world: World, successor: World) -> None:
    run = await real_world.run("A40")
    await _occupy(real_world, run, reference_for(JANE, CLICK, 0), is_of_run=False)
    others = [f"p{number}" for number in range(10)]
    booked = [await real_world.api_client(name).book(run) for name in others]
    await real_world.wait_until_archived()
    jane = successor.api_client("jane").send(booking_request(run, "jane", request_id=CLICK))
    leaving = [successor.api_client(name).cancel(made.reference) for name, made in zip(others, booked, strict=True)]
    made, *left = await asyncio.gather(jane, *leaving)
    assert (len(made.reference), [seats_of(booking) for booking in left]) == (8, [seats_of(booking) for booking in booked])
