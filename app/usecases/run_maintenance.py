"""Run maintenance: what is done on train runs without any caller.

Belongs here: expiring what is due, and archiving what a dead server left behind. Does not belong here: the rules
(`app/domain/rules`), nor how often this happens (`app/process/bootstrap/work.py`).
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from app.domain.commands import ExpireDue
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.runs import TrainRuns

_log = logging.getLogger(__name__)

# Runs of one statement.
_RUNS_MAX = 100
# A living server archives a batch within a tenth of this.
_LEFT_AFTER_SECONDS = 10.0
# A closed waitlist is emptied some hundred bookings at a time.
_EXPIRE_ROUNDS_MAX = 100
_EXPIRE_SECONDS_MAX = 30.0
# Statements of one call that find unreadable runs among others; the next call goes on.
_ARCHIVE_ROUNDS_MAX = 20


class RunMaintenance:
    """`clock` returns the present moment, `monotonic` the seconds that deadlines are counted in."""

    def __init__(self, runs: TrainRuns, bus: CommandBus, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._runs, self._bus, self._clock, self._monotonic = runs, bus, clock, monotonic

    async def expire_due(self) -> None:
        """End holds, promote bookings and close waitlists on runs where this is due. Refuses DATABASE_UNAVAILABLE."""
        failed: set[str] = set()
        for _ in range(_EXPIRE_ROUNDS_MAX):
            due = await self._runs.list_due(self._clock(), _RUNS_MAX, but_for=failed)
            for run_id in due:
                if not await self._expire_due_of(run_id):
                    failed.add(run_id)
            if not due:
                return

    async def _expire_due_of(self, run_id: str) -> bool:
        """Return False for a run where it fails: it is left for the next call, and holds up no others."""
        try:
            await self._bus.submit(ExpireDue(Caller(), run_id), self._monotonic() + _EXPIRE_SECONDS_MAX)
        except Refusal as refusal:
            if refusal.reason is not Reason.RECORD_UNREADABLE:  # which is logged where it is read, once in a while
                _log.warning("what is due on run %s is not done: %s", run_id, refusal.reason.value)
            return False
        except Exception:
            _log.exception("what is due on run %s is not done", run_id)
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
