"""A sold run is cancelled, and a worker is killed twice: everybody is refunded once, and nothing is left."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.cancelled_runs import (
    ALL_LEGS,
    LEGS_AFTER_LILLE,
    SoldRun,
    affected,
    buyers_of_other_legs,
    layout_for,
    live,
    remains,
    wrong_others,
    wrong_refunds,
)
from tests.e2e.ledgers import Books, read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import LILLE, refusal
from tests.support.long_mode import full
from tests.support.replica_set import SECONDS_MAX, MongoDatabase, ReplicaSet, database_of, hanging, replica_set
from tests.support.server_processes import WorkerProcess, a_run, server_process, worker_process
from tests.support.world import eventually

BUYERS = full(2_000, short=500)
PAID = BUYERS * 9 // 10  # of whom a worker has charged all before the cancellation
KILLED_AT = (0.35, 0.7)  # of all bookings that have to end: about 700 and 1,400 of 2,000
RUNS = "seatline.train_runs"
COMMITS = (full(4, short=1), full(3, short=1))  # of 200 bookings each, that a worker makes before its statements hang


def progress(database: MongoDatabase) -> dict[str, Any]:
    """The stored record of the cancellation."""
    (run,) = database["train_runs"].find({}, {"cancellation": 1})
    record: dict[str, Any] = run["cancellation"]
    return record


async def sell(sold: SoldRun, members: ReplicaSet, early: WorkerProcess) -> None:
    """Sell the run. A worker charges most buyers; nobody charges the others before the run is cancelled."""
    await sold.hold()
    await sold.sell(range(PAID))
    await settled(members)
    early.terminate()
    await early.ended()
    await sold.sell(range(PAID, BUYERS))


async def killed_in_the_middle(database: MongoDatabase, worker: WorkerProcess, count: int) -> int:
    """Kill the worker once that many bookings have ended, and return how many have."""

    async def has_come_that_far() -> bool:
        return int(progress(database)["booking_count"]) >= count

    await eventually(has_come_that_far, SECONDS_MAX)
    worker.kill()
    assert progress(database)["complete_time"] is None
    return int(progress(database)["booking_count"])


def wrong(before: Books, after: Books, legs: int) -> list[str]:
    """Describe everything that the cancellation of these legs should have done or left alone."""
    left = [part for run in after.runs.values() for part in remains(run, legs)]
    return [*left, *wrong_refunds(before, after, legs), *wrong_others(before, after, legs)]


@pytest.mark.timeout(full(900, short=300))
@pytest.mark.parametrize(("from_stop", "legs"), [("", ALL_LEGS), (LILLE, LEGS_AFTER_LILLE)], ids=["whole", "from a stop on"])
async def test_everybody_is_refunded_once_though_the_worker_is_killed_twice(from_stop: str, legs: int, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        server = await stack.enter_async_context(server_process(tmp_path / "server", **settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        sold = SoldRun(channel, await a_run(channel, layout_for(BUYERS)))
        async with worker_process(tmp_path / "early", **settings) as early:
            await sell(sold, members, early)
        before = read_books(database)
        ending = live(affected(before, legs))

        begun_at, counts = time.monotonic(), []
        await sold.client("desk", "operator").cancel_run(sold.run, from_stop)
        for share, commits in zip(KILLED_AT, COMMITS, strict=True):
            assert (await refusal(sold.client("late").wait(sold.run))).reason == "RUN_CANCELLED"
            async with (
                hanging(members.members[0], RUNS, "findAndModify", after=commits),
                worker_process(tmp_path / f"killed-{share}", **settings) as worker,
            ):
                counts.append(await killed_in_the_middle(database, worker, int(share * len(ending))))
        await stack.enter_async_context(worker_process(tmp_path / "last", **settings))

        async def is_complete() -> bool:
            return progress(database)["complete_time"] is not None

        others = buyers_of_other_legs(range(BUYERS, BUYERS * 6 // 5), legs)
        await asyncio.gather(eventually(is_complete, SECONDS_MAX), sold.sell(others))
        seconds = time.monotonic() - begun_at
        print(f"{len(ending)} bookings ended in {seconds:.1f} s; killed at {counts}")  # noqa: T201 - shown with -s
        await settled(members)
        after = read_books(database)
        assert wrong(before, after, legs) == []
        assert len(after.bookings) == len(before.bookings) + len(others)
        assert progress(database)["booking_count"] == len(ending)
        assert progress(database)["passenger_count"] == sum(len(booking["passengers"]) for booking in ending.values())
