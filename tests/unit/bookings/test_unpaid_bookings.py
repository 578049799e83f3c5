"""Bookings whose money never came: they end, their seats are free, and they claim no money."""

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


def told(run: TrainRun) -> list[EventType]:
    return [event.event_type for event in run.change_set.events]


def test_an_unpaid_booking_is_cancelled_and_gives_nothing_back() -> None:
    run = a_run("A1")
    ended = end(run, book(run, "jane"))
    assert (ended.state, ended.charged_minor, ended.refunds) == (BookingState.CANCELLED, 0, ())
    assert run.sections[0].sold_legs == [0]
    assert told(run) == [EventType.BOOKING_CANCELLED]


def test_one_that_was_cancelled_before_its_money_failed_to_come_claims_neither_charge_nor_refund() -> None:
    run = a_run("A1")
    cancelled = cancel(run, book(run, "jane"))
    assert (cancelled.charged_minor, len(cancelled.refunds)) == (2_000, 1)
    book(run, "joe")
    ended = end(run, cancelled)
    assert (ended.state, ended.charged_minor, ended.refunds) == (BookingState.CANCELLED, 0, ())
    assert run.sections[0].sold_legs == [0b111]
    assert told(run) == [EventType.BOOKING_CHANGED]


def test_doing_it_again_changes_nothing() -> None:
    run = a_run("A1")
    ended = end(run, book(run, "jane"))
    run.committed()
    assert end(run, ended) == ended
    assert not run.change_set
