"""Which decision answers which command.

Belongs here: the dispatch from a command to its decision. Does not: any rule.
"""

from datetime import datetime

from app.domain.booking import Booking, CancelBooking, ChangeSeat, Command, CreateBooking, UpdateBooking
from app.domain.changing import cancel_booking, change_seat, update_booking
from app.domain.run import TrainRun
from app.domain.selling import Elsewhere, create_booking


def decide(run: TrainRun, command: Command, now: datetime, elsewhere: Elsewhere) -> Booking:
    """Changes `run` as the command asks and gives the booking, or raises a Refusal and leaves the run as it was."""
    match command:
        case CreateBooking():
            return create_booking(run, command, now, elsewhere)
        case UpdateBooking():
            return update_booking(run, command, now)
        case ChangeSeat():
            return change_seat(run, command, now)
        case CancelBooking():
            return cancel_booking(run, command, now)
