"""Rules about money that moved: bookings, payments and our own ledger against each other.

Belongs here: balances, missing and surplus payments, ledger entries against payments. Does not belong here: a payment against
its own attempts (`payments.py`), or what is asked of a provider next (`app/domain/reconciliation.py`).

An audit while the service sells sees payments under way. Each of three records runs ahead of the next: a booking is decided,
the provider is asked, the payment records the answer. If a record states something that the one ahead of it does not, that is
wrong at once, as long as the one ahead was read later. If the one ahead states something that the other does not state yet,
that is wrong only after the tolerance.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.domain.audit.check import WarningText
from app.domain.booking import Booking, own_payment_id
from app.domain.ledger import EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.payments import AttemptKind, Payment, PaymentState, RefundState
from app.domain.values import value

_OPEN = (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)
_HAS_MONEY = (EntryState.AUTHORIZED, EntryState.CAPTURED)


@value(frozen=True, slots=True)
class PaidBooking:
    """A booking as far as its payment is concerned."""

    reference: str
    request_id: str
    payment_id: str


@value(frozen=True, slots=True)
class AuditedCharge:
    """A booking that names a payment, and that payment; None if it is missing. What was due before `before` is late."""

    booking: Booking
    payment: Payment | None
    before: datetime


@value(frozen=True, slots=True)
class AuditedPayment:
    """A payment, its ledger entry, and the bookings that its request may have made, both read after the payment.

    `entry` is None where the ledger has none. A payment without a booking may be open for `open_max`. `ledger_name` is the
    provider that the ledger belongs to.
    """

    payment: Payment
    request_id: str
    bookings: Sequence[PaidBooking]
    entry: LedgerEntry | None
    now: datetime
    tolerance: timedelta
    open_max: timedelta
    ledger_name: str


@value(frozen=True, slots=True)
class AuditedEntry:
    """A ledger entry. `refundable_minor` is what its document says can still be refunded; late means before `before`."""

    entry: LedgerEntry
    refundable_minor: int
    has_payment: bool
    before: datetime


# -- a booking and its payment


def missing_payment(record: AuditedCharge) -> Iterator[str]:
    """Find a charge without a payment."""
    booking = record.booking
    if record.payment is None and booking.charged_minor and booking.create_time < record.before:
        yield f"charges {_charge(booking)}, and there is no payment {booking.payment_id}"


def wrong_balance(record: AuditedCharge) -> Iterator[str]:
    """Compare what was captured and refunded with what the booking charges and refunds."""
    if record.payment is not None and record.payment.is_paid:
        yield from _wrong_sums(record.booking, record.payment)
        yield from _wrong_refunds(record.booking, record.payment, record.before)
    elif record.payment is not None:
        yield from _wrong_while_unpaid(record.booking, record.payment, record.before)


def _wrong_sums(booking: Booking, payment: Payment) -> Iterator[str]:
    captured = Money(payment.captured_minor, payment.amount.currency)
    if captured != _charge(booking):
        yield f"charges {_charge(booking)}, and payment {payment.payment_id} captured {captured}"
    refunded = sum(refund.amount.minor for refund in payment.refunds)
    if refunded > payment.captured_minor:
        total = Money(refunded, captured.currency)
        yield f"has payment {payment.payment_id}, which captured {captured} and refunds {total}"


def _wrong_refunds(booking: Booking, payment: Payment, before: datetime) -> Iterator[str]:
    """Compare the refunds one by one; where all are equal, so are the sums."""
    name = payment.payment_id
    due = {refund.refund_id: refund for refund in booking.refunds}
    asked = {refund.refund_id: refund for refund in payment.refunds}
    if len(due) < len(booking.refunds) or len(asked) < len(payment.refunds):
        yield f"has two refunds with one id, or payment {name} has"
    for refund_id, refund in asked.items():
        known = due.get(refund_id)
        # The booking may have been read before it was cancelled.
        if known is None and refund.create_time < before:
            yield f"has no refund {refund_id}, and payment {name} refunds {refund.amount} ({refund.state})"
        if known is not None and refund.amount != Money(known.minor, booking.currency):
            amount = Money(known.minor, booking.currency)
            yield f"refunds {amount} as {refund_id}, and payment {name} refunds {refund.amount}"
    for refund_id, known in due.items():
        if refund_id not in asked and known.time < before:
            yield f"refunds {Money(known.minor, booking.currency)} as {refund_id}, and payment {name} has no such refund"


def _wrong_while_unpaid(booking: Booking, payment: Payment, before: datetime) -> Iterator[str]:
    if payment.captured_minor or payment.refunds:
        yield f"has payment {payment.payment_id}, which is {payment.state}, and captured or refunded money"
    if booking.update_time >= before:
        return
    if booking.charged_minor:
        yield f"charges {_charge(booking)}, and nothing was captured: payment {payment.payment_id} is {payment.state}"
    elif payment.state in _OPEN:
        yield f"charges nothing, and payment {payment.payment_id} is still {payment.state}"


def refused_refunds(record: AuditedCharge) -> Iterator[str]:
    """Warn of refunds that the provider refused for good: an operator has to see to them."""
    for refund in record.payment.refunds if record.payment is not None else ():
        if refund.is_refused:
            detail = refund.attempts[-1].detail
            yield WarningText(f"owes {refund.amount} as {refund.refund_id}, which the provider refused: {detail}")


def wrong_authorization(record: AuditedCharge) -> Iterator[str]:
    """Compare the authorization that the booking names with that of its payment."""
    booking, payment = record.booking, record.payment
    if payment is None:
        return
    is_deferred = payment.payment_id == own_payment_id(booking.reference, booking.fingerprint)
    expected = "" if is_deferred else payment.authorization_id
    if booking.authorization_id != expected:
        yield f"names authorization {booking.authorization_id!r}, and payment {payment.payment_id} has {expected!r}"


def wrong_refund_times(record: AuditedCharge) -> Iterator[str]:
    """Compare the times of refunds in the booking with those in its payment."""
    payment = record.payment
    times = {refund.refund_id: refund.create_time for refund in payment.refunds} if payment is not None else {}
    for refund in record.booking.refunds:
        if times.get(refund.refund_id, refund.time) != refund.time:
            yield f"has refund {refund.refund_id} at another time than its payment says"


def _charge(booking: Booking) -> Money:
    return Money(booking.charged_minor, booking.currency)


# -- a payment and the bookings of its request


def excess_capture(record: AuditedPayment) -> Iterator[str]:
    """Find a payment that captured more than its amount."""
    payment = record.payment
    if payment.captured_minor > payment.amount.minor:
        yield f"captured {_captured(payment)} of {payment.amount}"


def captured_without_booking(record: AuditedPayment) -> Iterator[str]:
    """Find a captured payment whose request made no booking."""
    if record.payment.is_paid and not _has_booking(record) and _other_booking(record) is None:
        yield f"captured {_captured(record.payment)}, and no booking names it"


def captured_twice(record: AuditedPayment) -> Iterator[str]:
    """Find a captured payment whose request made a booking with another payment."""
    other = _other_booking(record)
    if record.payment.is_paid and not _has_booking(record) and other is not None:
        text = f"captured {_captured(record.payment)} for booking {other.reference}"
        yield f"{text}, which names payment {other.payment_id}"


def unused_authorization(record: AuditedPayment) -> Iterator[str]:
    """Find an authorization without a booking that should have been voided."""
    payment = record.payment
    is_late = record.now - payment.create_time > record.open_max
    if payment.state in _OPEN and is_late and not _has_booking(record):
        yield f"is {payment.state} since {payment.create_time:%Y-%m-%d %H:%M:%S}, and no booking names it"


def _has_booking(record: AuditedPayment) -> bool:
    return any(booking.payment_id == record.payment.payment_id for booking in record.bookings)


def _other_booking(record: AuditedPayment) -> PaidBooking | None:
    return next((booking for booking in record.bookings if booking.request_id == record.request_id), None)


def _captured(payment: Payment) -> Money:
    return Money(payment.captured_minor, payment.amount.currency)


# -- a payment and its ledger entry


def wrong_entry(record: AuditedPayment) -> Iterator[str]:
    """Compare a payment with its ledger entry."""
    payment, entry = record.payment, record.entry
    if payment.provider != record.ledger_name:
        if entry is not None:
            yield f"has provider {payment.provider}, and the ledger has an entry for it"
        return
    if entry is None:
        if payment.state not in (PaymentState.AUTHORIZING, PaymentState.DECLINED):
            yield f"is {payment.state}, and the ledger has no entry for it"
        return
    yield from _contradictions(payment, entry)
    if entry.update_time is None or entry.update_time < record.now - record.tolerance:
        yield from _unrecorded(payment, entry)
    yield from _wrong_identity(payment, entry)


def _contradictions(payment: Payment, entry: LedgerEntry) -> Iterator[str]:
    """Find what the payment states and the ledger does not."""
    currency = payment.amount.currency
    if entry.amount != payment.amount:
        yield f"is of {payment.amount}, and the ledger entry of {entry.amount}"
    if payment.is_paid and entry.state is not EntryState.CAPTURED:
        yield f"is CAPTURED, and the ledger entry {entry.state}"
    elif payment.is_paid and entry.captured_minor != payment.captured_minor:
        yield f"captured {_captured(payment)}, and the ledger entry {Money(entry.captured_minor, currency)}"
    if payment.state is PaymentState.VOIDED and entry.state is not EntryState.VOIDED:
        yield f"is VOIDED, and the ledger entry {entry.state}"
    recorded = {refund.key: refund.amount_minor for refund in entry.refunds}
    for refund in payment.refunds:
        if refund.state is RefundState.DONE and recorded.get(refund.refund_id) != refund.amount.minor:
            amount = Money(recorded.get(refund.refund_id, 0), currency)
            yield f"refunded {refund.amount} as {refund.refund_id}, and the ledger entry {amount}"


def _unrecorded(payment: Payment, entry: LedgerEntry) -> Iterator[str]:
    """Find what the ledger states and the payment does not yet."""
    if entry.state is EntryState.CAPTURED and not payment.is_paid:
        yield f"is {payment.state}, and the ledger entry CAPTURED"
    if entry.state is EntryState.VOIDED and payment.state is PaymentState.AUTHORIZED:
        yield "is AUTHORIZED, and the ledger entry VOIDED"
    done = {refund.refund_id for refund in payment.refunds if refund.state is RefundState.DONE}
    for refund in entry.refunds:
        if refund.key not in done:
            yield f"has not refunded {refund.key}, and the ledger entry {Money(refund.amount_minor, entry.amount.currency)}"


def _wrong_identity(payment: Payment, entry: LedgerEntry) -> Iterator[str]:
    if payment.token != entry.token:
        yield "has another token than the ledger entry"
    if payment.authorization_id and payment.authorization_id != entry.key and payment.state is not PaymentState.AUTHORIZING:
        yield f"has authorization {payment.authorization_id}, not {entry.key}"


# -- a ledger entry by itself


def orphan_entry(record: AuditedEntry) -> Iterator[str]:
    """Find an entry without a payment that has held or captured money for longer than the tolerance."""
    entry = record.entry
    is_late = entry.update_time is None or entry.update_time < record.before
    if not record.has_payment and entry.state in _HAS_MONEY and is_late:
        yield f"is {entry.state} with {entry.amount}, and there is no payment for it"


def wrong_entry_sums(record: AuditedEntry) -> Iterator[str]:
    """Compare the sums of an entry with each other, and its names with its key."""
    entry, refundable = record.entry, record.refundable_minor
    refunded = sum(refund.amount_minor for refund in entry.refunds)
    is_captured = entry.state is EntryState.CAPTURED
    if refundable != (entry.captured_minor - refunded if is_captured else 0):
        yield f"can still refund {refundable}, of {entry.captured_minor} captured less {refunded} refunded"
    if not is_captured and (entry.captured_minor or entry.refunds):
        yield f"is {entry.state}, and captured or refunded money"
    if entry.captured_minor > entry.amount.minor or entry.amount.minor < 1 or refundable < 0:
        yield "captured more than it holds, or holds nothing"
    payment_id, _, kind = entry.key.rpartition(":")
    if kind != AttemptKind.AUTHORIZE.value.lower() or entry.description != f"Seatline {payment_id}":
        yield "has the description or the key of another payment"
    if entry.create_time is not None and entry.update_time is not None and entry.update_time < entry.create_time:
        yield "was changed before it was made"
