"""Settling: what is to be asked of the payment provider next, so that the money comes to what the booking says.

Belongs here: the decision, from a booking and its payment. Does not: what an answer changes (`payments.py`), nor the asking
(`app/usecases/payments.py`).

A booking says what is to be taken and what is given back; a payment, how far that has come. Whoever compares the two knows the
next step, at any time, after any crash:

    the payment is    and there is            then
    ----------------  ----------------------  -----------------------------------------------
    AUTHORIZING       either                  ask again, under the same key
    AUTHORIZED        a booking               capture what the booking costs; void if that is nothing
                      no booking, for long    void
    CAPTURED          a refund not yet DONE   refund it, also one that was refused: whoever asks for that wants it tried again
    DECLINED, VOIDED  a live booking          nothing to ask: the booking is to be cancelled if it costs anything
"""

import hashlib
from collections.abc import Container
from datetime import datetime, timedelta

from app.domain.booking import Booking
from app.domain.money import Money
from app.domain.payments import (
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    after_attempt,
    operation_key,
    pending_refunds,
    with_pending_refund,
)
from app.domain.people import email_key
from app.domain.values import value

# Payments that one request tries. A buyer whose requests are all let go again, minutes apart, is to begin anew.
AUTHORIZATIONS_PER_REQUEST_MAX = 5
# Providers promise to know a key for a day.
_AUTHORIZING_MAX = timedelta(hours=20)
_FINAL_REFUSALS = (AttemptOutcome.DECLINED, AttemptOutcome.REJECTED)


@value(frozen=True, slots=True)
class PaymentStep:
    """Something to ask of the provider, under a key that stays the same however often it is asked."""

    kind: AttemptKind
    key: str
    amount: Money


def payment_id_for(email: str, request_id: str, attempt: int) -> str:
    """The payment of this request. A further `attempt` begins where the one before was let go without a sale."""
    digest = hashlib.blake2b(f"{email_key(email)}\n{request_id}\n{attempt}".encode(), digest_size=12).hexdigest()
    return f"pay_{digest}"


def add_due_refunds(payment: Payment, booking: Booking) -> Payment:
    """The payment with all refunds that its booking gives back, as soon as something was taken."""
    if payment.state is PaymentState.CAPTURED:
        for refund in booking.refunds:
            payment = with_pending_refund(payment, refund.refund_id, Money(refund.minor, booking.currency), refund.time)
    return payment


def next_step(payment: Payment, booking: Booking | None, refused: Container[str] = ()) -> PaymentStep | None:
    """What to ask next; None when nothing is left. `booking` is None where it is certain that none will rest on the payment.

    `refused` are refunds that the provider has just refused for good: one of them does not keep the others waiting.
    """
    match payment.state:
        case PaymentState.AUTHORIZING:
            return _step(payment, AttemptKind.AUTHORIZE, payment.amount)
        case PaymentState.AUTHORIZED:
            if booking is None or not booking.charged_minor or has_failed(payment):
                return _step(payment, AttemptKind.VOID, payment.amount)
            return _step(payment, AttemptKind.CAPTURE, Money(booking.charged_minor, booking.currency))
        case PaymentState.CAPTURED:
            for refund in pending_refunds(payment):
                if refund.refund_id in refused:
                    continue
                return PaymentStep(AttemptKind.REFUND, refund.refund_id, refund.amount)
    return None


def give_up_unanswered(payment: Payment, now: datetime) -> Payment:
    """The payment, given up if for a day nobody has said whether it is authorized: by then the provider may have forgotten the
    key, and would set the money aside a second time.
    """
    if payment.state is not PaymentState.AUTHORIZING or now - payment.create_time < _AUTHORIZING_MAX:
        return payment
    key = operation_key(payment.payment_id, AttemptKind.AUTHORIZE)
    rejected, detail = AttemptOutcome.REJECTED, "given up: it was never answered"
    return after_attempt(payment, ProviderAttempt(AttemptKind.AUTHORIZE, key, payment.amount, rejected, detail, now))


def was_rejected(payment: Payment) -> bool:
    """Whether the provider said that this authorization cannot be asked for; a card that says no is DECLINED likewise."""
    if payment.state is not PaymentState.DECLINED:
        return False
    return any(one.kind is AttemptKind.AUTHORIZE and one.outcome is AttemptOutcome.REJECTED for one in payment.attempts)


def has_failed(payment: Payment) -> bool:
    """Whether the money will never come: the provider has said a final no before anything was taken."""
    if payment.state in (PaymentState.DECLINED, PaymentState.VOIDED):
        return True
    return payment.state is PaymentState.AUTHORIZED and any(
        attempt.kind is AttemptKind.CAPTURE and attempt.outcome in _FINAL_REFUSALS for attempt in payment.attempts
    )


def _step(payment: Payment, kind: AttemptKind, amount: Money) -> PaymentStep:
    return PaymentStep(kind, operation_key(payment.payment_id, kind), amount)
