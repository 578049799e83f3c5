"""The plan of a train's change: how many runs are planned, how many at a time, and until when."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from app.domain.commands import Command, ResultT
from app.domain.layout.layout_jobs import OwnLayoutKept
from app.domain.layout.operations import SetSeatCount
from app.domain.layout.plan import LayoutCounts, LayoutPlan
from app.domain.refusals import Reason, Refusal
from app.domain.train import StoredTrain
from app.store.in_memory import connect_in_memory
from app.store.store import open_store
from app.usecases.layouts import LayoutUseCases
from tests.support.builders import NOW, TRAIN_ID, TRAVEL_DATE, a_train
from tests.support.layout_jobs import a_layout_command

HOUR_SECONDS = 3_600.0


class CountingBus:
    """Answers each command in a later turn of the event loop; a list of answers is used up from its end."""

    def __init__(self, *answers: LayoutPlan | Exception) -> None:
        self.running = self.running_max = self.count = 0
        self.deadlines: set[float] = set()
        self._answers = list(answers)

    def submit(self, command: Command[ResultT], deadline: float) -> asyncio.Task[Any]:
        self.deadlines.add(deadline)
        return asyncio.create_task(self._answer())

    async def _answer(self) -> LayoutPlan:
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.count += 1
        answer = self._answers.pop() if self._answers else LayoutPlan(counts=LayoutCounts(moved_passengers=1))
        if isinstance(answer, Exception):
            raise answer
        return answer


async def planned(bus: CountingBus, runs: int, deadline: float) -> LayoutPlan:
    """Plan a change of a train that has so many runs."""
    database = connect_in_memory()["test"]
    store = open_store(database, jobs_kept_seconds=60)
    await store.trains.insert(StoredTrain(a_train("A4"), "r0", NOW, 1))
    dates = [(TRAVEL_DATE + timedelta(days=day)).isoformat() for day in range(runs)]
    await database["train_runs"].insert_many([{"_id": f"{TRAIN_ID}:{date}"} for date in dates])
    layouts = LayoutUseCases(store, bus, lambda: NOW)
    return await layouts.update(a_layout_command(TRAIN_ID, "", SetSeatCount("1", 3), validate_only=True), deadline)


async def test_the_runs_of_a_year_are_planned_eight_at_a_time() -> None:
    bus, deadline = CountingBus(), time.monotonic() + HOUR_SECONDS
    plan = await planned(bus, 400, deadline)
    assert (plan.run_count, plan.planned_run_count, plan.counts.moved_passengers) == (400, 366, 366)
    assert (bus.count, bus.running_max) == (366, 8)
    assert bus.deadlines == {deadline - 1}


async def test_a_run_without_an_answer_is_not_planned_and_one_that_is_refused_is() -> None:
    refused = Refusal(Reason.DISPLACED_TOO_MANY, "displaces 501 passengers")
    bus = CountingBus(Refusal(Reason.RUN_BUSY, "not now"), OwnLayoutKept(), refused, refused)
    plan = await planned(bus, 10, time.monotonic() + HOUR_SECONDS)
    assert (plan.run_count, plan.planned_run_count, plan.skipped_run_count, plan.refused_run_count) == (10, 9, 1, 2)
    assert plan.counts.moved_passengers == 6


async def test_planning_ends_a_second_before_the_call() -> None:
    bus = CountingBus()
    plan = await planned(bus, 10, time.monotonic() + 0.9)
    assert (plan.run_count, plan.planned_run_count, bus.count) == (10, 0, 0)
