"""Rules about a payment by itself: its state follows from its request and from the provider's answers.

Belongs here: ids, attempts, refunds and times of payments. Does not belong here: payments against bookings and the ledger
(`money.py`).
"""

from collections.abc import Collection, Iterator

from app.domain.booking import own_payment_id
from app.domain.payments import (
    ATTEMPTS_KEPT_MAX,
    AttemptKind,
    AttemptOutcome,
    Payment,
    ProviderAttempt,
    Refund,
    RefundState,
    after_attempt,
    new_payment,
    operation_key,
)
from app.domain.reconciliation import AUTHORIZATIONS_PER_REQUEST_MAX, payment_id_for
from app.domain.reference import all_references
from app.domain.values import value


@value(frozen=True, slots=True)
class PaymentRecord:
    """A payment as it is stored: for whose request, in which version, and the names of all providers there are."""

    payment: Payment
    user_key: str
    request_id: str
    version: int
    provider_names: Collection[str]


def wrong_payment_id(record: PaymentRecord) -> Iterator[str]:
    """Find a payment id that does not follow from the request."""
    payment_id, user_key, request_id = record.payment.payment_id, record.user_key, record.request_id
    if payment_id in {payment_id_for(user_key, request_id, attempt) for attempt in range(AUTHORIZATIONS_PER_REQUEST_MAX)}:
        return
    references = all_references(user_key, request_id)
    if not any(payment_id.startswith(own_payment_id(reference, "")) for reference in references):
        yield f"does not follow from request {request_id!r} of its user"


def malformed_payment(record: PaymentRecord) -> Iterator[str]:
    """Find an unknown provider, an impossible version and a negative amount."""
    payment = record.payment
    if payment.provider not in record.provider_names or record.version < 1 or payment.captured_minor < 0:
        yield "has an unknown provider, an impossible version or a negative amount"


def wrong_attempts(record: PaymentRecord) -> Iterator[str]:
    """Replay the attempts and compare the state they lead to."""
    payment = record.payment
    for attempt in payment.attempts:
        if attempt.kind is AttemptKind.REFUND or attempt.key != operation_key(payment.payment_id, attempt.kind):
            yield f"has an attempt of {attempt.kind} under the key {attempt.key}"
        has_provider_id = attempt.kind is AttemptKind.AUTHORIZE and attempt.outcome is AttemptOutcome.DONE
        if bool(attempt.provider_id) != has_provider_id:
            yield f"has an attempt of {attempt.kind} with the provider's id {attempt.provider_id!r}"
    if len(payment.attempts) < ATTEMPTS_KEPT_MAX:  # else the first ones may be gone
        yield from _wrong_replay(payment)


def _wrong_replay(payment: Payment) -> Iterator[str]:
    replayed = new_payment(payment.payment_id, payment.provider, payment.amount, payment.token, payment.create_time)
    for attempt in payment.attempts:
        try:
            replayed = after_attempt(replayed, attempt)
        except ValueError as error:
            yield f"has an impossible attempt: {error}"
            return
    actual = (payment.state, payment.authorization_id, payment.captured_minor)
    if actual != (replayed.state, replayed.authorization_id, replayed.captured_minor):
        yield f"is {payment.state} with {payment.captured_minor} captured; its attempts lead to {replayed.state}"


def wrong_refunds(record: PaymentRecord) -> Iterator[str]:
    """Compare each refund with its attempts."""
    for refund in record.payment.refunds:
        yield from _wrong_refund(refund)


def _wrong_refund(refund: Refund) -> Iterator[str]:
    done = [attempt for attempt in refund.attempts if attempt.outcome is AttemptOutcome.DONE]
    if any(_is_of_another(attempt, refund) for attempt in refund.attempts):
        yield f"has an attempt that is not one at refund {refund.refund_id}"
    has_all = len(refund.attempts) < ATTEMPTS_KEPT_MAX
    if (refund.state is RefundState.DONE) != bool(done) and has_all:
        yield f"has refund {refund.refund_id}, which is {refund.state}; its attempts say otherwise"
    if refund.provider_id != (done[-1].provider_id if done else ""):
        yield f"has refund {refund.refund_id} with another provider's id than its attempts"


def _is_of_another(attempt: ProviderAttempt, refund: Refund) -> bool:
    is_same = (attempt.kind, attempt.key, attempt.amount) == (AttemptKind.REFUND, refund.refund_id, refund.amount)
    return not is_same or attempt.time < refund.create_time


def wrong_times(record: PaymentRecord) -> Iterator[str]:
    """Find a last change at which nothing happened, and attempts out of order."""
    payment = record.payment
    times = {payment.create_time, *(attempt.time for attempt in payment.attempts)}
    for refund in payment.refunds:
        times.update((refund.create_time, *(attempt.time for attempt in refund.attempts)))
    if payment.update_time not in times:
        yield "was last changed at a time at which nothing happened to it"
    moments = [attempt.time for attempt in payment.attempts]
    if moments and (moments != sorted(moments) or moments[0] < payment.create_time):
        yield "has attempts out of order, or from before it was made"
