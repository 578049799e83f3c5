"""The end of the waitlist: once it is closed, all bookings on it are refunded.

Belongs here: expiring the bookings of a closed waitlist, and cancelling the displaced passengers of bookings with seats. Does
not belong here: when it closes (`waitlist.py`).
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.booking import BookingState, RefundReason
from app.domain.events import EventType
from app.domain.rules.booking_changes import changed_data, record_change, with_refund_due, without_passengers
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun


def close_waitlist(run: TrainRun, now: datetime) -> None:
    """End the first entries of a closed waitlist with a full refund, at most `WAITLIST_EXPIRED_PER_DECISION`.

    A booking without seats expires. Where other passengers of the booking have seats, those without one are cancelled. Bookings
    whose journey is cancelled are left to the cancellation of the run (`cancel_next_bookings.py`).
    """
    if not has_expired_waitlist(run, now):
        return
    for ticket_number in sorted(_expiring(run))[: limits.WAITLIST_EXPIRED_PER_DECISION]:
        booking = run.bookings[run.waitlist[ticket_number].reference]
        run.leave_waitlist(ticket_number)
        waiting = [passenger for passenger in booking.passengers if passenger.seat is None]
        if len(waiting) == len(booking.passengers):
            kind, ended = EventType.BOOKING_EXPIRED, replace(booking, state=BookingState.EXPIRED, ticket_number=0)
        else:
            kind, ended = EventType.BOOKING_CANCELLED, without_passengers(booking, waiting)
        fares_minor = sum(passenger.fare_minor for passenger in waiting)
        data = changed_data(passenger.number for passenger in waiting)
        refunded = with_refund_due(ended, fares_minor, now, RefundReason.WAITLIST)
        record_change(run, refunded, kind, now, further_data=data)


def has_expired_waitlist(run: TrainRun, now: datetime) -> bool:
    """Whether the waitlist is closed, and has bookings that expire by that."""
    return bool(run.waitlist) and now >= waitlist_closing_time(run) and bool(_expiring(run))


def _expiring(run: TrainRun) -> Collection[int]:
    """Return the ticket numbers of the entries whose journey is not cancelled."""
    if run.cancellation is None:
        return run.waitlist
    return [number for number, entry in run.waitlist.items() if not run.schedule.misses(entry.legs)]
