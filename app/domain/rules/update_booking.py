"""UpdateBooking: new names and addresses of passengers.

Belongs here: the change of passengers' own fields. Does not belong here: who may change a booking (`access.py`).
"""

from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, Passenger
from app.domain.commands import UpdateBooking
from app.domain.events import EventType
from app.domain.passenger import identity_of, numbered_position
from app.domain.people import Person
from app.domain.refusals import InvalidField
from app.domain.rules.booking_changes import changed_data, record_change
from app.domain.rules.open_booking import require_open_booking
from app.domain.rules.sale_checks import require_no_live_booking
from app.domain.run.train_run import TrainRun


def update_booking(run: TrainRun, command: UpdateBooking, now: datetime) -> Booking:
    """Change the fields of passengers. An update that changes nothing records nothing.

    Refuses INVALID_FIELD (a number that no passenger has; without numbers, another number of passengers than the booking has),
    BOOKING_CANCELLED, ETAG_STALE, RUN_DEPARTED, and PASSENGER_ALREADY_BOOKED for a new passenger who has a live booking.
    """
    booking = require_open_booking(run, command.caller, command.reference, command.etag, now)
    updated = list(booking.passengers)
    positions = _updated_positions(booking, command)
    for index, (position, person) in enumerate(zip(positions, command.passengers, strict=True)):
        updated[position] = _updated(booking, position, person, command.fields, f"passengers[{index}]")
    passengers = tuple(updated)
    _require_distinct(passengers, positions)
    own = {passenger.key for passenger in booking.passengers}
    for passenger in passengers:
        if passenger.key not in own:
            require_no_live_booking(run, passenger.key)
    if passengers == booking.passengers:
        return booking
    changed = replace(booking, passengers=passengers)
    both = zip(booking.passengers, passengers, strict=True)
    data = changed_data(after.number for before, after in both if after != before)
    return record_change(run, changed, EventType.BOOKING_CHANGED, now, command.caller.trace_parent, data)


def _updated_positions(booking: Booking, command: UpdateBooking) -> list[int]:
    """Return the position in the booking of each passenger that the command has new values for."""
    if command.numbers:
        numbered = enumerate(command.numbers)
        return [numbered_position(booking, number, f"passengers[{index}].number") for index, number in numbered]
    if len(command.passengers) != len(booking.passengers):
        message = (
            f"has {len(command.passengers)} passengers; the booking has {len(booking.passengers)}: "
            "all are needed in its order, or each with its number"
        )
        raise InvalidField("passengers", message)
    return list(range(len(booking.passengers)))


def _updated(booking: Booking, position: int, person: Person, fields: frozenset[str], field: str) -> Passenger:
    """Return a passenger with the new values of these fields."""
    passenger = booking.passengers[position]
    old = passenger.person
    new = Person(
        person.first_name if "first_name" in fields else old.first_name,
        person.last_name if "last_name" in fields else old.last_name,
        person.email if "email" in fields else old.email,
    )
    if not new.email and passenger.number == 1:
        raise InvalidField(f"{field}.email", "is required for passenger 1")
    address, key = identity_of(new, booking.user_key)
    return replace(passenger, person=new, email_key=address, key=key)


def _require_distinct(passengers: tuple[Passenger, ...], updated: list[int]) -> None:
    """Refuse an update that makes two passengers of a booking the same. `updated` are positions in the order of the request."""
    seen = {passenger.key for position, passenger in enumerate(passengers) if position not in updated}
    for index, position in enumerate(updated):
        passenger = passengers[position]
        if passenger.key in seen:
            raise InvalidField(f"passengers[{index}].email", f"{passenger.key} stands twice in this booking")
        seen.add(passenger.key)
