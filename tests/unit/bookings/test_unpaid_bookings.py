"""CancelUnpaid: the booking ends, its seats are free, and nothing is charged or refunded."""

from __future__ import annotations

from app.domain.booking import Booking, BookingState
from app.domain.commands import CancelUnpaid
from app.domain.events import EventType
from app.domain.people import Caller
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW, a_run, book, cancel


def end(run: TrainRun, booking: Booking) -> Booking:
    ended = cancel_unpaid(run, CancelUnpaid(Caller(), booking.reference), NOW)
    assert ended is not None
    return ended


def event_types(run: TrainRun) -> list[EventType]:
    return [event.event_type for event in run.change_set.events]


def test_an_unpaid_booking_is_cancelled_without_a_refund() -> None:
    run = a_run("A1")
    ended = end(run, book(run, "jane"))
    assert (ended.state, ended.charged_minor, ended.refunds) == (BookingState.CANCELLED, 0, ())
    assert run.sections[0].sold_legs == [0]
    assert event_types(run) == [EventType.BOOKING_CANCELLED]


def test_a_booking_that_was_cancelled_before_its_payment_failed_has_no_charge_and_no_refund() -> None:
    run = a_run("A1")
    cancelled = cancel(run, book(run, "jane"))
    assert (cancelled.charged_minor, len(cancelled.refunds)) == (2_000, 1)
    book(run, "joe")
    ended = end(run, cancelled)
    assert (ended.state, ended.charged_minor, ended.refunds) == (BookingState.CANCELLED, 0, ())
    assert run.sections[0].sold_legs == [0b111]
    assert event_types(run) == [EventType.BOOKING_CHANGED]


def test_cancelling_an_unpaid_booking_again_changes_nothing() -> None:
    run = a_run("A1")
    ended = end(run, book(run, "jane"))
    run.committed()
    assert end(run, ended) == ended
    assert not run.change_set
