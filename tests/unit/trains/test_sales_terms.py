"""The sales terms: what a cancellation refunds at which time, what a quote says, and which terms are invalid."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.terms import DEFAULT_TERMS, RefundTier, SalesTerms, check_terms, refund_minor
from app.domain.train import check_train
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    NOW,
    a_run,
    a_train,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    fill,
    move,
)
from tests.support.run_snapshots import invalid, refused, snapshot

A_MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
THREE_TIERS = SalesTerms(refund_tiers=(RefundTier(48, 100), RefundTier(24, 75), RefundTier(2, 10)))


# -- what comes back of an amount


@pytest.mark.parametrize(
    ("left", "refund"),
    [
        (365 * 24 * HOUR, 10_000),
        (48 * HOUR, 10_000),
        (48 * HOUR - A_MOMENT, 7_500),
        (24 * HOUR, 7_500),
        (24 * HOUR - A_MOMENT, 1_000),
        (2 * HOUR, 1_000),
        (2 * HOUR - A_MOMENT, 0),
        (A_MOMENT, 0),
        (timedelta(0), 0),
        (-HOUR, 0),
    ],
)
def test_each_tier_begins_at_its_exact_moment(left: timedelta, refund: int) -> None:
    assert refund_minor(10_000, THREE_TIERS, DEPARTS_LONDON, DEPARTS_LONDON - left) == refund


@pytest.mark.parametrize(
    ("left", "refund"), [(24 * HOUR, 2_000), (24 * HOUR - A_MOMENT, 1_000), (A_MOMENT, 1_000), (timedelta(0), 0)]
)
def test_the_default_terms_refund_all_until_a_day_before_and_then_half(left: timedelta, refund: int) -> None:
    assert refund_minor(2_000, DEFAULT_TERMS, DEPARTS_LONDON, DEPARTS_LONDON - left) == refund


@pytest.mark.parametrize(
    ("paid", "percent", "refund"),
    [(1, 1, 1), (1, 50, 1), (3, 50, 2), (1_999, 33, 660), (2_000, 33, 660), (99, 99, 99), (1, 0, 0), (0, 100, 0), (1, 100, 1)],
)
def test_refunds_are_rounded_up(paid: int, percent: int, refund: int) -> None:
    terms = SalesTerms(refund_tiers=(RefundTier(0, percent),))
    assert refund_minor(paid, terms, DEPARTS_LONDON, NOW) == refund


def test_no_refund_is_more_than_what_was_paid_or_less_than_its_share() -> None:
    for percent in range(101):
        terms = SalesTerms(refund_tiers=(RefundTier(0, percent),))
        for paid in (*range(1, 120), limits.FARE_MINOR_MAX):
            refund = refund_minor(paid, terms, DEPARTS_LONDON, NOW)
            assert refund <= paid
            assert 0 <= 100 * refund - paid * percent < 100


def test_terms_without_tiers_refund_nothing() -> None:
    assert refund_minor(2_000, SalesTerms(refund_tiers=()), DEPARTS_LONDON, NOW) == 0


# -- what a cancellation gives back


def test_the_refund_is_that_of_the_tier_for_each_cancelled_passenger() -> None:
    run = a_run("A4", fares={"A": 1_999}, terms=SalesTerms(refund_tiers=(RefundTier(24, 100), RefundTier(0, 33))))
    booking = book(run, "ann", "ben", "cem")
    early = cancel(run, booking, "ann", now=DEPARTS_LONDON - 24 * HOUR)
    late = cancel(run, early, now=DEPARTS_LONDON - HOUR)
    assert [(refund.refund_id, refund.minor, refund.time) for refund in late.refunds] == [
        (f"{booking.reference}-1", 1_999, DEPARTS_LONDON - 24 * HOUR),
        (f"{booking.reference}-2", 2 * 660, DEPARTS_LONDON - HOUR),
    ]
    assert late.charged_minor == 3 * 1_999


def test_tiers_count_from_when_the_journey_begins_and_not_the_train() -> None:
    run = a_run("A4")
    from_lille, from_london = book(run, "ann", origin=LILLE), book(run, "ben")
    moment = DEPARTS_LILLE - 24 * HOUR
    assert [
        sum(refund.minor for refund in cancel(run, booking, now=moment).refunds) for booking in (from_lille, from_london)
    ] == [
        2_000,
        1_000,
    ]


def test_a_tier_of_nothing_leaves_no_refund() -> None:
    run = a_run("A4", terms=SalesTerms(refund_tiers=(RefundTier(24, 100),)))
    assert cancel(run, book(run), now=DEPARTS_LONDON - 24 * HOUR + A_MOMENT).refunds == ()


def test_after_departure_nothing_is_cancelled_or_refunded() -> None:
    run = a_run("A4")
    booking = book(run)
    with refused(Reason.RUN_DEPARTED, run):
        cancel_booking(run, asks_to_cancel(booking), DEPARTS_LONDON)
    late = cancel(run, booking, now=DEPARTS_LONDON - A_MOMENT)
    assert [refund.minor for refund in late.refunds] == [1_000]


def test_the_refund_for_a_cheaper_seat_is_not_paid_twice() -> None:
    run = a_run("A2 B2", fares={"A": 5_000, "B": 2_000})
    moved = move(run, book(run), section="B", now=DEPARTS_LONDON - HOUR)
    cancelled = cancel(run, moved, now=DEPARTS_LONDON - HOUR)
    assert [refund.minor for refund in cancelled.refunds] == [3_000, 1_000]


def test_a_run_keeps_the_terms_of_the_train_that_it_was_made_from() -> None:
    assert a_run("A1", terms=THREE_TIERS).terms == THREE_TIERS
    assert a_run("A1").terms == DEFAULT_TERMS


# -- quotes


@pytest.mark.parametrize("hours", [49, 48, 30, 24, 5, 2, 1])
@pytest.mark.parametrize("who", [(), ("ben",), ("ann", "cem")])
@pytest.mark.parametrize("waits", [False, True])
def test_a_cancellation_quote_is_the_refund_and_changes_nothing(hours: int, who: tuple[str, ...], waits: bool) -> None:
    run = a_run("A3", fares={"A": 1_999}, terms=replace(THREE_TIERS, waitlist_closes_minutes_before=0))
    if waits:
        fill(run)
        booking = book_waitlisted(run, "ann", "ben", "cem")
    else:
        booking = book(run, "ann", "ben", "cem")
    moment, before = DEPARTS_LONDON - hours * HOUR, snapshot(run)
    quote = cancel_booking(run, asks_to_cancel(booking, *who, validate_only=True), moment)
    assert snapshot(run) == before
    assert not run.change_set
    assert not run.change_set.events
    done = cancel_booking(run, asks_to_cancel(booking, *who), moment)
    assert quote == replace(done, update_time=quote.update_time, revision=quote.revision)


def test_a_journey_of_fewer_legs_is_refunded_like_the_whole_one() -> None:
    run = a_run("A2")
    part, whole = book(run, "ann", destination=ASHFORD), book(run, "ben")
    quotes = [
        cancel_booking(run, asks_to_cancel(booking, validate_only=True), DEPARTS_LONDON - HOUR) for booking in (part, whole)
    ]
    assert [[refund.minor for refund in quote.refunds] for quote in quotes] == [[1_000], [1_000]]


# -- invalid terms


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (SalesTerms(refund_tiers=tuple(RefundTier(20 - hours, 50) for hours in range(11))), "refund_tiers"),
        (SalesTerms(refund_tiers=(RefundTier(24, 101),)), "refund_tiers[0].percent"),
        (SalesTerms(refund_tiers=(RefundTier(24, 100), RefundTier(0, -1))), "refund_tiers[1].percent"),
        (SalesTerms(refund_tiers=(RefundTier(-1, 100),)), "refund_tiers[0].hours_before"),
        (SalesTerms(refund_tiers=(RefundTier(24 * 366 + 1, 100),)), "refund_tiers[0].hours_before"),
        (SalesTerms(refund_tiers=(RefundTier(24, 100), RefundTier(24, 50))), "refund_tiers[1].hours_before"),
        (SalesTerms(refund_tiers=(RefundTier(0, 50), RefundTier(24, 50))), "refund_tiers[1].hours_before"),
        (SalesTerms(refund_tiers=(RefundTier(24, 50), RefundTier(0, 51))), "refund_tiers[1].percent"),
        (SalesTerms(waitlist_closes_minutes_before=-1), "waitlist_closes_before"),
        (SalesTerms(waitlist_closes_minutes_before=30 * 24 * 60 + 1), "waitlist_closes_before"),
        (SalesTerms(waitlist_max=-1), "waitlist_max"),
        (SalesTerms(waitlist_max=limits.WAITLIST_MAX + 1), "waitlist_max"),
    ],
)
def test_terms_that_contradict_themselves_are_refused_under_their_field(terms: SalesTerms, field: str) -> None:
    with invalid(f"terms.{field}"):
        check_terms(terms, "terms")
    with invalid(f"train.{field}"):
        check_train(a_train(terms=terms))


@pytest.mark.parametrize(
    "terms",
    [
        DEFAULT_TERMS,
        THREE_TIERS,
        SalesTerms(refund_tiers=()),
        SalesTerms(refund_tiers=tuple(RefundTier(20 - hours, 50) for hours in range(10))),
        SalesTerms(refund_tiers=(RefundTier(24 * 366, 100), RefundTier(0, 0))),
        SalesTerms(waitlist_closes_minutes_before=0, waitlist_max=0),
        SalesTerms(waitlist_closes_minutes_before=30 * 24 * 60, waitlist_max=limits.WAITLIST_MAX),
    ],
)
def test_terms_up_to_their_limits_are_fine(terms: SalesTerms) -> None:
    check_terms(terms, "terms")
    check_train(a_train(terms=terms))
