"""Contents of notices: bookings as the sender reads them, in every situation that words have to tell.

Belongs here: building a content, and the situations. Does not belong here: assertions, messages (`notice_messages.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.domain.booking import Booking, BookingState, RefundDue, RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.notices.notice import NoticeKind
from app.domain.notices.preferences import Language
from app.domain.people import Person
from app.domain.run.delay_record import DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import TrainRun
from app.domain.ticket.ticket import make_tickets
from app.ports.notices import NoticeContent
from tests.support.builders import NOW, a_run, book, current_booking

JANE = Person("Jane", "Doe", "jane@example.com")
TOM = Person("Tom", "Doe", "")
REFUNDS = (
    RefundDue("refund-1", 1_234, NOW, RefundReason.TERMS),
    RefundDue("refund-2", 2_000, NOW),
)


def a_content(
    kind: NoticeKind = NoticeKind.TICKET,
    *people: Person,
    run: TrainRun | None = None,
    booking: Booking | None = None,
    schedule: RunSchedule | None = None,
    **changed: Any,
) -> NoticeContent:
    """Return the content of a notice to the booker about these people, Jane and Tom by default."""
    run = run or a_run("A9")
    made = book(run, *(people or (JANE, TOM))) if booking is None else booking
    content = NoticeContent(
        kind=kind,
        booking=made,
        passengers=made.passengers,
        is_whole_booking=True,
        recipient_name="Jane Doe",
        schedule=schedule or run.schedule,
        train_number="ES 9014",
        travel_date=run.travel_date,
        content_revision=7,
        language=Language.ENGLISH,
        tickets=make_tickets(made, schedule or run.schedule, "ES 9014", 7),
    )
    return replace(content, **changed)


def late_by(*minutes: int, reason: DisruptionReason = DisruptionReason.INFRASTRUCTURE) -> RunSchedule:
    """Return the schedule of a run that is late by these minutes at its stops, all by the same for one number."""
    stops = a_run("A9").stops
    by_stop = minutes * len(stops) if len(minutes) == 1 else minutes
    return RunSchedule(stops, DelayRecord(by_stop, reason, "", NOW))


def cancelled_from(stop: int) -> RunSchedule:
    """Return the schedule of a run that ends at a stop, or does not run at all (0)."""
    return RunSchedule(a_run("A9").stops, cancellation=RunCancellation(NOW, DisruptionReason.STAFF_STRIKE, from_stop=stop))


def a_waitlisted_booking() -> Booking:
    """Return a booking of two passengers without seats."""
    run = a_run("A9")
    booking = current_booking(run, book(run, JANE, TOM))
    waiting = tuple(replace(passenger, seat=None) for passenger in booking.passengers)
    return replace(booking, state=BookingState.WAITLISTED, passengers=waiting, ticket_number=4)


def an_expired_booking() -> Booking:
    """Return a booking of two passengers whose waitlist closed."""
    return replace(a_waitlisted_booking(), state=BookingState.EXPIRED, ticket_number=0)


def a_cancelled_booking() -> Booking:
    """Return a cancelled booking with two refunds."""
    return replace(book(a_run("A9"), JANE, TOM), state=BookingState.CANCELLED, refunds=REFUNDS)


# What can hold when a notice is sent, whatever its kind: nothing of it may stop the words.
SITUATIONS: Mapping[str, Callable[[NoticeKind], NoticeContent]] = {
    "on time": a_content,
    "alone": lambda kind: a_content(kind, JANE),
    "nine passengers": lambda kind: a_content(kind, *(Person(f"P{number}", "Doe", "") for number in range(9))),
    "late": lambda kind: a_content(kind, schedule=late_by(40)),
    "late into the next day": lambda kind: a_content(kind, schedule=late_by(15 * 60)),
    "late at its departure only": lambda kind: a_content(kind, schedule=late_by(10, 5, 0, 0)),
    "cancelled": lambda kind: a_content(kind, booking=a_cancelled_booking(), refunds=REFUNDS, tickets=()),
    "cancelled run": lambda kind: a_content(kind, schedule=cancelled_from(0), tickets=()),
    "shortened run": lambda kind: a_content(kind, schedule=cancelled_from(2), tickets=()),
    "waitlisted": lambda kind: a_content(kind, booking=a_waitlisted_booking(), tickets=(), waitlist_position=3),
    "expired": lambda kind: a_content(kind, booking=an_expired_booking(), tickets=()),
    "without PDF": lambda kind: a_content(kind, has_pdf=False, pdf_follows=True),
    "one of several recipients": lambda kind: a_content(kind, is_whole_booking=False, refunds=REFUNDS),
    "without a name": lambda kind: a_content(kind, recipient_name=""),
    "nobody left": lambda kind: a_content(kind, passengers=(), tickets=()),
    "unsubscribable": lambda kind: a_content(kind, unsubscribe_token="A1-_" * 34),
}
