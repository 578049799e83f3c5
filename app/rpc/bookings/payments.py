"""Payments and refunds of a booking: values of the domain to messages.

Belongs here: what a booking and a receipt say of money. Does not belong here: the booking itself (`answers.py`).
"""

from collections.abc import Iterable

from app.domain.booking import RefundReason
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome, PaymentState, ProviderAttempt, Refund, RefundState
from app.pb.seatline.v1 import payment_pb2
from app.rpc.wire_values import money, timestamp
from app.usecases.bookings import BookingView

_PAYMENT_STATES = {
    PaymentState.AUTHORIZING: payment_pb2.PAYMENT_STATE_AUTHORIZED,
    PaymentState.AUTHORIZED: payment_pb2.PAYMENT_STATE_AUTHORIZED,
    PaymentState.CAPTURED: payment_pb2.PAYMENT_STATE_CAPTURED,
    PaymentState.VOIDED: payment_pb2.PAYMENT_STATE_VOIDED,
    PaymentState.DECLINED: payment_pb2.PAYMENT_STATE_DECLINED,
}
_ATTEMPT_KINDS = {
    AttemptKind.AUTHORIZE: payment_pb2.PAYMENT_ATTEMPT_KIND_AUTHORIZE,
    AttemptKind.CAPTURE: payment_pb2.PAYMENT_ATTEMPT_KIND_CAPTURE,
    AttemptKind.VOID: payment_pb2.PAYMENT_ATTEMPT_KIND_VOID,
    AttemptKind.REFUND: payment_pb2.PAYMENT_ATTEMPT_KIND_REFUND,
}
_ATTEMPT_OUTCOMES = {
    AttemptOutcome.DONE: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_DONE,
    AttemptOutcome.DECLINED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_DECLINED,
    AttemptOutcome.FAILED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_FAILED,
    AttemptOutcome.REJECTED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_REJECTED,
}
REFUND_REASONS = {
    None: payment_pb2.REFUND_REASON_UNSPECIFIED,  # a refund of an earlier version, or nothing is refunded
    RefundReason.TERMS: payment_pb2.REFUND_REASON_TERMS,
    RefundReason.WAITLIST: payment_pb2.REFUND_REASON_WAITLIST,
    RefundReason.DELAY: payment_pb2.REFUND_REASON_DELAY,
    RefundReason.RUN_CANCELLED: payment_pb2.REFUND_REASON_RUN_CANCELLED,
    RefundReason.LAYOUT: payment_pb2.REFUND_REASON_LAYOUT,
    RefundReason.FARE_DIFFERENCE: payment_pb2.REFUND_REASON_FARE_DIFFERENCE,
}


def fill_payment(message: payment_pb2.Payment, view: BookingView) -> None:
    """Fill in how the booking was paid."""
    value, paid = view.booking, view.payment
    message.payment_id = value.payment_id
    message.amount.CopyFrom(money(Money(value.charged_minor, value.currency)))
    message.state = payment_pb2.PAYMENT_STATE_AUTHORIZED if paid is None else _PAYMENT_STATES[paid.state]
    if paid is not None:
        message.attempt_count = len(paid.attempts)
        message.attempts.extend(map(_attempt, paid.attempts))


def _attempt(value: ProviderAttempt) -> payment_pb2.PaymentAttempt:
    return payment_pb2.PaymentAttempt(
        kind=_ATTEMPT_KINDS[value.kind],
        outcome=_ATTEMPT_OUTCOMES[value.outcome],
        amount=money(value.amount),
        time=timestamp(value.time),
    )


def refunds(view: BookingView) -> Iterable[payment_pb2.Refund]:
    """Yield the refunds of a booking. A refund is PENDING until the provider gives a final answer."""
    asked = {refund.refund_id: refund for refund in view.payment.refunds} if view.payment else {}
    for due in view.booking.refunds:
        refund = asked.get(due.refund_id)
        yield payment_pb2.Refund(
            refund_id=due.refund_id,
            state=_refund_state(refund),
            amount=money(Money(due.minor, view.booking.currency)),
            create_time=timestamp(due.time),
            attempt_count=len(refund.attempts) if refund else 0,
            attempts=map(_attempt, refund.attempts) if refund else (),
            reason=REFUND_REASONS[due.reason],
        )


def _refund_state(refund: Refund | None) -> payment_pb2.RefundState.ValueType:
    if refund is None:
        return payment_pb2.REFUND_STATE_PENDING
    if refund.state is RefundState.DONE:
        return payment_pb2.REFUND_STATE_DONE
    return payment_pb2.REFUND_STATE_FAILED if refund.is_refused else payment_pb2.REFUND_STATE_PENDING
