"""A passenger leaves somebody else's booking: who may, what happens, and who sees the booking then."""

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.people import Person
from app.domain.refusals import Reason
from app.domain.rules.access import is_visible_to, require_cancellable, require_visible
from app.domain.rules.cancel_booking import cancel_again, cancel_and_refund, cancel_booking
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    FARE_MINOR,
    NOW,
    a_caller,
    a_run,
    an_operator,
    asks_for_seats,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    relatives,
    sell,
)
from tests.support.run_snapshots import invalid, refused, snapshot

ANN, BEN, BOB = a_caller("ann"), a_caller("ben"), a_caller("bob")


def booked_by_bob(run: TrainRun, *who: str | Person) -> Booking:
    return sell(run, asks_for_seats(*(who or ("ann", "ben")), by="bob"))


def sees(booking: Booking, who: str) -> bool:
    return is_visible_to(booking, f"{who}@example.com")


@pytest.mark.parametrize("named", ["ann", 1])
def test_a_passenger_leaves_by_address_or_number_and_the_refund_goes_with_the_booking(named: str | int) -> None:
    run = a_run("A4")
    booking = booked_by_bob(run)
    outcome = cancel_and_refund(run, asks_to_cancel(booking, named, by=ANN), NOW)
    assert [passenger.number for passenger in outcome.booking.passengers] == [2]
    assert (outcome.refund.minor, outcome.booking.state) == (FARE_MINOR, BookingState.CONFIRMED)
    assert run.sections[0].sold_legs[0] == 0


def test_a_passenger_who_left_does_not_see_the_booking_and_the_others_do() -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run), "ann", by=ANN)
    with refused(Reason.NOT_PERMITTED):
        require_visible(booking, ANN, booking.reference)
    assert [sees(booking, who) for who in ("ann", "ben", "bob")] == [False, True, True]
    for caller in (BEN, BOB, an_operator()):
        assert require_visible(booking, caller, booking.reference) is booking


def test_a_passenger_whom_the_booker_cancelled_does_not_see_the_booking() -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run), "ann")
    assert (sees(booking, "ann"), sees(booking, "ben")) == (False, True)


def test_the_last_passenger_to_leave_cancels_the_booking_and_sees_it_no_more() -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run, "ann"), "ann", by=ANN)
    assert booking.state is BookingState.CANCELLED
    assert (sees(booking, "ann"), sees(booking, "bob")) == (False, True)


def test_a_passenger_still_sees_a_booking_that_its_booker_cancelled_as_a_whole() -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run))
    assert (booking.state, sees(booking, "ann")) == (BookingState.CANCELLED, True)


def test_a_passenger_who_is_alone_on_a_booking_need_not_name_anybody() -> None:
    run = a_run("A4")
    booking = booked_by_bob(run, "ann")
    left = cancel(run, booking, by=ANN)
    assert (left.state, sees(left, "ann")) == (BookingState.CANCELLED, False)
    assert cancel_booking(run, asks_to_cancel(left, by=ANN), NOW) is left


@pytest.mark.parametrize("named", [(), ("ben",), (2,), ("ann", "ben"), (1, 2)])
def test_a_passenger_cannot_cancel_another_one(named: tuple[str | int, ...]) -> None:
    run = a_run("A4")
    booking = booked_by_bob(run)
    with refused(Reason.NOT_PERMITTED, run):
        cancel_booking(run, asks_to_cancel(booking, *named, by=ANN), NOW)


@pytest.mark.parametrize("named", [(), ("ann",), ("mallory",), (1,), (9,)])
def test_a_stranger_cancels_nothing_and_learns_nothing(named: tuple[str | int, ...]) -> None:
    run = a_run("A4")
    booking = booked_by_bob(run)
    command = asks_to_cancel(booking, *named, by=a_caller("mallory"))
    with refused(Reason.NOT_PERMITTED, run) as there:
        cancel_booking(run, command, NOW)
    with refused(Reason.NOT_PERMITTED) as missing:
        require_cancellable(None, command)
    assert there[0].message == missing[0].message


def test_one_of_several_with_one_address_leaves_by_number_and_the_others_see_the_booking() -> None:
    run = a_run("A4")
    booking = booked_by_bob(run, *relatives("ann@example.com", "Ann", "Tom"), "ben")
    with invalid("passenger_emails[0]", run):
        cancel_booking(run, asks_to_cancel(booking, "ann", by=ANN), NOW)
    booking = cancel(run, booking, 1, by=ANN)
    assert sees(booking, "ann")
    booking = cancel(run, booking, "ann", by=ANN)
    assert ([passenger.number for passenger in booking.passengers], sees(booking, "ann")) == ([3], False)


def test_leaving_again_changes_nothing_whatever_the_state_of_the_booking() -> None:
    run = a_run("A4")
    booking = booked_by_bob(run)
    leave = asks_to_cancel(booking, "ann", by=ANN)
    left = cancel(run, booking, "ann", by=ANN)
    assert cancel_booking(run, leave, NOW) is left
    ended = cancel(run, left)
    for named in ("ann", 1):
        again = asks_to_cancel(ended, named, by=ANN)
        assert cancel_and_refund(run, again, NOW).refund.minor == 0
        assert cancel_again(ended, again).booking is ended
    assert not run.change_set


@pytest.mark.parametrize("named", [(), ("ben",), (2,), (3,), ("eve",), ("ann", "ben"), (1, 2)])
def test_a_passenger_who_left_learns_nothing_of_the_booking(named: tuple[str | int, ...]) -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run), "ann", by=ANN)
    command = asks_to_cancel(booking, *named, by=ANN)
    with refused(Reason.NOT_PERMITTED, run) as there:
        cancel_booking(run, command, NOW)
    with refused(Reason.NOT_PERMITTED) as missing:
        require_cancellable(None, command)
    assert there[0].message == missing[0].message


def test_a_quote_for_leaving_changes_nothing() -> None:
    run = a_run("A4")
    booking = booked_by_bob(run)
    before = snapshot(run)
    quote = cancel_and_refund(run, asks_to_cancel(booking, 1, by=ANN, validate_only=True), NOW)
    assert (quote.refund.minor, snapshot(run)) == (FARE_MINOR, before)


def test_a_passenger_leaves_the_waitlist_with_a_full_refund() -> None:
    run = a_run("A1")
    book(run, "eve")
    waiting = book_waitlisted(run, "ann", by="bob")
    outcome = cancel_and_refund(run, asks_to_cancel(waiting, "ann", by=ANN), NOW)
    assert (outcome.booking.state, outcome.refund.minor, run.waitlist) == (BookingState.CANCELLED, FARE_MINOR, {})


def test_a_booker_who_travels_stays_the_booker_after_leaving() -> None:
    run = a_run("A4")
    booking = cancel(run, book(run, "ann", "ben"), "ann", by=ANN)
    assert sees(booking, "ann")
    assert current_booking(run, booking).is_vacated is False
    assert cancel(run, booking).is_vacated is False


def test_the_seat_of_a_passenger_who_leaves_goes_to_the_waitlist() -> None:
    run = a_run("A2")
    booking = booked_by_bob(run)
    waiting = book_waitlisted(run, "cem")
    cancel(run, booking, "ann", by=ANN)
    assert current_booking(run, waiting).state is BookingState.CONFIRMED


def test_passengers_still_see_a_booking_that_an_operator_cancelled() -> None:
    run = a_run("A4")
    booking = cancel(run, booked_by_bob(run), by=an_operator())
    assert (booking.state, sees(booking, "ann")) == (BookingState.CANCELLED, True)
