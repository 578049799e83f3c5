"""Scheduling ahead: the service keeps the runs of a train scheduled by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.timetable import TimetableStop
from app.domain.train import Train
from app.store.driver import Database
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.run_scheduling import RunScheduling
from tests.support.builders import TRAIN_ID, a_stop, a_train
from tests.support.run_servers import RunServer, put_train
from tests.support.world import World

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


class SchedulingWorker:
    """A worker's task over one database, with a clock of its own."""

    def __init__(self, database: Database) -> None:
        self.database, self.server, self.now = database, RunServer(database), NOON
        self._scheduling = RunScheduling(self.server.store, lambda: self.now, LayoutFanOut(self.server.store, lambda: self.now))

    async def dates(self, train_id: str = TRAIN_ID) -> list[str]:
        """Schedule ahead, and return the travel dates of the train's runs."""
        await self._scheduling.schedule_ahead()
        runs = await self.database["train_runs"].find({"train_id": train_id}).sort("_id", 1).to_list(None)
        return [run["travel_date"] for run in runs]


@pytest.fixture
def worker(world: World) -> SchedulingWorker:
    return SchedulingWorker(world.database)


def a_train_ahead(days: int, train_id: str = TRAIN_ID, stops: Iterable[TimetableStop] | None = None) -> Train:
    return replace(a_train("A4", train_id=train_id, stops=stops), schedule_horizon_days=days)


def dates_from(first: date, count: int) -> list[str]:
    return [(first + timedelta(days=offset)).isoformat() for offset in range(count)]


async def test_the_runs_of_each_new_day_are_scheduled_once(worker: SchedulingWorker) -> None:
    await put_train(worker.database, a_train_ahead(2))
    worker.now = NOON.replace(hour=1)  # before today's departure
    assert await worker.dates() == dates_from(date(2026, 3, 20), 3)
    assert await worker.dates() == dates_from(date(2026, 3, 20), 3)
    worker.now += timedelta(days=2)
    assert await worker.dates() == dates_from(date(2026, 3, 20), 5)


async def test_a_train_that_has_left_today_is_scheduled_from_tomorrow(worker: SchedulingWorker) -> None:
    await put_train(worker.database, a_train_ahead(2))
    worker.now = NOON.replace(hour=23)
    assert await worker.dates() == dates_from(date(2026, 3, 21), 2)


async def test_a_run_that_was_deleted_does_not_come_back(worker: SchedulingWorker) -> None:
    await put_train(worker.database, a_train_ahead(3))
    worker.now = NOON.replace(hour=1)
    await worker.dates()
    await worker.server.runs.delete(TRAIN_ID, "2026-03-22")
    await worker.database["trains"].update_one({"_id": TRAIN_ID}, {"$unset": {"scheduled_until": ""}})  # as after a crash
    assert await worker.dates() == ["2026-03-20", "2026-03-21", "2026-03-23"]


async def test_a_date_on_which_the_timetable_is_impossible_holds_up_no_other(worker: SchedulingWorker) -> None:
    # In winter the clocks of the two are an hour apart, and the train arrives after it has left.
    stops = (
        a_stop("Kingman", "America/Phoenix", depart="00:28"),
        a_stop("Needles", "America/Los_Angeles", arrive="00:26"),
    )
    await put_train(worker.database, a_train_ahead(4, stops=stops))
    worker.now = datetime(2026, 3, 7, 1, tzinfo=UTC)  # the evening of March 6 in Kingman; summer time begins on March 8
    assert await worker.dates() == ["2026-03-07", "2026-03-08"]
    worker.now = datetime(2026, 10, 29, 20, tzinfo=UTC)  # and ends in the night of November 1
    assert await worker.dates() == ["2026-03-07", "2026-03-08", "2026-11-02"]


async def test_an_unreadable_train_holds_up_no_other(worker: SchedulingWorker) -> None:
    await put_train(worker.database, a_train_ahead(1, "es1"))
    await put_train(worker.database, a_train_ahead(1, "es2"), version=2)
    await worker.database["trains"].update_one({"_id": "es1"}, {"$set": {"stops": "none"}})
    worker.now = NOON.replace(hour=1)
    assert await worker.dates("es1") == []
    assert len(await worker.dates("es2")) == 2
