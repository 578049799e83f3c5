"""Which decision answers which command, which bookings it needs to know, and what is due before any of them.

Belongs here: the dispatch from a command to its decision, and what has to be looked up for it. Does not: any rule.
"""

from collections.abc import Callable, Mapping, Sequence
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
    ExpireDue,
    HoldSeats,
    PromoteWaitlist,
    Promotion,
    QuoteBooking,
    ReleaseHold,
    UpdateBooking,
    WaitlistedBooking,
)
from app.domain.money import Money
from app.domain.rules.change_booking import cancel_and_refund, cancel_unpaid, change_seat, update_booking
from app.domain.rules.create_booking import (
    BookingsOfOtherRuns,
    create_booking,
    first_reference,
    quote_booking,
    request_references,
)
from app.domain.rules.hold_seats import expire_holds, hold_seats, release_hold
from app.domain.rules.waitlist import close_waitlist, position_in_waitlist, promote, promote_waitlist
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun

# What a command comes to: a booking, a place in the line, a price, a cancellation, a hold, who was promoted, or nothing.
Outcome = Booking | WaitlistedBooking | Money | Cancellation | Hold | Promotion | None


_DECISIONS: dict[type[object], Callable[[TrainRun, Any, datetime], Outcome]] = {
    UpdateBooking: update_booking,
    ChangeSeat: change_seat,
    CancelBooking: cancel_and_refund,
    CancelUnpaid: cancel_unpaid,
    HoldSeats: hold_seats,
    ReleaseHold: release_hold,
    PromoteWaitlist: promote_waitlist,
    ExpireDue: lambda run, command, now: None,  # what is due comes before each batch
}


# Commands about a booking that there is.
_OF_A_BOOKING = (UpdateBooking, ChangeSeat, CancelBooking, CancelUnpaid)


def decide(run: TrainRun, command: Command, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> Outcome:
    """Changes `run` as the command asks and gives what it made or changed, or raises a Refusal and leaves the run as it was."""
    if isinstance(command, CreateBooking):
        return _placed(run, create_booking(run, command, now, bookings_of_other_runs))
    if isinstance(command, QuoteBooking):
        quote = quote_booking(run, command, now, bookings_of_other_runs)
        return quote if isinstance(quote, Money) else _placed(run, quote)
    return _DECISIONS[type(command)](run, command, now)


def required_references(command: Command) -> list[str]:
    """The booking that a command is about, or under which its request would have made one before."""
    request = _request_of(command)
    if request is not None:
        return [first_reference(request.user.email, request.request_id)]
    return [command.reference] if isinstance(command, _OF_A_BOOKING) else []


def is_first_reference_taken(command: Command, run: TrainRun, found: Mapping[str, Booking]) -> bool:
    """Whether the booking under a request's first reference, on the run or among those `found`, is that of another request."""
    request = _request_of(command)
    if request is None:
        return False
    reference = first_reference(request.user.email, request.request_id)
    booking = run.find(reference) or found.get(reference)
    return booking is not None and (booking.request_id, booking.user_key) != (request.request_id, request.user.key)


def references_of_requests(commands: Sequence[Command]) -> list[str]:
    """Every reference under which the requests among these commands may have made their bookings."""
    requests = [request for request in map(_request_of, commands) if request is not None]
    return [one for request in requests for one in request_references(request.user.email, request.request_id)]


def _request_of(command: Command) -> CreateBooking | None:
    """The request for a booking that a command makes, or asks the price of."""
    if isinstance(command, CreateBooking):
        return command
    return command.request if isinstance(command, QuoteBooking) else None


def _placed(run: TrainRun, booking: Booking) -> Booking | WaitlistedBooking:
    return (
        WaitlistedBooking(booking, position_in_waitlist(run, booking)) if booking.state is BookingState.WAITLISTED else booking
    )


def expire_due(run: TrainRun, now: datetime) -> None:
    """Does what is due by now, whatever is asked for: expired holds are none, a closed line ends. Comes before each batch."""
    if run.holds and expire_holds(run, now):
        promote(run, now)
    if run.waiting:
        close_waitlist(run, now)
