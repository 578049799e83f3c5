"""Commands: what callers ask of one train run, and what they get.

Belongs here: the commands, their results, and what each command declares about itself. Does not belong here: the rules that
decide commands (`app/domain/rules/`, with the table of rules in `decisions.py`).

A command is a value of a subclass of `Command[ResultT]`. It declares:
- `ResultT`: the type of its result, which is also the type of the answer that the command bus gives.
- `run_id`: the run that decides it. A `TrainRunCommand` has it from its train and date. In a command about a booking it is a
  field, which the use case sets from the booking.
- `required_references`, `fallback_references`: the bookings that its rule has to know. They are loaded before it is decided.
- `is_alone`, `required_seats`, `required_bookings`: whether a batch of its own decides it, and then the bookings that its rule
  has to know, by seat or by reference.
A new command is a class (here, or beside its rule where no other module needs it), a rule in `app/domain/rules/`, and a row in
`RULES` (`decisions.py`).
"""

import hashlib
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.booking import Authorization, Booking, RefundReason
from app.domain.money import Money
from app.domain.people import Caller, Person
from app.domain.reference import all_references, reference_for
from app.domain.run.hold import Hold, split_hold_id
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import TrainRun, run_id
from app.domain.values import value

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Command(Generic[ResultT_co]):
    """What a caller asks of one train run. `ResultT_co` is the type of the result."""

    __slots__ = ()

    # Whether the lane decides the command in a batch of its own, since its rule undoes or replaces what others of a batch do.
    is_alone: ClassVar[bool] = False

    @property
    def run_id(self) -> str:
        """The key of the run that decides the command: `<train_id>:<YYYY-MM-DD>`."""
        raise NotImplementedError

    def required_references(self) -> Sequence[str]:
        """Return the references of the bookings that the rule always has to know."""
        return ()

    def fallback_references(self) -> Sequence[str]:
        """Return further references that the rule has to know where a required one is another request's booking."""
        return ()

    def required_seats(self, run: TrainRun) -> Collection[tuple[str, int]]:
        """Return the seats (section, number) whose live bookings the rule has to know. Refuses nothing.

        Asked before each decision, also after a lost swap, of commands that are alone; no other may have any.
        """
        return ()

    def required_bookings(self, run: TrainRun) -> Collection[str]:
        """Return the references of live bookings of the run that the rule has to know, as for `required_seats`.

        What is due by the clock comes before the rule, so that another look at the run may give others there: the rule asks
        `find` for each, and leaves those that are not in memory to a further command.
        """
        return ()

    def is_about(self, booking: Booking) -> bool:
        """Whether the booking under a required reference is the one that the command means."""
        return True


class TrainRunCommand(Command[ResultT_co]):
    """A command that names its run by train and date: each subclass has the two as fields."""

    __slots__ = ()

    train_id: str
    travel_date: str

    @property
    def run_id(self) -> str:
        """The key of the run."""
        return run_id(self.train_id, self.travel_date)


class IfFull(StrEnum):
    """What a buyer wants where no seat is free."""

    WAITLIST = "WAITLIST"
    REJECT = "REJECT"


@value(frozen=True, slots=True)
class BookingResult:
    """A booking, its position on the waitlist, and the schedule of its run.

    The position counts from 1; it is 0 for a booking that is not on the waitlist.
    """

    booking: Booking
    waitlist_position: int
    schedule: RunSchedule


@value(frozen=True, slots=True)
class Quote:
    """The most that a request can cost, and the booking that the same request made before, if any."""

    price: Money
    existing: BookingResult | None = None


@value(frozen=True, slots=True)
class Cancellation:
    """The booking after a cancellation, the refund of this cancellation, and the booking before it.

    `refund_reason` says why the refund is what it is, None where nothing is refunded.
    """

    booking: Booking
    refund: Money
    before: Booking
    refund_reason: RefundReason | None = None


@value(frozen=True, slots=True)
class Promotion:
    """The references of the bookings that got seats in one step, in that order, and how many bookings still wait."""

    references: tuple[str, ...]
    still_waiting: int


@value(frozen=True, slots=True)
class CreateBooking(TrainRunCommand[BookingResult]):
    """Book seats. `section` may be empty, for any; `seat_numbers` is empty or has one number for each passenger."""

    caller: Caller
    user: Person
    request_id: str
    train_id: str
    travel_date: str
    origin: str
    destination: str
    section: str
    passengers: tuple[Person, ...]
    seat_numbers: tuple[int, ...] = ()
    if_full: IfFull = IfFull.WAITLIST
    hold_id: str = ""
    payment: Authorization | None = None

    def required_references(self) -> tuple[str, ...]:
        """Return the reference under which nearly every request has its booking."""
        return (reference_for(self.user.key, self.request_id, 0),)

    def fallback_references(self) -> list[str]:
        """Return all references under which this request may have made its booking."""
        return all_references(self.user.key, self.request_id)

    def is_about(self, booking: Booking) -> bool:
        """Whether this request made the booking."""
        return booking.request_id == self.request_id and booking.user_key == self.user.key

    def paid_by(self, payment: Authorization | None) -> "CreateBooking":
        """Return the same request with an authorized payment. (`dataclasses.replace` takes six times as long.)"""
        return CreateBooking(
            self.caller,
            self.user,
            self.request_id,
            self.train_id,
            self.travel_date,
            self.origin,
            self.destination,
            self.section,
            self.passengers,
            self.seat_numbers,
            self.if_full,
            self.hold_id,
            payment,
        )

    @property
    def fingerprint(self) -> str:
        """A hash of 64 bits of the request body, to detect a `request_id` that is used twice. The payment is not part of it."""
        asked = [
            self.train_id,
            self.travel_date,
            self.origin,
            self.destination,
            self.section,
            self.if_full._value_,
            self.hold_id,
            *map(str, self.seat_numbers),
        ]
        for person in self.passengers:
            asked += person.first_name, person.last_name, person.email
        # The separator is unambiguous: no text of a request has a control character.
        return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()


@value(frozen=True, slots=True)
class QuoteBooking(Command[Quote]):
    """Ask for the most that a request can cost, before a payment is authorized. `amounts` are the provider's rules."""

    request: CreateBooking
    amounts: AmountRules

    @property
    def run_id(self) -> str:
        """The key of the run."""
        return self.request.run_id

    def required_references(self) -> tuple[str, ...]:
        """Return those of the request."""
        return self.request.required_references()

    def fallback_references(self) -> list[str]:
        """Return those of the request."""
        return self.request.fallback_references()

    def is_about(self, booking: Booking) -> bool:
        """Whether the request made the booking."""
        return self.request.is_about(booking)


@value(frozen=True, slots=True)
class UpdateBooking(Command[Booking]):
    """Set the `fields` (of first_name, last_name, email) of passengers to new values.

    `numbers` are the numbers of these passengers. Empty `numbers` stand for all who travel, in the booking's order.
    """

    caller: Caller
    reference: str
    passengers: tuple[Person, ...]
    fields: frozenset[str]
    etag: str = ""
    numbers: tuple[int, ...] = ()
    run_id: str = ""

    def required_references(self) -> tuple[str, ...]:
        """Return the booking's reference."""
        return (self.reference,)


@value(frozen=True, slots=True)
class ChangeSeat(Command[Booking]):
    """Move the passenger with that number or address to another seat.

    An empty section stands for the passenger's section, seat number 0 for the next free seat.
    """

    caller: Caller
    reference: str
    passenger_email: str
    section: str = ""
    seat_number: int = 0
    etag: str = ""
    passenger_number: int = 0
    run_id: str = ""

    def required_references(self) -> tuple[str, ...]:
        """Return the booking's reference."""
        return (self.reference,)


@value(frozen=True, slots=True)
class CancelBooking(Command[Cancellation]):
    """Cancel the passengers with those numbers or addresses; the whole booking where none is named.

    `amounts` are the provider's rules for refunds. With `validate_only` nothing changes.
    """

    caller: Caller
    reference: str
    passenger_emails: tuple[str, ...] = ()
    validate_only: bool = False
    etag: str = ""
    amounts: AmountRules = ANY_AMOUNT
    passenger_numbers: tuple[int, ...] = ()
    run_id: str = ""

    def required_references(self) -> tuple[str, ...]:
        """Return the booking's reference."""
        return (self.reference,)


@value(frozen=True, slots=True)
class HoldSeats(TrainRunCommand[Hold]):
    """Hold seats for some seconds: either `seat_numbers` of `section`, or the next `seat_count` seats."""

    caller: Caller
    request_id: str
    train_id: str
    travel_date: str
    origin: str
    destination: str
    section: str
    seat_numbers: tuple[int, ...]
    seat_count: int
    seconds: int


@value(frozen=True, slots=True)
class ReleaseHold(Command[None]):
    """Release a hold before it expires."""

    caller: Caller
    hold_id: str

    @property
    def run_id(self) -> str:
        """The key of the run. Empty where `hold_id` is not the id of a hold."""
        parts = split_hold_id(self.hold_id)
        return f"{parts[0]}:{parts[1]}" if parts is not None else ""


@value(frozen=True, slots=True)
class CancelUnpaid(Command[Booking | None]):
    """Cancel a booking whose payment failed for good. The service itself submits it; no caller can."""

    caller: Caller
    reference: str
    run_id: str = ""

    def required_references(self) -> tuple[str, ...]:
        """Return the booking's reference."""
        return (self.reference,)


@value(frozen=True, slots=True)
class ExpireDue(Command[None]):
    """Expire holds and close the waitlist where they are due on a run. The service itself submits it; no caller can."""

    caller: Caller
    run_id: str = ""


@value(frozen=True, slots=True)
class PromoteWaitlist(TrainRunCommand[Promotion]):
    """Promote each waitlisted booking whose seats are free, after what is due. The result lists the promoted bookings."""

    caller: Caller
    train_id: str
    travel_date: str


# Commands that change a booking, sent by callers.
Change = UpdateBooking | ChangeSeat | CancelBooking
