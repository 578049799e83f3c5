"""PromoteWaitlist, and the promotion that follows whenever seats come free.

Belongs here: which bookings of the waitlist get seats, and which seats. Does not belong here: what frees seats (the rules that
call `promote`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush

from app.domain.booking import Passenger, RefundReason
from app.domain.commands import PromoteWaitlist, Promotion
from app.domain.events import EventType
from app.domain.rules.booking_changes import record_change, with_changed_passengers, with_refund_due
from app.domain.rules.displacement import SeatDemand, place_unit
from app.domain.rules.seating import next_free_seats, take_seats
from app.domain.rules.waitlist import fare_floor, waitlist_closing_time
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
    """Give free seats to the bookings on the waitlist, in order. Does nothing once the waitlist is closed.

    Nobody is promoted to cancelled legs: the cancellation of the run refunds those who wait for them.
    """
    if not run.waitlist or now >= waitlist_closing_time(run):
        return
    missing_legs = run.schedule.missing_legs
    fronts = [(number, demand) for number, demand in run.waitlist_index.fronts() if not demand[1] & missing_legs]
    while fronts:
        ticket_number, demand = heappop(fronts)
        if not _promote_entry(run, ticket_number, demand, now):
            continue  # free seats only become fewer in this loop, so nobody further back with the same demand finds any
        behind = run.waitlist_index.first(demand)
        if behind is not None:
            heappush(fronts, (behind, demand))


def promote_to(run: TrainRun, entry: WaitlistEntry, seats: Sequence[tuple[int, int]], now: datetime) -> None:
    """Give these free seats (index of the section, number) to the passengers of an entry, in their order.

    Does not move the counter.
    """
    for section, number in seats:
        run.sell(section, number, entry.legs)
    _seat(run, entry, seats, now)


def _promote_entry(run: TrainRun, ticket_number: int, demand: WaitlistDemand, now: datetime) -> bool:
    """Give free seats to the entry with this number and demand. Return whether there are enough."""
    name, legs, count, floor = demand
    if floor is not None or run.retired_sections:
        floor = fare_floor(run, demand)
        if floor is not None:
            placement = place_unit(run.sections, SeatDemand(name, legs, count, floor), allow_lower=False)
            if placement is not None:
                promote_to(run, run.waitlist[ticket_number], placement.seats, now)
            return placement is not None
    found = next_free_seats(run, name, legs, count) if _has_seats(run, demand) else None
    if found is None:
        return False
    section, numbers = found
    take_seats(run, section, numbers, legs, by_counter=True)
    _seat(run, run.waitlist[ticket_number], [(section, number) for number in numbers], now)
    return True


def _has_seats(run: TrainRun, demand: WaitlistDemand) -> bool:
    """Whether a section has as many free seats as the demand needs."""
    name, legs, count, _ = demand
    if name:
        return run.sections[run.section_index(name)].has_free(legs, count)
    return any(section.has_free(legs, count) for section in run.sections)


def _seat(run: TrainRun, entry: WaitlistEntry, seats: Sequence[tuple[int, int]], now: datetime) -> None:
    """Put the waiting passengers of a booking on these seats, which are sold already. Others keep theirs."""
    booking = run.bookings[entry.reference]
    run.leave_waitlist(entry.ticket_number)
    waiting = [passenger for passenger in booking.passengers if passenger.seat is None]
    seated: list[Passenger] = []
    # A booking that is newer than this run may have fewer waiting passengers than its entry says: no commit of the run succeeds
    # then, and it is read and decided again.
    for passenger, (section, number) in zip(waiting, seats, strict=False):
        fare_minor = passenger.fare_minor
        if not entry.section:
            fare_minor = min(fare_minor, run.sections[section].fare.minor)
        seated.append(replace(passenger, seat=run.seat(section, number), fare_minor=fare_minor))
    promoted = with_changed_passengers(booking, seated)
    refund_minor = booking.price.minor - promoted.price.minor
    refunded = with_refund_due(promoted, refund_minor, now, RefundReason.FARE_DIFFERENCE)
    record_change(run, refunded, EventType.BOOKING_PROMOTED, now)
