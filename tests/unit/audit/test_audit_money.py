"""Audit rules about money: consistent records give no finding; each contradiction gives the finding of its check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.audit.check import Check, Finding, run_rules
from app.domain.audit.money import AuditedCharge, AuditedEntry, AuditedPayment, PaidBooking
from app.domain.audit.rules import CHARGE_RULES, LEDGER_ENTRY_RULES, PAYMENT_MONEY_RULES
from app.domain.booking import Booking, BookingState, RefundDue
from app.domain.ledger import EntryRefund, EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome, Payment, PaymentState, ProviderAttempt, Refund, RefundState
from tests.support.builders import NOW, a_run, book

TOLERANCE = timedelta(minutes=2)
SOON, LATE = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
PAID = Money(2_000, "USD")
BACK = Money(500, "USD")
OPEN_MAX = timedelta(minutes=6)
NAMES_IT, NAMES_ANOTHER = PaidBooking("BOOKED", "request", "pay_1"), PaidBooking("BOOKED", "request", "pay_0")
STRANGER = PaidBooking("STRANG", "another request", "pay_9")


def a_booking(*, charged: int = 2_000, back: int = 0, state: BookingState = BookingState.CONFIRMED) -> Booking:
    refunds = (RefundDue("BOOKED-1", back, NOW),) if back else ()
    made = book(a_run(), "jane")
    return replace(made, reference="BOOKED", payment_id="pay_1", charged_minor=charged, refunds=refunds, state=state)


def a_payment(
    state: PaymentState = PaymentState.CAPTURED, *, taken: int | None = None, refund: RefundState | None = None
) -> Payment:
    captured = (2_000 if state is PaymentState.CAPTURED else 0) if taken is None else taken
    refunds = (Refund("BOOKED-1", BACK, refund, NOW),) if refund else ()
    return Payment("pay_1", "ledger", PAID, "", state, NOW, NOW, captured_minor=captured, refunds=refunds)


def an_entry(state: EntryState = EntryState.CAPTURED, *, taken: int | None = None, back: int = 0) -> LedgerEntry:
    captured = (2_000 if state is EntryState.CAPTURED else 0) if taken is None else taken
    refunds = (EntryRefund("BOOKED-1", back),) if back else ()
    return LedgerEntry("pay_1:authorize", PAID, "", "Seatline pay_1", state, NOW, captured, refunds, update_time=NOW)


def check_charge(booking: Booking, payment: Payment | None, now: datetime) -> list[Finding]:
    return run_rules(CHARGE_RULES, "booking BOOKED", AuditedCharge(booking, payment, now - TOLERANCE))


def check_payment(payment: Payment, bookings: Sequence[PaidBooking], now: datetime) -> list[Finding]:
    """Check a payment of request `request` against these bookings; the ledger does not know it, as with another provider."""
    audited = AuditedPayment(payment, "request", bookings, None, now, TOLERANCE, OPEN_MAX, "another ledger")
    return run_rules(PAYMENT_MONEY_RULES, "payment pay_1", audited)


def check_entry(payment: Payment, entry: LedgerEntry | None, now: datetime) -> list[Finding]:
    """Check a payment, which a booking names, against its ledger entry."""
    audited = AuditedPayment(payment, "request", [NAMES_IT], entry, now, TOLERANCE, OPEN_MAX, "ledger")
    return run_rules(PAYMENT_MONEY_RULES, "payment pay_1", audited)


def check_orphan_entry(entry: LedgerEntry, now: datetime) -> list[Finding]:
    refundable = entry.captured_minor if entry.state is EntryState.CAPTURED else 0
    audited = AuditedEntry(entry, refundable, has_payment=False, before=now - TOLERANCE)
    return run_rules(LEDGER_ENTRY_RULES, "ledger entry pay_1:authorize", audited)


def checks_of(findings: list[Finding]) -> list[Check]:
    return [finding.check for finding in findings]


def texts_of(findings: list[Finding]) -> str:
    return "; ".join(finding.text for finding in findings)


CAPTURED, AUTHORIZED, VOIDED = PaymentState.CAPTURED, PaymentState.AUTHORIZED, PaymentState.VOIDED
DECLINED, AUTHORIZING = PaymentState.DECLINED, PaymentState.AUTHORIZING
CANCELLED = BookingState.CANCELLED


# -- a booking and its payment


@pytest.mark.parametrize(
    ("booking", "payment"),
    [
        (a_booking(), a_payment()),
        (a_booking(back=500), a_payment(refund=RefundState.PENDING)),
        (a_booking(back=500, state=CANCELLED), a_payment(refund=RefundState.DONE)),
        (a_booking(charged=0, state=CANCELLED), a_payment(DECLINED)),
        (a_booking(charged=0, state=CANCELLED), a_payment(VOIDED)),
        (a_booking(charged=0), None),
    ],
)
def test_a_booking_is_consistent_with_a_payment_that_captured_and_refunded_what_it_states(
    booking: Booking, payment: Payment | None
) -> None:
    assert check_charge(booking, payment, LATE) == []


@pytest.mark.parametrize(
    ("booking", "payment", "check", "text"),
    [
        (a_booking(), None, Check.RECORDED, "charges USD 20.00, and there is no payment pay_1"),
        (a_booking(), a_payment(AUTHORIZED), Check.BALANCE, "nothing was captured: payment pay_1 is AUTHORIZED"),
        (a_booking(), a_payment(DECLINED), Check.BALANCE, "nothing was captured: payment pay_1 is DECLINED"),
        (a_booking(back=500, state=CANCELLED), a_payment(VOIDED), Check.BALANCE, "nothing was captured"),
        (a_booking(charged=0, state=CANCELLED), a_payment(AUTHORIZED), Check.BALANCE, "charges nothing"),
        (a_booking(back=500), a_payment(), Check.BALANCE, "refunds USD 5.00 as BOOKED-1, and payment pay_1 has no such refund"),
        (a_booking(), a_payment(refund=RefundState.DONE), Check.BALANCE, "has no refund BOOKED-1"),
    ],
)
def test_a_difference_that_a_step_under_way_explains_is_wrong_only_after_the_tolerance(
    booking: Booking, payment: Payment | None, check: Check, text: str
) -> None:
    assert check_charge(booking, payment, SOON) == []
    found = check_charge(booking, payment, LATE)
    assert checks_of(found) == [check]
    assert text in texts_of(found)


@pytest.mark.parametrize(
    ("booking", "payment", "text"),
    [
        (a_booking(), a_payment(taken=1_999), "charges USD 20.00, and payment pay_1 captured USD 19.99"),
        (a_booking(charged=0, state=CANCELLED), a_payment(), "charges USD 0.00, and payment pay_1 captured USD 20.00"),
        (a_booking(back=400), a_payment(refund=RefundState.DONE), "refunds USD 4.00 as BOOKED-1, and payment pay_1 refunds"),
        (
            a_booking(charged=400, back=500),
            a_payment(taken=400, refund=RefundState.DONE),
            "captured USD 4.00 and refunds USD 5",
        ),
        (a_booking(), a_payment(AUTHORIZED, taken=2_000), "is AUTHORIZED, and captured or refunded money"),
    ],
)
def test_a_difference_that_no_step_under_way_explains_is_wrong_at_once(booking: Booking, payment: Payment, text: str) -> None:
    found = check_charge(booking, payment, SOON)
    assert set(checks_of(found)) == {Check.BALANCE}
    assert text in texts_of(found)


def test_two_refunds_with_one_id_are_wrong() -> None:
    booking, payment = a_booking(back=500), a_payment(refund=RefundState.DONE)
    twice = replace(payment, refunds=payment.refunds * 2)
    assert "has two refunds with one id" in texts_of(check_charge(booking, twice, SOON))


# -- a payment and the bookings of its request


def test_a_payment_that_a_booking_names_is_consistent_in_every_state() -> None:
    for state in PaymentState:
        assert check_payment(a_payment(state), [STRANGER, NAMES_IT], LATE) == []


def test_a_capture_without_a_booking_is_wrong_at_once() -> None:
    found = check_payment(a_payment(), [STRANGER], SOON)
    assert checks_of(found) == [Check.CHARGED_FOR]


def test_a_second_capture_for_one_request_is_wrong_at_once() -> None:
    found = check_payment(a_payment(), [NAMES_ANOTHER], SOON)
    assert checks_of(found) == [Check.CAPTURED_ONCE]
    assert "for booking BOOKED, which names payment pay_0" in texts_of(found)


@pytest.mark.parametrize("state", [AUTHORIZING, AUTHORIZED])
def test_an_authorization_without_a_booking_is_wrong_once_it_should_have_been_voided(state: PaymentState) -> None:
    assert check_payment(a_payment(state), [NAMES_ANOTHER], NOW + OPEN_MAX) == []
    assert checks_of(check_payment(a_payment(state), [NAMES_ANOTHER], LATE)) == [Check.VOIDED]


@pytest.mark.parametrize("state", [VOIDED, DECLINED])
def test_a_voided_or_declined_payment_needs_no_booking(state: PaymentState) -> None:
    assert check_payment(a_payment(state), [], LATE) == []


def test_a_capture_of_more_than_the_amount_is_wrong() -> None:
    assert checks_of(check_payment(a_payment(taken=2_001), [NAMES_IT], SOON)) == [Check.BALANCE]


# -- a payment and our own ledger


@pytest.mark.parametrize(
    ("payment", "entry"),
    [
        (a_payment(), an_entry()),
        (a_payment(refund=RefundState.DONE), an_entry(back=500)),
        (a_payment(refund=RefundState.PENDING), an_entry()),
        (a_payment(AUTHORIZED), an_entry(EntryState.AUTHORIZED)),
        (a_payment(AUTHORIZING), an_entry(EntryState.UNANSWERED)),
        (a_payment(AUTHORIZING), None),
        (a_payment(VOIDED), an_entry(EntryState.VOIDED)),
        (a_payment(DECLINED), None),
    ],
)
def test_a_payment_is_consistent_with_an_entry_that_states_the_same(payment: Payment, entry: LedgerEntry | None) -> None:
    assert check_entry(payment, entry, LATE) == []


@pytest.mark.parametrize(
    ("payment", "entry"),
    [
        (a_payment(), None),
        (a_payment(), an_entry(EntryState.AUTHORIZED)),
        (a_payment(), an_entry(taken=1_999)),
        (a_payment(), replace(an_entry(), amount=BACK)),
        (a_payment(VOIDED), an_entry(EntryState.AUTHORIZED)),
        (a_payment(refund=RefundState.DONE), an_entry()),
        (a_payment(refund=RefundState.DONE), an_entry(back=499)),
    ],
)
def test_a_payment_that_is_ahead_of_its_ledger_entry_is_wrong_at_once(payment: Payment, entry: LedgerEntry | None) -> None:
    assert checks_of(check_entry(payment, entry, SOON)) == [Check.LEDGER]


@pytest.mark.parametrize(
    ("payment", "entry"),
    [
        (a_payment(AUTHORIZED), an_entry()),
        (a_payment(DECLINED), an_entry()),
        (a_payment(AUTHORIZED), an_entry(EntryState.VOIDED)),
        (a_payment(refund=RefundState.PENDING), an_entry(back=500)),
        (a_payment(), an_entry(back=500)),
    ],
)
def test_a_ledger_entry_that_is_ahead_of_its_payment_is_wrong_after_the_tolerance(payment: Payment, entry: LedgerEntry) -> None:
    assert check_entry(payment, entry, SOON) == []
    assert checks_of(check_entry(payment, entry, LATE)) == [Check.LEDGER]


def test_an_entry_with_money_and_without_a_payment_is_wrong_after_the_tolerance() -> None:
    for state in EntryState:
        wrong = [Check.LEDGER] if state in (EntryState.AUTHORIZED, EntryState.CAPTURED) else []
        assert checks_of(check_orphan_entry(an_entry(state), LATE)) == wrong
        assert check_orphan_entry(an_entry(state), SOON) == []


def test_a_refund_that_the_provider_refused_gives_a_warning() -> None:
    payment = a_payment(refund=RefundState.PENDING)
    for outcome, warnings in ((AttemptOutcome.REJECTED, 1), (AttemptOutcome.DECLINED, 1), (AttemptOutcome.FAILED, 0)):
        attempt = ProviderAttempt(AttemptKind.REFUND, "BOOKED-1", BACK, outcome, "never done", NOW)
        asked = replace(payment, refunds=(replace(payment.refunds[0], attempts=(attempt,)),))
        findings = check_charge(a_booking(back=500), asked, LATE)
        assert [(finding.check, finding.is_warning) for finding in findings] == [(Check.BALANCE, True)] * warnings
        assert all("owes USD 5.00 as BOOKED-1" in finding.text and "never done" in finding.text for finding in findings)
