"""A booking and the commands that make and change one.

Belongs here: the values. Does not: the decisions (`selling.py`, `changing.py`), nor where bookings are kept.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from app.domain.money import Money
from app.domain.people import Caller, Person
from app.domain.timetable import Journey
from app.domain.values import value

# Crockford's base 32: digits and letters without I, L, O and U, which are misread or make words.
_REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTER_PAIRS = [first + second for first in _REFERENCE_ALPHABET for second in _REFERENCE_ALPHABET]
REFERENCE_LENGTH = 6
# A reference is asked for when a batch is looked up and again when it is decided.
_REFERENCES_REMEMBERED = 8_192


class BookingState(StrEnum):
    """Where a booking stands. CANCELLED is final."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


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
    """Who travels, where, and for what fare. `key` is the address as it is compared."""

    person: Person
    key: str
    seat: Seat
    fare_minor: int


@value(frozen=True, slots=True)
class Booking:
    """The commitment to carry its passengers. Values never change; a changed booking is a new value.

    `revision` is the version of the train run whose commit last changed it. A CANCELLED booking keeps the passengers it had
    last; `cancelled_passengers` are those who left while others stayed.
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

    @property
    def price(self) -> Money:
        """The fares of all passengers together."""
        return Money(sum(passenger.fare_minor for passenger in self.passengers), self.currency)

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.revision)

    @property
    def is_live(self) -> bool:
        """Whether its passengers hold seats."""
        return self.state is BookingState.CONFIRMED

    @property
    def seats_together(self) -> bool:
        """Whether the seats are neighbours in one coach: consecutive numbers."""
        if len(self.passengers) == 1:
            return True
        seats = [passenger.seat for passenger in self.passengers]
        numbers = sorted(seat.number for seat in seats)
        one_coach = len({(seat.section, seat.coach) for seat in seats}) == 1
        return one_coach and numbers[-1] - numbers[0] == len(numbers) - 1


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

    @property
    def fingerprint(self) -> str:
        """Tells two bodies under one request_id apart: 64 bits of all that was asked for."""
        asked = [self.train_id, self.travel_date, self.origin, self.destination, self.section, *map(str, self.seat_numbers)]
        for person in self.passengers:
            asked += person.first_name, person.last_name, person.email
        # No text that a booking is made from has a control character in it.
        return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()


@value(frozen=True, slots=True)
class UpdateBooking:
    """New values for the `fields` (of first_name, last_name, email) of the passengers, in the booking's order."""

    caller: Caller
    reference: str
    passengers: tuple[Person, ...]
    fields: frozenset[str]
    etag: str = ""


@value(frozen=True, slots=True)
class ChangeSeat:
    """Moves the passenger with that address. An empty section stands for the present one, number 0 for the next seat."""

    caller: Caller
    reference: str
    passenger_email: str
    section: str = ""
    seat_number: int = 0
    etag: str = ""


@value(frozen=True, slots=True)
class CancelBooking:
    """Takes the passengers with those addresses off; none named stands for all."""

    caller: Caller
    reference: str
    passenger_emails: tuple[str, ...] = ()
    validate_only: bool = False
    etag: str = ""


Command = CreateBooking | UpdateBooking | ChangeSeat | CancelBooking


@lru_cache(maxsize=_REFERENCES_REMEMBERED)
def reference_for(user_key: str, request_id: str, attempt: int) -> str:
    """The reference of the booking that this person makes with this request.

    It follows from the request, so that every server and every retry, also after a crash, looks for the same booking. Two
    requests may give the same reference (one in 10^9); then the later one goes on to `attempt` 1, 2, ...
    """
    digest = hashlib.blake2b(f"{user_key}\n{request_id}\n{attempt}".encode(), digest_size=4).digest()
    bits = int.from_bytes(digest, "big")
    return _LETTER_PAIRS[bits >> 20 & 1023] + _LETTER_PAIRS[bits >> 10 & 1023] + _LETTER_PAIRS[bits & 1023]
