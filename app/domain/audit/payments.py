"""What holds of each payment and each ledger entry by itself: what it says follows from what was asked and answered.

Belongs here: payments against their attempts, entries against their own sums. Does not: payments against bookings and entries
(`money.py`).
"""

from collections.abc import Iterator

from app.domain.audit.seats import Check, Finding
from app.domain.booking import Booking, own_payment_id
from app.domain.ledger import EntryState, LedgerEntry
from app.domain.payments import (
    ATTEMPTS_KEPT_MAX,
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    Refund,
    RefundState,
    after_attempt,
    new_payment,
    operation_key,
)
from app.domain.reconciliation import AUTHORIZATIONS_PER_REQUEST_MAX, payment_id_for
from app.domain.reference import all_references

_PROVIDERS = ("ledger", "stripe")


def check_attempts(payment: Payment, user_key: str, request_id: str, version: int) -> list[Finding]:
    """What of a payment does not follow from its request and from what the provider answered."""
    subject = f"payment {payment.payment_id}"
    texts = [*_wrong_name(payment, user_key, request_id), *_wrong_attempts(payment), *_wrong_times(payment)]
    for refund in payment.refunds:
        texts += _wrong_refund(refund)
    if payment.provider not in _PROVIDERS or version < 1 or payment.captured_minor < 0:
        texts.append("has a malformed provider, version or amount")
    return [Finding(Check.ATTEMPTS, subject, text) for text in texts]


def _wrong_name(payment: Payment, user_key: str, request_id: str) -> Iterator[str]:
    tried = {payment_id_for(user_key, request_id, attempt) for attempt in range(AUTHORIZATIONS_PER_REQUEST_MAX)}
    if payment.payment_id in tried:
        return
    references = all_references(user_key, request_id)
    if not any(payment.payment_id.startswith(own_payment_id(reference, "")) for reference in references):
        yield f"does not follow from request {request_id!r} of its user"


def _wrong_attempts(payment: Payment) -> Iterator[str]:
    for attempt in payment.attempts:
        if attempt.kind is AttemptKind.REFUND or attempt.key != operation_key(payment.payment_id, attempt.kind):
            yield f"has an attempt at {attempt.kind} under the key {attempt.key}"
        is_named = attempt.kind is AttemptKind.AUTHORIZE and attempt.outcome is AttemptOutcome.DONE
        if bool(attempt.provider_id) != is_named:
            yield f"has an attempt at {attempt.kind} that the provider named {attempt.provider_id!r}"
    if len(payment.attempts) >= ATTEMPTS_KEPT_MAX:  # the first ones may be gone
        return
    replayed = new_payment(payment.payment_id, payment.provider, payment.amount, payment.token, payment.create_time)
    for attempt in payment.attempts:
        try:
            replayed = after_attempt(replayed, attempt)
        except ValueError as error:
            yield f"has an attempt that cannot have been: {error}"
            return
    there = (payment.state, payment.authorization_id, payment.captured_minor)
    if there != (replayed.state, replayed.authorization_id, replayed.captured_minor):
        yield f"is {payment.state} with {payment.captured_minor} taken; its attempts make it {replayed.state}"


def _wrong_refund(refund: Refund) -> Iterator[str]:
    done = [attempt for attempt in refund.attempts if attempt.outcome is AttemptOutcome.DONE]
    if any(_is_of_another(attempt, refund) for attempt in refund.attempts):
        yield f"has an attempt that is not one at refund {refund.refund_id}"
    has_all = len(refund.attempts) < ATTEMPTS_KEPT_MAX
    if (refund.state is RefundState.DONE) != bool(done) and has_all:
        yield f"has refund {refund.refund_id}, which is {refund.state}; its attempts say otherwise"
    if refund.provider_id != (done[-1].provider_id if done else ""):
        yield f"has refund {refund.refund_id} under another name of the provider than its attempts"


def _is_of_another(attempt: ProviderAttempt, refund: Refund) -> bool:
    same = (attempt.kind, attempt.key, attempt.amount) == (AttemptKind.REFUND, refund.refund_id, refund.amount)
    return not same or attempt.time < refund.create_time


def _wrong_times(payment: Payment) -> Iterator[str]:
    """The last change is that of an attempt or a refund; nothing is before the payment was made."""
    times = {payment.create_time, *(attempt.time for attempt in payment.attempts)}
    for refund in payment.refunds:
        times.update((refund.create_time, *(attempt.time for attempt in refund.attempts)))
    if payment.update_time not in times:
        yield "was last changed at a time at which nothing happened to it"
    moments = [attempt.time for attempt in payment.attempts]
    if moments and (moments != sorted(moments) or moments[0] < payment.create_time):
        yield "has attempts out of their order, or from before it was made"


def check_entry_sums(entry: LedgerEntry, refundable_minor: int) -> list[Finding]:
    """What a ledger entry says twice, and differently. `refundable_minor` is what it says is left to give back."""
    return [Finding(Check.LEDGER, f"ledger entry {entry.key}", text) for text in _wrong_sums(entry, refundable_minor)]


def _wrong_sums(entry: LedgerEntry, refundable_minor: int) -> Iterator[str]:
    given_back = sum(refund.amount_minor for refund in entry.refunds)
    is_captured = entry.state is EntryState.CAPTURED
    if refundable_minor != (entry.captured_minor - given_back if is_captured else 0):
        yield f"has {refundable_minor} left to give back, of {entry.captured_minor} less {given_back}"
    if not is_captured and (entry.captured_minor or entry.refunds):
        yield f"is {entry.state}, and took or gave back money"
    if entry.captured_minor > entry.amount.minor or entry.amount.minor < 1 or refundable_minor < 0:
        yield "took more than it holds, or holds nothing"
    payment_id, _, kind = entry.key.rpartition(":")
    if kind != AttemptKind.AUTHORIZE.value.lower() or entry.description != f"Seatline {payment_id}":
        yield "has a description or a key of another payment"
    made, changed = entry.create_time, entry.update_time
    if made is not None and changed is not None and changed < made:
        yield "was changed before it was made"


def check_entry_token(payment: Payment, entry: LedgerEntry) -> list[Finding]:
    """Where a payment and the ledger's entry for it disagree on what the money was asked with, or who holds it."""
    subject = f"payment {payment.payment_id}"
    findings: list[Finding] = []
    if payment.token != entry.token:
        findings.append(Finding(Check.LEDGER, subject, "was asked for with another token than the ledger's entry"))
    if payment.authorization_id and payment.authorization_id != entry.key and payment.state is not PaymentState.AUTHORIZING:
        findings.append(Finding(Check.LEDGER, subject, f"has authorization {payment.authorization_id}, not {entry.key}"))
    return findings


def check_authorization(booking: Booking, payment: Payment) -> list[Finding]:
    """Where a booking and its payment disagree on what was authorized, or on when something was given back."""
    subject = f"booking {booking.reference}"
    findings: list[Finding] = []
    is_deferred = payment.payment_id == own_payment_id(booking.reference, booking.fingerprint)
    expected = "" if is_deferred else payment.authorization_id
    if booking.authorization_id != expected:
        text = f"rests on authorization {booking.authorization_id!r}, and payment {payment.payment_id} on {expected!r}"
        findings.append(Finding(Check.BALANCE, subject, text))
    times = {refund.refund_id: refund.create_time for refund in payment.refunds}
    findings += [
        Finding(Check.BALANCE, subject, f"gives back as {refund.refund_id} at another time than its payment says")
        for refund in booking.refunds
        if times.get(refund.refund_id, refund.time) != refund.time
    ]
    return findings
