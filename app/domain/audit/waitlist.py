"""Rules about the waitlist of a run.

Belongs here: waitlist entries against waitlisted bookings, and promotions that are missing. Does not belong here: seats that
are sold (`seats.py`), or waitlists that should have closed (`runs.py`).
"""

from collections.abc import Iterator

from app.domain.audit.run_record import AuditedRun
from app.domain.audit.seats import legs_text
from app.domain.booking import BookingState
from app.domain.rules.seating import next_free_seats


def wrong_entries(record: AuditedRun) -> Iterator[str]:
    """Find waitlist entries that are not those of their bookings."""
    run = record.run
    waitlisted = {
        booking.ticket_number: booking for booking in record.bookings.values() if booking.state is BookingState.WAITLISTED
    }
    for number, entry in sorted(run.waitlist.items()):
        if number > run.last_ticket_number:
            yield f"waitlist entry {number} is above the last number given out, {run.last_ticket_number}"
        booking = waitlisted.get(number)
        if booking is None or booking.reference != entry.reference:
            yield f"waitlist entry {number} is that of booking {entry.reference}, which does not wait under this number"
            continue
        stored = (entry.section, entry.legs, entry.count)
        wanted = (booking.wanted_section, booking.journey.legs, len(booking.passengers))
        if stored != wanted:
            yield (
                f"waitlist entry {number} is for {_demand_text(*stored)}; "
                f"booking {booking.reference} waits for {_demand_text(*wanted)}"
            )


def wrong_waitlisted_bookings(record: AuditedRun) -> Iterator[str]:
    """Find waitlisted bookings without an entry of their own, or with a seat."""
    for booking in record.bookings.values():
        if booking.state is not BookingState.WAITLISTED:
            continue
        entry = record.run.waitlist.get(booking.ticket_number)
        if entry is None or entry.reference != booking.reference:
            yield f"booking {booking.reference} waits under number {booking.ticket_number}, which is not its own"
        if any(passenger.seat is not None for passenger in booking.passengers):
            yield f"booking {booking.reference} is waitlisted and has a seat"


def missing_promotions(record: AuditedRun) -> Iterator[str]:
    """Find bookings that wait although the seats they wait for are free. Looks only at an open waitlist."""
    if not record.is_waitlist_open:
        return
    has_seats: dict[tuple[str, int, int], bool] = {}
    names = {section.name for section in record.run.sections}
    for number, entry in sorted(record.run.waitlist.items()):
        demand = (entry.section, entry.legs, entry.count)
        if demand not in has_seats:
            is_known = not entry.section or entry.section in names
            has_seats[demand] = is_known and next_free_seats(record.run, *demand) is not None
        if has_seats[demand]:
            yield f"booking {entry.reference} waits under number {number} for {_demand_text(*demand)}, which is free"


def _demand_text(section: str, legs: int, count: int) -> str:
    return f"{count} in {f'section {section}' if section else 'any section'} on {legs_text(legs)}"
