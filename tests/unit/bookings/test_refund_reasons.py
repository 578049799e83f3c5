"""Refunds of late and cancelled trains, and the reason that every refund has."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from app.domain.booking import Booking, RefundReason
from app.domain.commands import Cancellation
from app.domain.layout.operations import RemoveCoach
from app.domain.rules.cancel_booking import cancel_again, cancel_and_refund
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    FARE_MINOR,
    LILLE,
    LONDON,
    PARIS,
    a_run,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    move,
    time_passes,
)
from tests.support.cancellations import cancel_all_bookings, cancel_run
from tests.support.delay_reports import arrive, at, delay_run
from tests.support.layout_changes import change_layout

HALF = FARE_MINOR // 2  # from 24 hours before the departure on; all before
A_MOMENT = timedelta(microseconds=1)
TERMS, DELAY, RUN_CANCELLED = RefundReason.TERMS, RefundReason.DELAY, RefundReason.RUN_CANCELLED


def quote(run: TrainRun, booking: Booking, now: datetime, *who: str) -> tuple[int, RefundReason | None]:
    """The refund of a cancellation at that moment, and its reason; nothing changes."""
    found = cancel_and_refund(run, asks_to_cancel(booking, *who, validate_only=True), now)
    assert not run.change_set
    return found.refund.minor, found.refund_reason


def cancelled(run: TrainRun, booking: Booking, now: datetime, *who: str) -> Cancellation:
    """Cancel, and commit."""
    found = cancel_and_refund(run, asks_to_cancel(booking, *who), now)
    run.committed()
    return found


# -- late trains


def test_the_quote_follows_each_report_of_a_delay() -> None:
    run = a_run()
    booking, now = book(run, "ann"), at("08:00")
    found = []
    for minutes in (70, 40, 0, 130):
        delay_run(run, minutes, now=now)
        found.append(quote(run, booking, now))
    assert found == [(FARE_MINOR, DELAY), (HALF, TERMS), (HALF, TERMS), (FARE_MINOR, DELAY)]


@pytest.mark.parametrize(
    ("minutes", "refund"), [(0, (HALF, TERMS)), (59, (HALF, TERMS)), (60, (FARE_MINOR, DELAY)), (61, (FARE_MINOR, DELAY))]
)
def test_from_an_hour_late_on_everything_is_refunded(minutes: int, refund: tuple[int, RefundReason]) -> None:
    run = a_run()
    booking = book(run, "ann")
    delay_run(run, minutes)
    assert quote(run, booking, at("08:00")) == refund


def test_everything_is_refunded_until_the_late_train_leaves_the_origin() -> None:
    run = a_run()
    booking = book(run, "ann", origin=LILLE)
    delay_run(run, 70)  # it leaves Lille at 12:02
    assert quote(run, booking, at("12:02") - A_MOMENT) == (FARE_MINOR, DELAY)


@pytest.mark.parametrize(
    ("destination", "refund"), [(ASHFORD, (HALF, TERMS)), (LILLE, (HALF, TERMS)), (PARIS, (FARE_MINOR, DELAY))]
)
def test_it_is_the_delay_at_the_own_destination_that_counts(destination: str, refund: tuple[int, RefundReason]) -> None:
    run = a_run()
    booking = book(run, "ann", destination=destination)
    delay_run(run, 20)
    delay_run(run, 70, PARIS)
    assert quote(run, booking, at("08:00")) == refund


def test_a_reported_arrival_counts_as_a_delay() -> None:
    run = a_run()
    booking = book(run, "ann", origin=LILLE)
    arrive(run, ASHFORD, "12:57")  # the train leaves Lille then at the earliest
    assert quote(run, booking, at("12:56")) == (FARE_MINOR, DELAY)


@pytest.mark.parametrize(
    ("minutes", "hours_before", "refund"), [(0, 24, FARE_MINOR), (0, 23, HALF), (59, 24, FARE_MINOR), (59, 23.5, FARE_MINOR)]
)
def test_the_terms_count_from_the_expected_departure(minutes: int, hours_before: float, refund: int) -> None:
    run = a_run()
    booking = book(run, "ann")
    delay_run(run, minutes)
    assert quote(run, booking, at("09:24") - timedelta(hours=hours_before)) == (refund, TERMS)


def test_a_cancellation_gives_back_what_its_quote_said_and_the_booking_keeps_the_reason() -> None:
    run = a_run()
    booking, now = book(run, "ann", "ben"), at("08:00")
    delay_run(run, 70)
    assert quote(run, booking, now, "ann") == (FARE_MINOR, DELAY)
    done = cancelled(run, booking, now, "ann")
    assert (done.refund.minor, done.refund_reason) == (FARE_MINOR, DELAY)
    delay_run(run, 0)
    assert cancelled(run, booking, now, "ben").refund_reason is TERMS
    refunds = current_booking(run, booking).refunds
    assert [(refund.minor, refund.reason) for refund in refunds] == [(FARE_MINOR, DELAY), (HALF, TERMS)]


def test_a_repeated_cancellation_has_neither_a_refund_nor_a_reason() -> None:
    run = a_run()
    booking = cancel(run, book(run, "ann"))
    again = cancelled(run, booking, at("08:00"))
    assert (again.refund.minor, again.refund_reason) == (0, None)
    forgotten = cancel_again(booking, asks_to_cancel(booking))
    assert (forgotten.refund.minor, forgotten.refund_reason) == (0, None)


# -- cancelled trains


@pytest.mark.parametrize("clock", ["08:00", "09:24", "12:00", "12:00+1"])
def test_a_cancelled_journey_is_refunded_in_full_at_any_time(clock: str) -> None:
    run = a_run()
    booking = book(run, "ann")
    cancel_run(run)
    assert quote(run, booking, at(clock)) == (FARE_MINOR, RUN_CANCELLED)


@pytest.mark.parametrize(
    ("origin", "destination", "refund"),
    [
        (LONDON, LILLE, (HALF, TERMS)),
        (LONDON, PARIS, (FARE_MINOR, RUN_CANCELLED)),
        (LILLE, PARIS, (FARE_MINOR, RUN_CANCELLED)),
    ],
)
def test_a_run_that_ends_early_refunds_the_journeys_that_it_does_not_run(
    origin: str, destination: str, refund: tuple[int, RefundReason]
) -> None:
    run = a_run()
    booking = book(run, "ann", origin=origin, destination=destination)
    cancel_run(run, LILLE)
    assert quote(run, booking, at("08:00")) == refund


# -- the reason of every other refund


def refund_of_a_cheaper_seat(run: TrainRun) -> Booking:
    return move(run, book(run, "eve", section="A"), section="B")


def refund_of_a_cheaper_promotion(run: TrainRun) -> Booking:
    taken = [*fill(run, "A"), *fill(run, "B")]
    waiting = book_waitlisted(run, "eve", section="")
    cancel(run, taken[-1])
    return waiting


def refund_of_a_closed_waitlist(run: TrainRun) -> Booking:
    fill(run)
    waiting = book_waitlisted(run, "eve")
    time_passes(run, waitlist_closing_time(run))
    return waiting


def refund_of_who_leaves_the_waitlist(run: TrainRun) -> Booking:
    fill(run)
    return cancel(run, book_waitlisted(run, "eve"), now=at("08:00") - timedelta(hours=8))


def refund_of_a_lower_section(run: TrainRun) -> Booking:
    booking = book(run, "eve")
    change_layout(run, RemoveCoach("1"), allow_lower=True)
    return booking


def refund_of_who_was_moved_to_a_lower_section(run: TrainRun) -> Booking:
    booking = book(run, "eve")
    change_layout(run, RemoveCoach("1"), allow_lower=True)
    return cancel(run, booking, now=at("08:00"))


def refund_of_who_found_no_seat(run: TrainRun) -> Booking:
    fill(run, "B")
    booking = book(run, "eve")
    change_layout(run, RemoveCoach("1"), refund_displaced=True)
    return booking


def refund_of_who_lost_the_seat_on_a_journey_that_is_cancelled(run: TrainRun) -> Booking:
    fill(run, "B")
    booking = book(run, "eve")
    cancel_run(run, LILLE)
    change_layout(run, RemoveCoach("1"), refund_displaced=True)
    return booking


def refund_by_the_terms(run: TrainRun) -> Booking:
    return cancel(run, book(run, "eve"))


def refund_of_a_late_train(run: TrainRun) -> Booking:
    booking = book(run, "eve")
    delay_run(run, 70)
    return cancel(run, booking)


def refund_of_a_cancelled_run(run: TrainRun) -> Booking:
    booking = book(run, "eve")
    cancel_run(run)
    cancel_all_bookings(run)
    return booking


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (refund_by_the_terms, RefundReason.TERMS),
        (refund_of_a_late_train, RefundReason.DELAY),
        (refund_of_a_cancelled_run, RefundReason.RUN_CANCELLED),
        (refund_of_who_lost_the_seat_on_a_journey_that_is_cancelled, RefundReason.RUN_CANCELLED),
        (refund_of_a_closed_waitlist, RefundReason.WAITLIST),
        (refund_of_who_leaves_the_waitlist, RefundReason.WAITLIST),
        (refund_of_a_cheaper_seat, RefundReason.FARE_DIFFERENCE),
        (refund_of_a_cheaper_promotion, RefundReason.FARE_DIFFERENCE),
        (refund_of_a_lower_section, RefundReason.LAYOUT),
        (refund_of_who_was_moved_to_a_lower_section, RefundReason.LAYOUT),
        (refund_of_who_found_no_seat, RefundReason.LAYOUT),
    ],
)
def test_every_refund_says_why(make: Callable[[TrainRun], Booking], reason: RefundReason) -> None:
    run = a_run("A2 B2", fares={"A": FARE_MINOR, "B": HALF})
    booking = current_booking(run, make(run))
    assert booking.refunds
    assert booking.refunds[-1].reason is reason
