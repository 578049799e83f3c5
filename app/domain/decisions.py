"""Which decision answers which command, and what is due before any of them.

Belongs here: the dispatch from a command to its decision. Does not: any rule.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.domain.booking import (
    Booking,
    BookingState,
    CancelBooking,
    Cancellation,
    CancelUnpaid,
    ChangeSeat,
    Command,
    CreateBooking,
    HoldSeats,
    Placed,
    PromoteWaitlist,
    Promotion,
    ReleaseHold,
    Tidy,
    UpdateBooking,
)
from app.domain.changing import cancel_and_refund, cancel_unpaid, change_seat, update_booking
from app.domain.hold import Hold
from app.domain.holding import drop_expired_holds, hold_seats, release_hold
from app.domain.run import TrainRun
from app.domain.selling import Elsewhere, create_booking
from app.domain.waiting import close, position_of, promote, promote_waitlist

# What a command comes to: a booking, a place in the line, a cancellation, a hold, who was promoted, or nothing.
Outcome = Booking | Placed | Cancellation | Hold | Promotion | None


_DECISIONS: dict[type[object], Callable[[TrainRun, Any, datetime], Outcome]] = {
    UpdateBooking: update_booking,
    ChangeSeat: change_seat,
    CancelBooking: cancel_and_refund,
    CancelUnpaid: cancel_unpaid,
    HoldSeats: hold_seats,
    ReleaseHold: release_hold,
    PromoteWaitlist: promote_waitlist,
    Tidy: lambda run, command, now: None,  # what is due comes before each batch
}


def decide(run: TrainRun, command: Command, now: datetime, elsewhere: Elsewhere) -> Outcome:
    """Changes `run` as the command asks and gives what it made or changed, or raises a Refusal and leaves the run as it was."""
    if isinstance(command, CreateBooking):
        booking = create_booking(run, command, now, elsewhere)
        is_waiting = booking.state is BookingState.WAITLISTED
        return Placed(booking, position_of(run, booking)) if is_waiting else booking
    return _DECISIONS[type(command)](run, command, now)


def tidy(run: TrainRun, now: datetime) -> None:
    """Does what is due by now, whatever is asked for: expired holds are none, a closed line ends. Comes before each batch."""
    if run.holds and drop_expired_holds(run, now):
        promote(run, now)
    if run.waiting:
        close(run, now)
