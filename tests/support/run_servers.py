"""Servers with the use cases around runs, over one database.

Belongs here: scheduling, hiding, deleting and selling the run of one train from several servers. Does not belong here:
assertions.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Collection
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.domain.commands import ReleaseHold
from app.domain.layout.commands import UpdateTrainRun
from app.domain.layout.operations import LayoutOperation
from app.domain.layout.plan import LayoutPlan
from app.domain.refusals import Reason, Refusal
from app.domain.run.hold import Hold, hold_id
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.process.clock import utc_now
from app.store.driver import Database
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.train_runs import RunView, TrainRunUseCases
from tests.support.builders import TRAIN_ID, a_caller, an_operator, asks_for_seats, asks_to_hold
from tests.support.layout_changes import asks_for_layout
from tests.support.trial_lanes import LaneServer

TRAVEL_DATE: date = (utc_now() + timedelta(days=30)).date()
RUN_ID = f"{TRAIN_ID}:{TRAVEL_DATE.isoformat()}"


class RunServer(LaneServer):
    """A server with the use cases around runs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.runs = TrainRunUseCases(self.store, self.bus, utc_now, LayoutFanOut(self.store, utc_now))

    async def schedule(self, days: int = 0, *, hidden: bool = False) -> int:
        """Schedule the run, and those of so many days after it; return how many are new."""
        _, created = await self.runs.schedule(TRAIN_ID, TRAVEL_DATE, TRAVEL_DATE + timedelta(days=days), hidden=hidden)
        return created

    async def show(self, *, hidden: bool = False) -> RunView:
        """Show the run to buyers, or hide it. Has the run in memory afterwards."""
        asked = UpdateTrainRun(an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), hidden)
        return await self.runs.change(asked, time.monotonic() + 10.0)

    async def change_layout(self, *operations: LayoutOperation, **asked: Any) -> LayoutPlan:
        """Change the layout of the run, or plan it."""
        return await self.send(replace(asks_for_layout(*operations, **asked), travel_date=TRAVEL_DATE.isoformat()))

    async def stored_run(self) -> TrainRun:
        """Return the stored run, without bookings."""
        return await self.store.runs.get(RUN_ID)

    async def delete(self) -> None:
        await self.runs.delete(TRAIN_ID, TRAVEL_DATE.isoformat())

    async def send_expecting(self, command: Any, expected: Collection[Reason]) -> Any:
        """Send a command; return its result, or None where it is refused for one of the expected reasons."""
        try:
            return await self.send(command)
        except Refusal as refusal:
            if refusal.reason not in expected:
                raise
            return None

    async def book(self, name: str) -> str:
        """Book a seat; return its label."""
        result = await self.send(asks_for_seats(name, travel_date=TRAVEL_DATE))
        return result.booking.passengers[0].assigned_seat.label

    async def hold(self, name: str) -> Hold:
        return await self.send(replace(asks_to_hold(name), travel_date=TRAVEL_DATE.isoformat()))

    async def release(self, name: str, held: Hold) -> None:
        await self.send(ReleaseHold(a_caller(name), hold_id(TRAIN_ID, TRAVEL_DATE.isoformat(), held.key)))


async def reason_of(call: Awaitable[Any]) -> Reason:
    """Await a call that has to be refused; return the reason."""
    with pytest.raises(Refusal) as raised:
        await call
    return raised.value.reason


async def put_train(database: Database, train: Train, version: int = 1) -> None:
    """Store the train in this version, in place of an earlier one."""
    store = LaneServer(database).store
    await database["trains"].delete_one({"_id": train.train_id})
    assert await store.trains.insert(StoredTrain(train, f"request {version}", utc_now(), version))
