"""Commands about a run as a train that moves: its delay, its arrivals, its cancellation, its sales windows.

Belongs here: these commands, and what each declares. Does not belong here: their rules (`app/domain/rules/`), the commands
about bookings (`commands.py`) and layouts (`layout/commands.py`).
"""

from collections.abc import Collection
from datetime import datetime
from heapq import nsmallest
from typing import ClassVar

from app.domain import limits
from app.domain.commands import Command, TrainRunCommand
from app.domain.disruption import DisruptionReason
from app.domain.people import Caller
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.values import value


@value(frozen=True, slots=True)
class SetDelay(TrainRunCommand[None]):
    """Set the delay from a stop on; it does not add. 0 minutes end it.

    `from_stop` is a name or code; empty for the last stop at which an arrival was reported, or else the first stop. `reason`
    may be None for 0 minutes.
    """

    caller: Caller
    train_id: str
    travel_date: str
    minutes: int
    from_stop: str
    reason: DisruptionReason | None
    evidence: str
    report_time: datetime | None  # None: now

    is_alone: ClassVar[bool] = True  # its event has the times of up to 60 stops, 31 kB: a batch of them would be too large


@value(frozen=True, slots=True)
class RecordArrival(TrainRunCommand[None]):
    """Record when the train arrived at a stop, given by name or code."""

    caller: Caller
    train_id: str
    travel_date: str
    stop: str
    time: datetime
    report_time: datetime | None  # None: now


@value(frozen=True, slots=True)
class CancelTrainRun(TrainRunCommand[None]):
    """Cancel the run, or its legs from a stop on; `from_stop` is a name or code, empty for the whole run."""

    caller: Caller
    train_id: str
    travel_date: str
    reason: DisruptionReason | None
    evidence: str = ""
    from_stop: str = ""
    validate_only: bool = False

    is_alone: ClassVar[bool] = True  # it ends all holds and the reservation of a layout plan


@value(frozen=True, slots=True)
class CancelNextBookings(Command[bool]):
    """Cancel the next bookings of a cancelled run. The result is whether any may be left. No caller can submit it."""

    caller: Caller
    run_id: str = ""

    is_alone: ClassVar[bool] = True

    def required_bookings(self, run: TrainRun) -> Collection[str]:
        """Return the references of the next bookings to look at, in order."""
        return next_bookings_to_cancel(run)


@value(frozen=True, slots=True)
class SetSalesWindow(TrainRunCommand[None]):
    """Set the sales window of a run, or of one section of it; None returns to that of the train."""

    caller: Caller
    train_id: str
    travel_date: str
    section: str
    sales_window: SalesWindow | None


def next_bookings_to_cancel(run: TrainRun) -> list[str]:
    """Return the references of the next live bookings that an open cancellation has not looked at, in order; else none.

    At most `CANCELLED_BOOKINGS_PER_COMMIT`.
    """
    cancellation = run.cancellation
    if cancellation is None or not cancellation.is_open:
        return []
    left = {reference for reference in run.passenger_index.references.values() if reference > cancellation.cursor}
    return nsmallest(limits.CANCELLED_BOOKINGS_PER_COMMIT, left)
