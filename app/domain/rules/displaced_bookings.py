"""Bookings of displaced passengers: they move, wait, or are cancelled.

Belongs here: what a layout change makes of a booking whose seats it removes, with its refund and event, and of bookings that
wait for a removed section. Does not belong here: which seats there are (`displacement.py`), promotion later
(`promote_waitlist.py`).

The rules:
1. A passenger who moves keeps the fare, also in a section whose fare is higher. In a section whose fare is lower than that of
   the seat before, what was paid above that fare is refunded, and the booking can be cancelled free of charge.
2. A unit without seats waits at the front of the waitlist. Its booking is WAITLISTED where no passenger has a seat any more,
   and CONFIRMED otherwise. Where passengers of the booking wait already, their entry grows and keeps its position. It then
   waits for the dearer one of both sections, or for one whose fare is not lower than the higher one of both fares.
3. A booking that waits for a section which is removed has lost no seat. It keeps its position and its fare, and waits for a
   section whose fare is not lower than the last one of that section, at no charge (`waitlist.py`). When the waitlist closes,
   it expires with a full refund, as any other. Where the operator has displaced passengers refunded, it is cancelled and
   refunded at once.
"""

from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, BookingState, Passenger, RefundReason
from app.domain.events import EventType, Json
from app.domain.layout.plan import DisplacedWait, LayoutRefund, RefundCause, SeatMove
from app.domain.money import Money
from app.domain.rules.booking_changes import (
    CAUSE_LAYOUT,
    moves_data,
    record_change,
    with_changed_passengers,
    with_refund_due,
    without_passengers,
)
from app.domain.rules.displacement import DisplacedUnit, Placement
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry


def move_unit(
    run: TrainRun, unit: DisplacedUnit, placement: Placement, now: datetime, trace_parent: str = ""
) -> tuple[tuple[SeatMove, ...], LayoutRefund | None]:
    """Give a unit its seats, and refund what they cost less. Return the moves, and the refund if there is one.

    Does not release the seats before: they are retired.
    """
    booking = run.bookings[unit.booking.reference]
    moves: list[SeatMove] = []
    moved: dict[int, Passenger] = {}
    is_lower = False
    for passenger, (section, number) in zip(unit.passengers, placement.seats, strict=True):
        run.sell(section, number, booking.journey.legs)
        seat, fare_minor = run.seat(section, number), passenger.fare_minor
        section_minor = run.sections[section].fare.minor
        if seat.section != unit.section and section_minor < unit.fare_minor_min:
            is_lower, fare_minor = True, min(fare_minor, section_minor)
        moved[passenger.number] = replace(passenger, seat=seat, fare_minor=fare_minor)
        moves.append(SeatMove(booking.reference, passenger.number, passenger.assigned_seat, seat, placement.step))
    changed = with_changed_passengers(booking, moved.values())
    changed = replace(changed, free_cancellation=booking.free_cancellation or is_lower)
    back_minor = booking.price.minor - changed.price.minor
    data = moves_data(CAUSE_LAYOUT, [(move.passenger_number, move.before, move.after) for move in moves])
    changed = with_refund_due(changed, back_minor, now, RefundReason.LAYOUT)
    record_change(run, changed, EventType.BOOKING_CHANGED, now, trace_parent, data)
    cheaper = tuple(
        passenger.number for passenger in unit.passengers if moved[passenger.number].fare_minor < passenger.fare_minor
    )
    back = Money(back_minor, booking.currency)
    return tuple(moves), LayoutRefund(booking.reference, cheaper, back, RefundCause.LOWER_SECTION) if back_minor else None


def let_unit_wait(run: TrainRun, unit: DisplacedUnit, now: datetime, trace_parent: str = "") -> DisplacedWait:
    """Put a unit without seats at the front of the waitlist, or let the entry that its booking has there grow."""
    booking = run.bookings[unit.booking.reference]
    entry = run.waitlist.get(booking.ticket_number)
    if entry is None:
        legs, count = booking.journey.legs, len(unit.passengers)
        entry = run.join_waitlist_front(booking.reference, unit.section, legs, count, unit.fare_minor_min)
    else:
        run.replace_waitlist_entry(_grown(entry, unit))
    waiting = [replace(passenger, seat=None) for passenger in unit.passengers]
    changed = with_changed_passengers(replace(booking, ticket_number=entry.ticket_number), waiting)
    record_change(run, changed, EventType.BOOKING_CHANGED, now, trace_parent, _lost_seats_data(unit))
    seats = tuple(passenger.assigned_seat for passenger in unit.passengers)
    return DisplacedWait(booking.reference, tuple(passenger.number for passenger in unit.passengers), seats)


def cancel_unit(run: TrainRun, unit: DisplacedUnit, now: datetime, trace_parent: str = "") -> LayoutRefund:
    """Cancel the passengers of a unit, and refund their fares in full."""
    booking = run.bookings[unit.booking.reference]
    back_minor = sum(passenger.fare_minor for passenger in unit.passengers)
    changed = with_refund_due(without_passengers(booking, unit.passengers), back_minor, now, _cancellation_reason(run, booking))
    record_change(run, changed, EventType.BOOKING_CANCELLED, now, trace_parent, _lost_seats_data(unit))
    return _cancelled(booking, unit.passengers, back_minor)


def entries_of_removed_sections(run: TrainRun) -> list[WaitlistEntry]:
    """Return the waitlist entries of bookings that wait for a section which was removed, and have lost no seat; in order."""
    names = {section.name for section in run.sections}
    entries = [entry for _, entry in sorted(run.waitlist.items())]
    return [entry for entry in entries if entry.section and entry.section not in names and entry.fare_minor_min is None]


def cancel_entry(run: TrainRun, entry: WaitlistEntry, now: datetime, trace_parent: str = "") -> LayoutRefund:
    """Cancel a booking that waits, and refund it in full."""
    booking = run.bookings[entry.reference]
    run.leave_waitlist(entry.ticket_number)
    back_minor = booking.price.minor
    cancelled = replace(booking, state=BookingState.CANCELLED, ticket_number=0)
    cancelled = with_refund_due(cancelled, back_minor, now, _cancellation_reason(run, booking))
    record_change(run, cancelled, EventType.BOOKING_CANCELLED, now, trace_parent, moves_data(CAUSE_LAYOUT, []))
    return _cancelled(booking, booking.passengers, back_minor)


def _cancellation_reason(run: TrainRun, booking: Booking) -> RefundReason:
    """Return why a booking is refunded in full: a journey that is cancelled would have been refunded anyway."""
    return RefundReason.RUN_CANCELLED if run.schedule.misses(booking.journey.legs) else RefundReason.LAYOUT


def _grown(entry: WaitlistEntry, unit: DisplacedUnit) -> WaitlistEntry:
    """Return the entry with the passengers of the unit too. It waits for the dearer section of both."""
    floor = entry.fare_minor_min or 0
    section = unit.section if unit.fare_minor_min > floor else entry.section
    count = entry.count + len(unit.passengers)
    return replace(entry, section=section, count=count, fare_minor_min=max(unit.fare_minor_min, floor))


def _lost_seats_data(unit: DisplacedUnit) -> dict[str, Json]:
    return moves_data(CAUSE_LAYOUT, [(passenger.number, passenger.seat, None) for passenger in unit.passengers])


def _cancelled(booking: Booking, passengers: tuple[Passenger, ...], back_minor: int) -> LayoutRefund:
    numbers = tuple(passenger.number for passenger in passengers)
    return LayoutRefund(booking.reference, numbers, Money(back_minor, booking.currency), RefundCause.CANCELLED)
