"""The waitlist: when it closes, what a place costs, and who may join.

Belongs here: what several rules of the waitlist share. Does not belong here: promotion (`promote_waitlist.py`), the end of the
waitlist (`close_waitlist.py`).

The rules:
1. A booking that finds no seat is paid and joins the end of the run's waitlist. Its passengers count as travelling.
2. Whenever seats come free, the waitlist is promoted from its front: each booking for whose section, legs and passengers there
   are seats gets them in the same commit. A seat that stays free fits no waitlisted booking, so it may be sold.
3. A booking that takes any section has paid the highest fare. It gets the difference back with its seats.
4. The waitlist closes some hours before the train is expected to depart. The bookings on it become EXPIRED and are refunded in
   full. Where others of a booking have seats, the passengers on the waitlist are cancelled, with a full refund.
5. Displaced passengers, who lost their seats by a layout change, wait before all others, the first displaced first. They take
   seats by the steps (a) to (d) of `displacement.py`, and keep their fare. They do not count for the limits on the waitlist.
6. A booking that waits for a section which was removed keeps its position and its fare, and takes seats by the same steps: in a
   section whose fare is not lower than the last one of that section.
7. Bookings get seats of sections whose sales have opened, displaced passengers of any. At an opening, the waitlist comes first.
"""

from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import Booking
from app.domain.commands import CreateBooking
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistDemand


def waitlist_closing_time(run: TrainRun) -> datetime:
    """Return when the waitlist closes: some time before the train is expected to depart from its first stop."""
    return run.schedule.depart_time - timedelta(minutes=run.terms.waitlist_closes_minutes_before)


def position_in_waitlist(run: TrainRun, booking: Booking) -> int:
    """Return the position of a booking on the waitlist, from 1."""
    if booking.ticket_number == run.last_ticket_number:
        return len(run.waitlist)
    return run.waitlist_index.position(booking.ticket_number)


def waitlist_fare(run: TrainRun, section: str) -> Money:
    """Return the fare of a place on the waitlist: that of the section, or the highest one where it is empty."""
    if section:
        return run.sections[run.section_index(section)].fare
    return max((section.fare for section in run.sections), key=lambda fare: fare.minor)


def fare_floor(run: TrainRun, demand: WaitlistDemand) -> int | None:
    """Return the lowest fare, in minor units, of the other sections that a demand takes at no charge; None where it takes none.

    That is the floor of displaced passengers, and the last fare of a section that was removed.
    """
    section, _, _, fare_minor_min = demand
    if fare_minor_min is not None or not section or not run.retired_sections:
        return fare_minor_min
    if any(present.name == section for present in run.sections):
        return None
    return next((removed.fare.minor for removed in run.retired_sections if removed.name == section), None)


def sections_taken(run: TrainRun, demand: WaitlistDemand) -> list[SectionSeats]:
    """Return the sections of which a demand takes seats at no further charge, in the order of sale."""
    name, floor = demand[0], fare_floor(run, demand)
    return [
        section
        for section in run.sections
        if not name or section.name == name or (floor is not None and section.fare.minor >= floor)
    ]


def require_waitlist_room(run: TrainRun, command: CreateBooking, user_key: str, now: datetime) -> None:
    """Refuse a booking that may not join the waitlist. Displaced passengers on it do not count.

    Refuses WAITLIST_CLOSED; WAITLIST_FULL where the run or the user has as many bookings on it as the limits allow;
    SECTION_FULL for a group that is larger than every section it would take.
    """
    if now >= waitlist_closing_time(run):
        raise Refusal(Reason.WAITLIST_CLOSED, "no seat is free, and the waitlist of this train is closed")
    waiting = len(run.waitlist) - run.waitlist_index.displaced_count
    if waiting >= run.terms.waitlist_max:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and the waitlist is full with {waiting} bookings")
    own = run.waitlisted_count(user_key)
    if own >= limits.WAITLISTED_PER_USER_MAX:
        raise Refusal(Reason.WAITLIST_FULL, f"no seat is free, and {own} of your bookings are on this train's waitlist already")
    sections = [run.sections[run.section_index(command.section)]] if command.section else run.sections
    if all(section.seat_count < len(command.passengers) for section in sections):
        raise Refusal(Reason.SECTION_FULL, "no section that you would take has that many seats")
