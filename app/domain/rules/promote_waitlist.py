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
from app.domain.rules.booking_changes import changed_data, record_change, with_changed_passengers, with_refund_due
from app.domain.rules.displacement import SeatDemand, Seats, place_unit
from app.domain.rules.sales_windows import opened_sections
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

    Only sections whose sales have opened give seats; whether they have closed again does not matter. Nobody is promoted to
    cancelled legs: the cancellation of the run refunds these bookings.
    """
    if not run.waitlist or now >= waitlist_closing_time(run):
        return
    missing_legs, opened = run.schedule.missing_legs, opened_sections(run, now)
    fronts = [(number, demand) for number, demand in run.waitlist_index.fronts() if not demand[1] & missing_legs]
    while fronts:
        ticket_number, demand = heappop(fronts)
        if not _promote_entry(run, ticket_number, demand, opened, now):
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


def _promote_entry(
    run: TrainRun, ticket_number: int, demand: WaitlistDemand, opened: Sequence[int] | None, now: datetime
) -> bool:
    """Give free seats to the entry with this number and demand. Return whether there are enough.

    `opened` are the sections whose sales have opened, None for all. Displaced passengers get seats of others, too.
    """
    name, legs, count, floor = demand
    if floor is not None or run.retired_sections:
        fare_minor_min = fare_floor(run, demand)
        if fare_minor_min is not None:
            among = opened if floor is None else None
            seats = _unit_seats(run, SeatDemand(name, legs, count, fare_minor_min), among)
            if seats is not None:
                promote_to(run, run.waitlist[ticket_number], seats, now)
            return seats is not None
    found = _next_seats(run, demand, opened)
    if found is None:
        return False
    section, numbers = found
    take_seats(run, section, numbers, legs, by_counter=True)
    _seat(run, run.waitlist[ticket_number], [(section, number) for number in numbers], now)
    return True


def _unit_seats(run: TrainRun, demand: SeatDemand, among: Sequence[int] | None) -> Seats | None:
    """Return seats for a unit, by the steps for displaced passengers, of the sections `among`; None where no step finds any."""
    sections = run.sections if among is None else [run.sections[index] for index in among]
    placement = place_unit(sections, demand, allow_lower=False)
    if placement is None:
        return None
    return placement.seats if among is None else tuple((among[index], number) for index, number in placement.seats)


def _next_seats(run: TrainRun, demand: WaitlistDemand, opened: Sequence[int] | None) -> tuple[int, list[int]] | None:
    """Return the section, by index, and the numbers of the next seats for a demand; None where there are not enough."""
    name, legs, count, _ = demand
    among: Sequence[int] = range(len(run.sections)) if opened is None else opened
    if name:
        index = run.section_index(name)
        among = [index] if index in among else []
    if not any(run.sections[index].has_free(legs, count) for index in among):
        return None
    return next_free_seats(run, name, legs, count, among)


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
    data = changed_data(passenger.number for passenger in seated)
    record_change(run, refunded, EventType.BOOKING_PROMOTED, now, further_data=data)
