"""Reconciliation: the next request to the payment provider, so that the payment reaches what the booking states.

Belongs here: the decision, from a booking and its payment. Does not belong here: what an answer changes (`payments.py`), or the
request (`app/usecases/payments.py`).

A booking states what to charge and what to refund; a payment, how far that has come. The two alone give the next step, at any
time and after any crash:

    the payment is    and there is            next step
    ----------------  ----------------------  -----------------------------------------------
    AUTHORIZING       either                  ask again, under the same key
    AUTHORIZED        a booking               capture what the booking costs; void if that is nothing
                      no booking, for long    void
    CAPTURED          a refund not yet DONE   refund it; a refused one too, since only an operator settles again
    DECLINED, VOIDED  a live booking          none: cancel the booking if it costs anything
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

# Payments that one request tries. A buyer whose authorizations were all voided, minutes apart, has to send a new request.
AUTHORIZATIONS_PER_REQUEST_MAX = 5
# Providers promise to remember a key for a day.
_AUTHORIZING_MAX = timedelta(hours=20)
_FINAL_REFUSALS = (AttemptOutcome.DECLINED, AttemptOutcome.REJECTED)


@value(frozen=True, slots=True)
class PaymentStep:
    """A request to make to the provider, under a key that is the same for every retry."""

    kind: AttemptKind
    key: str
    amount: Money


def payment_id_for(email: str, request_id: str, attempt: int) -> str:
    """Return the payment id of a request. A further `attempt` starts where the one before was voided without a sale."""
    digest = hashlib.blake2b(f"{email_key(email)}\n{request_id}\n{attempt}".encode(), digest_size=12).hexdigest()
    return f"pay_{digest}"


def add_due_refunds(payment: Payment, booking: Booking) -> Payment:
    """Return the payment with all refunds that its booking states, once it is captured."""
    if payment.state is PaymentState.CAPTURED:
        for refund in booking.refunds:
            payment = with_pending_refund(payment, refund.refund_id, Money(refund.minor, booking.currency), refund.time)
    return payment


def next_step(payment: Payment, booking: Booking | None, refused: Container[str] = ()) -> PaymentStep | None:
    """Return the next step, or None. `booking` is None if no booking will ever use the payment.

    `refused` are the ids of refunds that the provider has just refused for good: they do not keep the others waiting.
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
    """Return the payment, declined if its authorization was not answered for nearly a day.

    By then the provider may have forgotten the key, and a retry would hold the money a second time.
    """
    if payment.state is not PaymentState.AUTHORIZING or now - payment.create_time < _AUTHORIZING_MAX:
        return payment
    key = operation_key(payment.payment_id, AttemptKind.AUTHORIZE)
    rejected, detail = AttemptOutcome.REJECTED, "given up: the provider never answered"
    return after_attempt(payment, ProviderAttempt(AttemptKind.AUTHORIZE, key, payment.amount, rejected, detail, now))


def was_rejected(payment: Payment) -> bool:
    """Whether the provider rejected the authorization. A refused card makes a payment DECLINED as well."""
    if payment.state is not PaymentState.DECLINED:
        return False
    return any(
        attempt.kind is AttemptKind.AUTHORIZE and attempt.outcome is AttemptOutcome.REJECTED for attempt in payment.attempts
    )


def has_failed(payment: Payment) -> bool:
    """Whether the payment can never be captured: the provider refused for good before anything was captured."""
    if payment.state in (PaymentState.DECLINED, PaymentState.VOIDED):
        return True
    return payment.state is PaymentState.AUTHORIZED and any(
        attempt.kind is AttemptKind.CAPTURE and attempt.outcome in _FINAL_REFUSALS for attempt in payment.attempts
    )


def _step(payment: Payment, kind: AttemptKind, amount: Money) -> PaymentStep:
    return PaymentStep(kind, operation_key(payment.payment_id, kind), amount)
