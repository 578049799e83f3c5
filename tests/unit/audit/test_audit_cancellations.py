"""Audit rules about cancelled runs: a cancelled run gives no finding; each that is broken in one way gives that check's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit.check import Check
from app.domain.booking import BookingState, RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.rules.hold_seats import hold_seats
from app.domain.run.train_run import TrainRun
from tests.support.builders import ASHFORD, NOW, PARIS, a_run, asks_to_hold, book, cancel
from tests.support.disrupted_runs import (
    LATER,
    MINUTE,
    a_cancelled_run,
    ann_of,
    disruptions_found_in,
    events_of,
    with_cancellation,
)

Breakage = Callable[[TrainRun], None]


def lets_ann_travel(run: TrainRun) -> None:
    ann = ann_of(run)
    run.bookings[ann.reference] = replace(ann, state=BookingState.CONFIRMED, refunds=())


def gives_ann_half_of_it(run: TrainRun) -> None:
    ann = ann_of(run)
    refunds = tuple(replace(refund, minor=refund.minor // 2) for refund in ann.refunds)
    run.bookings[ann.reference] = replace(ann, refunds=refunds)


def gives_ann_nothing(run: TrainRun) -> None:
    ann = ann_of(run)
    run.bookings[ann.reference] = replace(ann, refunds=())


def gives_ann_the_share_of_the_terms(run: TrainRun) -> None:
    ann = ann_of(run)
    refunds = tuple(replace(refund, reason=RefundReason.TERMS) for refund in ann.refunds)
    run.bookings[ann.reference] = replace(ann, refunds=refunds)


def changed_cancellation(**fields: object) -> Breakage:
    def change(run: TrainRun) -> None:
        assert run.cancellation is not None
        with_cancellation(run, replace(run.cancellation, **fields))  # type: ignore[arg-type]

    change.__name__ = " and ".join(f"{name} becomes {value}" for name, value in fields.items())
    return change


CANCELLATION_BREAKAGES: list[Breakage] = [
    lets_ann_travel,
    gives_ann_half_of_it,
    gives_ann_nothing,
    gives_ann_the_share_of_the_terms,
    changed_cancellation(from_stop=3),
    changed_cancellation(from_stop=0),
    changed_cancellation(reason=DisruptionReason.TERRORISM),
    changed_cancellation(time=NOW + timedelta(days=1)),
    changed_cancellation(time=NOW + 2 * MINUTE),
    changed_cancellation(complete_time=NOW + timedelta(days=1)),
    changed_cancellation(booking_count=2),
    changed_cancellation(passenger_count=2),
    changed_cancellation(refunded_minor=2_001),
    changed_cancellation(refunded_minor=-1),
]


@pytest.mark.parametrize("breakage", CANCELLATION_BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_cancellation_that_is_broken_in_one_way_is_found(breakage: Breakage) -> None:
    run = a_cancelled_run()
    breakage(run)
    assert Check.CANCELLATIONS in disruptions_found_in(run, LATER)


def test_a_cancellation_that_differs_from_its_event_is_found() -> None:
    events = events_of(a_cancelled_run())
    for breakage in (
        changed_cancellation(from_stop=2),
        changed_cancellation(reason=DisruptionReason.CONGESTION),
        changed_cancellation(time=NOW - MINUTE),
        lambda run: with_cancellation(run, None),
    ):
        run = a_cancelled_run()
        breakage(run)
        assert Check.CANCELLATIONS in disruptions_found_in(run, LATER, events)


def test_a_hold_or_a_waitlist_entry_that_outlives_its_legs_is_found() -> None:
    for fill in (waits_for_paris, holds_a_seat_to_paris):
        run = a_cancelled_run()
        fill(run)
        assert Check.CANCELLATIONS in disruptions_found_in(run, LATER)


def waits_for_paris(run: TrainRun) -> None:
    run.join_waitlist("WAITS1", "A", run.journey(ASHFORD, PARIS).legs, 1)


def holds_a_seat_to_paris(run: TrainRun) -> None:
    cancellation = run.cancellation
    with_cancellation(run, None)
    hold_seats(run, asks_to_hold("hal"), NOW)
    with_cancellation(run, cancellation)


def test_a_booking_that_an_open_cancellation_has_not_reached_is_no_finding_but_what_it_passed_is() -> None:
    run = a_cancelled_run()
    lets_ann_travel(run)
    changed_cancellation(complete_time=None, cursor="", booking_count=0, passenger_count=0, refunded_minor=0)(run)
    assert disruptions_found_in(run, NOW + MINUTE) == set()
    changed_cancellation(cursor=ann_of(run).reference)(run)
    assert disruptions_found_in(run, NOW + MINUTE) == {Check.CANCELLATIONS}


def test_a_cancellation_that_does_not_come_to_an_end_gives_a_warning() -> None:
    run = a_cancelled_run()
    changed_cancellation(complete_time=None)(run)
    assert disruptions_found_in(run, NOW + MINUTE) == set()
    assert disruptions_found_in(run, LATER) == {Check.DUE}


@pytest.mark.parametrize("reason", [RefundReason.DELAY, RefundReason.RUN_CANCELLED, RefundReason.LAYOUT, RefundReason.WAITLIST])
def test_a_refund_for_a_reason_that_the_run_does_not_have_is_found(reason: RefundReason) -> None:
    run = a_run()
    ann = cancel(run, book(run, "ann"))
    run.bookings[ann.reference] = replace(ann, refunds=(replace(ann.refunds[0], reason=reason),))
    assert Check.FARES in disruptions_found_in(run, LATER)
