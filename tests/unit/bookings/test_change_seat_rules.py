"""ChangeSeat and CancelBooking: what comes free, what is paid, and what is refused."""

from datetime import timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_caller,
    a_run,
    asks_for_another_seat,
    asks_to_cancel,
    book,
    cancel,
    fill,
    key_of,
    move,
    seat_labels,
)
from tests.support.run_snapshots import invalid, refused, snapshot

LATER = NOW + timedelta(hours=1)
ALL_LEGS = 0b111


def free_seats(run: TrainRun, legs: int = ALL_LEGS) -> int:
    return sum(section.free_count(legs) for section in run.sections)


# -- to another seat


def test_a_passenger_moves_to_a_free_seat_and_the_old_one_is_free_at_once() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    moved = change_seat(run, asks_for_another_seat(booking, number=3), LATER)
    assert seat_labels(moved) == ["A-3"]
    assert [section.sold_legs for section in run.sections] == [[0, 0, ALL_LEGS, 0]]
    assert (moved.update_time, moved.revision) == (LATER, run.version + 1)
    assert seat_labels(book(run, "ben", seats=[1])) == ["A-1"]


def test_only_the_named_passenger_moves() -> None:
    run = a_run("A6")
    moved = move(run, book(run, "ann", "ben", "cem"), who="BEN@example.com", number=6)
    assert seat_labels(moved) == ["A-1", "A-6", "A-3"]
    assert not moved.seats_together


def test_a_taken_seat_is_refused_and_nothing_changes() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    book(run, "ben")
    with refused(Reason.SEAT_TAKEN, run) as caught:
        change_seat(run, asks_for_another_seat(booking, number=2), NOW)
    assert caught[0].resource == ("seat", "A-2")


def test_a_seat_that_is_free_only_for_part_of_the_journey_is_taken() -> None:
    run = a_run("A4")
    booking = book(run, "ann", origin=LONDON, destination=LILLE)
    book(run, "ben", origin=ASHFORD, destination=PARIS)
    with refused(Reason.SEAT_TAKEN, run):
        change_seat(run, asks_for_another_seat(booking, number=2), NOW)


def test_a_seat_that_is_free_for_the_whole_journey_need_not_be_free_beyond_it() -> None:
    run = a_run("A4")
    booking = book(run, "ann", origin=LONDON, destination=ASHFORD)
    book(run, "ben", origin=LILLE, destination=PARIS)
    assert seat_labels(move(run, booking, number=2)) == ["A-2"]
    assert run.sections[0].sold_legs[1] == 0b101


def test_a_place_that_does_not_exist_is_refused_under_the_field_that_names_it() -> None:
    run = a_run("A4 B4")
    booking = book(run, "ann")
    with invalid("seat_number", run):
        change_seat(run, asks_for_another_seat(booking, number=5), NOW)
    with invalid("section", run):
        change_seat(run, asks_for_another_seat(booking, section="C"), NOW)
    with invalid("section", run):
        change_seat(run, asks_for_another_seat(booking, section="C", number=1), NOW)


def test_a_person_who_is_no_passenger_cannot_move() -> None:
    run = a_run("A4")
    booking = cancel(run, book(run, "ann", "ben"), "ben")
    for who in ("eve", "ben"):
        with invalid("passenger_email", run):
            change_seat(run, asks_for_another_seat(booking, who=who, number=4), NOW)


@pytest.mark.parametrize("section", ["", "A"])
def test_a_move_to_the_own_seat_changes_nothing(section: str) -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    assert change_seat(run, asks_for_another_seat(booking, section=section, number=1), LATER) is booking
    assert not run.change_set


def test_the_same_number_in_another_section_is_another_seat() -> None:
    run = a_run("A4 B4")
    assert seat_labels(move(run, book(run, "ann"), section="B", number=1)) == ["B-1"]


def test_a_move_to_a_cheaper_section_refunds_the_difference() -> None:
    run = a_run("A4 B4", fares={"A": 3_550, "B": 2_000})
    moved = move(run, book(run, "ann", "ben"), who="ben", section="B")
    assert seat_labels(moved) == ["A-1", "B-1"]
    assert [passenger.fare_minor for passenger in moved.passengers] == [3_550, 2_000]
    assert (moved.price, moved.charged_minor) == (Money(5_550, "USD"), 7_100)
    assert [refund.minor for refund in moved.refunds] == [1_550]


def test_a_move_to_a_dearer_section_is_refused() -> None:
    run = a_run("A4 B4", fares={"A": 2_000, "B": 3_550})
    booking = book(run, "ann")
    with refused(Reason.FARE_HIGHER, run):
        change_seat(run, asks_for_another_seat(booking, section="B"), NOW)


def test_without_a_number_the_next_seat_of_the_section_is_given_out() -> None:
    run = a_run("A3 B3")
    booking = book(run, "ann")
    book(run, "ben", section="B")
    assert seat_labels(move(run, booking, section="B")) == ["B-2"]
    assert run.sections[1].next_number == 3


def test_without_a_number_and_a_section_the_next_seat_of_the_own_section_is_given_out() -> None:
    run = a_run("A3 B3")
    booking = book(run, "ann")
    book(run, "ben")
    assert seat_labels(move(run, booking)) == ["A-3"]


def test_a_full_section_is_refused_and_nothing_changes() -> None:
    run = a_run("A2 B2")
    booking = book(run, "ann")
    fill(run, "B")
    with refused(Reason.SECTION_FULL, run):
        change_seat(run, asks_for_another_seat(booking, section="B"), NOW)
    book(run, "ben")
    with refused(Reason.SECTION_FULL, run):
        change_seat(run, asks_for_another_seat(booking), NOW)


def test_two_passengers_swap_seats_with_the_help_of_a_third_seat() -> None:
    run = a_run("A3")
    booking = book(run, "ann", "ben")
    with refused(Reason.SEAT_TAKEN, run):
        change_seat(run, asks_for_another_seat(booking, who="ann", number=2), NOW)
    for who, number in (("ann", 3), ("ben", 1), ("ann", 2)):
        booking = move(run, booking, who=who, number=number)
    assert seat_labels(booking) == ["A-2", "A-1"]
    assert run.sections[0].sold_legs == [ALL_LEGS, ALL_LEGS, 0]


# -- cancelling


def test_a_cancelled_booking_frees_exactly_its_seats() -> None:
    run = a_run("A4 B4")
    booking = book(run, "ann", "ben", "cem")
    before = free_seats(run)
    cancelled = cancel_booking(run, asks_to_cancel(booking), LATER)
    assert free_seats(run) == before + 3
    assert (cancelled.state, cancelled.is_live, cancelled.update_time) == (BookingState.CANCELLED, False, LATER)
    assert cancelled.passengers == booking.passengers
    assert cancelled.cancelled_passengers == ()
    assert run.live_reference(key_of("ann")) is None


def test_one_passenger_of_a_group_leaves_and_the_others_stay() -> None:
    run = a_run("A4 B4")
    booking = book(run, "ann", "ben", "cem")
    before = free_seats(run)
    changed = cancel_booking(run, asks_to_cancel(booking, "BEN@example.com"), LATER)
    assert free_seats(run) == before + 1
    assert changed.is_live
    assert seat_labels(changed) == ["A-1", "A-3"]
    assert [passenger.email_key for passenger in changed.cancelled_passengers] == ["ben@example.com"]
    assert changed.price == Money(4_000, "USD")
    assert (run.live_reference(key_of("ben")), run.live_reference(key_of("ann"))) == (None, booking.reference)


def test_a_cancelled_seat_is_sold_again() -> None:
    run = a_run("A2")
    bookings = fill(run)
    cancel(run, bookings[1])
    assert seat_labels(book(run, "ann")) == ["A-2"]


def test_only_the_legs_of_the_journey_come_free() -> None:
    run = a_run("A1")
    booking = book(run, "ann", origin=LONDON, destination=LILLE)
    book(run, "ben", origin=LILLE)
    cancel(run, booking)
    assert run.sections[0].sold_legs == [0b100]


def test_all_passengers_named_are_the_whole_booking() -> None:
    run = a_run("A4")
    assert cancel(run, book(run, "ann", "ben"), "ben", "ann").state is BookingState.CANCELLED


def test_the_last_to_leave_a_group_cancels_the_booking() -> None:
    run = a_run("A4")
    booking = cancel(run, book(run, "ann", "ben"), "ann")
    cancelled = cancel(run, booking, "ben")
    assert cancelled.state is BookingState.CANCELLED
    assert [passenger.email_key for passenger in cancelled.passengers] == ["ben@example.com"]
    assert [passenger.email_key for passenger in cancelled.cancelled_passengers] == ["ann@example.com"]
    assert run.sections[0].sold_legs == [0] * 4


def test_cancelling_again_changes_nothing() -> None:
    run = a_run("A4")
    booking = book(run, "ann", "ben")
    partly = cancel(run, booking, "ben")
    assert cancel_booking(run, asks_to_cancel(partly, "ben"), LATER) == partly
    wholly = cancel(run, partly)
    for who in ((), ("ann",), ("ben",), ("ann", "ben")):
        assert cancel_booking(run, asks_to_cancel(wholly, *who), LATER) == wholly
    assert not run.change_set


def test_cancelling_again_is_fine_even_after_departure_and_with_the_old_etag() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    cancelled = cancel(run, booking)
    assert cancel_booking(run, asks_to_cancel(cancelled, etag=booking.etag), DEPARTS_LONDON) == cancelled


def test_a_passenger_named_twice_leaves_once() -> None:
    run = a_run("A4")
    booking = book(run, "ann", "ben")
    changed = cancel(run, booking, "ben", "BEN@example.com")
    assert len(changed.cancelled_passengers) == 1
    assert free_seats(run) == 3


def test_somebody_who_has_left_and_somebody_who_leaves_may_be_named_together() -> None:
    run = a_run("A4")
    booking = cancel(run, book(run, "ann", "ben", "cem"), "ann")
    changed = cancel(run, booking, "ann", "ben")
    assert [passenger.email_key for passenger in changed.passengers] == ["cem@example.com"]
    assert free_seats(run) == 3


def test_somebody_who_never_travelled_is_refused_and_nobody_leaves() -> None:
    run = a_run("A4")
    booking = book(run, "ann", "ben")
    with invalid("passenger_emails[1]", run):
        cancel_booking(run, asks_to_cancel(booking, "ann", "eve"), NOW)
    cancelled = cancel(run, booking)
    with invalid("passenger_emails[0]", run):
        cancel_booking(run, asks_to_cancel(cancelled, "eve"), NOW)


@pytest.mark.parametrize("who", [(), ("ben",)])
def test_a_validated_cancellation_shows_the_result_and_changes_nothing(who: tuple[str, ...]) -> None:
    run = a_run("A4")
    booking = book(run, "ann", "ben")
    before = snapshot(run)
    tried = cancel_booking(run, asks_to_cancel(booking, *who, validate_only=True), LATER)
    assert snapshot(run) == before
    assert not run.change_set
    done = cancel_booking(run, asks_to_cancel(booking, *who), LATER)
    assert (tried.state, tried.passengers, tried.cancelled_passengers) == (
        done.state,
        done.passengers,
        done.cancelled_passengers,
    )
    assert tried.etag == booking.etag


def test_a_validated_cancellation_is_refused_like_a_real_one() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    with refused(Reason.RUN_DEPARTED, run):
        cancel_booking(run, asks_to_cancel(booking, validate_only=True), DEPARTS_LONDON)
    with refused(Reason.NOT_PERMITTED, run):
        cancel_booking(run, asks_to_cancel(booking, validate_only=True, by=a_caller("mallory")), NOW)


# -- the same move again


def test_a_repeated_move_to_a_named_seat_returns_the_booking_whatever_the_etag_and_the_train() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    command = asks_for_another_seat(booking, section="A", number=3, etag=booking.etag)
    moved = change_seat(run, command, NOW)
    run.committed()
    for now in (NOW, DEPARTS_LONDON):
        assert change_seat(run, command, now) is moved
        assert not run.change_set


def test_a_repeated_move_of_a_cancelled_booking_or_by_a_stranger_is_refused() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    moved = move(run, booking, number=3)
    with refused(Reason.NOT_PERMITTED, run):
        change_seat(run, asks_for_another_seat(moved, number=3, by=a_caller("mallory")), NOW)
    cancel(run, moved)
    with refused(Reason.BOOKING_CANCELLED, run):
        change_seat(run, asks_for_another_seat(moved, number=3), NOW)
