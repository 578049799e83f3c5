"""What every change of a booking has in common: its revision, its refund, its event.

Belongs here: storing a changed booking on its run and emitting the event. Does not belong here: what changes (one module of
this folder for each command).
"""

from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, RefundDue
from app.domain.events import EventType, Json
from app.domain.run.train_run import TrainRun


def record_change(run: TrainRun, booking: Booking, kind: EventType, now: datetime, trace_parent: str = "") -> Booking:
    """Store a changed booking on its run with its new revision, and emit the event. Return the stored booking."""
    revision = run.version + 1
    changes_before = booking.changes_before + 1 if booking.revision == revision else 0
    changed = replace(booking, update_time=now, revision=revision, changes_before=changes_before)
    run.put_booking(changed)
    run.emit(kind, changed.reference, event_data(changed), now, trace_parent)
    return changed


def with_refund_due(booking: Booking, minor: int, now: datetime) -> Booking:
    """Return the booking with one more refund, or as it is where the amount is 0."""
    if not minor:
        return booking
    refund = RefundDue(f"{booking.reference}-{len(booking.refunds) + 1}", minor, now)
    return replace(booking, refunds=(*booking.refunds, refund))


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
