"""A booking, its passengers, seats and refunds.

Belongs here: the values. Does not belong here: what callers ask (`commands.py`), the rules (`app/domain/rules/`), how a booking
is stored.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.people import Person
from app.domain.timetable import Journey
from app.domain.values import value


class BookingState(StrEnum):
    """The state of a booking. WAITLISTED is paid and no passenger has a seat. CANCELLED and EXPIRED are final.

    In a CONFIRMED booking, passengers who lost their seats by a layout change may wait for others.
    """

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
    (BookingState.CONFIRMED, BookingState.WAITLISTED): "a layout change takes the last seats, or only those without one stay",
}

LIVE_STATES = (BookingState.CONFIRMED, BookingState.WAITLISTED)


@value(frozen=True, slots=True)
class Seat:
    """A numbered seat. `number` counts from 1 through the section, over all its coaches."""

    section: str
    coach: str
    number: int

    @property
    def label(self) -> str:
        """The label on a ticket: `A-17`."""
        return f"{self.section}-{self.number}"


@value(frozen=True, slots=True)
class Passenger:
    """Who travels, on which seat, for which fare. A passenger who is on the waitlist has no seat.

    `number`, 1 to 9, names the passenger for the life of the booking. `email_key` is the address as compared; it is the
    booker's where the passenger's own address is empty. `key` is `email_key` and the name as compared. It identifies the
    passenger on a run.
    """

    person: Person
    number: int
    email_key: str
    key: str
    seat: Seat | None
    fare_minor: int

    @property
    def assigned_seat(self) -> Seat:
        """The seat of a passenger who has one. Raises ValueError for a passenger without a seat."""
        if self.seat is None:
            raise ValueError(f"{self.key} has no seat")
        return self.seat


@value(frozen=True, slots=True)
class Authorization:
    """An authorized payment for a booking: at most `limit` may be captured, if the sale is decided soon after `time`.

    Without a limit, any amount can be captured later: the provider never declines (a deferred payment). With a limit of zero,
    the request cost nothing when its price was asked for, and no payment was made.
    """

    payment_id: str
    authorization_id: str
    limit: Money | None
    time: datetime


# A deferred payment: nothing is authorized, since the provider never declines. The payment is named after the booking.
DEFERRED_AUTHORIZATION = Authorization("", "", None, datetime.min.replace(tzinfo=UTC))


def own_payment_id(reference: str, fingerprint: str) -> str:
    """Return the id of the payment of a booking without an authorization before the sale.

    A request with a payment token never uses this id, since its payments may have been declined or voided.
    """
    return f"pay_{reference}_{fingerprint}"


class RefundReason(StrEnum):
    """Why money is returned."""

    TERMS = "TERMS"
    WAITLIST = "WAITLIST"
    DELAY = "DELAY"
    RUN_CANCELLED = "RUN_CANCELLED"
    LAYOUT = "LAYOUT"
    FARE_DIFFERENCE = "FARE_DIFFERENCE"


@value(frozen=True, slots=True)
class RefundDue:
    """A refund that a booking owes. The payment records how far it has come. A refund of an earlier version has no `reason`."""

    refund_id: str
    minor: int
    time: datetime
    reason: RefundReason | None = None


@value(frozen=True, slots=True)
class Booking:
    """The commitment to carry its passengers. A value: a changed booking is a new value.

    `revision` is the version of the train run whose commit last changed it. A CANCELLED booking keeps its last passengers;
    `cancelled_passengers` are those who were cancelled while others stayed. `wanted_section` is the section that was asked for,
    empty for any. `ticket_number` is that of the waitlist entry while a passenger of a live booking has no seat, else 0.
    `charged_minor` is the charge, and `refunds` are the refunds of it. `payment_id` is empty where nothing had to be paid.
    `changes_before` counts the changes that the same commit made to the booking before this one. `is_vacated` is True for a
    CANCELLED booking whose last passengers cancelled themselves. With `free_cancellation`, cancelling refunds everything until
    the journey departs.
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
    free_cancellation: bool = False

    @property
    def price(self) -> Money:
        """The sum of the fares of all passengers."""
        return Money(sum(passenger.fare_minor for passenger in self.passengers), self.currency)

    @property
    def etag(self) -> str:
        """A text that differs after every change, also after each of several changes in one commit."""
        return f"{self.revision}.{self.changes_before}" if self.changes_before else str(self.revision)

    @property
    def is_live(self) -> bool:
        """Whether the booking is CONFIRMED or WAITLISTED."""
        return self.state in LIVE_STATES

    @property
    def seats_together(self) -> bool:
        """Whether all have seats, and these are neighbours in one coach: consecutive numbers."""
        if self.passengers[0].seat is None:
            return False
        if len(self.passengers) == 1:
            return True
        seats = [passenger.seat for passenger in self.passengers if passenger.seat is not None]
        if len(seats) < len(self.passengers):
            return False
        numbers = sorted(seat.number for seat in seats)
        one_coach = len({(seat.section, seat.coach) for seat in seats}) == 1
        return one_coach and numbers[-1] - numbers[0] == len(numbers) - 1
