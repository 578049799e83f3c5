"""The next step of a payment: bookings that cost less than was authorized, failed payments and refused refunds."""

from dataclasses import replace

from app.domain.booking import Authorization, Booking, BookingState
from app.domain.commands import CancelUnpaid
from app.domain.money import Money
from app.domain.payments import (
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    after_attempt,
    new_payment,
    with_pending_refund,
)
from app.domain.people import Caller
from app.domain.reconciliation import has_failed, next_step, was_rejected
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW, a_run, asks_for_seats, sell

SET_ASIDE = Money(5_000, "USD")


def authorized_payment() -> Payment:
    """Build a payment with the highest fare of the train authorized."""
    payment = new_payment("pay_1", "ledger", SET_ASIDE, "tok", NOW)
    attempt = ProviderAttempt(AttemptKind.AUTHORIZE, "pay_1:authorize", SET_ASIDE, AttemptOutcome.DONE, "", NOW, "auth_1")
    return after_attempt(payment, attempt)


def free_booking() -> tuple[TrainRun, Booking]:
    """Build a run and a booking for any section that got a seat in the free section."""
    run = a_run("A1 B1", fares={"A": 0, "B": 5_000})
    payment = Authorization("pay_1", "auth_1", SET_ASIDE, NOW)
    return run, sell(run, asks_for_seats("ann", payment=payment))


def test_the_authorization_of_a_free_seat_is_voided() -> None:
    _, booking = free_booking()
    assert booking.charged_minor == 0
    step = next_step(authorized_payment(), booking)
    assert step is not None
    assert (step.kind, step.amount) == (AttemptKind.VOID, SET_ASIDE)


def test_the_authorization_of_a_booking_that_ended_unpaid_is_voided() -> None:
    _, booking = free_booking()
    ended = replace(booking, state=BookingState.CANCELLED, charged_minor=0)
    step = next_step(authorized_payment(), ended)
    assert step is not None
    assert step.kind is AttemptKind.VOID


def test_a_booking_that_costs_something_is_still_captured() -> None:
    _, booking = free_booking()
    step = next_step(authorized_payment(), replace(booking, charged_minor=2_000))
    assert step is not None
    assert (step.kind, step.amount) == (AttemptKind.CAPTURE, Money(2_000, "USD"))


def test_a_free_seat_is_kept_when_its_payment_is_voided() -> None:
    run, booking = free_booking()
    payment = replace(authorized_payment(), state=PaymentState.VOIDED)
    assert has_failed(payment)
    assert cancel_unpaid(run, CancelUnpaid(Caller(), booking.reference), NOW) == booking
    assert not run.change_set


# -- final refusals


def payment_with_a_refused_refund() -> Payment:
    """Build a captured payment with two refunds, of which the provider just refused the first."""
    captured = ProviderAttempt(AttemptKind.CAPTURE, "pay_1:capture", SET_ASIDE, AttemptOutcome.DONE, "", NOW)
    payment = after_attempt(authorized_payment(), captured)
    for name in ("r1", "r2"):
        payment = with_pending_refund(payment, name, Money(1_000, "USD"), NOW)
    rejected = ProviderAttempt(AttemptKind.REFUND, "r1", Money(1_000, "USD"), AttemptOutcome.REJECTED, "never", NOW)
    return after_attempt(payment, rejected)


def test_a_refused_refund_does_not_keep_others_waiting() -> None:
    step = next_step(payment_with_a_refused_refund(), None, {"r1"})
    assert step is not None
    assert (step.kind, step.key) == (AttemptKind.REFUND, "r2")


def test_a_refused_refund_is_retried_when_the_payment_is_settled_again() -> None:
    payment = payment_with_a_refused_refund()
    step = next_step(payment, None)
    assert step is not None
    assert step.key == "r1"
    assert [refund.is_refused for refund in payment.refunds] == [True, False]
    assert not payment.is_settled


def test_a_rejected_authorization_is_distinguished_from_a_declined_card() -> None:
    for outcome, is_rejected in ((AttemptOutcome.REJECTED, True), (AttemptOutcome.DECLINED, False)):
        payment = new_payment("pay_1", "stripe", SET_ASIDE, "tok", NOW)
        payment = after_attempt(
            payment, ProviderAttempt(AttemptKind.AUTHORIZE, "pay_1:authorize", SET_ASIDE, outcome, "no", NOW)
        )
        assert (payment.state, was_rejected(payment)) == (PaymentState.DECLINED, is_rejected)
