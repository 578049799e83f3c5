"""The authorization that a sale needs: enough, in the right currency, and not too old."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain import limits
from app.domain.booking import Authorization, BookingState
from app.domain.commands import CreateBooking, IfFull
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.create_booking import create_booking
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW, a_run, asks_for_seats, asks_to_cancel, authorized, fill, hold, name_of, quote, sell
from tests.support.run_snapshots import invalid, refused

A_MOMENT = timedelta(microseconds=1)
AS_LONG_AS_MAY_BE = timedelta(seconds=limits.AUTHORIZATION_SECONDS_MAX)
FARES = {"A": 2_000, "B": 5_000}


def nothing_authorized() -> Authorization:
    """What a request has that cost nothing when its price was asked for."""
    return Authorization("", "", Money(0, "USD"), NOW)


def a_seat(run: TrainRun) -> CreateBooking:
    """Two seats for 40.00."""
    return asks_for_seats("ann", "ben", section="A")


def a_held_seat(run: TrainRun) -> CreateBooking:
    """Two held seats for 40.00, whose fare has risen since."""
    held = hold(run, "ann", count=2)
    run.sections[0] = replace(run.sections[0], fare=Money(2_500, "USD"))
    return asks_for_seats("ann", "ben", hold_id=name_of(run, held))


def a_place_in_the_line(run: TrainRun) -> CreateBooking:
    """Two waitlist places for a section, for 40.00."""
    fill(run)
    return asks_for_seats("ann", "ben", section="A", if_full=IfFull.WAITLIST)


each_sale = pytest.mark.parametrize("asked", [a_seat, a_held_seat, a_place_in_the_line])


@each_sale
def test_an_authorization_of_the_price_is_enough_and_the_price_is_charged(asked: Callable[[TrainRun], CreateBooking]) -> None:
    run = a_run("A4 B4", fares=FARES)
    command = replace(asked(run), payment=authorized(4_000))
    booking = sell(run, command)
    assert (booking.charged_minor, booking.payment_id, booking.authorization_id) == (4_000, "payment-1", "authorization-1")


@each_sale
@pytest.mark.parametrize(
    ("payment", "now", "reason"),
    [
        (authorized(3_999), NOW, Reason.PAYMENT_INSUFFICIENT),
        (authorized(4_000, "EUR"), NOW, Reason.PAYMENT_INSUFFICIENT),
        (authorized(4_000), NOW + AS_LONG_AS_MAY_BE + A_MOMENT, Reason.PAYMENT_STALE),
    ],
)
def test_too_little_the_wrong_currency_and_too_long_ago_are_refused(
    asked: Callable[[TrainRun], CreateBooking], payment: Authorization, now: datetime, reason: Reason
) -> None:
    run = a_run("A4 B4", fares=FARES)
    command = replace(asked(run), payment=payment)
    with refused(reason, run):
        create_booking(run, command, now, {})


@each_sale
def test_an_authorization_at_the_age_limit_counts(asked: Callable[[TrainRun], CreateBooking]) -> None:
    run = a_run("A4 B4", fares=FARES)
    command = replace(asked(run), payment=authorized(4_000))
    assert create_booking(run, command, NOW + AS_LONG_AS_MAY_BE, {}).is_live


def test_of_a_larger_authorization_only_the_price_is_charged() -> None:
    run = a_run("A4 B4", fares=FARES)
    assert sell(run, replace(a_seat(run), payment=authorized(99_999))).charged_minor == 4_000


def test_a_free_booking_has_no_payment() -> None:
    run = a_run("A4", fares={"A": 0})
    command = asks_for_seats("ann")
    assert quote(run, command) == Money(0, "USD")
    booking = sell(run, replace(command, payment=nothing_authorized()))
    assert (booking.payment_id, booking.authorization_id, booking.charged_minor) == ("", "", 0)


def test_a_fare_that_was_zero_when_its_price_was_asked_for_is_not_charged_without_a_payment() -> None:
    run = a_run("A4", fares={"A": 0})
    command = replace(asks_for_seats("ann"), payment=nothing_authorized())
    run.sections[0] = replace(run.sections[0], fare=Money(2_500, "USD"))
    with refused(Reason.PAYMENT_STALE, run) as caught:
        create_booking(run, command, NOW, {})
    assert "same request again" in caught[0].message
    assert sell(run, replace(command, payment=authorized(2_500))).charged_minor == 2_500


def test_a_waitlist_place_for_any_section_needs_the_highest_fare_authorized() -> None:
    run = a_run("A4 B4", fares=FARES)
    for section in "AB":
        fill(run, section)
    command = asks_for_seats("ann", "ben", if_full=IfFull.WAITLIST)
    with refused(Reason.PAYMENT_INSUFFICIENT, run):
        create_booking(run, replace(command, payment=authorized(9_999)), NOW, {})
    waiting = create_booking(run, replace(command, payment=authorized(10_000)), NOW, {})
    assert (waiting.state, waiting.charged_minor) == (BookingState.WAITLISTED, 10_000)


def test_a_repeated_request_gets_its_booking_whatever_the_payment() -> None:
    run = a_run("A4")
    command = replace(a_seat(run), payment=authorized(4_000))
    booking = sell(run, command)
    cancelled = cancel_booking(run, asks_to_cancel(booking), NOW)
    run.committed()
    for payment in (None, authorized(1), authorized(4_000, time=NOW - timedelta(days=1))):
        assert create_booking(run, replace(command, payment=payment), NOW, {}) is cancelled


# -- how much to authorize


def test_no_sale_costs_more_than_its_quote() -> None:
    run = a_run("A4 B4", fares=FARES)
    assert quote(run, asks_for_seats("ann", "ben", section="A")) == Money(4_000, "USD")
    assert quote(run, asks_for_seats("ann", "ben")) == Money(10_000, "USD")
    held = hold(run, "ann", count=2)
    run.sections[0] = replace(run.sections[0], fare=Money(9_000, "USD"))
    assert quote(run, asks_for_seats("ann", "ben", hold_id=name_of(run, held))) == Money(4_000, "USD")


def test_a_quote_refuses_what_does_not_exist() -> None:
    run = a_run("A4 B4")
    name = name_of(run, hold(run, "ann"))
    with invalid("section", run):
        quote(run, asks_for_seats("ann", section="C"))
    with refused(Reason.NOT_PERMITTED, run):
        quote(run, asks_for_seats("mallory", hold_id=name))
    sell(run, asks_for_seats("ann", hold_id=name))
    with refused(Reason.HOLD_EXPIRED, run):
        quote(run, asks_for_seats("ann", hold_id=name))
