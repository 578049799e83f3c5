"""The table of rules: which rule decides which command.

Belongs here: the table, the dispatch from a command to its rule, the bookings that a batch requires, and expiry
before each batch. Does not belong here: any rule (one module of this folder for each thing a command does).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from app.domain.booking import Booking
from app.domain.commands import (
    CancelBooking,
    CancelUnpaid,
    ChangeSeat,
    Command,
    CreateBooking,
    ExpireDue,
    HoldSeats,
    PromoteWaitlist,
    QuoteBooking,
    ReleaseHold,
    ResultT,
    UpdateBooking,
)
from app.domain.layout.commands import UpdateLayout, UpdateTrainRun
from app.domain.rules.cancel_booking import cancel_and_refund
from app.domain.rules.cancel_next_bookings import cancel_next_bookings
from app.domain.rules.cancel_train_run import cancel_train_run
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking_with_position
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.promote_waitlist import promote_waitlist
from app.domain.rules.quote_booking import quote_booking
from app.domain.rules.record_arrival import record_arrival
from app.domain.rules.release_hold import release_hold
from app.domain.rules.sale_checks import BookingsOfOtherRuns
from app.domain.rules.set_delay import set_delay
from app.domain.rules.set_sales_window import set_sales_window
from app.domain.rules.update_booking import update_booking
from app.domain.rules.update_layout import update_layout
from app.domain.rules.update_train_run import update_train_run
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings, CancelTrainRun, RecordArrival, SetDelay, SetSalesWindow

CommandT = TypeVar("CommandT", bound=Command[Any])

# A rule changes the run and returns the result, or raises a Refusal and leaves the run as it was.
Rule = Callable[[TrainRun, Any, datetime, BookingsOfOtherRuns], Any]


def _rule(
    command: Callable[..., Command[ResultT]], rule: Callable[[TrainRun, CommandT, datetime], ResultT]
) -> tuple[Any, Rule]:
    """Make the row of a rule that does not have to know bookings of other runs."""
    return command, lambda run, asked, now, bookings_of_other_runs: rule(run, asked, now)


def _request_rule(
    command: Callable[..., Command[ResultT]],
    rule: Callable[[TrainRun, CommandT, datetime, BookingsOfOtherRuns], ResultT],
) -> tuple[Any, Rule]:
    """Make the row of a rule that has to know bookings of other runs under the references of its command."""
    return command, rule


def _do_nothing_more(run: TrainRun, command: ExpireDue, now: datetime) -> None:
    """Do nothing: `expire_due` comes before each batch."""


# The rule of each command. A new command has a row here.
RULES: Mapping[type[Command[Any]], Rule] = dict(
    [
        _request_rule(CreateBooking, create_booking_with_position),
        _request_rule(QuoteBooking, quote_booking),
        _rule(UpdateBooking, update_booking),
        _rule(ChangeSeat, change_seat),
        _rule(CancelBooking, cancel_and_refund),
        _rule(CancelUnpaid, cancel_unpaid),
        _rule(HoldSeats, hold_seats),
        _rule(ReleaseHold, release_hold),
        _rule(PromoteWaitlist, promote_waitlist),
        _rule(UpdateLayout, update_layout),
        _rule(UpdateTrainRun, update_train_run),
        _rule(SetDelay, set_delay),
        _rule(RecordArrival, record_arrival),
        _rule(SetSalesWindow, set_sales_window),
        _rule(CancelTrainRun, cancel_train_run),
        _rule(CancelNextBookings, cancel_next_bookings),
        _rule(ExpireDue, _do_nothing_more),
    ]
)


def decide(run: TrainRun, command: Command[ResultT], now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> ResultT:
    """Change `run` as the command asks and return the command's result.

    `bookings_of_other_runs` are those under references that the command may use. Raises a Refusal; then the run is unchanged.
    """
    result: ResultT = RULES[type(command)](run, command, now, bookings_of_other_runs)
    return result


def is_first_reference_taken(command: Command[Any], run: TrainRun, found: Mapping[str, Booking]) -> bool:
    """Whether a required reference, on the run or among those `found`, is the booking of another request."""
    for reference in command.required_references():
        booking = run.find(reference) or found.get(reference)
        if booking is not None and not command.is_about(booking):
            return True
    return False


def references_of_requests(commands: Sequence[Command[Any]]) -> list[str]:
    """Return all references under which the requests among these commands may have made their bookings."""
    return [reference for command in commands for reference in command.fallback_references()]
