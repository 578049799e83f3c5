"""The schedules of the runs of a page are read in one statement; an unreadable run hides no booking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.run.run_schedule import RunSchedule
from app.pb.seatline.v1 import train_run_pb2
from app.store.driver import Collection, Document
from app.store.snapshots import Snapshot, Sort
from tests.support.clients import LILLE
from tests.support.interrupted_snapshots import InterruptedSnapshots
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World


class CountingSnapshot:
    """A snapshot that counts its statements."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.statements = 0

    async def find(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None, sort: Sort = ()
    ) -> list[Document]:
        self.statements += 1
        return await self._snapshot.find(collection, query, most=most, projection=projection, sort=sort)

    async def aggregate(self, collection: Collection, pipeline: Sequence[Document], *, most: int) -> list[Document]:
        self.statements += 1
        return await self._snapshot.aggregate(collection, pipeline, most=most)


async def test_the_schedules_of_many_runs_are_those_of_the_runs_and_take_one_statement(world: World) -> None:
    runs = await world.runs("A4", TRAVEL_DATE, NEXT_DATE, THIRD_DATE)
    await world.desk.set_delay(runs[0], 15)
    await world.desk.cancel_run(runs[1], LILLE)
    store = world.server.store
    ids = [f"{run.train_id}:{run.travel_date}" for run in runs]

    async def look(snapshot: Snapshot) -> tuple[Any, int, int]:
        counting = CountingSnapshot(snapshot)
        found = await store.run_schedules.find(counting, [*ids, "es9014:2031-01-01"])
        after_found = counting.statements
        assert await store.run_schedules.find(counting, ()) == {}
        return found, after_found, counting.statements

    found, one, still_one = await store.snapshots.read(look)
    assert (one, still_one, list(found)) == (1, 1, ids)
    for run_id in ids:
        assert found[run_id] == (await store.runs.get(run_id)).schedule


async def test_schedules_are_of_the_moment_of_the_first_read(real_world: World) -> None:
    run = await real_world.run("A4")
    await real_world.desk.set_delay(run, 15)
    run_id, store = f"{run.train_id}:{run.travel_date}", real_world.server.store

    async def cancel_after_the_first_read(reads: int) -> None:
        if reads == 1:
            await real_world.desk.cancel_run(run)

    async def look(snapshot: Snapshot) -> RunSchedule:
        await store.bookings.find(snapshot, "7K2MPQ")
        return (await store.run_schedules.find(snapshot, [run_id]))[run_id]

    found = await InterruptedSnapshots(real_world.database, cancel_after_the_first_read).read(look)
    assert (found.delay.minutes[0], found.is_cancelled) == (15, False)
    assert (await store.snapshots.read(look)).is_cancelled


async def test_bookings_of_a_run_that_an_earlier_version_stored_have_scheduled_times(world: World) -> None:
    run = await world.run("A4")
    booking = await world.api_client("jane").book(run)
    fields = ("delay", "cancellation", "sales_windows", "clock_state", "is_compacted")
    await world.wait_until_archived()
    await world.database["train_runs"].update_one({}, {"$unset": dict.fromkeys(fields, "")})
    found = await world.api_client("jane").receipt(booking.reference)
    assert (found.expected_depart_time, found.expected_arrive_time) == (booking.depart_time, booking.arrive_time)
    assert found.run_state == train_run_pb2.RUN_STATE_SCHEDULED


@pytest.mark.parametrize("update", [{"stops": "London"}, {"delay": {"minutes": "many"}}, {"cancellation": {"reason": "SNOW"}}])
async def test_an_unreadable_run_takes_only_the_expected_times_from_its_bookings(world: World, update: dict[str, Any]) -> None:
    first, second = await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    jane = world.api_client("jane")
    for run in (first, second):
        await jane.book(run)
        await world.desk.set_delay(run, 10)
    await world.wait_until_archived()
    await world.database["train_runs"].update_one({"travel_date": first.travel_date}, {"$set": update})
    receipts = (await jane.receipts_page()).receipts
    assert [receipt.run_state for receipt in receipts] == [
        train_run_pb2.RUN_STATE_UNSPECIFIED,
        train_run_pb2.RUN_STATE_DELAYED,
    ]
    assert receipts[0].expected_arrive_time == receipts[0].arrive_time
    assert (await jane.booking(receipts[0].reference)).expected_arrive_time == receipts[0].arrive_time
