"""Trains and their runs: what operators make, and what anyone may look at.

Belongs here: the use cases around timetables, runs, section lists, and what operators do to a whole run. Does not: bookings
(`bookings.py`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.booking import Booking, Passenger
from app.domain.commands import PromoteWaitlist, Promotion
from app.domain.people import Caller, require_operator
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.hold_seats import expire_holds
from app.domain.run.train_run import TrainRun, make_run, run_id
from app.domain.timetable import Journey, RunState, calls_in_order, state_at, stops_on_date
from app.domain.train import StoredTrain, Train, check_train, travel_dates, with_trimmed_texts
from app.lanes.bus import CommandBus
from app.store.bookings import RowKey, row_key
from app.store.run_lists import run_key
from app.store.store import Store

# A run of 5,000 seats takes a millisecond, and its document 100 kB.
_RUNS_INSERTED_AT_A_TIME = 20


@dataclass(frozen=True, slots=True)
class RunView:
    """A run without its bookings, the journey it is looked at for, and where it stands at the moment."""

    run: TrainRun
    journey: Journey
    state: RunState


class TrainUseCases:
    """The use cases around trains and runs. `clock` gives the present moment, `amounts` is what can be paid."""

    def __init__(self, store: Store, bus: CommandBus, clock: Callable[[], datetime], amounts: AmountRules = ANY_AMOUNT) -> None:
        self._store, self._bus, self._amounts = store, bus, amounts
        self._clock = clock

    # -- for anyone

    async def get_run(self, train_id: str, travel_date: str, origin: str, destination: str) -> RunView:
        """One run, looked at for a journey; empty stops stand for its ends. Refuses TRAIN_RUN_NOT_FOUND, INVALID_FIELD."""
        run = await self._store.runs.get(run_id(train_id, travel_date))
        return self._view(run, origin, destination)

    async def list_runs(
        self, *, origin: str, destination: str, travel_date: str, after: tuple[str, str] | None, limit: int
    ) -> tuple[list[RunView], tuple[str, str] | None]:
        """A page of runs that lead from origin to destination, by date and train, and where the next page begins.

        Without a date: those that are under way or to come, and all of today and yesterday (UTC).
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
        expire_holds(run, now)  # in this look at it; the next change of the run writes it down
        return RunView(run, run.journey(origin, destination), state_at(run.stops, now))

    # -- for operators

    async def create_train(self, caller: Caller, train: Train, request_id: str, *, validate_only: bool) -> StoredTrain:
        """Keep a new train, or find what this request made before.

        With `validate_only` a new one has version 0 and is not kept.

        Refuses INVALID_FIELD (also a new train's fare that the payment provider cannot take), REQUEST_ID_REUSED,
        TRAIN_ALREADY_EXISTS.
        """
        require_operator(caller)
        train = with_trimmed_texts(train)
        check_train(train)
        stored = StoredTrain(train, request_id, self._clock(), version=0 if validate_only else 1)
        other = await self._store.trains.find_conflicting(train.train_id, request_id)
        if other is None:
            self._require_chargeable(train)
        if other is None and (validate_only or await self._store.trains.insert(stored)):
            return stored
        other = other or await self._store.trains.find_conflicting(train.train_id, request_id)
        if other is None:
            raise RuntimeError("a train that was in the way is gone")
        return _require_same_request(other, stored)

    def _require_chargeable(self, train: Train) -> None:
        """Refuses fares that nobody could pay; seats may be free."""
        for index, section in enumerate(train.sections):
            problem = self._amounts.problem_of_charge(section.fare) if section.fare.minor else ""
            if problem:
                raise InvalidField(f"train.sections[{index}].fare", f"{section.fare} cannot be paid here: {problem}")

    async def get_train(self, caller: Caller, train_id: str) -> StoredTrain:
        """A train. Refuses TRAIN_NOT_FOUND."""
        require_operator(caller)
        return await self._store.trains.get(train_id)

    async def list_trains(
        self, caller: Caller, after: tuple[str] | None, limit: int
    ) -> tuple[list[StoredTrain], tuple[str] | None]:
        """A page of trains by train_id, and where the next one begins."""
        require_operator(caller)
        found = await self._store.trains.list_page(after[0] if after else "", limit + 1)
        page = found[:limit]
        return page, (page[-1].train.train_id,) if len(found) > limit else None

    async def schedule(self, caller: Caller, train_id: str, first: date, last: date) -> tuple[list[date], int]:
        """Makes the runs of a train on each date that has none; gives the dates of all of them, and how many are new.

        Refuses INVALID_FIELD (range), TRAIN_NOT_FOUND, TIMETABLE_IMPOSSIBLE; then none is made.
        """
        require_operator(caller)
        dates = travel_dates(first, last)
        train = (await self._store.trains.get(train_id)).train
        for travel_date in dates:  # all are judged before any is made
            stops_on_date(train.stops, travel_date)
            await asyncio.sleep(0)  # a year of a long timetable takes a tenth of a second; other calls go on in between
        created, now = 0, self._clock()
        for start in range(0, len(dates), _RUNS_INSERTED_AT_A_TIME):
            runs = []
            for travel_date in dates[start : start + _RUNS_INSERTED_AT_A_TIME]:
                runs.append(make_run(train, travel_date))
                await asyncio.sleep(0)
            created += await self._store.runs.insert_if_absent(runs, now)
        return dates, created

    async def list_section(
        self, caller: Caller, train_id: str, travel_date: str, section: str, after: RowKey | None, limit: int
    ) -> tuple[list[tuple[Booking, Passenger]], RowKey | None]:
        """A page of who sits in a section as of one moment, by seat number, and where the next one begins.

        Refuses TRAIN_RUN_NOT_FOUND, INVALID_FIELD (no such section).
        """
        require_operator(caller)
        run = await self._store.runs.get(run_id(train_id, travel_date))
        run.section_index(section)
        found = await self._store.snapshots.read(
            lambda snapshot: self._store.bookings.list_section(snapshot, run.run_id, section, after, limit + 1)
        )
        page = found[:limit]
        return page, row_key(page[-1]) if len(found) > limit else None

    async def promote_waitlist(self, command: PromoteWaitlist, deadline: float) -> Promotion:
        """Looks over a run's waiting list now; see `promote_waitlist` and `CommandBus.submit` for refusals.

        `deadline` is in `time.monotonic` seconds.
        """
        require_operator(command.caller)
        return await self._bus.submit(command.run_id, command, deadline)


def _require_same_request(other: StoredTrain, wanted: StoredTrain) -> StoredTrain:
    name = other.train.train_id
    if other.request_id != wanted.request_id:
        raise Refusal(Reason.TRAIN_ALREADY_EXISTS, f"there is a train {name}", resource=("train", name))
    if with_trimmed_texts(other.train) != wanted.train:  # earlier versions stored texts as they were sent
        raise Refusal(
            Reason.REQUEST_ID_REUSED, f"this request_id made train {name} from another request", resource=("train", name)
        )
    return other
