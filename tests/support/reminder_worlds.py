"""Worlds in which travellers are reminded: a store in memory, a bus that sells, a clock that is moved by hand.

Belongs here: selling, reporting delays, and running the jobs that are due. Does not belong here: assertions.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.booking import Booking
from app.domain.commands import Command, CreateBooking, IfFull, ResultT
from app.domain.jobs import PERIODIC_RETRIES
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.notices.reminder_notices import SoldBooking
from app.domain.notices.reminders import DEFAULT_QUIET_HOURS
from app.domain.people import Person
from app.domain.run.new_run import make_run
from app.domain.train import StoredTrain, Train
from app.jobs.runner import JobRunner
from app.lanes.local_bus import open_command_bus
from app.store.in_memory import connect_in_memory
from app.store.notice_documents import notice_from
from app.store.store import open_store
from app.usecases.notices.reminders import Reminders
from tests.support.builders import NOW, TRAVEL_DATE, a_train, asks_for_seats
from tests.support.trial_lanes import BOUNDS

_JOBS_MAX = 100
_ROUNDS_MAX = 100


class ReminderWorld:
    """A run that is sold, and its reminders. `now` is the time; `enabled` are the channels."""

    def __init__(self, *, enabled: tuple[NoticeChannelName, ...] = (NoticeChannelName.EMAIL,)) -> None:
        self.database = connect_in_memory()["reminders"]
        self.store = open_store(self.database, jobs_kept_seconds=3_600)
        self.now = NOW
        self.bus = open_command_bus(self.store.runs, self.store.bookings, self.clock, BOUNDS)
        self.reminders = Reminders(self.store, self.clock, enabled, DEFAULT_QUIET_HOURS)
        self.run_id = ""

    def clock(self) -> datetime:
        return self.now

    async def schedule(self, train: Train | None = None) -> None:
        """Store a train and its run."""
        stored = StoredTrain(train or a_train("A9"), "r1", NOW, 1)
        run = make_run(stored.train, TRAVEL_DATE)
        await self.store.trains.insert(stored)
        await self.store.runs.insert_if_absent([run], NOW)
        self.run_id = run.run_id

    async def change_train(self, **changes: object) -> None:
        """Replace fields of the train."""
        stored = await self.store.trains.get(self.run_id.partition(":")[0])
        changed = replace(stored, train=replace(stored.train, **changes), version=stored.version + 1)  # type: ignore[arg-type]
        assert await self.store.trains.swap(changed, stored.version)

    async def send(self, command: Command[ResultT]) -> ResultT:
        """Have a command decided, and archived."""
        if not command.run_id:
            command = replace(command, run_id=self.run_id)  # type: ignore[type-var]  # commands are values
        result = await self.bus.submit(command, time.monotonic() + 10)
        await self.bus.wait_idle()
        return result

    async def sell(self, *who: str | Person, by: str = "", **journey: str) -> Booking:
        """Sell seats, and have them reminded of."""
        booking = await self.book(*who, by=by, **journey)
        await self.reminders.add([SoldBooking(booking, self.now)])
        return booking

    async def book(self, *who: str | Person, by: str = "", **journey: str) -> Booking:
        """Sell seats, as long as nobody has looked at the event yet."""
        command: CreateBooking = asks_for_seats(*who, by=by, if_full=IfFull.WAITLIST, **journey)  # type: ignore[arg-type]
        sold = await self.send(command)
        return sold.booking

    async def run_due_jobs(self) -> None:
        """Run the jobs of stops that are due now."""
        for _ in range(_ROUNDS_MAX):
            count = 0
            for kind, handler in self.reminders.handlers().items():
                jobs = await self.store.jobs.lease_due([kind], self.now, 30.0, "worker", _JOBS_MAX)
                if jobs:
                    runner = JobRunner(handler, self.clock, lambda: 1.0, run_seconds_max=60.0, retries=PERIODIC_RETRIES)
                    await self.store.jobs.record_outcomes(await runner.run(jobs), jobs[0].lease_owner)
                count += len(jobs)
            if not count:
                return
        raise AssertionError("jobs are due again and again")

    async def work_until(self, moment: datetime) -> None:
        """Move the clock to a moment, and run each job when it is due."""
        kinds = list(self.reminders.handlers())
        for _ in range(_ROUNDS_MAX):
            await self.run_due_jobs()
            ready = await self.store.jobs.next_ready_time(kinds)
            if ready is None or ready > moment:
                self.now = moment
                return
            self.now = ready
        raise AssertionError("jobs are due again and again")

    async def notices(self, kind: NoticeKind) -> list[Notice]:
        """Return the reminders of a kind, by booking and addressee."""
        found = await self.database["notices"].find({"kind": kind.value}).sort("_id", 1).to_list(1_000)
        return [notice_from(document) for document in found]

    async def reminded(self, kind: NoticeKind) -> dict[str, datetime]:
        """Return when each recipient of a reminder that is scheduled is to have it."""
        return {notice.recipient_key: notice.due_time for notice in await self.notices(kind) if not notice.is_final}

    async def job_ids(self) -> list[str]:
        """Return the ids of the jobs of stops."""
        found = await self.database["jobs"].find({"kind": {"$in": list(self.reminders.handlers())}}).to_list(1_000)
        return sorted(document["_id"] for document in found)


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
