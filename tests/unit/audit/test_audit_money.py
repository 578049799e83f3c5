"""What has to hold of all money: sound records give no finding, and each contradiction the one that names it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit.money import PaidBooking, check_booking_balance, check_entry, check_orphan_entry, check_payment
from app.domain.audit.seats import Check, Finding
from app.domain.booking import Booking, BookingState, RefundDue
from app.domain.ledger import EntryRefund, EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome, Payment, PaymentState, ProviderAttempt, Refund, RefundState
from tests.support.builders import NOW, a_run, book

PATIENCE = timedelta(minutes=2)
SOON, LATE = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
PAID = Money(2_000, "USD")
BACK = Money(500, "USD")


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
    return LedgerEntry("pay_1:authorize", PAID, "", "", state, NOW, captured, refunds, update_time=NOW)


def checks_of(findings: list[Finding]) -> list[Check]:
    return [one.check for one in findings]


def texts_of(findings: list[Finding]) -> str:
    return "; ".join(one.text for one in findings)


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
def test_a_booking_is_in_order_when_its_payment_has_come_to_what_it_says(booking: Booking, payment: Payment | None) -> None:
    assert check_booking_balance(booking, payment, LATE, PATIENCE) == []


@pytest.mark.parametrize(
    ("booking", "payment", "check", "text"),
    [
        (a_booking(), None, Check.RECORDED, "charges USD 20.00, and there is no payment pay_1"),
        (a_booking(), a_payment(AUTHORIZED), Check.BALANCE, "nothing was taken: payment pay_1 is AUTHORIZED"),
        (a_booking(), a_payment(DECLINED), Check.BALANCE, "nothing was taken: payment pay_1 is DECLINED"),
        (a_booking(back=500, state=CANCELLED), a_payment(VOIDED), Check.BALANCE, "nothing was taken"),
        (a_booking(charged=0, state=CANCELLED), a_payment(AUTHORIZED), Check.BALANCE, "charges nothing"),
        (a_booking(back=500), a_payment(), Check.BALANCE, "gives back USD 5.00 as BOOKED-1, and payment pay_1 does not know"),
        (a_booking(), a_payment(refund=RefundState.DONE), Check.BALANCE, "gives nothing back as BOOKED-1"),
    ],
)
def test_what_may_be_under_way_is_wrong_only_after_some_patience(
    booking: Booking, payment: Payment | None, check: Check, text: str
) -> None:
    assert check_booking_balance(booking, payment, SOON, PATIENCE) == []
    found = check_booking_balance(booking, payment, LATE, PATIENCE)
    assert checks_of(found) == [check]
    assert text in texts_of(found)


@pytest.mark.parametrize(
    ("booking", "payment", "text"),
    [
        (a_booking(), a_payment(taken=1_999), "charges USD 20.00, and payment pay_1 took USD 19.99"),
        (a_booking(charged=0, state=CANCELLED), a_payment(), "charges USD 0.00, and payment pay_1 took USD 20.00"),
        (a_booking(back=400), a_payment(refund=RefundState.DONE), "gives back USD 4.00 as BOOKED-1, and payment pay_1 gives"),
        (a_booking(charged=400, back=500), a_payment(taken=400, refund=RefundState.DONE), "took USD 4.00 and gives back USD 5"),
        (a_booking(), a_payment(AUTHORIZED, taken=2_000), "is AUTHORIZED, and took or gave back money"),
    ],
)
def test_what_no_step_under_way_explains_is_wrong_at_once(booking: Booking, payment: Payment, text: str) -> None:
    found = check_booking_balance(booking, payment, SOON, PATIENCE)
    assert set(checks_of(found)) == {Check.BALANCE}
    assert text in texts_of(found)


def test_two_refunds_under_one_name_are_wrong() -> None:
    booking, payment = a_booking(back=500), a_payment(refund=RefundState.DONE)
    twice = replace(payment, refunds=payment.refunds * 2)
    assert "has two refunds under one name" in texts_of(check_booking_balance(booking, twice, SOON, PATIENCE))


# -- a payment and the bookings of its request

OPEN_MAX = timedelta(minutes=6)
RESTS, OTHER = PaidBooking("BOOKED", "request", "pay_1"), PaidBooking("BOOKED", "request", "pay_0")
STRANGER = PaidBooking("STRANG", "another request", "pay_9")


def test_a_payment_that_a_booking_rests_on_is_in_order_in_every_state() -> None:
    for state in PaymentState:
        assert check_payment(a_payment(state), "request", [STRANGER, RESTS], LATE, OPEN_MAX) == []


def test_money_that_was_taken_without_a_booking_is_wrong_at_once() -> None:
    found = check_payment(a_payment(), "request", [STRANGER], SOON, OPEN_MAX)
    assert checks_of(found) == [Check.CHARGED_FOR]


def test_money_that_was_taken_a_second_time_for_one_request_is_wrong_at_once() -> None:
    found = check_payment(a_payment(), "request", [OTHER], SOON, OPEN_MAX)
    assert checks_of(found) == [Check.CAPTURED_ONCE]
    assert "for booking BOOKED, which rests on payment pay_0" in texts_of(found)


@pytest.mark.parametrize("state", [AUTHORIZING, AUTHORIZED])
def test_money_that_stays_set_aside_without_a_booking_is_wrong_once_it_should_have_been_let_go(state: PaymentState) -> None:
    assert check_payment(a_payment(state), "request", [OTHER], NOW + OPEN_MAX, OPEN_MAX) == []
    assert checks_of(check_payment(a_payment(state), "request", [OTHER], LATE, OPEN_MAX)) == [Check.UNUSED_VOIDED]


@pytest.mark.parametrize("state", [VOIDED, DECLINED])
def test_what_came_to_nothing_needs_no_booking(state: PaymentState) -> None:
    assert check_payment(a_payment(state), "request", [], LATE, OPEN_MAX) == []


def test_more_cannot_be_taken_than_was_set_aside() -> None:
    assert checks_of(check_payment(a_payment(taken=2_001), "request", [RESTS], SOON, OPEN_MAX)) == [Check.BALANCE]


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
def test_a_payment_is_in_order_when_the_ledger_says_the_same(payment: Payment, entry: LedgerEntry | None) -> None:
    assert check_entry(payment, entry, LATE, PATIENCE) == []


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
def test_what_a_payment_says_and_the_ledger_does_not_is_wrong_at_once(payment: Payment, entry: LedgerEntry | None) -> None:
    assert checks_of(check_entry(payment, entry, SOON, PATIENCE)) == [Check.LEDGER]


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
def test_what_the_ledger_says_and_a_payment_does_not_is_wrong_after_some_patience(payment: Payment, entry: LedgerEntry) -> None:
    assert check_entry(payment, entry, SOON, PATIENCE) == []
    assert checks_of(check_entry(payment, entry, LATE, PATIENCE)) == [Check.LEDGER]


def test_an_entry_that_no_payment_knows_is_wrong_after_some_patience_if_it_holds_or_took_money() -> None:
    for state in EntryState:
        wrong = [Check.LEDGER] if state in (EntryState.AUTHORIZED, EntryState.CAPTURED) else []
        assert checks_of(check_orphan_entry(an_entry(state), LATE - PATIENCE)) == wrong
        assert check_orphan_entry(an_entry(state), SOON - PATIENCE) == []


def test_a_refund_that_the_provider_refused_is_owed_and_warned_of() -> None:
    payment = a_payment(refund=RefundState.PENDING)
    for outcome, warnings in ((AttemptOutcome.REJECTED, 1), (AttemptOutcome.DECLINED, 1), (AttemptOutcome.FAILED, 0)):
        attempt = ProviderAttempt(AttemptKind.REFUND, "BOOKED-1", BACK, outcome, "never done", NOW)
        asked = replace(payment, refunds=(replace(payment.refunds[0], attempts=(attempt,)),))
        findings = check_booking_balance(a_booking(back=500), asked, LATE, PATIENCE)
        assert [(one.check, one.is_warning) for one in findings] == [(Check.BALANCE, True)] * warnings
        assert all("owes USD 5.00 as BOOKED-1" in one.text and "never done" in one.text for one in findings)
