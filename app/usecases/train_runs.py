"""Train runs: reading, scheduling, hiding and deleting them, promoting their waitlists, and what is reported of them.

Belongs here: the use cases around runs. Does not belong here: trains (`trains.py`), bookings (`bookings.py`).
"""

from dataclasses import dataclass
from datetime import date, datetime

from app.domain.commands import PromoteWaitlist, Promotion
from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import Caller
from app.domain.rules.cancel_train_run import begin_cancellation, plan_cancellation
from app.domain.rules.expire_holds import expire_holds
from app.domain.rules.hidden_runs import require_visible_run
from app.domain.rules.layout_reservation import expire_reservation
from app.domain.run.train_run import TrainRun, run_id
from app.domain.run_commands import CancelTrainRun, RecordArrival, SetDelay, SetSalesWindow
from app.domain.timetable import Journey, RunState, calls_in_order
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.run_lists import run_key
from app.store.store import Store
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.run_scheduling import RunScheduling

# Changes of a run by operators, after which the run is shown.
RunChange = UpdateTrainRun | SetDelay | RecordArrival | CancelTrainRun | SetSalesWindow


@dataclass(frozen=True, slots=True)
class RunView:
    """A run without its bookings, the journey that free seats are counted for, and the state of the run at `time`, now."""

    run: TrainRun
    journey: Journey
    state: RunState
    time: datetime


class TrainRunUseCases:
    """The use cases around runs. `clock` returns the current time."""

    def __init__(self, store: Store, bus: CommandBus, clock: Clock, layout_fan_out: LayoutFanOut) -> None:
        self._store, self._bus, self._clock = store, bus, clock
        self._scheduling = RunScheduling(store, clock, layout_fan_out)

    async def get(self, train_id: str, travel_date: str, origin: str, destination: str, caller: Caller) -> RunView:
        """Return a run for a journey; empty stops mean its first and last stop. Refuses TRAIN_RUN_NOT_FOUND, INVALID_FIELD.

        Only operators find a hidden run.
        """
        run = await self._store.runs.get(run_id(train_id, travel_date))
        require_visible_run(run, caller)
        return self._view(run, origin, destination, self._clock())

    async def list_page(
        self, *, origin: str, destination: str, travel_date: str, after: tuple[str, str] | None, limit: int, caller: Caller
    ) -> tuple[list[RunView], tuple[str, str] | None]:
        """Return a page of runs from origin to destination, by date and train, and the key of the next page.

        Without a date, it lists the runs that have not arrived at their last stop, and all of today and yesterday (UTC).
        Hidden runs are listed only to operators.
        """
        forms = [await self._store.trains.stored_forms(text) for text in (origin, destination) if text]
        lists, with_hidden = self._store.run_lists, caller.is_operator
        if travel_date:
            found = await lists.list_on_date(travel_date, forms, after, limit + 1, with_hidden=with_hidden)
        else:
            found = await lists.list_current(self._clock(), forms, after, limit + 1, with_hidden=with_hidden)
        page = found[:limit]
        now = self._clock()
        views = [self._view(run, origin, destination, now) for run in page if calls_in_order(run.stops, origin, destination)]
        return views, run_key(page[-1]) if len(found) > limit else None

    @staticmethod
    def _view(run: TrainRun, origin: str, destination: str, now: datetime) -> RunView:
        expire_holds(run, now)  # in this view of the run; the run's next change writes it
        expire_reservation(run, now)
        return RunView(run, run.journey(origin, destination), run.schedule.state_at(now), now)

    async def schedule(self, train_id: str, first: date, last: date, *, hidden: bool = False) -> tuple[list[date], int]:
        """Create the runs of a train on each date that has none; return all dates, and the number of new runs.

        With `hidden`, buyers do not see the new ones. A change of the train's layout that began before the runs were stored is
        brought to them. Refuses INVALID_FIELD (range), TRAIN_NOT_FOUND, TIMETABLE_IMPOSSIBLE; then it creates none.
        """
        return await self._scheduling.schedule(train_id, first, last, hidden=hidden)

    async def change(self, command: RunChange, deadline: float) -> RunView:
        """Have a change of a run decided and committed; return the run. The command's rule says what is refused.

        `CommandBus.submit` says what else is. `deadline` is in `time.monotonic` seconds.
        """
        await self._bus.submit(command, deadline)
        return await self.get(command.train_id, command.travel_date, "", "", command.caller)

    async def cancel(self, command: CancelTrainRun, deadline: float) -> RunView:
        """Cancel a run, or its legs from a stop on; return the run after the first commit. The bookings follow by themselves.

        With `validate_only`, return the run as it would be, and change nothing. `app/domain/rules/cancel_train_run.py` and
        `CommandBus.submit` say what is refused. `deadline` is in `time.monotonic` seconds.
        """
        if not command.validate_only:
            return await self.change(command, deadline)
        run, now = await self._store.runs.get(command.run_id), self._clock()
        cancellation = plan_cancellation(run, command, now)
        if cancellation is not None:
            begin_cancellation(run, cancellation, now)  # in this view of the run; nothing writes it
        return self._view(run, "", "", now)

    async def delete(self, train_id: str, travel_date: str) -> None:
        """Delete a run on which nothing was ever booked. Refuses TRAIN_RUN_NOT_FOUND, RUN_NOT_EMPTY, COMMIT_ATTEMPTS_SPENT."""
        await self._store.run_deletions.delete(run_id(train_id, travel_date), self._clock())

    async def promote_waitlist(self, command: PromoteWaitlist, deadline: float) -> Promotion:
        """Give free seats of a run to its waitlist. `app/domain/rules/waitlist.py` and `CommandBus.submit` say what is refused.

        `deadline` is in `time.monotonic` seconds.
        """
        return await self._bus.submit(command, deadline)
