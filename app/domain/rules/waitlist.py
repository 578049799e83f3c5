"""The waiting list: who joins it, who gets a seat that came free, and when it closes.

Belongs here: joining, promoting, closing. Does not: what frees a seat (`change_booking.py`, `hold_seats.py`), which calls
`promote`.

The rules:
1. A booking that finds no seat is paid and takes the last place in the run's line. Its passengers count as travelling.
2. Whenever seats came free, the line is gone through from the front, and each booking that fits, for its section, its legs and
   all its people, gets its seats in the same commit. So nobody waits while seats fit, and what is left fits nobody who waits:
   it may be sold to whoever comes.
3. Who waits for any section has paid the highest fare, and gets the difference back with the seat.
4. The line closes some hours before the train leaves. Who waits then gets everything back; the booking is EXPIRED.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from heapq import heappop, heappush

from app.domain import limits
from app.domain.booking import Booking, BookingState, RefundDue
from app.domain.commands import CreateBooking, PromoteWaitlist, Promotion
from app.domain.events import EventType, Json
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.domain.rules.seating import next_free_seats, take_seats
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistDemand, WaitlistEntry


def waitlist_closing_time(run: TrainRun) -> datetime:
    """When the line closes: some time before the train leaves its first stop."""
    depart = run.stops[0].depart
    if depart is None:
        raise ValueError("a train leaves its first stop")
    return depart - timedelta(minutes=run.terms.waitlist_closes_minutes_before)


def position_in_waitlist(run: TrainRun, booking: Booking) -> int:
    """The place in the line, from 1. Who has come last has as many before as the line has other places."""
    if booking.ticket_number == run.last_ticket_number:
        return len(run.waitlist)
    return run.waitlist_index.position(booking.ticket_number)


def waitlist_fare(run: TrainRun, section: str) -> Money:
    """What a place in the line costs a passenger: the section's fare, or the highest one for who takes any section."""
    if section:
        return run.sections[run.section_index(section)].fare
    return max((one.fare for one in run.sections), key=lambda fare: fare.minor)


def require_waitlist_room(run: TrainRun, command: CreateBooking, user_key: str, now: datetime) -> None:
    """Refuses WAITLIST_CLOSED; WAITLIST_FULL for a line or a person that has as many places as may be; and SECTION_FULL for a
    group that no section could ever seat.
    """
    if now >= waitlist_closing_time(run):
        raise Refusal(Reason.WAITLIST_CLOSED, "no seat is free, and the waiting list of this train is closed")
    if len(run.waitlist) >= run.terms.waitlist_max:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and {len(run.waitlist)} bookings wait already")
    own = run.waitlisted_count(user_key)
    if own >= limits.WAITLISTED_PER_USER_MAX:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and {own} bookings of yours wait for this train already")
    sections = [run.sections[run.section_index(command.section)]] if command.section else run.sections
    if all(section.size < len(command.passengers) for section in sections):
        raise Refusal(Reason.SECTION_FULL, "no section that you would take has that many seats at all")


def promote(run: TrainRun, now: datetime) -> None:
    """Gives free seats to those who wait, in order, as far as they fit."""
    if not run.waitlist or now >= waitlist_closing_time(run):
        return
    fronts = run.waitlist_index.fronts()
    while fronts:
        number, demand = heappop(fronts)
        found = next_free_seats(run, *demand) if _fits(run, demand) else None
        if found is None:
            continue  # seats only get fewer on the way through the line: nobody behind who wants the same finds any
        _seat(run, run.waitlist[number], *found, now)
        behind = run.waitlist_index.first(demand)
        if behind is not None:
            heappush(fronts, (behind, demand))


def promote_waitlist(run: TrainRun, command: PromoteWaitlist, now: datetime) -> Promotion:
    """Looks over the whole line for an operator, and says who got seats in this step, also by what was due before.

    There is nobody left to find, unless seats came free by other ways than the service's own. A closed line promotes nobody.
    """
    promote(run, now)
    promoted = [event.subject for event in run.change_set.events if event.event_type is EventType.BOOKING_PROMOTED]
    return Promotion(tuple(promoted), len(run.waitlist))


def close_waitlist(run: TrainRun, now: datetime) -> None:
    """Once the line is closed, ends bookings that still wait, the first ones first, some hundred at a time."""
    if not run.waitlist or now < waitlist_closing_time(run):
        return
    for number in sorted(run.waitlist)[: limits.WAITLIST_EXPIRED_PER_DECISION]:
        booking = run.bookings[run.waitlist[number].reference]
        run.leave_waitlist(number)
        expired = with_refund_due(replace(booking, state=BookingState.EXPIRED, ticket_number=0), booking.price.minor, now)
        record_change(run, expired, EventType.BOOKING_EXPIRED, now)


def has_expired_waitlist(run: TrainRun, now: datetime) -> bool:
    """Whether the line is closed and not yet empty."""
    return bool(run.waitlist) and now >= waitlist_closing_time(run)


def with_refund_due(booking: Booking, minor: int, now: datetime) -> Booking:
    """The booking, giving so much back."""
    if not minor:
        return booking
    refund = RefundDue(f"{booking.reference}-{len(booking.refunds) + 1}", minor, now)
    return replace(booking, refunds=(*booking.refunds, refund))


def record_change(run: TrainRun, booking: Booking, kind: EventType, now: datetime, trace_parent: str = "") -> Booking:
    """Keeps a changed booking and tells of it."""
    revision = run.version + 1
    changes_before = booking.changes_before + 1 if booking.revision == revision else 0
    kept = replace(booking, update_time=now, revision=revision, changes_before=changes_before)
    run.put_booking(kept)
    run.emit(kind, kept.reference, event_data(kept), now, trace_parent)
    return kept


def event_data(booking: Booking) -> dict[str, Json]:
    """What an event says of a booking: nothing personal, since events are kept and passed on."""
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


def _fits(run: TrainRun, demand: WaitlistDemand) -> bool:
    """Whether a section has as many seats as wait."""
    section, legs, count = demand
    sections = [run.sections[run.section_index(section)]] if section else run.sections
    return any(one.has_free(legs, count) for one in sections)


def _seat(run: TrainRun, entry: WaitlistEntry, section: int, numbers: list[int], now: datetime) -> None:
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
