"""ChangeSeat: one passenger moves to another seat.

Belongs here: the move, and the refund of the difference in fares. Does not belong here: which seats there are (`seating.py`).
"""

from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, BookingState, Passenger, RefundReason, Seat
from app.domain.commands import ChangeSeat
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.passenger import named_position
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.access import require_changeable
from app.domain.rules.booking_changes import CAUSE_SEAT_CHANGE, moves_data, record_change, with_refund_due
from app.domain.rules.departures import require_not_cancelled
from app.domain.rules.open_booking import require_open_booking
from app.domain.rules.promote_waitlist import promote
from app.domain.rules.sales_windows import require_opened
from app.domain.rules.seating import choose_seats, take_seats
from app.domain.run.train_run import TrainRun


def change_seat(run: TrainRun, command: ChangeSeat, now: datetime) -> Booking:
    """Move a passenger to a chosen seat, or to the next free one of a section. Frees the seat before in the same step.

    In a section with a lower fare, the difference is refunded. Refuses INVALID_FIELD (no such passenger, section or seat),
    SALES_NOT_OPEN (another section), SEAT_TAKEN, SECTION_FULL, FARE_HIGHER, BOOKING_WAITLISTED, BOOKING_CANCELLED, ETAG_STALE,
    RUN_CANCELLED, RUN_DEPARTED; then nothing has changed.
    """
    repeated = _find_repeated_move(run, command)
    if repeated is not None:
        return repeated
    booking = require_open_booking(run, command.caller, command.reference, command.etag, now)
    require_not_cancelled(run, booking.journey)
    position = named_position(booking, command.passenger_number, command.passenger_email)
    passenger = booking.passengers[position]
    before = _require_seated(booking, passenger)
    section = command.section or before.section
    if section != before.section:
        require_opened(run, run.section_index(section), now)
    index, number, by_counter = _choose_seat(run, command, section, booking.journey.legs)
    fare_minor = passenger.fare_minor if section == before.section else run.sections[index].fare.minor
    _require_affordable(booking, passenger, section, fare_minor)
    take_seats(run, index, [number], booking.journey.legs, by_counter=by_counter)
    run.release(before, booking.journey.legs)
    moved = replace(passenger, seat=run.seat(index, number), fare_minor=fare_minor)
    passengers = (*booking.passengers[:position], moved, *booking.passengers[position + 1 :])
    back_minor = passenger.fare_minor - fare_minor
    changed = with_refund_due(replace(booking, passengers=passengers), back_minor, now, RefundReason.FARE_DIFFERENCE)
    data = moves_data(CAUSE_SEAT_CHANGE, [(moved.number, before, moved.seat)])
    record_change(run, changed, EventType.BOOKING_CHANGED, now, command.caller.trace_parent, data)
    promote(run, now)
    return run.bookings[booking.reference]


def _find_repeated_move(run: TrainRun, command: ChangeSeat) -> Booking | None:
    """Return the booking where its passenger has the named seat already, None else.

    A repeated request changes nothing and is not refused, also with the etag before the move or after the departure.
    """
    booking = require_changeable(run.find(command.reference), command.caller, command.reference)
    if booking.state is not BookingState.CONFIRMED or not command.seat_number:
        return None
    position = named_position(booking, command.passenger_number, command.passenger_email)
    seat = booking.passengers[position].seat
    if seat is None:
        return None
    is_there = (command.section or seat.section, command.seat_number) == (seat.section, seat.number)
    return booking if is_there else None


def _choose_seat(run: TrainRun, command: ChangeSeat, section: str, legs: int) -> tuple[int, int, bool]:
    """Choose one seat as `choose_seats` does. Refuse under the field names of ChangeSeat."""
    chosen = (command.seat_number,) if command.seat_number else ()
    try:
        index, numbers, by_counter = choose_seats(run, section, chosen, legs, 1)
    except InvalidField as refusal:
        raise InvalidField(refusal.field.replace("seat_numbers[0]", "seat_number"), refusal.description) from None
    return index, numbers[0], by_counter


def _require_seated(booking: Booking, passenger: Passenger) -> Seat:
    """Return the passenger's seat. Refuse BOOKING_WAITLISTED for a passenger without one."""
    if passenger.seat is None:
        who = f"passenger {passenger.number} of booking {booking.reference}"
        raise Refusal(Reason.BOOKING_WAITLISTED, f"{who} is on the waitlist and has no seat")
    return passenger.seat


def _require_affordable(booking: Booking, passenger: Passenger, section: str, fare_minor: int) -> None:
    """Refuse FARE_HIGHER for a seat that costs more than was paid."""
    if fare_minor > passenger.fare_minor:
        fare, paid = Money(fare_minor, booking.currency), Money(passenger.fare_minor, booking.currency)
        raise Refusal(Reason.FARE_HIGHER, f"a seat in section {section} costs {fare}, and {paid} was paid")
