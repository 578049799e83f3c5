"""CancelBooking: some or all passengers are cancelled and refunded: by the terms, or in full.

Belongs here: the cancellation and its refund. Does not belong here: who may cancel (`access.py`), a booking whose payment
failed (`cancel_unpaid.py`), the shares of the refund (`app/domain/terms.py`).

Everything is refunded where the train is expected 60 minutes late at the destination, or later, and where the journey is
cancelled. A booking can be cancelled until the train is expected to leave its origin; on a cancelled journey, at any time.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.amounts import AmountRules
from app.domain.booking import Booking, Passenger, RefundReason
from app.domain.commands import CancelBooking, Cancellation
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.passenger import named_numbers
from app.domain.rules.access import removes_itself, require_cancellable
from app.domain.rules.booking_changes import changed_data, record_change, with_refund_due, without_passengers
from app.domain.rules.departures import require_not_departed
from app.domain.rules.open_booking import refuse_change_of_cancelled, require_live
from app.domain.rules.promote_waitlist import promote
from app.domain.run.train_run import TrainRun
from app.domain.terms import refund_minor


def cancel_and_refund(run: TrainRun, command: CancelBooking, now: datetime) -> Cancellation:
    """Cancel as `cancel_booking` does. Return the refund of this cancellation too: 0 where it was done before."""
    before = run.find(command.reference)
    known = len(before.refunds) if before else 0
    after = cancel_booking(run, command, now)
    made = after.refunds[known:]
    refund = Money(sum(refund.minor for refund in made), after.currency)
    return Cancellation(after, refund, before or after, made[0].reason if made else None)


def cancel_booking(run: TrainRun, command: CancelBooking, now: datetime) -> Booking:
    """Cancel some or all passengers and free their seats in the same step. A repeated cancellation changes nothing.

    A passenger may leave somebody else's booking; who paid gets the refund, by the same terms. With `validate_only` nothing
    changes, and the result is what would be. Refuses INVALID_FIELD (no such passenger, an address that several have),
    NOT_PERMITTED, ETAG_STALE, RUN_DEPARTED.
    """
    booking = require_cancellable(run.find(command.reference), command)
    leaving = _leaving_passengers(booking, command)
    if not leaving:
        return booking
    require_live(booking, command.etag)
    require_not_departed(run, booking.journey, now)
    changed = _without_passengers(run, booking, leaving, command.amounts, now)
    if not changed.is_live and removes_itself(booking, command.caller):
        changed = replace(changed, is_vacated=True)
    if command.validate_only:
        return changed
    release_seats(run, booking, leaving)
    data = changed_data(passenger.number for passenger in leaving)
    record_change(run, changed, EventType.BOOKING_CANCELLED, now, command.caller.trace_parent, data)
    promote(run, now)
    return run.bookings[booking.reference]  # the rest of a group on the waitlist may have been promoted


def cancel_again(booking: Booking, command: CancelBooking) -> Cancellation:
    """Decide a cancellation of a booking that its run has forgotten: one that was cancelled before stays as it is.

    Refuses what a cancellation refuses on the run.
    """
    booking = require_cancellable(booking, command)
    if _leaving_passengers(booking, command):
        refuse_change_of_cancelled(booking, command)
    return Cancellation(booking, Money(0, booking.currency), booking)


def release_seats(run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...]) -> None:
    """Free the seats of these passengers, and their part of the booking's waitlist entry."""
    waiting = 0
    for passenger in leaving:
        if passenger.seat is None:
            waiting += 1
        else:
            run.release(passenger.seat, booking.journey.legs)
    if not waiting:
        return
    entry = run.waitlist.get(booking.ticket_number)
    if entry is None:
        return  # the booking is newer than this run: no commit of the run succeeds, and it is read and decided again
    if waiting == entry.count:
        run.leave_waitlist(entry.ticket_number)
    else:
        run.replace_waitlist_entry(replace(entry, count=entry.count - waiting))


def _leaving_passengers(booking: Booking, command: CancelBooking) -> tuple[Passenger, ...]:
    """Return the passengers to cancel: nobody where the same cancellation was done before."""
    named = named_numbers(booking, command)
    travelling = {passenger.number: passenger for passenger in booking.passengers} if booking.is_live else {}
    return tuple(travelling[number] for number in named if number in travelling)


def _without_passengers(
    run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...], amounts: AmountRules, now: datetime
) -> Booking:
    """Return the booking without these passengers and with their refund. It is full for passengers without a seat."""
    reason = _refund_reason(run, booking, leaving)
    depart = run.schedule.expected_journey(booking.journey).depart
    back_minor = 0
    for passenger in leaving:
        fare_minor = passenger.fare_minor
        if passenger.seat is not None and reason is RefundReason.TERMS:
            share_minor = refund_minor(fare_minor, run.terms, depart, now)
            fare_minor = amounts.refundable_minor(share_minor, Money(fare_minor, booking.currency))
        back_minor += fare_minor
    return with_refund_due(without_passengers(booking, leaving), back_minor, now, reason)


def _refund_reason(run: TrainRun, booking: Booking, leaving: Iterable[Passenger]) -> RefundReason:
    """Return why the refund of these passengers is what it is. For all reasons but TERMS it is full.

    Of several reasons, the first one counts in this order: what the railway failed to do comes before the terms of the sale.
    """
    schedule, journey = run.schedule, booking.journey
    if schedule.misses(journey.legs):
        return RefundReason.RUN_CANCELLED
    if schedule.late_minutes(journey) >= limits.LATE_MINUTES_FREE_CANCELLATION:
        return RefundReason.DELAY
    if booking.free_cancellation:
        return RefundReason.LAYOUT
    if all(passenger.seat is None for passenger in leaving):
        return RefundReason.WAITLIST
    return RefundReason.TERMS
