"""The end of the waitlist: once it is closed, its bookings expire.

Belongs here: expiring the bookings of a closed waitlist. Does not belong here: when it closes (`waitlist.py`).
"""

from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.booking import BookingState
from app.domain.events import EventType
from app.domain.rules.booking_changes import record_change, with_refund_due
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun


def close_waitlist(run: TrainRun, now: datetime) -> None:
    """Expire the first bookings of a closed waitlist with a full refund, at most `WAITLIST_EXPIRED_PER_DECISION`."""
    if not run.waitlist or now < waitlist_closing_time(run):
        return
    for ticket_number in sorted(run.waitlist)[: limits.WAITLIST_EXPIRED_PER_DECISION]:
        booking = run.bookings[run.waitlist[ticket_number].reference]
        run.leave_waitlist(ticket_number)
        expired = replace(booking, state=BookingState.EXPIRED, ticket_number=0)
        record_change(run, with_refund_due(expired, booking.price.minor, now), EventType.BOOKING_EXPIRED, now)


def has_expired_waitlist(run: TrainRun, now: datetime) -> bool:
    """Whether the waitlist is closed and not yet empty."""
    return bool(run.waitlist) and now >= waitlist_closing_time(run)
