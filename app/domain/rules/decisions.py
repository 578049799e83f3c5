"""The table of rules: which rule decides which command.

Belongs here: the table, the dispatch from a command to its rule, what has to be loaded for a batch, and what is due before any
command. Does not belong here: any rule (one module of this folder for each thing a command does).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from app.domain.booking import Booking, BookingState
from app.domain.commands import (
    BookingResult,
    CancelBooking,
    CancelUnpaid,
    ChangeSeat,
    Command,
    CreateBooking,
    ExpireDue,
    HoldSeats,
    PromoteWaitlist,
    Quote,
    QuoteBooking,
    ReleaseHold,
    UpdateBooking,
)
from app.domain.money import Money
from app.domain.rules.change_booking import cancel_and_refund, cancel_unpaid, change_seat, update_booking
from app.domain.rules.create_booking import BookingsOfOtherRuns, create_booking, quote_booking
from app.domain.rules.hold_seats import expire_holds, hold_seats, release_hold
from app.domain.rules.waitlist import close_waitlist, position_in_waitlist, promote, promote_waitlist
from app.domain.run.train_run import TrainRun

CommandT = TypeVar("CommandT", bound=Command[Any])
ResultT = TypeVar("ResultT")

# A rule changes the run and returns the result, or raises a Refusal and leaves the run as it was.
Rule = Callable[[TrainRun, Any, datetime, BookingsOfOtherRuns], Any]


def _rule(
    command: Callable[..., Command[ResultT]], rule: Callable[[TrainRun, CommandT, datetime], ResultT]
) -> tuple[Any, Rule]:
    """Register a rule that does not have to know bookings of other runs."""
    return command, lambda run, asked, now, bookings_of_other_runs: rule(run, asked, now)


def _request_rule(
    command: Callable[..., Command[ResultT]],
    rule: Callable[[TrainRun, CommandT, datetime, BookingsOfOtherRuns], ResultT],
) -> tuple[Any, Rule]:
    """Register a rule that has to know bookings of other runs under the references of its command."""
    return command, rule


def _create(run: TrainRun, command: CreateBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> BookingResult:
    return _with_position(run, create_booking(run, command, now, bookings_of_other_runs))


def _quote(run: TrainRun, command: QuoteBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> Quote:
    quote = quote_booking(run, command, now, bookings_of_other_runs)
    return Quote(quote) if isinstance(quote, Money) else Quote(quote.price, _with_position(run, quote))


def _with_position(run: TrainRun, booking: Booking) -> BookingResult:
    if booking.state is not BookingState.WAITLISTED:
        return BookingResult(booking)
    return BookingResult(booking, position_in_waitlist(run, booking))


def _nothing_more(run: TrainRun, command: ExpireDue, now: datetime) -> None:
    """Do nothing: `expire_due` comes before each batch."""


# The rule of each command. A new command has a row here.
RULES: Mapping[type[Command[Any]], Rule] = dict(
    [
        _request_rule(CreateBooking, _create),
        _request_rule(QuoteBooking, _quote),
        _rule(UpdateBooking, update_booking),
        _rule(ChangeSeat, change_seat),
        _rule(CancelBooking, cancel_and_refund),
        _rule(CancelUnpaid, cancel_unpaid),
        _rule(HoldSeats, hold_seats),
        _rule(ReleaseHold, release_hold),
        _rule(PromoteWaitlist, promote_waitlist),
        _rule(ExpireDue, _nothing_more),
    ]
)


def decide(run: TrainRun, command: Command[ResultT], now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> ResultT:
    """Change `run` as the command asks and return the command's result.

    `bookings_of_other_runs` are those under references that the command may use. Raises a Refusal; then the run is unchanged.
    """
    result: ResultT = RULES[type(command)](run, command, now, bookings_of_other_runs)
    return result


def required_references(command: Command[Any]) -> Sequence[str]:
    """Return the references of the bookings that have to be loaded before the command is decided."""
    return command.required_references()


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


def expire_due(run: TrainRun, now: datetime) -> None:
    """Does what is due by now, whatever is asked for: expired holds are none, a closed line ends. Comes before each batch."""
    if run.holds and expire_holds(run, now):
        promote(run, now)
    if run.waitlist:
        close_waitlist(run, now)
