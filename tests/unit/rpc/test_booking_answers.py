"""The beginning of a booking's answer is the same message, spliced or made field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from app.domain.booking import Booking, BookingState, RefundDue, RefundReason
from app.domain.money import Money
from app.domain.run.train_run import TrainRun
from app.pb.seatline.v1 import booking_pb2, payment_pb2, train_run_pb2
from app.rpc.bookings import answers
from app.rpc.bookings.answers import plain_beginning, spliced_beginning
from app.rpc.wire_values import money
from app.usecases.bookings import BookingView, CancellationView
from tests.support.builders import FARE_MINOR, LILLE, NOW, PARIS, a_run, book, current_booking
from tests.support.cancellations import cancel_run
from tests.support.delay_reports import at, delay_run
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


# -- the run of a booking


def view_of(run: TrainRun, booking: Booking) -> BookingView:
    return BookingView(booking, schedule=run.schedule, run_state=run.schedule.state_at(NOW))


def answers_for(view: BookingView) -> list[booking_pb2.Booking | booking_pb2.Receipt]:
    """Return the booking, the part of it that a passenger sees who has left, and the receipt."""
    left = replace(view, own=view.booking.passengers)
    return [answers.booking(view), answers.booking(left), answers.receipt(view)]


def test_a_booking_on_a_train_in_time_is_expected_at_its_scheduled_times() -> None:
    run = a_run()
    for answer in answers_for(view_of(run, book(run))):
        assert answer.expected_depart_time == answer.depart_time
        assert answer.expected_arrive_time == answer.arrive_time
        assert (answer.run_state, answer.journey_cancelled) == (train_run_pb2.RUN_STATE_SCHEDULED, False)


def test_a_booking_on_a_late_train_shows_scheduled_and_expected_times() -> None:
    run = a_run()
    booking = book(run, origin=LILLE, destination=PARIS)
    delay_run(run, 40, LILLE)
    for answer in answers_for(view_of(run, booking)):
        assert (answer.depart_time.ToDatetime(UTC), answer.arrive_time.ToDatetime(UTC)) == (at("10:52"), at("11:56"))
        assert answer.expected_depart_time.ToDatetime(UTC) == at("11:32")
        assert answer.expected_arrive_time.ToDatetime(UTC) == at("12:36")
        assert answer.run_state == train_run_pb2.RUN_STATE_DELAYED


def test_answers_of_a_late_train_do_not_change_those_that_share_their_parts() -> None:
    run = a_run()
    booking = book(run)
    in_time = answers.booking(view_of(run, booking))
    delay_run(run, 40)
    assert answers.booking(view_of(run, booking)).expected_depart_time != in_time.expected_depart_time
    delay_run(run, 0)
    assert answers.booking(view_of(run, booking)) == in_time


def test_a_journey_is_cancelled_only_where_it_needs_missing_legs() -> None:
    run = a_run()
    whole, first = book(run, "ann"), book(run, "bob", destination=LILLE)
    cancel_run(run, LILLE)
    for booking, is_cancelled in ((whole, True), (first, False)):
        for answer in answers_for(view_of(run, booking)):
            assert answer.journey_cancelled is is_cancelled
            assert answer.run_state == train_run_pb2.RUN_STATE_SCHEDULED
    cancel_run(run)
    for answer in answers_for(view_of(run, first)):
        assert (answer.journey_cancelled, answer.run_state) == (True, train_run_pb2.RUN_STATE_CANCELLED)


def test_a_booking_whose_run_cannot_be_read_shows_its_scheduled_times_alone() -> None:
    for answer in answers_for(BookingView(book(a_run()))):
        assert answer.expected_arrive_time == answer.arrive_time
        assert answer.run_state == train_run_pb2.RUN_STATE_UNSPECIFIED


@pytest.mark.parametrize("reason", [None, *RefundReason])
def test_each_refund_says_why(reason: RefundReason | None) -> None:
    booking = replace(book(a_run()), refunds=(RefundDue("refund-1", 500, NOW, reason),))
    name = f"REFUND_REASON_{reason.value if reason else 'UNSPECIFIED'}"
    for answer in (answers.booking(BookingView(booking)), answers.receipt(BookingView(booking))):
        assert [payment_pb2.RefundReason.Name(refund.reason) for refund in answer.refunds] == [name]


@pytest.mark.parametrize("reason", [None, RefundReason.DELAY])
def test_a_cancellation_says_why_its_refund_is_what_it_is(reason: RefundReason | None) -> None:
    view = CancellationView(BookingView(book(a_run())), Money(0, "USD"), reason, None)
    expected = payment_pb2.REFUND_REASON_DELAY if reason else payment_pb2.REFUND_REASON_UNSPECIFIED
    assert answers.cancellation(view).refund_reason == expected
