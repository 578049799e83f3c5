"""Run maintenance: the changes of train runs that no caller asks for.

Belongs here: finding the runs that are due and submitting their commands (`ExpireDue`, `CancelNextBookings`), and archiving
bookings and events that a dead server left in the documents of runs. Does not belong here: the rules (`app/domain/rules`), how
often this happens (`app/process/bootstrap/work.py`).
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from app.domain.commands import Command, ExpireDue
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.domain.run_commands import CancelNextBookings
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.runs import DueRun, TrainRuns

_log = logging.getLogger(__name__)

# Runs of one statement.
_RUNS_MAX = 100
# A living server archives a batch within a tenth of this.
_LEFT_AFTER_SECONDS = 10.0
# A closed waitlist is emptied, and a run is cancelled, some hundred bookings at a time.
_EXPIRE_ROUNDS_MAX = 100
_COMMAND_SECONDS_MAX = 30.0
# Statements of one call that find runs behind the clock: 2,000 runs, at some milliseconds each. The next call goes on.
_ADOPT_ROUNDS_MAX = 20
# Statements of one call that find unreadable runs among others; the next call goes on.
_ARCHIVE_ROUNDS_MAX = 20


class RunMaintenance:
    """`clock` returns the present moment, `monotonic` the seconds that deadlines are counted in."""

    def __init__(self, runs: TrainRuns, bus: CommandBus, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._runs, self._bus, self._clock, self._monotonic = runs, bus, clock, monotonic

    async def expire_due(self) -> None:
        """Submit ExpireDue to each run that is due, and CancelNextBookings to each whose bookings are being cancelled.

        Each run gets one commit a round, so that a long cancellation holds up no other run. Refuses DATABASE_UNAVAILABLE.
        """
        failed: set[str] = set()
        for _ in range(_EXPIRE_ROUNDS_MAX):
            due = await self._runs.list_due(self._clock(), _RUNS_MAX, but_for=failed)
            for run in due:
                if not await self._submit(_next_step(run)):
                    failed.add(run.run_id)
            if not due:
                return

    async def adopt_earlier_runs(self) -> None:
        """Submit ExpireDue to runs that servers of an earlier version made or changed: it gives them a clock state.

        Each run gets one commit a call.
        """
        seen: set[str] = set()
        for _ in range(_ADOPT_ROUNDS_MAX):
            run_ids = await self._runs.list_behind_clock(self._clock(), _RUNS_MAX, but_for=seen)
            for run_id in run_ids:
                seen.add(run_id)
                await self._submit(ExpireDue(Caller(), run_id))
            if not run_ids:
                return

    async def _submit(self, command: Command[Any]) -> bool:
        """Have a command decided. Return False where that fails: the next call tries it again, and the other runs go on."""
        try:
            await self._bus.submit(command, self._monotonic() + _COMMAND_SECONDS_MAX)
        except Refusal as refusal:
            if refusal.reason is not Reason.RECORD_UNREADABLE:  # which is logged where it is read, once in a while
                _log.warning("run %s refused %s: %s", command.run_id, type(command).__name__, refusal.reason.value)
            return False
        except Exception:
            _log.exception("%s failed on run %s", type(command).__name__, command.run_id)
            return False
        return True

    async def archive_leftovers(self) -> None:
        """Archive bookings and events that a server left in the documents of runs when it died."""
        before = self._clock() - timedelta(seconds=_LEFT_AFTER_SECONDS)
        unreadable: set[str] = set()
        for _ in range(_ARCHIVE_ROUNDS_MAX):
            unarchived = await self._runs.list_unarchived(before, _RUNS_MAX, but_for=unreadable)
            known = len(unreadable)
            for run_id in unarchived:
                try:
                    await self._runs.archive_leftovers(run_id)
                except Refusal as refusal:
                    if refusal.reason is not Reason.RECORD_UNREADABLE:
                        raise
                    unreadable.add(run_id)
            if len(unreadable) == known:  # no unreadable run took the place of a readable one
                return


def _next_step(run: DueRun) -> Command[Any]:
    """Return the command for a run that is due."""
    return CancelNextBookings(Caller(), run.run_id) if run.is_cancelling else ExpireDue(Caller(), run.run_id)
