"""Passengers: what identifies them, their numbers, and how requests name them."""

from dataclasses import replace

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.commands import ChangeSeat
from app.domain.passenger import identity_of
from app.domain.people import Caller, Person
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.update_booking import update_booking
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from tests.support.builders import (
    NOW,
    a_person,
    a_run,
    an_operator,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    relatives,
    seat_labels,
    sell,
)
from tests.support.run_snapshots import invalid, refused

JANE = "jane@example.com"


def a_family(run: TrainRun) -> Booking:
    """Jane, Tom and Ann, of whom Tom has no address of his own and Ann has one."""
    jane, tom, ann = relatives(JANE, "Jane")[0], relatives("", "Tom")[0], a_person("ann")
    return book(run, jane, tom, ann)


def numbers(booking: Booking) -> list[int]:
    return [passenger.number for passenger in booking.passengers]


def names(booking: Booking) -> list[str]:
    return [passenger.person.first_name for passenger in booking.passengers]


# -- who is who


@pytest.mark.parametrize(
    "other",
    [
        Person("JANE", "DOE", "Jane@Example.COM"),
        Person(" Jane ", "Doe", JANE),
        Person("Jane", "\u00a0Doe", JANE),
        Person("", "Jane  Doe", JANE),
        Person("Jane", "Doe", ""),
    ],
    ids=["case", "blanks around", "another blank", "one field", "the booker's address"],
)
def test_the_same_address_and_name_in_another_spelling_is_the_same_passenger(other: Person) -> None:
    assert identity_of(other, JANE) == identity_of(Person("Jane", "Doe", JANE), JANE)


@pytest.mark.parametrize(
    "other",
    [Person("Janet", "Doe", JANE), Person("Jane", "Doe", "jane@example.org"), Person("Jane", "Do\u00e9", JANE)],
    ids=["name", "address", "accent"],
)
def test_another_name_or_another_address_is_another_passenger(other: Person) -> None:
    assert identity_of(other, JANE) != identity_of(Person("Jane", "Doe", JANE), JANE)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("Zo\u00eb", "Zoe\u0308", True),
        ("\u03a3\u039f\u03a6\u039f\u03a3", "\u03c3\u03bf\u03c6\u03bf\u03c2", True),
        ("Wei\u00df", "Weiss", False),
        ("\u674e", "\u738b", False),
    ],
)
def test_names_are_compared_as_readers_compare_them(one: str, other: str, are_same: bool) -> None:
    keys = {identity_of(Person(name, "Doe", JANE), JANE) for name in (one, other)}
    assert (len(keys) == 1) is are_same


def test_a_family_with_one_address_books_together_and_each_has_a_number() -> None:
    run = a_run()
    booking = book(run, *relatives(JANE, "Jane", "Tom", "Ann"))
    assert (numbers(booking), seat_labels(booking)) == ([1, 2, 3], ["A-1", "A-2", "A-3"])
    assert {passenger.email_key for passenger in booking.passengers} == {JANE}


def test_the_bookers_address_stands_for_an_empty_one() -> None:
    run = a_run()
    booking = a_family(run)
    assert [passenger.email_key for passenger in booking.passengers] == [JANE, JANE, "ann@example.com"]
    assert [passenger.person.email for passenger in booking.passengers] == [JANE, "", "ann@example.com"]
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        create_booking(run, asks_for_seats(Person("tom", "DOE", JANE), by="bob"), NOW, {})


def test_relatives_book_one_after_the_other_and_each_only_once() -> None:
    run = a_run("A9")
    jane, tom = relatives(JANE, "Jane", "Tom")
    first, second = book(run, jane), book(run, tom)
    assert first.reference != second.reference
    for again in (jane, tom):
        with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
            create_booking(run, asks_for_seats(again, by="bob"), NOW, {})


def test_a_waitlisted_passenger_counts_as_booked() -> None:
    run = a_run("A1")
    book(run, "ann")
    jane, tom = relatives(JANE, "Jane", "Tom")
    waiting = book_waitlisted(run, jane)
    assert waiting.state is BookingState.WAITLISTED
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        book_waitlisted(run, jane)
    assert book_waitlisted(run, tom).state is BookingState.WAITLISTED


def test_a_cancelled_passenger_may_book_again() -> None:
    run = a_run("A9")
    booking = cancel(run, a_family(run), 2)
    again = book(run, Person("Tom", "Doe", JANE))
    assert (again.reference != booking.reference, numbers(again)) == (True, [1])


# -- numbers stay


def test_numbers_stay_when_others_leave_and_move() -> None:
    run = a_run("A9")
    booking = cancel(run, a_family(run), 1)
    assert (numbers(booking), [passenger.number for passenger in booking.cancelled_passengers]) == ([2, 3], [1])
    moved = change_seat(run, ChangeSeat(Caller(JANE), booking.reference, "", seat_number=8, passenger_number=3), NOW)
    assert [(passenger.number, passenger.assigned_seat.number) for passenger in moved.passengers] == [(2, 2), (3, 8)]


def test_numbers_stay_when_a_waitlisted_group_is_promoted() -> None:
    run = a_run("A3")
    first = book(run, "bob", "cem", "dan")
    waiting = book_waitlisted(run, *relatives(JANE, "Jane", "Tom", "Ann"))
    cancel(run, waiting, 2)
    cancel(run, first)
    assert run.bookings[waiting.reference].state is BookingState.CONFIRMED
    assert numbers(run.bookings[waiting.reference]) == [1, 3]


# -- naming passengers


def test_a_number_names_a_passenger_whom_an_address_cannot() -> None:
    run = a_run("A9")
    booking = book(run, *relatives(JANE, "Jane", "Tom", "Ann"))
    left = cancel(run, booking, 2)
    assert (names(left), seat_labels(left)) == (["Jane", "Ann"], ["A-1", "A-3"])


def test_an_address_of_several_is_refused_and_their_numbers_are_named() -> None:
    run = a_run("A9")
    booking = a_family(run)
    with invalid("passenger_emails[1]", run) as caught:
        cancel_booking(run, asks_to_cancel(booking, "ann", "jane"), NOW)
    assert "passengers 1, 2" in caught[0].message
    with invalid("passenger_email", run) as caught:
        change_seat(run, ChangeSeat(Caller(JANE), booking.reference, JANE, seat_number=8), NOW)
    assert "passengers 1, 2" in caught[0].message


def test_an_address_of_one_is_enough() -> None:
    run = a_run("A9")
    booking = cancel(run, a_family(run), "ann")
    booking = cancel(run, booking, 1)
    assert names(cancel(run, booking, "jane")) == ["Tom"]
    assert run.bookings[booking.reference].state is BookingState.CANCELLED


def test_a_number_and_an_address_must_name_the_same_passenger() -> None:
    run = a_run("A9")
    booking = a_family(run)
    with invalid("passenger_email", run):
        change_seat(run, ChangeSeat(Caller(JANE), booking.reference, JANE, seat_number=8, passenger_number=3), NOW)
    moved = change_seat(run, ChangeSeat(Caller(JANE), booking.reference, JANE, seat_number=8, passenger_number=2), NOW)
    run.committed()
    assert seat_labels(moved) == ["A-1", "A-8", "A-3"]
    with invalid("passenger_numbers[1]", run):
        cancel_booking(run, asks_to_cancel(booking, 1, 3, "jane"), NOW)
    with invalid("passenger_emails[1]", run):
        cancel_booking(run, asks_to_cancel(booking, 1, "jane", "ann"), NOW)
    assert names(cancel(run, booking, 1, 3, "jane", "ann")) == ["Tom"]


@pytest.mark.parametrize("number", [4, 9])
def test_a_number_that_nobody_has_is_refused(number: int) -> None:
    run = a_run("A9")
    booking = a_family(run)
    with invalid("passenger_numbers[0]", run):
        cancel_booking(run, asks_to_cancel(booking, number), NOW)
    with invalid("passenger_number", run):
        change_seat(run, ChangeSeat(Caller(JANE), booking.reference, "", passenger_number=number), NOW)
    with invalid("passengers[0].number", run):
        update_booking(run, asks_for_new_fields(booking, a_person("eve"), numbers=(number,)), NOW)


def test_cancelling_by_number_again_changes_nothing() -> None:
    run = a_run("A9")
    booking = cancel(run, a_family(run), 2)
    assert cancel_booking(run, asks_to_cancel(booking, 2), NOW) is booking
    with invalid("passenger_number", run):
        change_seat(run, ChangeSeat(Caller(JANE), booking.reference, "", passenger_number=2), NOW)


# -- updates


def test_an_update_by_number_leaves_all_others_alone() -> None:
    run = a_run("A9")
    booking = a_family(run)
    changed = update_booking(run, asks_for_new_fields(booking, Person("Tim", "", ""), fields=["first_name"], numbers=(2,)), NOW)
    assert (names(changed), numbers(changed)) == (["Jane", "Tim", "Ann"], [1, 2, 3])
    assert (changed.passengers[0], changed.passengers[2]) == (booking.passengers[0], booking.passengers[2])
    run.committed()
    assert book(run, Person("Tom", "Doe", JANE)).state is BookingState.CONFIRMED


def test_an_update_by_number_goes_by_numbers_and_not_by_order() -> None:
    run = a_run("A9")
    booking = a_family(run)
    asked = asks_for_new_fields(booking, Person("Anna", "", ""), Person("Janet", "", ""), fields=["first_name"], numbers=(3, 1))
    assert names(update_booking(run, asked, NOW)) == ["Janet", "Tom", "Anna"]


def test_an_update_without_numbers_takes_all_in_their_order() -> None:
    run = a_run("A9")
    booking = cancel(run, a_family(run), 1)
    people = Person("Tim", "Doe", ""), Person("Anna", "Doe", "anna@example.com")
    changed = update_booking(run, asks_for_new_fields(booking, *people), NOW)
    assert (names(changed), numbers(changed)) == (["Tim", "Anna"], [2, 3])
    with invalid("passengers", run):
        update_booking(run, asks_for_new_fields(booking, people[0]), NOW)


def test_an_update_that_makes_two_passengers_one_is_refused_under_the_path_of_the_request() -> None:
    run = a_run("A9")
    booking = a_family(run)
    with invalid("passengers[0].email", run):
        update_booking(run, asks_for_new_fields(booking, Person("jane", "doe", ""), numbers=(2,)), NOW)
    eves = Person("Eve", "Doe", JANE), Person("Eve", "Doe", "")
    with invalid("passengers[1].email", run):
        update_booking(run, asks_for_new_fields(booking, *eves, numbers=(3, 2)), NOW)


def test_a_new_name_that_travels_on_another_booking_is_refused() -> None:
    run = a_run("A9")
    booking = a_family(run)
    book(run, Person("Eve", "Doe", JANE))
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        update_booking(run, asks_for_new_fields(booking, Person("EVE", "", ""), fields=["first_name"], numbers=(2,)), NOW)


def test_the_first_passenger_keeps_an_address() -> None:
    run = a_run("A9")
    booking = a_family(run)
    nobody = Person("", "", "")
    with invalid("passengers[0].email", run):
        update_booking(run, asks_for_new_fields(booking, nobody, fields=["email"], numbers=(1,)), NOW)
    changed = update_booking(run, asks_for_new_fields(booking, nobody, fields=["email"], numbers=(3,)), NOW)
    assert changed.passengers[2].email_key == JANE


# -- how many one booker may book


def test_a_booker_has_at_most_nine_passengers_on_a_run() -> None:
    run = a_run("A20")
    first = book(run, *relatives(JANE, *"ABCDE"))
    with refused(Reason.BOOKER_LIMIT, run) as caught:
        create_booking(run, asks_for_seats(*relatives(JANE, *"FGHIK")), NOW, {})
    assert "have booked 5" in caught[0].message
    book(run, *relatives(JANE, *"FGHI"))
    with refused(Reason.BOOKER_LIMIT, run):
        create_booking(run, asks_for_seats("kim", by=JANE), NOW, {})
    cancel(run, first, 3)
    assert book(run, *relatives(JANE, "K")).state is BookingState.CONFIRMED


def test_passengers_booked_by_others_do_not_count() -> None:
    run = a_run("A20")
    sell(run, asks_for_seats(*relatives(JANE, *"ABCDEFGHI"), by="bob"))
    assert book(run, Person("Jane", "Doe", JANE)).state is BookingState.CONFIRMED


def test_waitlisted_passengers_count_and_cancelled_ones_do_not() -> None:
    run = a_run("A1", terms=SalesTerms(passengers_per_booker_max=2))
    book(run, "ann")
    waiting = book_waitlisted(run, *relatives(JANE, "A"))
    book_waitlisted(run, *relatives(JANE, "B"))
    with refused(Reason.BOOKER_LIMIT, run):
        book_waitlisted(run, *relatives(JANE, "C"))
    cancel(run, waiting)
    assert book_waitlisted(run, *relatives(JANE, "C")).state is BookingState.WAITLISTED


def test_the_terms_set_the_limit() -> None:
    run = a_run("A20", terms=SalesTerms(passengers_per_booker_max=1))
    book(run, "jane")
    with refused(Reason.BOOKER_LIMIT, run):
        create_booking(run, asks_for_seats("tom", by=JANE), NOW, {})


def test_operators_have_no_limit() -> None:
    run = a_run("A20", terms=SalesTerms(passengers_per_booker_max=1))
    for letter in "ABC":
        command = replace(asks_for_seats(*relatives(JANE, letter), by="olga"), caller=an_operator())
        assert sell(run, command).state is BookingState.CONFIRMED


def test_a_repeated_request_of_a_booker_at_the_limit_gets_its_booking() -> None:
    run = a_run("A20")
    command = asks_for_seats(*relatives(JANE, *"ABCDEFGHI"))
    assert create_booking(run, command, NOW, {}) is sell(run, command)
