"""The recipients of notices about a booking: the booker, and each address of a passenger that is not the booker's.

Belongs here: the recipients of a booking, and for which passengers each stands. Does not belong here: which of them receive
an event (`from_events.py`), nor over which channels (`choices.py`).

The rules:
1. The booker receives one notice about all passengers.
2. Each other address receives one notice about the passengers who have it, however many they are.
3. A recipient is named by the booking's reference and its addressee: WHOLE_BOOKING for the booker, else the lowest number among
   all passengers who have or had a place in the booking under that address. So a recipient keeps its name when one of several
   passengers is cancelled.
"""

from collections.abc import Iterable

from app.domain.booking import Booking, Passenger
from app.domain.notices.notice import WHOLE_BOOKING
from app.domain.passenger import all_passengers
from app.domain.people import Person
from app.domain.values import value


@value(frozen=True, slots=True)
class Recipient:
    """One address that receives notices about a booking.

    `person` has the address as sent; `email_key` is the address as compared. `passenger_numbers` are the passengers whom it
    stands for: of the booker all present ones, of any other recipient those with its address. `cancelled_numbers` are those of
    them who were cancelled while others stayed. `own_numbers` are the present passengers with this very address: none for a
    booker who does not travel, and whose passengers all have addresses of their own.
    """

    addressee: str
    email_key: str
    person: Person
    passenger_numbers: tuple[int, ...]
    cancelled_numbers: tuple[int, ...]
    own_numbers: tuple[int, ...]


def recipients_of(booking: Booking) -> tuple[Recipient, ...]:
    """Return the recipients who stand for present passengers: the booker first, the others by addressee.

    The present passengers of a CANCELLED or EXPIRED booking are its last ones.
    """
    return tuple(recipient for recipient in all_recipients_of(booking) if recipient.passenger_numbers)


def all_recipients_of(booking: Booking) -> tuple[Recipient, ...]:
    """Return all recipients, also those whose passengers are all cancelled: the booker first, the others by addressee."""
    by_address: dict[str, list[Passenger]] = {}
    for passenger in sorted(all_passengers(booking), key=_number):
        if passenger.email_key != booking.user_key:
            by_address.setdefault(passenger.email_key, []).append(passenger)
    return (booker_of(booking), *(_recipient(booking, passengers) for passengers in by_address.values()))


def find_recipient(booking: Booking, addressee: str) -> Recipient | None:
    """Return the recipient with that name; None where the booking has none, since the passenger's address was changed."""
    return next((recipient for recipient in all_recipients_of(booking) if recipient.addressee == addressee), None)


def booker_of(booking: Booking) -> Recipient:
    """Return the booker as a recipient."""
    own = [passenger for passenger in booking.passengers if passenger.email_key == booking.user_key]
    return Recipient(
        WHOLE_BOOKING,
        booking.user_key,
        booking.user,
        _numbers(booking.passengers),
        _numbers(booking.cancelled_passengers),
        _numbers(own),
    )


def _recipient(booking: Booking, passengers: list[Passenger]) -> Recipient:
    """Return the recipient that these passengers, who are ordered by number, have in common."""
    present = {passenger.number for passenger in booking.passengers}
    numbers = tuple(passenger.number for passenger in passengers if passenger.number in present)
    gone = tuple(passenger.number for passenger in passengers if passenger.number not in present)
    person = next((passenger.person for passenger in passengers if passenger.number in present), passengers[0].person)
    return Recipient(str(passengers[0].number), passengers[0].email_key, person, numbers, gone, numbers)


def _numbers(passengers: Iterable[Passenger]) -> tuple[int, ...]:
    return tuple(sorted(passenger.number for passenger in passengers))


def _number(passenger: Passenger) -> int:
    return passenger.number
