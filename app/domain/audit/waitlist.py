"""Rules about the waitlist of a run.

Belongs here: waitlist entries against bookings that wait, and promotions that are missing. Does not belong here: seats that
are sold (`seats.py`), or waitlists that should have closed (`runs.py`).
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.audit.run_record import AuditedRun
from app.domain.audit.seats import legs_text
from app.domain.booking import Booking, BookingState
from app.domain.rules.sales_windows import has_opened
from app.domain.rules.waitlist import fare_floor, sections_taken
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import DISPLACED_TICKET_FIRST, WaitlistDemand, WaitlistEntry


def wrong_entries(record: AuditedRun) -> Iterator[str]:
    """Find waitlist entries that are not those of their bookings."""
    run = record.run
    waiting = {booking.ticket_number: booking for booking in record.bookings.values() if booking.ticket_number}
    for number, entry in sorted(run.waitlist.items()):
        yield from _wrong_ticket_number(run, entry)
        booking = waiting.get(number)
        if booking is None or booking.reference != entry.reference:
            yield f"waitlist entry {number} is that of booking {entry.reference}, which does not wait under this number"
            continue
        # Who was displaced waits for the section that was lost, whatever section was asked for.
        section = entry.section if _is_displaced(entry) else booking.wanted_section
        stored = entry.demand
        wanted = (section, booking.journey.legs, _waiting_count(booking), entry.fare_minor_min)
        if stored != wanted:
            yield (
                f"waitlist entry {number} is for {_demand_text(stored)}; "
                f"booking {booking.reference} waits for {_demand_text(wanted)}"
            )


def _wrong_ticket_number(run: TrainRun, entry: WaitlistEntry) -> Iterator[str]:
    number = entry.ticket_number
    if number > run.last_ticket_number:
        yield f"waitlist entry {number} is above the last number given out, {run.last_ticket_number}"
    if _is_displaced(entry) and entry.fare_minor_min is None:
        yield f"waitlist entry {number} is that of a displaced booking, and takes seats of any fare"
    if entry.fare_minor_min is not None and not run.layout.revision:
        yield f"waitlist entry {number} takes seats of other sections, and the layout was never changed"
    if _is_displaced(entry) and not 0 < number - DISPLACED_TICKET_FIRST <= run.last_displaced_number:
        yield f"waitlist entry {number} is no number of the {run.last_displaced_number} displaced bookings"


def _is_displaced(entry: WaitlistEntry) -> bool:
    return entry.ticket_number < 0


def _waiting_count(booking: Booking) -> int:
    return sum(1 for passenger in booking.passengers if passenger.seat is None)


def wrong_waitlisted_bookings(record: AuditedRun) -> Iterator[str]:
    """Find live bookings with waiting passengers without an entry of their own, and WAITLISTED bookings with a seat."""
    for booking in record.bookings.values():
        if not booking.is_live:
            continue
        subject, waiting = f"booking {booking.reference}", _waiting_count(booking)
        entry = record.run.waitlist.get(booking.ticket_number)
        if waiting and (entry is None or entry.reference != booking.reference):
            yield f"{subject} waits under number {booking.ticket_number}, which is not its own"
        if booking.state is BookingState.WAITLISTED and waiting < len(booking.passengers):
            yield f"{subject} is waitlisted and has a seat"


def missing_promotions(record: AuditedRun) -> Iterator[str]:
    """Find bookings that wait although the seats they wait for are free. Looks only at an open waitlist."""
    if not record.is_waitlist_open:
        return
    has_seats: dict[WaitlistDemand, bool] = {}
    for number, entry in sorted(record.run.waitlist.items()):
        demand = entry.demand
        if record.run.schedule.misses(entry.legs):  # nobody is promoted to legs that are cancelled
            continue
        if demand not in has_seats:
            has_seats[demand] = _has_seats(record.run, demand, record.before)
        if has_seats[demand]:
            yield f"booking {entry.reference} waits under number {number} for {_demand_text(demand)}, which is free"


def _has_seats(run: TrainRun, demand: WaitlistDemand, before: datetime) -> bool:
    """Whether a demand finds seats in sections that opened before some time.

    That of displaced passengers finds them also apart, in any section not cheaper, opened or not.
    """
    name, legs, count, _ = demand
    if fare_floor(run, demand) is not None:
        return sum(section.free_count(legs) for section in sections_taken(run, demand)) >= count
    return any(
        section.next_seats(legs, count) is not None
        for index, section in enumerate(run.sections)
        if name in ("", section.name) and has_opened(run, index, before)
    )


def _demand_text(demand: WaitlistDemand) -> str:
    section, legs, count, _ = demand
    return f"{count} in {f'section {section}' if section else 'any section'} on {legs_text(legs)}"
