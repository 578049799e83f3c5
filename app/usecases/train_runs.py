"""Train runs: reading and scheduling them, and promoting their waitlists.

Belongs here: the use cases around runs. Does not belong here: trains (`trains.py`), bookings (`bookings.py`).
"""

import asyncio
from dataclasses import dataclass
from datetime import date

from app.domain.commands import PromoteWaitlist, Promotion
from app.domain.rules.expire_holds import expire_holds
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun, run_id
from app.domain.timetable import Journey, RunState, calls_in_order, state_at, stops_on_date
from app.domain.train import travel_dates
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.run_lists import run_key
from app.store.store import Store

# To make a run of 5,000 seats takes a millisecond; its document has 100 kB.
_RUNS_INSERTED_AT_A_TIME = 20


@dataclass(frozen=True, slots=True)
class RunView:
    """A run without its bookings, the journey that free seats are counted for, and the current state of the run."""

    run: TrainRun
    journey: Journey
    state: RunState


class TrainRunUseCases:
    """The use cases around runs. `clock` returns the current time."""

    def __init__(self, store: Store, bus: CommandBus, clock: Clock) -> None:
        self._store, self._bus, self._clock = store, bus, clock

    async def get(self, train_id: str, travel_date: str, origin: str, destination: str) -> RunView:
        """Return a run for a journey; empty stops mean its first and last stop. Refuses TRAIN_RUN_NOT_FOUND, INVALID_FIELD."""
        run = await self._store.runs.get(run_id(train_id, travel_date))
        return self._view(run, origin, destination)

    async def list_page(
        self, *, origin: str, destination: str, travel_date: str, after: tuple[str, str] | None, limit: int
    ) -> tuple[list[RunView], tuple[str, str] | None]:
        """Return a page of runs from origin to destination, by date and train, and the key of the next page.

        Without a date, it lists the runs that have not arrived at their last stop, and all of today and yesterday (UTC).
        """
        forms = [await self._store.trains.stored_forms(text) for text in (origin, destination) if text]
        if travel_date:
            found = await self._store.run_lists.list_on_date(travel_date, forms, after, limit + 1)
        else:
            found = await self._store.run_lists.list_current(self._clock(), forms, after, limit + 1)
        page = found[:limit]
        views = [self._view(run, origin, destination) for run in page if calls_in_order(run.stops, origin, destination)]
        return views, run_key(page[-1]) if len(found) > limit else None

    def _view(self, run: TrainRun, origin: str, destination: str) -> RunView:
        now = self._clock()
        expire_holds(run, now)  # in this view of the run; the run's next change writes it
        return RunView(run, run.journey(origin, destination), state_at(run.stops, now))

    async def schedule(self, train_id: str, first: date, last: date) -> tuple[list[date], int]:
        """Create the runs of a train on each date that has none; return all dates, and the number of new runs.

        Refuses INVALID_FIELD (range), TRAIN_NOT_FOUND, TIMETABLE_IMPOSSIBLE; then it creates none.
        """
        dates = travel_dates(first, last)
        train = (await self._store.trains.get(train_id)).train
        for travel_date in dates:  # check all dates before creating any run
            stops_on_date(train.stops, travel_date)
            await asyncio.sleep(0)  # a year of a long timetable takes a tenth of a second; let other calls run in between
        created, now = 0, self._clock()
        for start in range(0, len(dates), _RUNS_INSERTED_AT_A_TIME):
            runs = []
            for travel_date in dates[start : start + _RUNS_INSERTED_AT_A_TIME]:
                runs.append(make_run(train, travel_date))
                await asyncio.sleep(0)
            created += await self._store.runs.insert_if_absent(runs, now)
        return dates, created

    async def promote_waitlist(self, command: PromoteWaitlist, deadline: float) -> Promotion:
        """Give free seats of a run to its waitlist. `app/domain/rules/waitlist.py` and `CommandBus.submit` say what is refused.

        `deadline` is in `time.monotonic` seconds.
        """
        return await self._bus.submit(command, deadline)
