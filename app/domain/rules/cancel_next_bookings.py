"""CancelNextBookings: the bookings of a cancelled run follow, some hundred in a commit.

Belongs here: which bookings a step looks at, their end, and the end of the cancellation. Does not belong here: the first commit
(`cancel_train_run.py`), who submits the steps (`app/usecases/run_maintenance.py`).

The rules:
1. A step looks at the next live bookings in order of their references, and cancels those whose journey touches missing legs.
   A step and its cursor are one commit. So any server may make the next step, also after a crash.
2. Everybody on such a booking gets the fare back in full, once. Who was cancelled before keeps the refund from then.
3. Seats come free and waitlist entries end in the same commit. Where only some legs are missing, free seats go to those on the
   waitlist who do not need the missing legs.
4. The cancellation is complete once a step finds fewer live bookings than it may look at. None comes after that: from the first
   commit on, the run refuses journeys that touch missing legs.
"""

from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.booking import Booking, BookingState, RefundReason
from app.domain.events import EventType
from app.domain.refusals import Reason, Refusal
from app.domain.rules.booking_changes import CAUSE_RUN_CANCELLED, record_change, with_refund_due
from app.domain.rules.cancel_booking import release_seats
from app.domain.rules.promote_waitlist import promote
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings, next_bookings_to_cancel


def cancel_next_bookings(run: TrainRun, command: CancelNextBookings, now: datetime) -> bool:
    """Cancel the next bookings of a cancelled run. Return whether any may be left. Does nothing on other runs.

    Refuses INTERNAL where a passenger's booking was not found; then nothing has changed.
    """
    cancellation = run.cancellation
    if cancellation is None or not cancellation.is_open:
        return False
    references = next_bookings_to_cancel(run)
    for reference in references:
        booking = run.find(reference)
        if booking is None:
            _require_due_before(run, reference)
            break
        if run.schedule.misses(booking.journey.legs):
            cancellation = _counted(cancellation, _cancel(run, booking, now))
        cancellation = replace(cancellation, cursor=reference)
    else:
        if len(references) < limits.CANCELLED_BOOKINGS_PER_COMMIT:
            cancellation = replace(cancellation, complete_time=now)
    if cancellation != run.cancellation:
        run.set_cancellation(cancellation)
    promote(run, now)
    return cancellation.is_open


def _require_due_before(run: TrainRun, reference: str) -> None:
    """Refuse INTERNAL for a booking that was not found, unless the next step may find it.

    What is due by the clock may have ended bookings in this very decision; then later ones take their place, which were not
    loaded for it.
    """
    if not run.change_set:
        raise Refusal(Reason.INTERNAL, f"booking {reference} has passengers on the run, and was not found")


def _cancel(run: TrainRun, booking: Booking, now: datetime) -> Booking:
    """Cancel all who travel on a booking and refund their fares in full. Return the stored booking."""
    release_seats(run, booking, booking.passengers)
    cancelled = replace(booking, state=BookingState.CANCELLED, ticket_number=0)
    refunded = with_refund_due(cancelled, booking.price.minor, now, RefundReason.RUN_CANCELLED)
    return record_change(run, refunded, EventType.BOOKING_CANCELLED, now, further_data={"cause": CAUSE_RUN_CANCELLED})


def _counted(cancellation: RunCancellation, booking: Booking) -> RunCancellation:
    """Count a booking that was just cancelled."""
    return replace(
        cancellation,
        booking_count=cancellation.booking_count + 1,
        passenger_count=cancellation.passenger_count + len(booking.passengers),
        refunded_minor=cancellation.refunded_minor + booking.price.minor,
    )
