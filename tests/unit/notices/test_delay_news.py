"""Which delays are news, and which refunds are done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking, RefundDue, RefundReason
from app.domain.money import Money
from app.domain.notices.delays import is_delay_news, told_minutes_of
from app.domain.notices.refunds import done_refunds, new_refunds
from app.domain.payments import AttemptKind, AttemptOutcome, Payment, PaymentState, ProviderAttempt, Refund, RefundState
from app.domain.run.delay_record import DelayRecord
from app.domain.run.run_schedule import RunSchedule
from tests.support.builders import NOW, a_run, book


@pytest.mark.parametrize(
    ("minutes", "told", "is_news"),
    [
        (0, None, False),
        (4, None, False),
        (5, None, True),
        (40, 20, True),
        (22, 20, False),
        (16, 20, False),
        (15, 20, True),
        (0, 20, True),
        (0, 3, True),
        (20, 20, False),
        (0, 0, False),
    ],
)
def test_a_delay_is_news_from_five_minutes_and_when_it_ends(minutes: int, told: int | None, is_news: bool) -> None:
    assert is_delay_news(minutes, told) is is_news


@pytest.mark.parametrize(
    ("minutes", "told"), [((0, 0, 0, 0), 0), ((20, 20, 20, 20), 20), ((0, 0, 0, 10), 10), ((25, 10, 10, 10), 25)]
)
def test_the_worse_one_of_both_ends_counts(minutes: tuple[int, ...], told: int) -> None:
    run = a_run("A4")
    journey = book(run).journey
    schedule = RunSchedule(run.stops, DelayRecord(minutes=minutes, report_time=NOW))
    assert told_minutes_of(schedule, journey) == told


def a_refunded_booking(*states: RefundState) -> tuple[Payment, Booking]:
    """Return a payment whose refunds are in these states, made at NOW, and its booking."""
    booking = book(a_run("A4"))
    due = tuple(RefundDue(f"{booking.reference}-{index}", 100, NOW, RefundReason.TERMS) for index in range(len(states)))
    amount = Money(100, "USD")
    done = ProviderAttempt(AttemptKind.REFUND, "", amount, AttemptOutcome.DONE, "", NOW)
    refunds = tuple(
        Refund(refund.refund_id, amount, state, NOW, (done,) if state is RefundState.DONE else ())
        for refund, state in zip(due, states, strict=True)
    )
    payment = Payment("p", "ledger", Money(2_000, "USD"), "", PaymentState.CAPTURED, NOW, NOW, refunds=refunds)
    return payment, replace(booking, refunds=due)


def test_only_what_the_provider_returned_is_done() -> None:
    payment, booking = a_refunded_booking(RefundState.DONE, RefundState.PENDING, RefundState.DONE)
    assert done_refunds(payment, booking) == (booking.refunds[0], booking.refunds[2])
    assert done_refunds(None, booking) == ()


def test_a_refund_is_no_news_after_a_month() -> None:
    payment, booking = a_refunded_booking(RefundState.DONE)
    assert new_refunds(payment, booking, NOW + timedelta(days=29)) == booking.refunds
    assert new_refunds(payment, booking, NOW + timedelta(days=30)) == ()
    assert done_refunds(payment, booking) == booking.refunds
