"""The waitlist of late, cancelled and shortened trains: when it closes, and whose end it is."""

from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import BookingState, RefundReason
from app.domain.refusals import Reason
from app.domain.rules.close_waitlist import close_waitlist, has_expired_waitlist
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    FARE_MINOR,
    LILLE,
    a_run,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    time_passes,
)
from tests.support.cancellations import cancel_all_bookings, cancel_run
from tests.support.delay_reports import arrive, at, delay_run
from tests.support.run_snapshots import refused

CONFIRMED, WAITLISTED, CANCELLED, EXPIRED = (
    BookingState.CONFIRMED,
    BookingState.WAITLISTED,
    BookingState.CANCELLED,
    BookingState.EXPIRED,
)
A_MOMENT = timedelta(microseconds=1)


def a_full_run() -> TrainRun:
    """A run with one seat, which is sold; its waitlist closes four hours before the departure at 09:24."""
    run = a_run("A1")
    fill(run)
    return run


@pytest.mark.parametrize(
    ("minutes", "from_stop", "closes"), [(0, "", "05:24"), (70, "", "06:34"), (40, ASHFORD, "05:24"), (1_440, "", "05:24+1")]
)
def test_the_waitlist_closes_by_the_expected_departure(minutes: int, from_stop: str, closes: str) -> None:
    run = a_full_run()
    waiting = book_waitlisted(run, "ann")
    delay_run(run, minutes, from_stop)
    assert waitlist_closing_time(run) == at(closes)
    time_passes(run, at(closes) - A_MOMENT)
    assert current_booking(run, waiting).state is WAITLISTED
    with refused(Reason.WAITLIST_CLOSED):
        book_waitlisted(run, "ben", now=at(closes))
    run.undo()
    time_passes(run, at(closes))
    assert current_booking(run, waiting).state is EXPIRED


def test_each_report_opens_or_closes_the_waitlist() -> None:
    run, now = a_full_run(), at("06:10")
    found = []
    for minutes in (70, 40, 0, 130):
        delay_run(run, minutes, now=now)
        found.append(now < waitlist_closing_time(run))
    assert found == [True, False, False, True]


def test_a_seat_that_comes_free_is_given_to_who_waits_until_the_later_closing() -> None:
    run = a_run("A1")
    (seated,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    delay_run(run, 70)
    cancel(run, seated, now=at("06:34") - A_MOMENT)
    assert current_booking(run, waiting).state is CONFIRMED


def test_the_waitlist_of_a_train_that_has_left_is_closed() -> None:
    run = a_full_run()
    delay_run(run, 1_000)
    waiting = book_waitlisted(run, "ann")
    arrive(run, ASHFORD, "10:30")
    time_passes(run, at("10:30"))
    assert current_booking(run, waiting).state is EXPIRED


def test_who_waits_for_a_cancelled_journey_is_cancelled_and_does_not_expire() -> None:
    run = a_full_run()
    waiting = book_waitlisted(run, "ann")
    cancel_run(run)
    assert not has_expired_waitlist(run, at("09:00"))
    time_passes(run, at("09:00"))
    assert current_booking(run, waiting).state is WAITLISTED
    cancel_all_bookings(run, now=at("09:00"))
    after = current_booking(run, waiting)
    assert after.state is CANCELLED
    assert [(refund.minor, refund.reason) for refund in after.refunds] == [(FARE_MINOR, RefundReason.RUN_CANCELLED)]


def test_on_a_shortened_run_those_expire_who_wait_for_legs_that_it_runs() -> None:
    run = a_full_run()
    lost = [book_waitlisted(run, f"lost{number}") for number in range(3)]
    kept = [book_waitlisted(run, f"kept{number}", destination=LILLE) for number in range(3)]
    cancel_run(run, LILLE)
    closes = waitlist_closing_time(run)
    assert has_expired_waitlist(run, closes)
    time_passes(run, closes)
    assert [current_booking(run, booking).state for booking in (*lost, *kept)] == [WAITLISTED] * 3 + [EXPIRED] * 3
    assert not has_expired_waitlist(run, closes)


def test_entries_of_a_cancelled_journey_do_not_hold_up_the_end_of_the_others() -> None:
    run, most = a_full_run(), limits.WAITLIST_EXPIRED_PER_DECISION
    for number in range(most):
        book_waitlisted(run, f"lost{number}")
    kept = [book_waitlisted(run, f"kept{number}", destination=LILLE) for number in range(most + 1)]
    cancel_run(run, LILLE)
    closes = waitlist_closing_time(run)
    close_waitlist(run, closes)
    assert [current_booking(run, booking).state for booking in kept] == [EXPIRED] * most + [WAITLISTED]
