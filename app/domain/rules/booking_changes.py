"""What every change of a booking has in common: its state, its revision, its refund, its event.

Belongs here: storing a changed booking on its run and emitting the event. Does not belong here: what changes (one module of
this folder for each command).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, BookingState, Passenger, RefundDue, RefundReason, Seat
from app.domain.events import EventType, Json
from app.domain.run.train_run import TrainRun

# Why passengers changed seats or were cancelled, as events say it.
CAUSE_LAYOUT = "layout"
CAUSE_SEAT_CHANGE = "seat_change"
CAUSE_RUN_CANCELLED = "run_cancelled"

# A passenger's number, the seat before and the seat after; None for none.
Move = tuple[int, Seat | None, Seat | None]


def record_change(
    run: TrainRun,
    booking: Booking,
    kind: EventType,
    now: datetime,
    trace_parent: str = "",
    further_data: Mapping[str, Json] | None = None,
) -> Booking:
    """Store a changed booking on its run with its new revision, and emit the event. Return the stored booking.

    The event says what `event_data` returns, and `further_data`.
    """
    revision = run.version + 1
    changes_before = booking.changes_before + 1 if booking.revision == revision else 0
    changed = replace(booking, update_time=now, revision=revision, changes_before=changes_before)
    run.put_booking(changed)
    data = event_data(changed)
    if further_data is not None:
        data.update(further_data)
    run.emit(kind, changed.reference, data, now, trace_parent)
    return changed


def with_refund_due(booking: Booking, minor: int, now: datetime, reason: RefundReason) -> Booking:
    """Return the booking with one more refund, or as it is where the amount is 0."""
    if not minor:
        return booking
    refund = RefundDue(f"{booking.reference}-{len(booking.refunds) + 1}", minor, now, reason)
    return replace(booking, refunds=(*booking.refunds, refund))


def with_changed_passengers(booking: Booking, changed: Iterable[Passenger]) -> Booking:
    """Return a live booking with these passengers in place of those with their numbers, and the state that follows."""
    by_number = {passenger.number: passenger for passenger in changed}
    return _with_passengers(booking, tuple([by_number.get(passenger.number, passenger) for passenger in booking.passengers]))


def _with_passengers(booking: Booking, passengers: tuple[Passenger, ...]) -> Booking:
    """Return a live booking with other passengers or seats, and the state that follows from them.

    It is WAITLISTED where nobody has a seat, else CONFIRMED. It keeps its ticket number as long as somebody has no seat.
    """
    waiting = [passenger.seat for passenger in passengers].count(None)
    return replace(
        booking,
        state=BookingState.WAITLISTED if waiting == len(passengers) else BookingState.CONFIRMED,
        passengers=passengers,
        ticket_number=booking.ticket_number if waiting else 0,
    )


def without_passengers(booking: Booking, leaving: Collection[Passenger]) -> Booking:
    """Return a live booking without these passengers, who are cancelled. It is CANCELLED where nobody stays."""
    numbers = {passenger.number for passenger in leaving}
    staying = tuple(passenger for passenger in booking.passengers if passenger.number not in numbers)
    if not staying:
        return replace(booking, state=BookingState.CANCELLED, ticket_number=0)
    gone = (*booking.cancelled_passengers, *leaving)
    return _with_passengers(replace(booking, cancelled_passengers=gone), staying)


def changed_data(numbers: Iterable[int]) -> dict[str, Json]:
    """Return what an event says about a change of some passengers, who are named by number."""
    return {"changed_passenger_numbers": list(numbers)}


def moves_data(cause: str, moves: Iterable[Move]) -> dict[str, Json]:
    """Return what an event says about moves: why, and each passenger's seats before and after."""
    return {
        "cause": cause,
        "moves": [
            {"passenger_number": number, "from": before.label if before else None, "to": after.label if after else None}
            for number, before, after in moves
        ],
    }


def event_data(booking: Booking) -> dict[str, Json]:
    """Return what an event says about a booking. It has no personal data, since events are stored and sent to others."""
    price_minor = 0
    numbers: list[Json] = []
    seats: list[str] = []
    for passenger in booking.passengers:
        price_minor += passenger.fare_minor
        numbers.append(passenger.number)
        if passenger.seat is not None:
            seats.append(passenger.seat.label)
    return {
        "state": booking.state.value,
        "passenger_count": len(booking.passengers),
        "passenger_numbers": numbers,
        "seats": seats,
        "price_minor": price_minor,
        "refunded_minor": sum([refund.minor for refund in booking.refunds]) if booking.refunds else 0,
        "currency": booking.currency,
        "payment_id": booking.payment_id,
    }
