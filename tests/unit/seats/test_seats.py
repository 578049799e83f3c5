"""Which seat is given out next: the counter, seats chosen ahead of it, and freed seats."""

import pytest

from app.domain.booking import Booking
from app.domain.refusals import Reason
from app.domain.run.seats import without_legs
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    PARIS,
    a_run,
    asks_for_seats,
    book,
    cancel,
    fill,
    move,
    seat_labels,
    sell,
)
from tests.support.run_snapshots import refused


def seats_of(run: TrainRun, *who: str, origin: str = LONDON, destination: str = PARIS) -> list[int]:
    """The seat numbers that these people get in section A."""
    booking = book(run, *who, origin=origin, destination=destination)
    return [passenger.assigned_seat.number for passenger in booking.passengers]


def a_spent_run(layout: str, *free: int) -> tuple[TrainRun, list[Booking]]:
    """All seats of section A sold one by one, then these freed, in this order."""
    run = a_run(layout)
    bookings = fill(run)
    for number in free:
        cancel(run, bookings[number - 1])
    return run, bookings


# -- the counter


def test_seats_are_given_out_in_rising_order() -> None:
    run = a_run("A2 A2")
    assert [seats_of(run, who) for who in ("ann", "ben", "cem", "dot")] == [[1], [2], [3], [4]]


def test_each_section_has_its_own_counter() -> None:
    run = a_run("A3 B3")
    labels = [seat_labels(book(run, f"p{index}", section=section)) for index, section in enumerate("ABABB")]
    assert labels == [["A-1"], ["B-1"], ["A-2"], ["B-2"], ["B-3"]]


def test_sections_that_nobody_chose_are_sold_one_after_the_other() -> None:
    run = a_run("A2 B2")
    assert [seat_labels(book(run, f"p{index}", section="")) for index in range(4)] == [["A-1"], ["A-2"], ["B-1"], ["B-2"]]


def test_a_chosen_seat_does_not_move_the_counter_and_is_skipped_later() -> None:
    run = a_run("A4")
    assert seat_labels(book(run, "ann", seats=[2])) == ["A-2"]
    assert run.sections[0].next_number == 1
    assert [seats_of(run, who) for who in ("ben", "cem", "dot")] == [[1], [3], [4]]


def test_a_released_seat_ahead_of_the_counter_is_given_out_as_usual() -> None:
    run = a_run("A4")
    cancel(run, book(run, "ann", seats=[2]))
    assert run.sections[0].freed == {}
    assert [seats_of(run, who) for who in ("ben", "cem")] == [[1], [2]]


def test_a_group_gets_the_next_seats_in_the_passengers_order() -> None:
    run = a_run("A6")
    seats_of(run, "ann")
    assert seats_of(run, "ben", "cem", "dot") == [2, 3, 4]


# -- freed seats


def test_a_freed_seat_is_not_sold_while_the_counter_has_seats_left() -> None:
    run = a_run("A4")
    first = book(run, "ann")
    seats_of(run, "ben")
    cancel(run, first)
    assert [seats_of(run, who) for who in ("cem", "dot", "eve")] == [[3], [4], [1]]


def test_freed_seats_are_sold_in_the_order_in_which_they_came_free() -> None:
    run, _ = a_spent_run("A5", 4, 1, 3)
    assert [seats_of(run, who) for who in ("ann", "ben", "cem")] == [[4], [1], [3]]


def test_a_seat_that_came_free_twice_counts_from_the_last_time() -> None:
    run, bookings = a_spent_run("A5", 4, 1)
    again = book(run, "ann")
    cancel(run, bookings[1])
    cancel(run, again)
    assert [seats_of(run, who) for who in ("ben", "cem", "dot")] == [[1], [2], [4]]


def test_a_seat_that_a_passenger_moved_from_comes_free_too() -> None:
    run, bookings = a_spent_run("A4", 3)
    move(run, bookings[0], number=3)
    assert seats_of(run, "ann") == [1]


def test_a_freed_seat_that_somebody_chose_is_not_given_out_again() -> None:
    run, _ = a_spent_run("A4", 3, 1)
    book(run, "ann", seats=[3])
    assert seats_of(run, "ben") == [1]
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("cem", section="A"))


def test_when_every_seat_ahead_of_the_counter_was_chosen_the_freed_ones_are_given_out() -> None:
    run = a_run("A4")
    book(run, "ann", "ben", seats=[3, 4])
    first = book(run, "cem")
    seats_of(run, "dot")
    cancel(run, first)
    assert seats_of(run, "eve") == [1]


def test_a_full_section_sells_nothing() -> None:
    run, _ = a_spent_run("A2 B2")
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ann", section="A"))
    assert seat_labels(book(run, "ann", section="B")) == ["B-1"]


# -- legs


def test_london_to_ashford_and_lille_to_paris_share_a_seat_once_the_counter_is_spent() -> None:
    run = a_run("A2")
    assert seats_of(run, "ann", origin=LONDON, destination=ASHFORD) == [1]
    assert seats_of(run, "ben", origin=LONDON, destination=PARIS) == [2]
    assert seats_of(run, "cem", origin=LILLE, destination=PARIS) == [1]
    assert seats_of(run, "dot", origin=ASHFORD, destination=LILLE) == [1]
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("eve", origin=ASHFORD, destination=LILLE))


def test_the_free_legs_of_a_seat_wait_until_the_counter_is_spent() -> None:
    run = a_run("A2")
    assert seats_of(run, "ann", origin=LONDON, destination=ASHFORD) == [1]
    assert seats_of(run, "ben", origin=LILLE, destination=PARIS) == [2]
    assert seats_of(run, "cem", origin=LILLE, destination=PARIS) == [1]


def test_seats_with_free_legs_are_given_out_in_the_order_in_which_the_counter_passed_them() -> None:
    run = a_run("A3")
    fill(run, origin=LONDON, destination=ASHFORD)
    assert [seats_of(run, who, origin=LILLE) for who in ("ann", "ben", "cem")] == [[1], [2], [3]]


def test_a_seat_came_free_for_a_journey_with_the_last_of_its_legs() -> None:
    run = a_run("A3")
    first_half = fill(run, origin=LONDON, destination=LILLE)
    second_half = [book(run, f"p{number}", origin=LILLE, seats=[number]) for number in (1, 2, 3)]
    for booking in (first_half[0], second_half[1], first_half[1], second_half[0]):
        cancel(run, booking)
    # Seat 1 was free to Lille first, but on the whole way only after seat 2.
    assert seats_of(run, "ann", destination=PARIS) == [2]
    assert seats_of(run, "ben", destination=LILLE) == [1]


def test_a_seat_that_is_free_only_in_part_is_not_given_out() -> None:
    run = a_run("A1")
    seats_of(run, "ann", origin=ASHFORD, destination=LILLE)
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ben", origin=LONDON, destination=LILLE))
    assert seats_of(run, "ben", origin=LILLE, destination=PARIS) == [1]


def test_a_seat_that_was_chosen_for_part_of_the_way_is_given_out_by_the_counter_for_another_part() -> None:
    run = a_run("A3")
    book(run, "ann", seats=[1], origin=LONDON, destination=ASHFORD)
    assert seats_of(run, "ben", origin=LILLE) == [1]
    assert seats_of(run, "cem") == [2]


def test_seats_are_counted_for_the_legs_that_are_asked_for() -> None:
    run = a_run("A3")
    book(run, "ann", origin=LONDON, destination=ASHFORD)
    book(run, "ben", origin=LILLE, destination=PARIS)
    section = run.sections[0]
    assert (section.free_count(0b001), section.free_count(0b010), section.free_count(0b100)) == (2, 3, 2)
    assert section.free_count(0b111) == 1


# -- groups


def test_a_group_gets_all_its_seats_or_none() -> None:
    run, _ = a_spent_run("A9", 1, 2, 3, 5, 6, 7, 8, 9)
    nine = [f"g{index}" for index in range(9)]
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats(*nine, section="A"))
    assert sorted(seats_of(run, *nine[:8])) == [1, 2, 3, 5, 6, 7, 8, 9]


def test_a_group_gets_the_last_seats_of_the_counter_and_freed_ones_for_the_rest() -> None:
    run = a_run("A4")
    first = book(run, "ann")
    book(run, "ben")
    book(run, "cem")
    cancel(run, first)
    assert seats_of(run, "dot", "eve") == [4, 1]
    assert run.sections[0].next_number == 5


def test_a_group_sits_together_on_freed_seats_where_that_is_possible() -> None:
    run, _ = a_spent_run("A8", 1, 7, 3, 8, 4)
    booking = book(run, "ann", "ben")
    assert seat_labels(booking) == ["A-7", "A-8"]  # the first pair of neighbours, by when the earlier of them came free
    assert booking.seats_together


def test_neighbours_are_in_one_coach() -> None:
    run, _ = a_spent_run("A2 A3", 2, 3, 4)
    assert seats_of(run, "ann", "ben") == [3, 4]


def test_a_group_without_neighbours_gets_the_seats_that_came_free_first() -> None:
    run, _ = a_spent_run("A2 A2 A2", 5, 2, 3)
    booking = book(run, "ann", "ben")
    assert seat_labels(booking) == ["A-5", "A-2"]
    assert not booking.seats_together


def test_a_group_of_nine_sits_together_in_the_only_row_that_is_left() -> None:
    run, _ = a_spent_run("A12", 12, 1, *range(10, 1, -1))
    assert seats_of(run, *(f"g{index}" for index in range(9))) == list(range(1, 10))


@pytest.mark.parametrize(("seats", "together"), [([1, 2], True), ([2, 1], True), ([1, 3], False), ([2, 3], False)])
def test_neighbours_have_consecutive_numbers_in_one_coach(seats: list[int], together: bool) -> None:
    assert book(a_run("A2 A2"), "ann", "ben", seats=seats).seats_together is together


def test_a_single_passenger_counts_as_seated_together() -> None:
    assert book(a_run("A2"), "ann").seats_together


# -- coaches and entries


def test_a_seat_is_in_the_coach_that_its_number_falls_into() -> None:
    run = a_run("A2 B1 A3")
    assert [run.sections[0].coach_of(number) for number in range(1, 6)] == ["1", "1", "3", "3", "3"]


def test_selling_legs_leaves_only_what_is_still_free() -> None:
    assert without_legs(((3, 0b011), (5, 0b100)), 0b001) == ((3, 0b010), (5, 0b100))
    assert without_legs(((3, 0b011), (5, 0b100)), 0b011) == ((5, 0b100),)
    assert without_legs(((3, 0b011),), 0b111) == ()
