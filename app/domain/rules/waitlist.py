"""The waitlist: when it closes, what a place costs, and who may join.

Belongs here: what several rules of the waitlist share. Does not belong here: promotion (`promote_waitlist.py`), the end of the
waitlist (`close_waitlist.py`).

The rules:
1. A booking that finds no seat is paid and joins the end of the run's waitlist. Its passengers count as travelling.
2. Whenever seats come free, the waitlist is promoted from its front: each booking for whose section, legs and passengers there
   are seats gets them in the same commit. A seat that stays free fits no waitlisted booking, so it may be sold.
3. A booking that takes any section has paid the highest fare. It gets the difference back with its seats.
4. The waitlist closes some hours before the train departs. The bookings on it become EXPIRED and are refunded in full.
"""

from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import Booking
from app.domain.commands import CreateBooking
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun


def waitlist_closing_time(run: TrainRun) -> datetime:
    """Return when the waitlist closes: some time before the train departs from its first stop."""
    depart = run.stops[0].depart
    if depart is None:
        raise ValueError("the first stop has no departure")
    return depart - timedelta(minutes=run.terms.waitlist_closes_minutes_before)


def position_in_waitlist(run: TrainRun, booking: Booking) -> int:
    """Return the position of a WAITLISTED booking, from 1."""
    if booking.ticket_number == run.last_ticket_number:
        return len(run.waitlist)
    return run.waitlist_index.position(booking.ticket_number)


def waitlist_fare(run: TrainRun, section: str) -> Money:
    """Return the fare of a place on the waitlist: that of the section, or the highest one where it is empty."""
    if section:
        return run.sections[run.section_index(section)].fare
    return max((section.fare for section in run.sections), key=lambda fare: fare.minor)


def require_waitlist_room(run: TrainRun, command: CreateBooking, user_key: str, now: datetime) -> None:
    """Refuse a booking that may not join the waitlist.

    Refuses WAITLIST_CLOSED; WAITLIST_FULL where the run or the user has as many bookings on it as the limits allow;
    SECTION_FULL for a group that is larger than every section it would take.
    """
    if now >= waitlist_closing_time(run):
        raise Refusal(Reason.WAITLIST_CLOSED, "no seat is free, and the waitlist of this train is closed")
    if len(run.waitlist) >= run.terms.waitlist_max:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and the waitlist is full with {len(run.waitlist)} bookings")
    own = run.waitlisted_count(user_key)
    if own >= limits.WAITLISTED_PER_USER_MAX:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and {own} of your bookings are on this train's waitlist already")
    sections = [run.sections[run.section_index(command.section)]] if command.section else run.sections
    if all(section.size < len(command.passengers) for section in sections):
        raise Refusal(Reason.SECTION_FULL, "no section that you would take has that many seats")
