"""CreateBooking: what is sold, for how much, to whom, and every reason to refuse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.commands import CreateBooking
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_person,
    a_run,
    asks_for_new_fields,
    asks_for_seats,
    book,
    cancel,
    fill,
    key_of,
    seat_labels,
    sell,
)
from tests.support.run_snapshots import invalid, refused, snapshot

A_MOMENT = timedelta(microseconds=1)


# -- what is sold


def test_a_booking_has_what_the_request_asked_for() -> None:
    run = a_run()
    command = asks_for_seats("jane", "Ann.Lee+rail@Example.COM", by="bob", origin="stp", destination="LILLE")
    booking = create_booking(run, command, NOW, {})
    assert [passenger.person for passenger in booking.passengers] == list(command.passengers)
    assert [passenger.email_key for passenger in booking.passengers] == ["jane@example.com", "ann.lee+rail@example.com"]
    assert (booking.journey.origin, booking.journey.destination) == (LONDON, LILLE)
    assert (booking.user.email, booking.user_key) == ("bob@example.com", "bob@example.com")
    assert (booking.state, booking.is_live) == (BookingState.CONFIRMED, True)
    assert (booking.create_time, booking.update_time, booking.revision) == (NOW, NOW, run.version + 1)
    assert run.find(booking.reference) == booking
    assert run.live_reference(key_of("ann.lee+rail")) == booking.reference


def test_names_in_any_script_are_stored_as_sent() -> None:
    people = [a_person(f"p{index}", first_name=name) for index, name in enumerate(("Ngọc", "Ольга", "美咲", "محمد", "Zoë"))]
    booking = sell(a_run("A9"), replace(asks_for_seats(by="bob"), passengers=tuple(people)))
    assert [passenger.person.first_name for passenger in booking.passengers] == ["Ngọc", "Ольга", "美咲", "محمد", "Zoë"]


def test_a_reference_has_six_unambiguous_characters() -> None:
    booking = book(a_run())
    assert len(booking.reference) == 6
    assert set(booking.reference) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_each_passenger_pays_the_fare_of_the_section() -> None:
    run = a_run("A4 B4", fares={"A": 2_000, "B": 3_550})
    assert str(book(run, "ann", section="A").price) == "USD 20.00"
    group = book(run, "ben", "cem", "dot", section="B")
    assert [passenger.fare_minor for passenger in group.passengers] == [3_550] * 3
    assert group.price == Money(10_650, "USD")


def test_the_fare_is_that_of_the_seat_whatever_the_journey() -> None:
    assert book(a_run(), origin=ASHFORD, destination=LILLE).price == Money(2_000, "USD")


def test_without_a_section_a_group_gets_the_first_one_with_enough_seats() -> None:
    run = a_run("A3 B3")
    book(run, "ann", "ben", section="A")
    assert seat_labels(book(run, "cem", "dot", section="")) == ["B-1", "B-2"]
    assert seat_labels(book(run, "eve", section="")) == ["A-3"]


def test_the_rule_is_found_by_the_type_of_the_command() -> None:
    run = a_run()
    booking = decide(run, asks_for_seats(), NOW, {}).booking
    assert run.find(booking.reference) == booking


# -- chosen seats


def test_chosen_seats_are_sold_in_the_order_of_the_passengers() -> None:
    booking = book(a_run(), "ann", "ben", section="B", seats=[4, 2])
    assert seat_labels(booking) == ["B-4", "B-2"]


def test_a_chosen_seat_that_is_taken_is_refused_naming_it() -> None:
    run = a_run()
    book(run, "ann", seats=[3])
    with refused(Reason.SEAT_TAKEN, run) as caught:
        sell(run, asks_for_seats("ben", "cem", section="A", seats=[2, 3]))
    assert caught[0].resource == ("seat", "A-3")


def test_a_chosen_seat_that_is_free_only_in_part_is_taken() -> None:
    run = a_run()
    book(run, "ann", seats=[3], origin=ASHFORD, destination=LILLE)
    with refused(Reason.SEAT_TAKEN, run):
        sell(run, asks_for_seats("ben", section="A", seats=[3], origin=LONDON, destination=LILLE))
    assert seat_labels(book(run, "ben", seats=[3], origin=LILLE)) == ["A-3"]


@pytest.mark.parametrize("number", [0, -1, 5, 2**31 - 1])
def test_a_chosen_seat_that_does_not_exist_is_refused_under_its_position(number: int) -> None:
    run = a_run("A4")
    with invalid("seat_numbers[1]", run):
        sell(run, asks_for_seats("ann", "ben", section="A", seats=[1, number]))


@pytest.mark.parametrize("seats", [[], [1]])
def test_a_section_that_does_not_exist_is_refused(seats: list[int]) -> None:
    run = a_run()
    with invalid("section", run):
        sell(run, asks_for_seats(section="a", seats=seats))


# -- what is refused


def test_stops_in_the_wrong_order_are_refused() -> None:
    run = a_run()
    with invalid("origin", run):
        sell(run, asks_for_seats(origin=PARIS, destination=LONDON))
    with invalid("origin", run):
        sell(run, asks_for_seats(origin="Brussels"))
    with invalid("destination", run):
        sell(run, asks_for_seats(destination="Brussels"))


def test_a_full_section_is_refused_and_nothing_of_a_group_is_sold() -> None:
    run = a_run("A9 B9")
    book(run, "ann", section="A")
    nine = [f"g{index}" for index in range(9)]
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats(*nine, section="A"))
    book(run, "ben", section="B")
    with refused(Reason.SECTION_FULL, run) as caught:
        sell(run, asks_for_seats(*nine))
    assert "fewer than 9" in caught[0].message


def test_nothing_is_sold_once_the_train_has_left_the_journeys_origin() -> None:
    run = a_run()
    with refused(Reason.RUN_DEPARTED, run):
        sell(run, asks_for_seats("ann"), now=DEPARTS_LONDON)
    assert sell(run, asks_for_seats("ann"), now=DEPARTS_LONDON - A_MOMENT).is_live


def test_at_later_stops_seats_are_sold_until_the_train_leaves_there() -> None:
    run = a_run()
    assert sell(run, asks_for_seats("ann", origin=LILLE), now=DEPARTS_LILLE - A_MOMENT).is_live
    with refused(Reason.RUN_DEPARTED, run) as caught:
        sell(run, asks_for_seats("ben", origin=LILLE), now=DEPARTS_LILLE)
    assert LILLE in caught[0].message


# -- one live booking


@pytest.mark.parametrize("again", ["ann", "ANN@EXAMPLE.COM", " ann@example.com "])
def test_a_passenger_with_a_live_booking_is_refused_however_the_address_is_spelt(again: str) -> None:
    run = a_run()
    book(run, "ann")
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run) as caught:
        sell(run, asks_for_seats(again))
    assert caught[0].resource == ("passenger", "ann@example.com")


def test_the_refusal_of_a_passenger_says_who_and_nothing_of_the_other_booking() -> None:
    run = a_run()
    other = book(run, "ben")
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run) as caught:
        sell(run, asks_for_seats("ann", "ben"))
    assert caught[0].resource == ("passenger", "ben@example.com")
    assert other.reference not in caught[0].message


@pytest.mark.parametrize("other", ["ann+1@example.com", "a.nn@example.com", "ann@example.org"])
def test_addresses_that_differ_by_a_plus_a_dot_or_the_host_are_different_passengers(other: str) -> None:
    run = a_run()
    book(run, "ann")
    assert book(run, other).is_live


def test_composed_and_decomposed_letters_are_the_same_address() -> None:
    run = a_run()
    book(run, "zo\u00eb@example.com")
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("ZOE\u0308@example.com"))


def test_one_passenger_with_a_live_booking_refuses_the_whole_group() -> None:
    run = a_run()
    book(run, "ann", "ben")
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("cem", "ben", "dot"))


def test_another_journey_on_the_same_run_is_a_second_booking_too() -> None:
    run = a_run()
    book(run, "ann", origin=LONDON, destination=ASHFORD)
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("ann", origin=LILLE))


def test_somebody_may_book_for_others_as_often_as_they_like() -> None:
    run = a_run()
    bookings = [sell(run, asks_for_seats(who, by="bob")) for who in ("ann", "ben", "bob", "cem")]
    assert {booking.user_key for booking in bookings} == {"bob@example.com"}


def test_after_a_cancellation_the_passenger_may_book_again() -> None:
    run = a_run()
    cancel(run, book(run, "ann"))
    again = book(run, "ann")
    assert run.live_reference(key_of("ann")) == again.reference


def test_a_cancelled_passenger_may_book_again_and_the_others_may_not() -> None:
    run = a_run()
    cancel(run, book(run, "ann", "ben"), "ben")
    assert book(run, "ben").is_live
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("ann"))


def test_a_changed_address_is_the_one_that_counts() -> None:
    run = a_run()
    decide(run, asks_for_new_fields(book(run, "ann"), a_person("eve")), NOW, {})
    run.committed()
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("eve"))
    assert book(run, "ann").is_live


# -- the same request again


def test_a_repeated_request_gets_its_booking_and_changes_nothing() -> None:
    run = a_run()
    command = asks_for_seats("ann", request_id="click")
    first = sell(run, command)
    before = snapshot(run)
    for _ in range(3):
        assert create_booking(run, command, NOW + timedelta(days=1), {}) is first
    assert snapshot(run) == before
    assert not run.change_set


def test_a_repeated_request_gets_its_booking_also_when_cancelled_full_or_departed() -> None:
    run = a_run("A1")
    command = asks_for_seats("ann", request_id="click")
    cancelled = cancel(run, sell(run, command))
    fill(run)
    assert create_booking(run, command, DEPARTS_LILLE, {}) == cancelled


def test_a_repeated_request_gets_its_booking_in_another_case_of_the_address() -> None:
    run = a_run()
    first = sell(run, asks_for_seats("ann", by="bob", request_id="click"))
    assert create_booking(run, asks_for_seats("ann", by="BOB@example.com", request_id="click"), NOW, {}) is first


@pytest.mark.parametrize(
    "other",
    [
        asks_for_seats("ben", by="bob", request_id="click"),
        asks_for_seats("ann", "ben", by="bob", request_id="click"),
        asks_for_seats("ANN@example.com", by="bob", request_id="click"),
        asks_for_seats("ann", by="bob", request_id="click", origin=ASHFORD),
        asks_for_seats("ann", by="bob", request_id="click", destination=LILLE),
        asks_for_seats("ann", by="bob", request_id="click", section="A"),
        asks_for_seats("ann", by="bob", request_id="click", section="A", seats=[1]),
        asks_for_seats("ann", by="bob", request_id="click", travel_date=NOW.date()),
        replace(asks_for_seats("ann", by="bob", request_id="click"), train_id="es9016"),
        replace(asks_for_seats(by="bob", request_id="click"), passengers=(a_person("ann", first_name="Anna"),)),
        replace(asks_for_seats(by="bob", request_id="click"), passengers=(a_person("ann", last_name="Lee"),)),
    ],
)
def test_the_same_request_id_with_another_body_is_refused(other: CreateBooking) -> None:
    run = a_run()
    first = sell(run, asks_for_seats("ann", by="bob", request_id="click"))
    with refused(Reason.REQUEST_ID_REUSED, run) as caught:
        sell(run, other)
    assert caught[0].resource == ("booking", first.reference)


def test_another_person_may_use_the_same_request_id() -> None:
    run = a_run()
    first = sell(run, asks_for_seats("ann", request_id="click"))
    second = sell(run, asks_for_seats("ben", request_id="click"))
    assert first.reference != second.reference


def test_the_booking_of_a_request_is_found_once_it_is_loaded_again() -> None:
    command = asks_for_seats("ann", request_id="click")
    run = a_run()
    cancelled = cancel(run, sell(run, command))
    run.evict_except(())
    run.apply_newer([cancelled])
    before = snapshot(run)
    assert create_booking(run, command, NOW, {}) is cancelled
    assert snapshot(run) == before
    with refused(Reason.REQUEST_ID_REUSED, run):
        sell(run, replace(command, section="B"))


def test_a_request_id_that_was_used_on_another_run_is_refused() -> None:
    other = sell(a_run(), asks_for_seats("ann", request_id="click", travel_date=NOW.date()))
    run = a_run()
    with refused(Reason.REQUEST_ID_REUSED, run):
        sell(run, asks_for_seats("ann", request_id="click"), bookings_of_other_runs={other.reference: other})
