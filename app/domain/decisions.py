"""Which decision answers which command, and what is due before any of them.

Belongs here: the dispatch from a command to its decision. Does not: any rule.
"""

from datetime import datetime

from app.domain.booking import Booking, CancelBooking, ChangeSeat, Command, CreateBooking, HoldSeats, ReleaseHold, UpdateBooking
from app.domain.changing import cancel_booking, change_seat, update_booking
from app.domain.hold import Hold
from app.domain.holding import drop_expired_holds, hold_seats, release_hold
from app.domain.run import TrainRun
from app.domain.selling import Elsewhere, create_booking
from app.domain.waiting import close, promote

# What a command comes to: a booking, a hold, or nothing.
Outcome = Booking | Hold | None


def decide(run: TrainRun, command: Command, now: datetime, elsewhere: Elsewhere) -> Outcome:
    """Changes `run` as the command asks and gives what it made or changed, or raises a Refusal and leaves the run as it was."""
    match command:
        case CreateBooking():
            return create_booking(run, command, now, elsewhere)
        case UpdateBooking():
            return update_booking(run, command, now)
        case ChangeSeat():
            return change_seat(run, command, now)
        case CancelBooking():
            return cancel_booking(run, command, now)
        case HoldSeats():
            return hold_seats(run, command, now)
        case ReleaseHold():
            release_hold(run, command, now)
    return None


def tidy(run: TrainRun, now: datetime) -> None:
    """Does what is due by now, whatever is asked for: expired holds are none, a closed line ends. Comes before each batch."""
    if run.holds and drop_expired_holds(run, now):
        promote(run, now)
    if run.waiting:
        close(run, now)
