"""The beginning of a booking's answer is the same message, spliced or made field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.money import Money
from app.pb.seatline.v1 import booking_pb2
from app.rpc.bookings import answers
from app.rpc.bookings.answers import plain_beginning, spliced_beginning
from app.rpc.wire_values import money
from app.usecases.bookings import BookingView
from tests.support.builders import FARE_MINOR, a_run, book, current_booking
from tests.support.layout_changes import remove_seats


@pytest.fixture
def booking() -> Booking:
    return book(a_run("A4"), "joe@example.com")


@pytest.mark.parametrize("state", [BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED])
@pytest.mark.parametrize("charged_minor", [0, FARE_MINOR])
def test_both_ways_give_the_same_message(booking: Booking, state: BookingState, charged_minor: int) -> None:
    changed = replace(booking, state=state, update_time=booking.create_time + timedelta(milliseconds=1))
    assert spliced_beginning(changed, FARE_MINOR, charged_minor) == plain_beginning(changed, FARE_MINOR, charged_minor)


def test_answers_that_share_parts_are_different_messages(booking: Booking) -> None:
    first, second = spliced_beginning(booking, FARE_MINOR, 0), spliced_beginning(booking, FARE_MINOR, 0)
    first.train_id = "another"
    assert second == plain_beginning(booking, FARE_MINOR, 0)


def test_a_confirmed_booking_shows_who_waits_and_who_has_a_seat() -> None:
    run = a_run("A2 B1")
    made = book(run, "ann", "bob")
    book(run, "eve", section="B")
    remove_seats(run, "A", 2)
    view = BookingView(current_booking(run, made), waitlist_position=1)
    answer, receipt = answers.booking(view), answers.receipt(view)
    assert (answer.state, answer.waitlist_position) == (booking_pb2.BOOKING_STATE_CONFIRMED, 1)
    assert [passenger.seat.label for passenger in answer.passengers] == ["A-1", ""]
    assert [passenger.HasField("seat") for passenger in answer.passengers] == [True, False]
    assert not answer.seats_together
    assert [seat.label for seat in receipt.seats] == ["A-1"]
    assert [passenger.seat.label for passenger in receipt.passengers] == ["A-1", ""]


def test_a_booking_that_was_moved_to_a_lower_section_can_be_cancelled_free_of_charge() -> None:
    run = a_run("A1 B1", fares={"A": 3_000, "B": 1_000})
    made = book(run, "ann")
    assert not answers.booking(BookingView(made)).free_cancellation
    remove_seats(run, "A", 1, allow_lower=True)
    moved = answers.booking(BookingView(current_booking(run, made)))
    assert moved.free_cancellation
    assert [passenger.seat.label for passenger in moved.passengers] == ["B-1"]
    assert moved.price == money(Money(1_000, "USD"))
