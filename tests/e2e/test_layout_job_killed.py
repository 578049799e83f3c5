"""The layout of a train changes while its runs are sold, and a worker is killed twice: each run is changed exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from app.pb.seatline.v1 import layout_pb2
from tests.e2e.crowd import Crowd
from tests.e2e.ledgers import Books, read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import Run
from tests.support.layout_client import LayoutClient, add_coach, remove_coach
from tests.support.long_mode import full
from tests.support.replica_set import SECONDS_MAX, MongoDatabase, database_of, hanging, replica_set
from tests.support.server_processes import server_process, some_runs, worker_process
from tests.support.world import eventually

RUNS = full(300, short=42)
BUYERS_PER_WAVE = 2 * RUNS
OUTCOMES = "seatline.layout_outcomes"
REMOVED_SEATS = range(1, 7)


def changed_runs(database: MongoDatabase) -> int:
    """Count the runs that have the new layout."""
    return database["train_runs"].count_documents({"layout.train_version": 2})


def reported_runs(database: MongoDatabase) -> int:
    return database["layout_outcomes"].count_documents({})


def lost_bookings(crowd: Crowd, books: Books) -> list[str]:
    """Describe every acknowledged booking that is not stored once as it was left, or whose seat does not exist any more."""
    wrong = []
    stored: dict[str, list[dict[str, Any]]] = {}
    for booking in books.bookings.values():
        stored.setdefault(booking["request_id"], []).append(booking)
    for name in crowd.names:
        own = stored.get(name, [])
        if [booking["_id"] for booking in own] != [crowd.answered[name].reference]:
            wrong.append(f"{name} was answered {crowd.answered[name].reference} and has {own}")
        elif (own[0]["state"] == "CANCELLED") != (name in crowd.cancelled):
            wrong.append(f"{name} has a booking that is {own[0]['state']}")
        elif own[0]["state"] == "CONFIRMED":
            seats = [(passenger["section"], passenger["number"]) for passenger in own[0]["passengers"]]
            wrong += [f"{name} has the removed seat {seat}" for seat in seats if seat[0] == "A" and seat[1] in REMOVED_SEATS]
    return wrong


class Sales:
    """Waves of buyers on all runs. Each wave overlaps with whatever the test does next."""

    def __init__(self, runs: list[Run], target: str) -> None:
        self.crowds: list[Crowd] = []
        self._runs, self._target = runs, target
        self._waves: list[asyncio.Task[None]] = []

    async def go_on(self) -> None:
        """Start another wave, and return when half of it has been answered."""
        crowd = Crowd(f"w{len(self.crowds)}p", self._runs, BUYERS_PER_WAVE, [self._target])
        self.crowds.append(crowd)
        self._waves.append(asyncio.create_task(crowd.buy()))
        await crowd.wait_for_bookings(BUYERS_PER_WAVE // 2)

    async def end(self) -> None:
        await asyncio.gather(*self._waves)


async def all_outcomes(desk: LayoutClient, layout_job_id: str) -> list[layout_pb2.LayoutOutcome]:
    """Return all outcomes, page by page."""
    found: list[layout_pb2.LayoutOutcome] = []
    token = ""
    while True:
        page = await desk.outcomes_page(layout_job_id, page_size=100, page_token=token)
        found += page.outcomes
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.timeout(full(1_200, short=300))
async def test_a_layout_job_changes_each_run_once_though_its_worker_is_killed_twice(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri, "SEATLINE_JOB_BATCH_MAX": "20"}
        server = await stack.enter_async_context(server_process(tmp_path / "server", **settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        desk = LayoutClient(channel, "desk", roles="operator")
        sales = Sales(await some_runs(channel, "A6 A6 B4", RUNS), server.target)
        await sales.go_on()
        changed = await desk.change_train_layout(await desk.train("es9014"), remove_coach("1"), add_coach("9", "A", 3))
        assert changed.run_count == RUNS

        async def some_are_changed() -> bool:
            return changed_runs(database) > 0

        async def more_are_changed() -> bool:
            return changed_runs(database) > reported_runs(database) >= RUNS // 3

        async with hanging(members.members[0], OUTCOMES, "insert"), worker_process(tmp_path / "first", **settings) as first:
            await eventually(some_are_changed, SECONDS_MAX)
            await sales.go_on()
            first.kill()  # between the commits of some runs and their outcomes
        assert reported_runs(database) == 0
        async with (
            hanging(members.members[0], OUTCOMES, "insert", after=RUNS // 3),
            worker_process(tmp_path / "second", **settings) as second,
        ):
            await eventually(more_are_changed, SECONDS_MAX)
            await sales.go_on()
            second.kill()
        assert RUNS // 3 <= reported_runs(database) < RUNS
        await stack.enter_async_context(worker_process(tmp_path / "third", **settings))
        await sales.go_on()

        async def is_complete() -> bool:
            return (await desk.layout_job(changed.layout_job_id)).state == layout_pb2.LAYOUT_JOB_STATE_COMPLETE

        await eventually(is_complete, full(600.0, short=SECONDS_MAX))
        await sales.end()
        await settled(members)
        books = read_books(database)
        assert [lost for crowd in sales.crowds for lost in lost_bookings(crowd, books)] == []
        await _is_reported(desk, changed.layout_job_id, books)


async def _is_reported(desk: LayoutClient, layout_job_id: str, books: Books) -> None:
    """Compare the report with the events of the runs: each run was changed once, and the report has what was done."""
    events = [event for event in books.events.values() if event["type"] == "layout.changed"]
    assert Counter(event["subject"] for event in events) == dict.fromkeys(books.runs, 1)
    moved = {event["subject"].partition(":")[2]: event["data"]["moved_passengers"] for event in events}
    found = await all_outcomes(desk, layout_job_id)
    assert {outcome.travel_date: outcome.counts.moved_passengers for outcome in found} == moved
    assert {outcome.state for outcome in found} == {layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED}
    job = await desk.layout_job(layout_job_id)
    assert (job.run_count, job.applied_count, job.counts.moved_passengers) == (RUNS, RUNS, sum(moved.values()))
    told = [event for event in books.events.values() if event["data"].get("cause") == "layout" and "moves" in event["data"]]
    assert sum(len(event["data"]["moves"]) for event in told) >= sum(moved.values()) > 0
