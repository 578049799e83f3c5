"""A booking and the commands that make and change one.

Belongs here: the values. Does not: the decisions (`app/domain/rules/create_booking.py`, `app/domain/rules/change_booking.py`),
nor where bookings are kept.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.people import Person
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
    `ticket_number` is the place that a WAITLISTED one has in its run's line. `charged_minor` is what was taken for it, and
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
    ticket_number: int = 0
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
