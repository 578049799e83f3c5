"""Passengers of a booking: what identifies them, and how a request names them.

Belongs here: the passenger key, and finding passengers by number or address. Does not belong here: what happens to them
(`app/domain/rules/`).

Address and name together identify a passenger, since families and assistants book several people with one address. Where a
passenger's own address is empty, the booker's stands for it. Within a booking each passenger has a number, 1 to 9, which stays
for the life of the booking and is never reused. A request may name a passenger by number, or by an address that only one
passenger of the booking has.
"""

from collections.abc import Sequence

from app.domain.booking import Booking, Passenger
from app.domain.commands import CancelBooking
from app.domain.people import Person, email_key
from app.domain.refusals import InvalidField
from app.domain.text import comparison_form


def identity_of(person: Person, user_key: str) -> tuple[str, str]:
    """Return a passenger's address as compared, and the key that identifies the passenger on a run.

    The name is compared as a whole, wherever the given name ends.
    """
    address = email_key(person.email) if person.email else user_key
    return address, f"{address} {comparison_form(f'{person.first_name} {person.last_name}')}"


def all_passengers(booking: Booking) -> tuple[Passenger, ...]:
    """Return all passengers that the booking ever had, the present or last ones first."""
    return (*booking.passengers, *booking.cancelled_passengers)


def numbered_position(booking: Booking, number: int, field: str) -> int:
    """Return the position of the passenger with this number. Refuses INVALID_FIELD where no present one has it."""
    for position, passenger in enumerate(booking.passengers):
        if passenger.number == number:
            return position
    numbers = _listed(booking.passengers)
    raise InvalidField(field, f"booking {booking.reference} has no passenger {number}; it has {numbers}")


def named_position(booking: Booking, number: int, email: str) -> int:
    """Return the position of the passenger whom a request names by number, by address, or by both, which must agree.

    Refuses INVALID_FIELD where nobody is named, and for an address that several passengers have; the text gives their numbers.
    """
    if number:
        position = numbered_position(booking, number, "passenger_number")
        if email and booking.passengers[position].email_key != email_key(email):
            raise InvalidField("passenger_email", f"is not the address of passenger {number}")
        return position
    key = email_key(email)
    found = [position for position, passenger in enumerate(booking.passengers) if passenger.email_key == key]
    if not found:
        raise InvalidField("passenger_email", f"{email} is no passenger of booking {booking.reference}")
    if len(found) > 1:
        shared = _listed([booking.passengers[position] for position in found])
        raise InvalidField("passenger_email", f"{email} is the address of {shared}; say which one by passenger_number")
    return found[0]


def named_numbers(booking: Booking, command: CancelBooking) -> tuple[int, ...]:
    """Return the numbers of the passengers whom a cancellation names, cancelled ones included; all where it names nobody.

    Numbers and addresses together must name the same passengers: each number's address is among the addresses, and each address
    is that of a number. Refuses INVALID_FIELD where nobody is named, and for an address that several present passengers have.
    """
    if not command.passenger_numbers and not command.passenger_emails:
        return tuple(passenger.number for passenger in booking.passengers)
    if command.passenger_numbers:
        return _named_by_number(booking, command)
    named = [_numbers_at(booking, email, index) for index, email in enumerate(command.passenger_emails)]
    return tuple(dict.fromkeys(number for numbers in named for number in numbers))


def _named_by_number(booking: Booking, command: CancelBooking) -> tuple[int, ...]:
    known = {passenger.number: passenger for passenger in all_passengers(booking)}
    keys = [email_key(email) for email in command.passenger_emails]
    for index, number in enumerate(command.passenger_numbers):
        passenger = known.get(number)
        if passenger is None:
            text = f"booking {booking.reference} has no passenger {number}; it has {_listed(booking.passengers)}"
            raise InvalidField(f"passenger_numbers[{index}]", text)
        if keys and passenger.email_key not in keys:
            raise InvalidField(
                f"passenger_numbers[{index}]", f"passenger {number} has none of the addresses in passenger_emails"
            )
    named = {known[number].email_key for number in command.passenger_numbers}
    for index, key in enumerate(keys):
        if key not in named:
            raise InvalidField(f"passenger_emails[{index}]", "is the address of none of the passengers in passenger_numbers")
    return tuple(dict.fromkeys(command.passenger_numbers))


def _numbers_at(booking: Booking, email: str, index: int) -> list[int]:
    """Return the number of the one passenger with this address, or those of all cancelled passengers who had it."""
    key, field = email_key(email), f"passenger_emails[{index}]"
    found = [passenger for passenger in booking.passengers if passenger.email_key == key]
    if len(found) > 1 and booking.is_live:
        raise InvalidField(field, f"{email} is the address of {_listed(found)}; say which one by passenger_numbers")
    found = found or [passenger for passenger in booking.cancelled_passengers if passenger.email_key == key]
    if not found:
        raise InvalidField(field, f"{email} is no passenger of booking {booking.reference}")
    return [passenger.number for passenger in found]


def _listed(passengers: Sequence[Passenger]) -> str:
    """Return `passenger 2`, or `passengers 1, 3`."""
    numbers = sorted(passenger.number for passenger in passengers)
    return f"{'passenger' if len(numbers) == 1 else 'passengers'} {', '.join(map(str, numbers))}"
