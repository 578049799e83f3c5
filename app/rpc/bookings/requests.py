"""Requests around bookings: messages to commands.

Belongs here: one function per request that becomes a command. Does not belong here: what a well-formed field is
(`app/rpc/fields.py`).
"""

from collections.abc import Sequence

from app.domain import limits
from app.domain.commands import CancelBooking, ChangeSeat, CreateBooking, IfFull, UpdateBooking
from app.domain.passenger import identity_of
from app.domain.people import Caller, Person, email_key, require_identified
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import booking_pb2, passenger_pb2
from app.rpc import fields

_PASSENGER_FIELDS = frozenset(("first_name", "last_name", "email"))
_IF_FULL = {
    booking_pb2.IF_FULL_UNSPECIFIED: IfFull.WAITLIST,
    booking_pb2.IF_FULL_WAITLIST: IfFull.WAITLIST,
    booking_pb2.IF_FULL_REJECT: IfFull.REJECT,
}


def create_booking(caller: Caller, request: booking_pb2.CreateBookingRequest) -> CreateBooking:
    """Make the command. Refuse fields that are missing, malformed or contradictory."""
    address = require_identified(caller)  # the method's policy has made sure of it
    passengers = _passengers(request.passengers, address)
    request_id = fields.request_id(request.request_id)
    train_id, travel_date, origin, destination = fields.journey(
        request.train_id, request.travel_date, request.origin, request.destination
    )
    seat_numbers = _seat_numbers(request)
    if seat_numbers and request.hold_id:
        raise InvalidField("seat_numbers", "must be empty with hold_id, which says which seats")
    return CreateBooking(
        caller,
        _booker(address, passengers),
        request_id,
        train_id,
        travel_date,
        origin,
        destination,
        fields.section(request.section),
        passengers,
        seat_numbers,
        _if_full(request.if_full),
        _optional_hold_id(request.hold_id),
    )


def update_booking(caller: Caller, request: booking_pb2.UpdateBookingRequest) -> UpdateBooking:
    """Make the command. Reads only the fields that the mask names."""
    masked = _masked(request)
    _require_passenger_count(len(request.passengers))
    return UpdateBooking(
        caller=caller,
        reference=fields.reference(request.reference),
        passengers=tuple(
            _masked_person(passenger, masked, f"passengers[{index}]") for index, passenger in enumerate(request.passengers)
        ),
        fields=masked,
        etag=request.etag,
        numbers=_numbers(request.passengers),
    )


def change_seat(caller: Caller, request: booking_pb2.ChangeSeatRequest) -> ChangeSeat:
    """Make the command. Seat number 0 means the next free seat. The passenger is named by number, by address, or by both."""
    if not request.passenger_number and not request.passenger_email:
        raise InvalidField("passenger_email", "is required, or passenger_number")
    if request.passenger_number:
        _check_passenger_number(request.passenger_number, "passenger_number")
    if request.seat_number < 0:
        raise InvalidField("seat_number", "must not be negative")
    return ChangeSeat(
        caller=caller,
        reference=fields.reference(request.reference),
        passenger_email=fields.email(request.passenger_email, "passenger_email") if request.passenger_email else "",
        section=fields.section(request.section),
        seat_number=request.seat_number,
        etag=request.etag,
        passenger_number=request.passenger_number,
    )


def cancel_booking(caller: Caller, request: booking_pb2.CancelBookingRequest) -> CancelBooking:
    """Make the command. Neither numbers nor addresses means all passengers."""
    if len(request.passenger_numbers) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passenger_numbers", f"has more than {limits.PASSENGERS_PER_BOOKING_MAX} numbers")
    for index, number in enumerate(request.passenger_numbers):
        _check_passenger_number(number, f"passenger_numbers[{index}]")
    if len(request.passenger_emails) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passenger_emails", f"has more than {limits.PASSENGERS_PER_BOOKING_MAX} addresses")
    return CancelBooking(
        caller=caller,
        reference=fields.reference(request.reference),
        passenger_emails=tuple(
            fields.email(address, f"passenger_emails[{index}]") for index, address in enumerate(request.passenger_emails)
        ),
        validate_only=request.validate_only,
        etag=request.etag,
        passenger_numbers=tuple(request.passenger_numbers),
    )


def _passengers(messages: Sequence[passenger_pb2.Passenger], booker: str) -> tuple[Person, ...]:
    _require_passenger_count(len(messages))
    people = tuple(
        [
            Person(one.first_name, one.last_name, one.email)
            if fields.is_plain_person(one.first_name, one.last_name, one.email)
            else _checked_person(one, index)
            for index, one in enumerate(messages)
        ]
    )
    _require_distinct(people, booker)
    return people


def _checked_person(message: passenger_pb2.Passenger, index: int) -> Person:
    """Return a passenger that needs every check. All but the first may have no address: the booker's then counts."""
    field = f"passengers[{index}]"
    if index and not message.email.strip():
        return Person(
            fields.name(message.first_name, f"{field}.first_name"), fields.name(message.last_name, f"{field}.last_name"), ""
        )
    return fields.person(message.first_name, message.last_name, message.email, field)


def _booker(address: str, passengers: tuple[Person, ...]) -> Person:
    """Return the booker, with the names of the passenger of the same address; without names if no passenger has it."""
    key = email_key(address)
    for person in passengers:
        if person.key == key:
            return person if person.email == address else Person(person.first_name, person.last_name, address)
    return Person("", "", address)


def _require_passenger_count(count: int) -> None:
    if not 1 <= count <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passengers", f"has {count} passengers; needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")


def _require_distinct(passengers: tuple[Person, ...], booker: str) -> None:
    if len(passengers) == 1:
        return
    seen: set[str] = set()
    for index, person in enumerate(passengers):
        _, key = identity_of(person, email_key(booker))
        if key in seen:
            name = f"{person.first_name} {person.last_name}"
            raise InvalidField(f"passengers[{index}].email", f"{name} with this address is twice in this booking")
        seen.add(key)


def _seat_numbers(request: booking_pb2.CreateBookingRequest) -> tuple[int, ...]:
    numbers = tuple(request.seat_numbers)
    if not numbers:
        return numbers
    fields.check_seat_numbers(numbers, fields.section(request.section))
    if len(numbers) != len(request.passengers):
        raise InvalidField("seat_numbers", f"has {len(numbers)} seats for {len(request.passengers)} passengers")
    return numbers


def _if_full(value: booking_pb2.IfFull.ValueType) -> IfFull:
    try:
        return _IF_FULL[value]
    except KeyError:
        raise InvalidField("if_full", f"{value} is not a known value") from None


def _optional_hold_id(text: str) -> str:
    return fields.hold_id(text) if text else text


def _masked(request: booking_pb2.UpdateBookingRequest) -> frozenset[str]:
    """Return the passengers' fields that the mask names; an empty mask names all (google.aip.dev/134)."""
    masked: set[str] = set()
    for index, path in enumerate(request.update_mask.paths or ["passengers"]):
        parent, dot, field = path.partition(".")
        if parent != "passengers" or (dot and field not in _PASSENGER_FIELDS):
            known = ", ".join(f"passengers.{name}" for name in sorted(_PASSENGER_FIELDS))
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; passengers and {known} can")
        masked.update((field,) if field else _PASSENGER_FIELDS)
    return frozenset(masked)


def _numbers(passengers: Sequence[passenger_pb2.Passenger]) -> tuple[int, ...]:
    """Return the passengers' numbers: one for each, or none at all. Refuse a mixture, and a repeated number."""
    numbers = tuple(passenger.number for passenger in passengers)
    if not any(numbers):
        return ()
    for index, number in enumerate(numbers):
        field = f"passengers[{index}].number"
        if not number:
            raise InvalidField(field, "is required, since other passengers are named by number")
        _check_passenger_number(number, field)
        if number in numbers[:index]:
            raise InvalidField(field, f"passenger {number} is twice in this request")
    return numbers


def _check_passenger_number(number: int, field: str) -> None:
    if not 1 <= number <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField(field, f"needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")


def _masked_person(message: passenger_pb2.Passenger, masked: frozenset[str], field: str) -> Person:
    return Person(
        fields.name(message.first_name, f"{field}.first_name") if "first_name" in masked else "",
        fields.name(message.last_name, f"{field}.last_name") if "last_name" in masked else "",
        fields.email(message.email, f"{field}.email") if "email" in masked and message.email.strip() else "",
    )
