"""Amounts that a provider can charge and refund."""

from dataclasses import replace

import pytest

from app.domain.amounts import ANY_AMOUNT
from app.domain.money import Money
from app.domain.rules.cancel_booking import cancel_and_refund
from app.domain.run.new_run import make_run
from app.domain.terms import RefundTier, SalesTerms
from app.payments.stripe.amounts import STRIPE_AMOUNTS, stripe_amount
from tests.support.builders import NOW, TRAVEL_DATE, a_train, asks_to_cancel, book


@pytest.mark.parametrize(
    ("amount", "word"),
    [
        (Money(49, "USD"), "smallest"),
        (Money(29, "GBP"), "smallest"),
        (Money(49, "JPY"), "smallest"),
        (Money(1_499, "CZK"), "smallest"),
        (Money(100_000_000, "USD"), "largest"),
        (Money(1_000_000, "ISK"), "largest"),
        (Money(1_000_000, "UGX"), "largest"),
        (Money(100_000_000, "KWD"), "largest"),
        (Money(5_124, "KWD"), "multiples of KWD 0.010"),
        (Money(1, "TND"), "multiples of TND 0.010"),
        (Money(150, "MGA"), "multiples of MGA 1.00"),
        (Money(5_000, "IQD"), "no currency"),
        (Money(5_000, "XXX"), "no currency"),
    ],
    ids=str,
)
def test_amounts_that_stripe_cannot_charge_are_refused_with_the_reason(amount: Money, word: str) -> None:
    assert word in STRIPE_AMOUNTS.problem_of_charge(amount)


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (Money(50, "USD"), 50),
        (Money(99_999_999, "USD"), 99_999_999),
        (Money(50, "JPY"), 50),
        (Money(1, "ISK"), 100),
        (Money(999_999, "ISK"), 99_999_900),
        (Money(1, "UGX"), 100),
        (Money(5_120, "KWD"), 5_120),
        (Money(10, "BHD"), 10),
        (Money(100, "MGA"), 1),
        (Money(17_501, "HUF"), 17_501),
        (Money(2_001, "TWD"), 2_001),
        (Money(15_000_000_00, "IDR"), 15_000_000_00),
        (Money(1, "BAM"), 1),
    ],
    ids=str,
)
def test_amounts_that_stripe_can_charge_are_sent_in_its_units(amount: Money, units: int) -> None:
    assert STRIPE_AMOUNTS.problem_of_charge(amount) == ""
    assert stripe_amount(amount) == units


@pytest.mark.parametrize(
    ("due", "paid", "given"),
    [
        (501, Money(1_001, "USD"), 501),
        (2_505, Money(5_010, "KWD"), 2_510),
        (2_510, Money(5_010, "KWD"), 2_510),
        (1, Money(10, "OMR"), 10),
        (0, Money(5_010, "KWD"), 0),
        (5_010, Money(5_010, "KWD"), 5_010),
        (5_013, Money(5_013, "KWD"), 5_010),
        (50, Money(100, "MGA"), 100),
        (26, Money(51, "UGX"), 26),
    ],
)
def test_refunds_are_rounded_up_to_the_step_and_never_above_the_amount_paid(due: int, paid: Money, given: int) -> None:
    assert STRIPE_AMOUNTS.refundable_minor(due, paid) == given
    assert ANY_AMOUNT.refundable_minor(due, paid) == due


@pytest.mark.parametrize("fare_minor", [10, 20, 990, 5_010, 5_050])
@pytest.mark.parametrize("percent", [1, 33, 50, 99, 100])
def test_passengers_who_leave_one_by_one_get_no_more_than_was_charged(fare_minor: int, percent: int) -> None:
    terms = SalesTerms((RefundTier(0, percent),))
    run = make_run(a_train("A4", fares={"A": fare_minor}, currency="KWD", terms=terms), TRAVEL_DATE)
    booking = book(run, "ann", "ben", "cem")
    for who in ("ben", "ann", "cem"):
        command = replace(asks_to_cancel(booking, who), amounts=STRIPE_AMOUNTS)
        booking = cancel_and_refund(run, command, NOW).booking
        run.committed()
    shares = [refund.minor for refund in booking.refunds]
    assert all(share % 10 == 0 and share * 100 >= fare_minor * percent for share in shares)
    assert sum(shares) <= booking.charged_minor == 3 * fare_minor
