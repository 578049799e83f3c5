"""Rules about the cancellation of a run: what it is, what it has left behind, and what everybody got back.

Belongs here: the record of a cancellation against bookings, holds and waitlist, its counts, and the reasons of refunds. Does
not belong here: amounts of refunds by the terms (`bookings.py`), delays (`run_delays.py`), the run's events (`run_events.py`).
"""

from collections.abc import Iterator

from app.domain.audit.check import WarningText
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, BookingState, RefundDue, RefundReason
from app.domain.disruption import check_disruption
from app.domain.events import commit_id
from app.domain.passenger import all_passengers
from app.domain.refusals import InvalidField
from app.domain.rules.booking_changes import CAUSE_RUN_CANCELLED
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun


def wrong_cancellation(record: AuditedRun) -> Iterator[str]:
    """Find a cancellation that nobody can have made: from no stop, without a reason, in the future, or with other times."""
    run, cancellation, latest = record.run, record.run.cancellation, record.now + record.tolerance
    if cancellation is None:
        return
    if not 0 <= cancellation.from_stop < len(run.stops) - 1:
        yield f"is cancelled from stop {cancellation.from_stop} on, and has {len(run.stops)} stops"
    try:
        check_disruption(cancellation.reason, cancellation.evidence)
    except InvalidField as refusal:
        yield f"has a cancellation whose {refusal.message}"
    complete_time = cancellation.complete_time
    if cancellation.time > latest or (complete_time is not None and not cancellation.time <= complete_time <= latest):
        yield f"was cancelled at {cancellation.time}, which was complete at {complete_time}"
    if record.moments is not None and cancellation.time < record.moments.create_time:
        yield f"was cancelled at {cancellation.time}, before it was made"


def left_by_cancellation(record: AuditedRun) -> Iterator[str]:
    """Find what a cancellation should have ended: holds at once, bookings and waitlist entries as far as it has come."""
    run, cancellation = record.run, record.run.cancellation
    if cancellation is None:
        return
    misses, is_complete = run.schedule.misses, not cancellation.is_open
    for hold in run.holds.values():
        if misses(hold.legs):
            yield f"hold {hold.key} is for legs that are cancelled"
    for entry in run.waitlist.values():
        if is_complete and misses(entry.legs):
            yield f"booking {entry.reference} waits for seats on legs that are cancelled"
    for booking in record.bookings.values():
        is_reached = is_complete or booking.reference <= cancellation.cursor
        if booking.is_live and is_reached and misses(booking.journey.legs):
            yield f"booking {booking.reference} is {booking.state}, and its legs are cancelled"
    if cancellation.is_whole and run.layout_reservation is not None:
        yield "is cancelled, and reserves seats for a layout change"


def wrong_cancellation_counts(record: AuditedRun) -> Iterator[str]:
    """Compare the counts of a cancellation with the bookings that it ended.

    Who cancelled after the run was cancelled is not among them. Only the event of a booking tells the two apart, and events are
    deleted some time later. So each count lies between what is known and what is possible.
    """
    cancellation = record.run.cancellation
    if cancellation is None:
        return
    known = [booking for booking in record.bookings.values() if _was_ended_by_cancellation(record, booking)]
    possible = [booking for booking in record.bookings.values() if _may_be_ended_by_cancellation(record.run, booking)]
    for name, counted, least, most in (
        ("bookings", cancellation.booking_count, len(known), len(possible)),
        ("passengers", cancellation.passenger_count, _passengers(known), _passengers(possible)),
        ("minor units", cancellation.refunded_minor, _refunded(known), _refunded(possible)),
    ):
        if not least <= counted <= most:
            yield f"counts {counted} {name} that its cancellation ended; there are {least} to {most}"


def _was_ended_by_cancellation(record: AuditedRun, booking: Booking) -> bool:
    """Whether the last event of the booking says that the run was cancelled."""
    commit = (record.commits or {}).get(commit_id(record.run.run_id, booking.revision), ())
    last = next((event for event in reversed(commit) if event.subject == booking.reference), None)
    return last is not None and last.data.get("cause") == CAUSE_RUN_CANCELLED


def _may_be_ended_by_cancellation(run: TrainRun, booking: Booking) -> bool:
    """Whether the booking ended on cancelled legs, all at once at the end: it got everything back, or had paid nothing."""
    if booking.state is not BookingState.CANCELLED or not run.schedule.misses(booking.journey.legs):
        return False
    refund = _last_refund(booking)
    is_free = not booking.charged_minor or not booking.price.minor
    return is_free or (refund is not None and refund.reason is RefundReason.RUN_CANCELLED)


def _passengers(bookings: list[Booking]) -> int:
    return sum(len(booking.passengers) for booking in bookings)


def _refunded(bookings: list[Booking]) -> int:
    return sum(sum(passenger.fare_minor for passenger in booking.passengers) for booking in bookings)


def _last_refund(booking: Booking) -> RefundDue | None:
    return booking.refunds[-1] if booking.refunds else None


def not_refunded_by_cancellation(record: AuditedRun) -> Iterator[str]:
    """Find bookings that ended with the run, and whose passengers did not all get everything back, or got it twice."""
    run, cancellation = record.run, record.run.cancellation
    for booking in record.bookings.values():
        if booking.state is not BookingState.CANCELLED or not booking.charged_minor:
            continue
        fares = sum(passenger.fare_minor for passenger in booking.passengers)
        last = _last_refund(booking)
        is_ended = _was_ended_by_cancellation(record, booking) or (last and last.reason is RefundReason.RUN_CANCELLED)
        if cancellation is not None and is_ended and fares and (last is None or last.minor != fares):
            refunded = 0 if last is None else last.minor
            yield f"booking {booking.reference} ended with the run, and got {refunded} back of {fares}"
        is_late = cancellation is not None and booking.update_time > cancellation.time
        if is_late and not is_ended and fares and run.schedule.misses(booking.journey.legs):
            yield f"booking {booking.reference} was cancelled after the run was, and did not get everything back for that"


def wrong_refund_reasons(record: AuditedRun) -> Iterator[str]:
    """Find refunds whose reason is not possible for the run or the booking."""
    for booking in record.bookings.values():
        has_reason = False
        for refund in booking.refunds:
            if has_reason and refund.reason is None:
                yield f"booking {booking.reference} has refund {refund.refund_id} without a reason, and an earlier one with it"
            has_reason = has_reason or refund.reason is not None
            if not _is_possible(record.run, booking, refund):
                yield f"booking {booking.reference} has refund {refund.refund_id} for {refund.reason}, which cannot be"
        last, fares = _last_refund(booking), sum(passenger.fare_minor for passenger in booking.passengers)
        ended = (None, RefundReason.WAITLIST)
        if booking.state is BookingState.EXPIRED and fares and last is not None and last.reason not in ended:
            yield f"booking {booking.reference} got no seat, and its last refund is for {last.reason}"


def _is_possible(run: TrainRun, booking: Booking, refund: RefundDue) -> bool:
    match refund.reason:
        case RefundReason.DELAY:
            return run.delay.is_reported
        case RefundReason.RUN_CANCELLED:
            return run.cancellation is not None and run.schedule.misses(booking.journey.legs)
        case RefundReason.LAYOUT:
            return bool(run.layout.revision)
        case RefundReason.WAITLIST:
            return any(passenger.seat is None for passenger in all_passengers(booking)) or _may_have_waited(run)
        case _:
            return True


def _may_have_waited(run: TrainRun) -> bool:
    """Whether anybody ever waited on the run: a seat that came free later hides it."""
    return bool(run.last_ticket_number or run.last_displaced_number)


def open_cancellation(record: AuditedRun) -> Iterator[str]:
    """Warn of a cancellation that has not come to its end some time after it was made: workers bring it there."""
    cancellation: RunCancellation | None = record.run.cancellation
    if cancellation is not None and cancellation.is_open and cancellation.time < record.before:
        since = f"{cancellation.time:%Y-%m-%d %H:%M:%S}"
        yield WarningText(f"is cancelled since {since}, and not all its bookings are; is a worker running?")
