"""CancelUnpaid: a booking whose payment failed for good.

Belongs here: the end of an unpaid booking. Does not belong here: when a payment has failed for good (`app/domain/payments.py`).
"""

from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, BookingState
from app.domain.commands import CancelUnpaid
from app.domain.events import EventType
from app.domain.rules.booking_changes import record_change
from app.domain.rules.cancel_booking import release_seats
from app.domain.rules.promote_waitlist import promote
from app.domain.run.train_run import TrainRun


def cancel_unpaid(run: TrainRun, command: CancelUnpaid, now: datetime) -> Booking | None:
    """Cancel a booking that was never paid, without a refund, and free its seats. Return None where there is no such booking.

    A booking that is not live any more keeps its state, and its charge and refunds are removed. A booking that costs nothing
    needs no payment and stays as it is.
    """
    booking = run.find(command.reference)
    if booking is None or not booking.charged_minor:
        return booking
    unpaid = replace(booking, charged_minor=0, refunds=())
    if not booking.is_live:
        return record_change(run, unpaid, EventType.BOOKING_CHANGED, now)
    release_seats(run, booking, booking.passengers)
    cancelled = replace(unpaid, state=BookingState.CANCELLED, ticket_number=0)
    changed = record_change(run, cancelled, EventType.BOOKING_CANCELLED, now)
    promote(run, now)
    return changed
