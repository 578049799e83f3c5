"""What holds of all money: plain functions that hold bookings, payments and our own ledger against each other.

Belongs here: the checks of money. Does not: seats and lines (`seats.py`), nor what is to be asked of a provider
(`app/domain/reconciliation.py`).

Whoever looks while the service sells sees a payment on its way. Each of three records runs ahead of the next: a booking is
decided, the provider is asked, the payment notes the answer. So what a record says and the one ahead of it does not is wrong at
once, as long as the one ahead was read later; what the one ahead says and the other does not yet is wrong only when it has been
so for longer than `tolerance`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.domain.audit.seats import Check, Finding
from app.domain.booking import Booking
from app.domain.ledger import EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.payments import Payment, PaymentState, RefundState
from app.domain.values import value

_OPEN = (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)


@value(frozen=True, slots=True)
class PaidBooking:
    """A booking, as far as the payment that it rests on goes."""

    reference: str
    request_id: str
    payment_id: str


def check_booking_balance(booking: Booking, payment: Payment | None, now: datetime, tolerance: timedelta) -> list[Finding]:
    """What is wrong with the money of a booking: what was taken less all refunds is what it charges less what it gives back."""
    subject = f"booking {booking.reference}"
    if payment is None:
        if not booking.charged_minor or now - booking.create_time <= tolerance:
            return []
        charged = Money(booking.charged_minor, booking.currency)
        return [Finding(Check.RECORDED, subject, f"charges {charged}, and there is no payment {booking.payment_id}")]
    texts = _wrong_balance if payment.is_paid else _wrong_while_unpaid
    findings = [Finding(Check.BALANCE, subject, text) for text in texts(booking, payment, now - tolerance)]
    refused = [refund for refund in payment.refunds if refund.is_refused]
    texts_of_refused = [f"owes {one.amount} as {one.refund_id}, which is refused: {one.attempts[-1].detail}" for one in refused]
    return findings + [Finding(Check.BALANCE, subject, text, is_warning=True) for text in texts_of_refused]


def _wrong_balance(booking: Booking, payment: Payment, before: datetime) -> Iterator[str]:
    """As long as each refund is the same on both sides, so are the sums."""
    name = payment.payment_id
    taken, charged = Money(payment.captured_minor, payment.amount.currency), Money(booking.charged_minor, booking.currency)
    if taken != charged:
        yield f"charges {charged}, and payment {name} took {taken}"
    due = {one.refund_id: one for one in booking.refunds}
    asked = {one.refund_id: one for one in payment.refunds}
    if len(due) < len(booking.refunds) or len(asked) < len(payment.refunds):
        yield f"has two refunds under one name, or payment {name} has"
    for refund_id, refund in asked.items():
        known = due.get(refund_id)
        # The booking may have been read before it was cancelled.
        if known is None and refund.create_time < before:
            yield f"gives nothing back as {refund_id}, and payment {name} gives back {refund.amount} ({refund.state})"
        if known is not None and refund.amount != Money(known.minor, booking.currency):
            given = Money(known.minor, booking.currency)
            yield f"gives back {given} as {refund_id}, and payment {name} gives back {refund.amount}"
    for refund_id, one in due.items():
        if refund_id not in asked and one.time < before:
            yield f"gives back {Money(one.minor, booking.currency)} as {refund_id}, and payment {name} does not know"
    back = sum(one.amount.minor for one in payment.refunds)
    if back > payment.captured_minor:
        yield f"has payment {name}, which took {taken} and gives back {Money(back, taken.currency)}"


def _wrong_while_unpaid(booking: Booking, payment: Payment, before: datetime) -> Iterator[str]:
    if payment.captured_minor or payment.refunds:
        yield f"has payment {payment.payment_id}, which is {payment.state}, and took or gave back money"
    if booking.update_time >= before:
        return
    if booking.charged_minor:
        charged = Money(booking.charged_minor, booking.currency)
        yield f"charges {charged}, and nothing was taken: payment {payment.payment_id} is {payment.state}"
    elif payment.state in _OPEN:
        yield f"charges nothing, and payment {payment.payment_id} is still {payment.state}"


def check_payment(
    payment: Payment, request_id: str, bookings: Sequence[PaidBooking], now: datetime, open_max: timedelta
) -> list[Finding]:
    """What is wrong with a payment as such. `bookings` are those that its request may have made, read after the payment.

    Without a booking, it may be open for `open_max`.
    """
    subject, amount = f"payment {payment.payment_id}", payment.amount
    if payment.captured_minor > amount.minor:
        taken = Money(payment.captured_minor, amount.currency)
        return [Finding(Check.BALANCE, subject, f"took {taken} of {amount}")]
    if any(one.payment_id == payment.payment_id for one in bookings):
        return []
    if payment.is_paid:
        taken = Money(payment.captured_minor, amount.currency)
        other = next((one for one in bookings if one.request_id == request_id), None)
        if other is None:
            return [Finding(Check.CHARGED_FOR, subject, f"took {taken}, and no booking rests on it")]
        text = f"took {taken} for booking {other.reference}, which rests on payment {other.payment_id}"
        return [Finding(Check.CAPTURED_ONCE, subject, text)]
    if payment.state in _OPEN and now - payment.create_time > open_max:
        since = f"{payment.create_time:%Y-%m-%d %H:%M:%S}"
        return [Finding(Check.UNUSED_VOIDED, subject, f"is {payment.state} since {since}, and no booking rests on it")]
    return []


def check_entry(payment: Payment, entry: LedgerEntry | None, now: datetime, tolerance: timedelta) -> list[Finding]:
    """Where our own ledger contradicts a payment that it holds the money of. The entry was read after the payment."""
    subject = f"payment {payment.payment_id}"
    if entry is None:
        if payment.state in (PaymentState.AUTHORIZING, PaymentState.DECLINED):
            return []
        return [Finding(Check.LEDGER, subject, f"is {payment.state}, and the ledger has no entry for it")]
    texts = list(_contradictions(payment, entry))
    if entry.update_time is None or entry.update_time < now - tolerance:
        texts += _unrecorded(payment, entry)
    return [Finding(Check.LEDGER, subject, text) for text in texts]


def _contradictions(payment: Payment, entry: LedgerEntry) -> Iterator[str]:
    """What the payment says and the ledger does not."""
    currency = payment.amount.currency
    if entry.amount != payment.amount:
        yield f"is of {payment.amount}, and the ledger's entry of {entry.amount}"
    if payment.is_paid and entry.state is not EntryState.CAPTURED:
        yield f"is CAPTURED, and the ledger's entry {entry.state}"
    elif payment.is_paid and entry.captured_minor != payment.captured_minor:
        taken, noted = Money(payment.captured_minor, currency), Money(entry.captured_minor, currency)
        yield f"took {taken}, and the ledger's entry {noted}"
    if payment.state is PaymentState.VOIDED and entry.state is not EntryState.VOIDED:
        yield f"is VOIDED, and the ledger's entry {entry.state}"
    noted_refunds = {one.key: one.amount_minor for one in entry.refunds}
    for refund in payment.refunds:
        if refund.state is RefundState.DONE and noted_refunds.get(refund.refund_id) != refund.amount.minor:
            noted = Money(noted_refunds.get(refund.refund_id, 0), currency)
            yield f"gave back {refund.amount} as {refund.refund_id}, and the ledger's entry {noted}"


def _unrecorded(payment: Payment, entry: LedgerEntry) -> Iterator[str]:
    """What the ledger says and the payment does not yet."""
    if entry.state is EntryState.CAPTURED and not payment.is_paid:
        yield f"is {payment.state}, and the ledger's entry CAPTURED"
    if entry.state is EntryState.VOIDED and payment.state is PaymentState.AUTHORIZED:
        yield "is AUTHORIZED, and the ledger's entry VOIDED"
    done = {one.refund_id for one in payment.refunds if one.state is RefundState.DONE}
    for one in entry.refunds:
        if one.key not in done:
            noted = Money(one.amount_minor, entry.amount.currency)
            yield f"has not given anything back as {one.key}, and the ledger's entry {noted}"


def check_orphan_entry(entry: LedgerEntry, before: datetime) -> list[Finding]:
    """What is wrong with an entry of our ledger that no payment knows: since before then it holds or took money."""
    if entry.state not in (EntryState.AUTHORIZED, EntryState.CAPTURED):
        return []
    if entry.update_time is not None and entry.update_time >= before:
        return []
    text = f"is {entry.state} with {entry.amount}, and there is no payment for it"
    return [Finding(Check.LEDGER, f"ledger entry {entry.key}", text)]
