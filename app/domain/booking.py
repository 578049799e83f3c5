"""A booking and the commands that make and change one.

Belongs here: the values. Does not: the decisions (`app/domain/rules/create_booking.py`, `app/domain/rules/change_booking.py`),
nor where bookings are kept.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.money import Money
from app.domain.people import Caller, Person
from app.domain.timetable import Journey
from app.domain.values import value


class BookingState(StrEnum):
    """Where a booking stands. WAITLISTED is paid and without a seat yet. CANCELLED and EXPIRED are final."""

    CONFIRMED = "CONFIRMED"
    WAITLISTED = "WAITLISTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


# Every change of state that the rules make, with its cause; from None, the booking is new. `docs/states.md` is drawn from it.
BOOKING_TRANSITIONS: Mapping[tuple[BookingState | None, BookingState], str] = {
    (None, BookingState.CONFIRMED): "CreateBooking finds seats",
    (None, BookingState.WAITLISTED): "CreateBooking finds no seats",
    (BookingState.WAITLISTED, BookingState.CONFIRMED): "a seat that fits comes free",
    (BookingState.WAITLISTED, BookingState.EXPIRED): "the waitlist closes",
    (BookingState.WAITLISTED, BookingState.CANCELLED): "all passengers cancelled, or the payment failed",
    (BookingState.CONFIRMED, BookingState.CANCELLED): "all passengers cancelled, or the payment failed",
}

LIVE_STATES = (BookingState.CONFIRMED, BookingState.WAITLISTED)


class IfFull(StrEnum):
    """What a buyer wants where no seat is free."""

    WAITLIST = "WAITLIST"
    REJECT = "REJECT"


@value(frozen=True, slots=True)
class Seat:
    """A numbered place: `number` counts from 1 through the section, over all its coaches."""

    section: str
    coach: str
    number: int

    @property
    def label(self) -> str:
        """As printed on a ticket: `A-17`."""
        return f"{self.section}-{self.number}"


@value(frozen=True, slots=True)
class Passenger:
    """Who travels, where, and for what fare. Who waits has no seat.

    `number`, 1 to 9, names the passenger for the life of the booking. `email_key` is the address as compared, the booker's
    where the passenger's own is empty; `key` is that and the name as compared, and tells the passenger from everybody else.
    """

    person: Person
    number: int
    email_key: str
    key: str
    seat: Seat | None
    fare_minor: int

    @property
    def place(self) -> Seat:
        """The seat of somebody who has one."""
        if self.seat is None:
            raise ValueError(f"{self.key} waits and has no seat")
        return self.seat


@value(frozen=True, slots=True)
class Authorization:
    """Money that was set aside for a booking: at most `limit` may be taken, if it is decided soon after `time`.

    Without a limit, whatever it costs will be had: the provider cannot say no.
    """

    payment_id: str
    authorization_id: str
    limit: Money | None
    time: datetime


# Nothing is set aside, since the provider cannot say no; the payment is named after the booking (`own_payment_id`).
DEFERRED_AUTHORIZATION = Authorization("", "", None, datetime.min.replace(tzinfo=UTC))


def own_payment_id(reference: str, fingerprint: str) -> str:
    """The name of the payment of a booking for which nothing was asked of the provider before the sale.

    It is none of those that a request with a token tries: these may have been declined, or let go.
    """
    return f"pay_{reference}_{fingerprint}"


@value(frozen=True, slots=True)
class RefundDue:
    """Money that a booking gives back. How far that has come is the payment's matter."""

    refund_id: str
    minor: int
    time: datetime


@value(frozen=True, slots=True)
class Booking:
    """The commitment to carry its passengers. Values never change; a changed booking is a new value.

    `revision` is the version of the train run whose commit last changed it. A CANCELLED booking keeps the passengers it had
    last; `cancelled_passengers` are those who left while others stayed. `wanted_section` is what was asked for, empty for any;
    `waiting_number` is the place that a WAITLISTED one has in its run's line. `charged_minor` is what was taken for it, and
    `refunds` what is given back of that. `payment_id` is empty where nothing had to be paid. `changes_before` is how many other
    changes the same commit had made to it before this one. `is_vacated` says of a CANCELLED one that its last passengers took
    themselves off.
    """

    reference: str
    request_id: str
    fingerprint: str
    state: BookingState
    user: Person
    user_key: str
    passengers: tuple[Passenger, ...]
    cancelled_passengers: tuple[Passenger, ...]
    journey: Journey
    currency: str
    create_time: datetime
    update_time: datetime
    revision: int
    wanted_section: str = ""
    waiting_number: int = 0
    payment_id: str = ""
    authorization_id: str = ""
    charged_minor: int = 0
    refunds: tuple[RefundDue, ...] = ()
    changes_before: int = 0
    is_vacated: bool = False

    @property
    def price(self) -> Money:
        """The fares of all passengers together."""
        return Money(sum(passenger.fare_minor for passenger in self.passengers), self.currency)

    @property
    def etag(self) -> str:
        """Changes with every change, also with those that one commit makes one after the other."""
        return f"{self.revision}.{self.changes_before}" if self.changes_before else str(self.revision)

    @property
    def is_live(self) -> bool:
        """Whether its passengers travel, or wait to."""
        return self.state in LIVE_STATES

    @property
    def seats_together(self) -> bool:
        """Whether the seats are neighbours in one coach: consecutive numbers."""
        if self.passengers[0].seat is None:
            return False
        if len(self.passengers) == 1:
            return True
        seats = [passenger.place for passenger in self.passengers]
        numbers = sorted(seat.number for seat in seats)
        one_coach = len({(seat.section, seat.coach) for seat in seats}) == 1
        return one_coach and numbers[-1] - numbers[0] == len(numbers) - 1


@value(frozen=True, slots=True)
class WaitlistedBooking:
    """A booking that waits, and its place in the line, from 1."""

    booking: Booking
    position: int


@value(frozen=True, slots=True)
class Cancellation:
    """A booking after a cancellation, or as it would be, what that cancellation gives back, and the booking before it."""

    booking: Booking
    refund: Money
    before: Booking


@value(frozen=True, slots=True)
class CreateBooking:
    """Asks for seats. `section` may be empty; `seat_numbers` is empty or has one number for each passenger."""

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

    def paid_by(self, payment: Authorization | None) -> "CreateBooking":
        """The same request with money set aside for it. (`dataclasses.replace` takes six times as long.)"""
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
        """Tells two bodies under one request_id apart: 64 bits of all that was asked for. How it is paid may differ."""
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
        # No text that a booking is made from has a control character in it.
        return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()


@value(frozen=True, slots=True)
class QuoteBooking:
    """Asks for the most that a request can cost, before money is authorized for it; `amounts` is what the provider takes."""

    request: CreateBooking
    amounts: AmountRules


@value(frozen=True, slots=True)
class UpdateBooking:
    """New values for the `fields` (of first_name, last_name, email) of passengers.

    `numbers` says whose, one number for each of them; without any, they are all who travel, in the booking's order.
    """

    caller: Caller
    reference: str
    passengers: tuple[Person, ...]
    fields: frozenset[str]
    etag: str = ""
    numbers: tuple[int, ...] = ()


@value(frozen=True, slots=True)
class ChangeSeat:
    """Moves the passenger with that number or address.

    An empty section stands for the present one, seat number 0 for the next seat.
    """

    caller: Caller
    reference: str
    passenger_email: str
    section: str = ""
    seat_number: int = 0
    etag: str = ""
    passenger_number: int = 0


@value(frozen=True, slots=True)
class CancelBooking:
    """Takes the passengers with those numbers or addresses off; none named stands for all.

    `amounts` is what can be given back.
    """

    caller: Caller
    reference: str
    passenger_emails: tuple[str, ...] = ()
    validate_only: bool = False
    etag: str = ""
    amounts: AmountRules = ANY_AMOUNT
    passenger_numbers: tuple[int, ...] = ()


@value(frozen=True, slots=True)
class HoldSeats:
    """Asks for seats to be kept for a while. Either `seat_numbers`, of `section`, or `seat_count` of the next ones."""

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
class ReleaseHold:
    """Gives held seats back before their time."""

    caller: Caller
    hold_id: str


@value(frozen=True, slots=True)
class CancelUnpaid:
    """Ends a booking whose money will never come. Only the service itself asks for it."""

    caller: Caller
    reference: str


@value(frozen=True, slots=True)
class ExpireDue:
    """Asks for nothing but what is due on a run by now: holds to end, a waiting list to close."""

    caller: Caller


@value(frozen=True, slots=True)
class PromoteWaitlist:
    """Asks for what is due on a run by now, as `ExpireDue` does, and for a look at the whole line; says who got seats."""

    caller: Caller
    train_id: str
    travel_date: str


@value(frozen=True, slots=True)
class Promotion:
    """The bookings that got their seats in one step, in the order in which they got them, and how many still wait."""

    references: tuple[str, ...]
    still_waiting: int


Change = UpdateBooking | ChangeSeat | CancelBooking
Command = CreateBooking | QuoteBooking | Change | CancelUnpaid | HoldSeats | ReleaseHold | ExpireDue | PromoteWaitlist
