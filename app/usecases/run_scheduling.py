"""Scheduling runs: for the dates that an operator names, and by the service itself as far ahead as the train says.

Belongs here: making and storing new runs. Does not belong here: which dates are due (`app/domain/rolling_schedule.py`), what
happens to runs later (`train_runs.py`).
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import date

from app.domain.refusals import Reason, Refusal
from app.domain.rolling_schedule import dates_due
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun
from app.domain.timetable import stops_on_date
from app.domain.train import StoredTrain, travel_dates
from app.ports.clock import Clock
from app.store.store import Store
from app.usecases.layout_fan_out import LayoutFanOut

_log = logging.getLogger(__name__)

# To make a run of 5,000 seats takes a millisecond; its document has 100 kB.
_RUNS_INSERTED_AT_A_TIME = 20
_TRAINS_READ_AT_A_TIME = 50
# No operator has more; the next call begins anew.
_TRAINS_MAX = 100_000


class RunScheduling:
    """Makes runs. `clock` returns the current time."""

    def __init__(self, store: Store, clock: Clock, layout_fan_out: LayoutFanOut) -> None:
        self._store, self._clock, self._layout_fan_out = store, clock, layout_fan_out

    async def schedule(self, train_id: str, first: date, last: date, *, hidden: bool = False) -> tuple[list[date], int]:
        """Create the runs of a train on each date that has none; return all dates, and the number of new runs.

        With `hidden`, buyers do not see the new ones. A change of the train's layout that began before the runs were stored is
        brought to them. Refuses INVALID_FIELD (range), TRAIN_NOT_FOUND, TIMETABLE_IMPOSSIBLE; then it creates none.
        """
        dates = travel_dates(first, last)
        stored = await self._store.trains.get(train_id)
        for travel_date in dates:  # check all dates before creating any run
            stops_on_date(stored.train.stops, travel_date)
            await asyncio.sleep(0)  # a year of a long timetable takes a tenth of a second; let other calls run in between
        return dates, await self._create(stored, dates, hidden=hidden)

    async def schedule_ahead(self) -> None:
        """Create the runs that are due on trains with a horizon; a periodic task of workers. Refuses DATABASE_UNAVAILABLE.

        A run that was deleted is not created again. A train that fails is logged, and holds up no others.
        """
        after = ""
        for _ in range(_TRAINS_MAX // _TRAINS_READ_AT_A_TIME):
            trains = await self._store.trains.list_page(after, _TRAINS_READ_AT_A_TIME, with_horizon=True)
            for stored in trains:
                await self._schedule_ahead_of(stored)
            if len(trains) < _TRAINS_READ_AT_A_TIME:
                return
            after = trains[-1].train.train_id

    async def _schedule_ahead_of(self, stored: StoredTrain) -> None:
        train = stored.train
        dates = dates_due(train, stored.scheduled_until, self._clock())
        if not dates:
            return
        try:
            created = await self._create(stored, dates, by_itself=True)
            await self._store.trains.set_scheduled_until(train.train_id, dates[-1].isoformat())
        except Refusal as refusal:
            if refusal.reason is Reason.DATABASE_UNAVAILABLE:
                raise
            _log.warning("train %s is not scheduled ahead: %s", train.train_id, refusal.reason.value)
            return
        _log.info("train %s is scheduled until %s: %d new runs", train.train_id, dates[-1].isoformat(), created)

    async def _create(
        self, stored: StoredTrain, dates: Sequence[date], *, hidden: bool = False, by_itself: bool = False
    ) -> int:
        """Create the runs of these dates that do not exist; return how many these were.

        What the service does `by_itself` leaves out runs that were deleted, that have departed, and that are impossible.
        """
        created, now = 0, self._clock()
        for start in range(0, len(dates), _RUNS_INSERTED_AT_A_TIME):
            runs: list[TrainRun] = []
            for travel_date in dates[start : start + _RUNS_INSERTED_AT_A_TIME]:
                try:
                    run = make_run(stored.train, travel_date, stored.version, hidden=hidden)
                except Refusal as refusal:
                    if not by_itself:
                        raise
                    _log.warning("train %s is not scheduled: %s", stored.train.train_id, refusal.message)
                else:
                    if not by_itself or run.schedule.depart_time > now:
                        runs.append(run)
                await asyncio.sleep(0)
            created += await self._store.runs.insert_if_absent(runs, now, replaces_deleted=not by_itself)
        if created:
            await self._layout_fan_out.catch_up(stored.train.train_id, stored.version)
        return created
