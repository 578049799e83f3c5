"""PromoteWaitlist, and the promotion that follows whenever seats come free.

Belongs here: which bookings of the waitlist get seats, and which seats. Does not belong here: what frees seats (the rules that
call `promote`).
"""

from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush

from app.domain.booking import BookingState
from app.domain.commands import PromoteWaitlist, Promotion
from app.domain.events import EventType
from app.domain.rules.booking_changes import record_change, with_refund_due
from app.domain.rules.seating import next_free_seats, take_seats
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistDemand, WaitlistEntry


def promote_waitlist(run: TrainRun, command: PromoteWaitlist, now: datetime) -> Promotion:
    """Promote the whole waitlist for an operator. Return all bookings that this commit promotes.

    The service promotes whenever seats come free, so nobody is left unless seats came free in another way.
    """
    promote(run, now)
    promoted = [event.subject for event in run.change_set.events if event.event_type is EventType.BOOKING_PROMOTED]
    return Promotion(tuple(promoted), len(run.waitlist))


def promote(run: TrainRun, now: datetime) -> None:
    """Give free seats to the bookings on the waitlist, in order. Does nothing once the waitlist is closed."""
    if not run.waitlist or now >= waitlist_closing_time(run):
        return
    fronts = run.waitlist_index.fronts()
    while fronts:
        ticket_number, demand = heappop(fronts)
        found = next_free_seats(run, *demand) if _has_seats(run, demand) else None
        if found is None:
            continue  # free seats only become fewer in this loop, so nobody further back with the same demand finds any
        _seat(run, run.waitlist[ticket_number], *found, now)
        behind = run.waitlist_index.first(demand)
        if behind is not None:
            heappush(fronts, (behind, demand))


def _has_seats(run: TrainRun, demand: WaitlistDemand) -> bool:
    """Whether a section has as many free seats as the demand needs."""
    name, legs, count = demand
    sections = [run.sections[run.section_index(name)]] if name else run.sections
    return any(section.has_free(legs, count) for section in sections)


def _seat(run: TrainRun, entry: WaitlistEntry, section: int, numbers: list[int], now: datetime) -> None:
    """Give these seats to the booking of a waitlist entry."""
    booking = run.bookings[entry.reference]
    take_seats(run, section, numbers, entry.legs, by_counter=True)
    run.leave_waitlist(entry.ticket_number)
    paid = booking.price.minor
    fare = run.sections[section].fare.minor
    seated = tuple(
        replace(
            passenger,
            seat=run.seat(section, number),
            fare_minor=passenger.fare_minor if entry.section else min(fare, passenger.fare_minor),
        )
        for passenger, number in zip(booking.passengers, numbers, strict=True)
    )
    promoted = replace(booking, state=BookingState.CONFIRMED, passengers=seated, ticket_number=0)
    record_change(run, with_refund_due(promoted, paid - promoted.price.minor, now), EventType.BOOKING_PROMOTED, now)
