"""The states of a payment: every answer of a provider, early, late or twice."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from app.domain.money import Money
from app.domain.payments import (
    ATTEMPTS_KEPT_MAX,
    DETAIL_LENGTH_MAX,
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    RefundState,
    after_attempt,
    balance,
    new_payment,
    operation_key,
    pending_refunds,
    refundable_amount,
    with_pending_refund,
)
from tests.support.builders import NOW, seeded_random

AUTHORIZE, CAPTURE, VOID, REFUND = AttemptKind
DONE, DECLINED, FAILED, REJECTED = AttemptOutcome
PRICE = Money(6_000, "EUR")
A_SECOND = timedelta(seconds=1)


def answer(
    kind: AttemptKind,
    outcome: AttemptOutcome = DONE,
    *,
    minor: int = PRICE.minor,
    key: str = "",
    seconds: int = 1,
    detail: str = "",
) -> ProviderAttempt:
    """Build an answer that many seconds after the payment was made."""
    provider_id = f"id of {key or kind}" if outcome is DONE else ""
    return ProviderAttempt(
        kind, key or f"pay_ABC123:{kind}", Money(minor, "EUR"), outcome, detail, NOW + seconds * A_SECOND, provider_id
    )


def payment_after(*attempts: ProviderAttempt) -> Payment:
    payment = new_payment("pay_ABC123", "ledger", PRICE, "tok_1", NOW)
    for attempt in attempts:
        payment = after_attempt(payment, attempt)
    return payment


def a_captured_payment(**refunds: int) -> Payment:
    """Build a captured payment with these pending refunds."""
    payment = payment_after(answer(AUTHORIZE), answer(CAPTURE))
    for refund_id, minor in refunds.items():
        payment = with_pending_refund(payment, refund_id, Money(minor, "EUR"), NOW)
    return payment


def a_payment(state: PaymentState) -> Payment:
    """Build a payment in that state."""
    ways = {
        PaymentState.AUTHORIZING: (),
        PaymentState.AUTHORIZED: (answer(AUTHORIZE),),
        PaymentState.CAPTURED: (answer(AUTHORIZE), answer(CAPTURE)),
        PaymentState.VOIDED: (answer(AUTHORIZE), answer(VOID)),
        PaymentState.DECLINED: (answer(AUTHORIZE, DECLINED),),
    }
    payment = payment_after(*ways[state])
    assert payment.state is state
    return payment


# -- from authorization to refund


def test_money_is_authorized_then_captured_then_refunded() -> None:
    payment = payment_after(answer(AUTHORIZE))
    assert (payment.authorization_id, payment.is_paid, balance(payment).minor) == ("id of AUTHORIZE", False, 0)
    payment = after_attempt(payment, answer(CAPTURE))
    assert (payment.is_paid, payment.is_settled, balance(payment)) == (True, True, PRICE)
    payment = with_pending_refund(payment, "r1", Money(2_000, "EUR"), NOW)
    assert (payment.is_settled, balance(payment)) == (False, PRICE)
    payment = after_attempt(payment, answer(REFUND, key="r1", minor=2_000))
    assert (payment.is_settled, balance(payment).minor, refundable_amount(payment).minor) == (True, 4_000, 4_000)
    assert payment.refunds[0].provider_id == "id of r1"


def test_a_new_payment_waits_for_the_provider() -> None:
    payment = payment_after()
    assert (payment.state, payment.is_settled, payment.attempts) == (PaymentState.AUTHORIZING, False, ())
    assert (payment.create_time, payment.update_time) == (NOW, NOW)


def test_a_payment_of_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one minor unit"):
        new_payment("pay_ABC123", "ledger", Money(0, "EUR"), "", NOW)


def test_each_operation_has_a_key_of_its_own_that_never_changes() -> None:
    keys = [operation_key("pay_ABC123", kind) for kind in (AUTHORIZE, CAPTURE, VOID)]
    assert keys == ["pay_ABC123:authorize", "pay_ABC123:capture", "pay_ABC123:void"]
    with pytest.raises(ValueError, match="many refunds"):
        operation_key("pay_ABC123", REFUND)


CHANGES = {
    (PaymentState.AUTHORIZING, AUTHORIZE, DONE): PaymentState.AUTHORIZED,
    (PaymentState.AUTHORIZING, AUTHORIZE, DECLINED): PaymentState.DECLINED,
    (PaymentState.AUTHORIZING, AUTHORIZE, REJECTED): PaymentState.DECLINED,
    (PaymentState.AUTHORIZED, CAPTURE, DONE): PaymentState.CAPTURED,
    (PaymentState.AUTHORIZED, VOID, DONE): PaymentState.VOIDED,
}
KEPT_AS_ATTEMPTS = {
    (PaymentState.AUTHORIZING, AUTHORIZE, FAILED),
    *product([PaymentState.AUTHORIZED], [CAPTURE, VOID], [FAILED, DECLINED, REJECTED]),
}
# A success that arrives twice, and failures that arrive after it.
CHANGE_NOTHING = {
    *product([PaymentState.AUTHORIZED], [AUTHORIZE], AttemptOutcome),
    *product([PaymentState.CAPTURED], [AUTHORIZE, CAPTURE], AttemptOutcome),
    *product([PaymentState.CAPTURED], [VOID], [FAILED, DECLINED, REJECTED]),
    *product([PaymentState.VOIDED], [AUTHORIZE, VOID], AttemptOutcome),
    *product([PaymentState.VOIDED], [CAPTURE], [FAILED, DECLINED, REJECTED]),
    *product([PaymentState.DECLINED], [AUTHORIZE], [FAILED, DECLINED, REJECTED]),
}


@pytest.mark.parametrize(("state", "kind", "outcome"), list(product(PaymentState, [AUTHORIZE, CAPTURE, VOID], AttemptOutcome)))
def test_every_answer_in_every_state_has_one_meaning(state: PaymentState, kind: AttemptKind, outcome: AttemptOutcome) -> None:
    payment, late = a_payment(state), answer(kind, outcome, seconds=9)
    case = state, kind, outcome
    if case in CHANGES:
        changed = after_attempt(payment, late)
        assert (changed.state, changed.attempts[-1], changed.update_time) == (CHANGES[case], late, late.time)
    elif case in KEPT_AS_ATTEMPTS:
        changed = after_attempt(payment, late)
        assert (changed.state, changed.attempts) == (state, (*payment.attempts, late))
        assert balance(changed) == balance(payment)
    elif case in CHANGE_NOTHING:
        assert after_attempt(payment, late) is payment
    else:
        with pytest.raises(ValueError, match="cannot be"):
            after_attempt(payment, late)


@pytest.mark.parametrize("state", [state for state in PaymentState if state is not PaymentState.CAPTURED])
@pytest.mark.parametrize("outcome", AttemptOutcome)
def test_a_payment_that_is_not_captured_has_no_refunds(state: PaymentState, outcome: AttemptOutcome) -> None:
    payment = a_payment(state)
    with pytest.raises(ValueError, match="cannot be"):
        after_attempt(payment, answer(REFUND, outcome, key="r1", minor=1))
    with pytest.raises(ValueError, match="to give back"):
        with_pending_refund(payment, "r1", Money(1, "EUR"), NOW)


# -- answers that are late, doubled or wrong


def test_a_failure_that_arrives_after_the_success_changes_nothing() -> None:
    payment = a_payment(PaymentState.CAPTURED)
    for kind, outcome in product([AUTHORIZE, CAPTURE], [FAILED, DECLINED, REJECTED]):
        assert after_attempt(payment, answer(kind, outcome, seconds=60)) is payment


def test_a_failed_request_may_be_repeated_until_it_is_done() -> None:
    failures = [answer(AUTHORIZE, FAILED, seconds=second) for second in (1, 2, 3)]
    payment = payment_after(*failures, answer(AUTHORIZE, seconds=4))
    assert payment.state is PaymentState.AUTHORIZED
    assert [attempt.outcome for attempt in payment.attempts] == [FAILED, FAILED, FAILED, DONE]


def test_the_same_answer_twice_is_one_attempt() -> None:
    once = payment_after(answer(AUTHORIZE, FAILED, detail="x" * 500))
    assert after_attempt(once, answer(AUTHORIZE, FAILED, detail="x" * 500)) is once


def test_attempts_and_their_details_are_bounded() -> None:
    many = [answer(AUTHORIZE, FAILED, seconds=second, detail="x" * 500) for second in range(50)]
    payment = payment_after(*many)
    assert len(payment.attempts) == ATTEMPTS_KEPT_MAX
    assert payment.attempts[-1].time == many[-1].time
    assert {len(attempt.detail) for attempt in payment.attempts} == {DETAIL_LENGTH_MAX}


def test_an_older_answer_does_not_set_the_update_time_back() -> None:
    payment = payment_after(answer(AUTHORIZE, FAILED, seconds=5), answer(AUTHORIZE, seconds=2))
    assert payment.update_time == NOW + 5 * A_SECOND


@pytest.mark.parametrize(
    "attempt",
    [
        answer(CAPTURE, minor=PRICE.minor + 1),
        answer(CAPTURE, minor=0),
        answer(AUTHORIZE, minor=PRICE.minor - 1),
        ProviderAttempt(CAPTURE, "k", Money(PRICE.minor, "USD"), DONE, "", NOW),
    ],
    ids=["more than was held", "nothing", "a part held", "another currency"],
)
def test_an_answer_with_another_amount_is_an_error(attempt: ProviderAttempt) -> None:
    with pytest.raises(ValueError, match=r"cannot be of|no part of it"):
        after_attempt(a_payment(PaymentState.AUTHORIZED), attempt)


def test_an_authorization_without_the_providers_id_is_an_error() -> None:
    nameless = ProviderAttempt(AUTHORIZE, "k", PRICE, DONE, "", NOW)
    with pytest.raises(ValueError, match="without the provider's id"):
        after_attempt(payment_after(), nameless)


def test_a_part_of_the_authorized_amount_may_be_captured() -> None:
    payment = payment_after(answer(AUTHORIZE), answer(CAPTURE, minor=4_000))
    assert (balance(payment).minor, refundable_amount(payment).minor) == (4_000, 4_000)


# -- refunds


def test_a_refund_stays_pending_through_failures_until_it_is_done() -> None:
    payment = a_captured_payment(r1=2_000)
    for second, outcome in enumerate([FAILED, REJECTED, DECLINED, FAILED]):
        payment = after_attempt(payment, answer(REFUND, outcome, key="r1", minor=2_000, seconds=second))
        (refund,) = pending_refunds(payment)
        assert (refund.state, len(refund.attempts), balance(payment)) == (RefundState.PENDING, second + 1, PRICE)
    payment = after_attempt(payment, answer(REFUND, key="r1", minor=2_000, seconds=9))
    assert (pending_refunds(payment), balance(payment).minor) == ((), 4_000)


@pytest.mark.parametrize("outcome", AttemptOutcome)
def test_an_answer_about_a_refund_that_is_done_changes_nothing(outcome: AttemptOutcome) -> None:
    payment = after_attempt(a_captured_payment(r1=2_000), answer(REFUND, key="r1", minor=2_000))
    assert after_attempt(payment, answer(REFUND, outcome, key="r1", minor=2_000, seconds=9)) is payment


def test_a_refund_added_twice_is_one_refund() -> None:
    payment = a_captured_payment(r1=2_000)
    assert with_pending_refund(payment, "r1", Money(2_000, "EUR"), NOW) is payment
    with pytest.raises(ValueError, match=r"r1 is of EUR 20\.00"):
        with_pending_refund(payment, "r1", Money(1_000, "EUR"), NOW)


@pytest.mark.parametrize("amount", [Money(3_001, "EUR"), Money(0, "EUR"), Money(-1, "EUR"), Money(1, "USD")], ids=str)
def test_more_than_the_captured_amount_is_never_refunded(amount: Money) -> None:
    payment = a_captured_payment(r1=1_000, r2=2_000)
    with pytest.raises(ValueError, match="to give back"):
        with_pending_refund(payment, "r3", amount, NOW)


def test_an_answer_about_another_refund_is_an_error() -> None:
    payment = a_captured_payment(r1=2_000)
    with pytest.raises(ValueError, match="no refund r2"):
        after_attempt(payment, answer(REFUND, key="r2", minor=2_000))
    with pytest.raises(ValueError, match="not of"):
        after_attempt(payment, answer(REFUND, key="r1", minor=1_000))


@pytest.mark.parametrize("seed", range(20))
def test_the_sums_are_right_for_answers_in_any_order(seed: int) -> None:
    chance = seeded_random(seed)
    payment = payment_after()
    done: set[AttemptKind | str] = set()
    for second in range(200):
        kind = chance.choice([AUTHORIZE, CAPTURE, VOID, REFUND])
        refund_id = f"r{chance.randrange(6)}"
        minor = 100 * (1 + int(refund_id[1:])) * 4
        if kind is REFUND and payment.is_paid and minor <= refundable_amount(payment).minor:
            payment = with_pending_refund(payment, refund_id, Money(minor, "EUR"), NOW)
        key = refund_id if kind is REFUND else ""
        attempt = answer(
            kind, chance.choice(list(AttemptOutcome)), key=key, minor=minor if key else PRICE.minor, seconds=second
        )
        before = payment
        try:
            payment = after_attempt(payment, attempt)
        except ValueError:
            assert payment == before
        if payment is not before and attempt.outcome is DONE:
            assert key or kind not in done
            done.add(key or kind)
    given_back = sum(refund.amount.minor for refund in payment.refunds if refund.refund_id in done)
    assert balance(payment).minor == (PRICE.minor if CAPTURE in done else 0) - given_back
    assert 0 <= refundable_amount(payment).minor <= balance(payment).minor
    assert not {CAPTURE, VOID} <= done
