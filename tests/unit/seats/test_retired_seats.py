"""Retired seats: nobody gets one, whatever is asked for, and they count nowhere."""

import pytest

from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.hold_seats import held_seats_max, hold_seats
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from tests.support.builders import (
    NOW,
    a_run,
    asks_for_seats,
    asks_to_hold,
    book,
    book_waitlisted,
    cancel,
    move,
    seat_labels,
    seeded_random,
)
from tests.support.random_commands import decide_some
from tests.support.run_changes import retired
from tests.support.run_snapshots import invalid, refused


def retire(run: TrainRun, *numbers: int, section: int = 0) -> None:
    """Retire seats of a section, and commit."""
    run.set_sections([retired(seats, *numbers) if index == section else seats for index, seats in enumerate(run.sections)])
    run.committed()


def test_a_retired_seat_does_not_count() -> None:
    run = a_run("A4")
    retire(run, 2, 4)
    (section,) = run.sections
    assert (section.size, section.seat_count, section.free_count(0b111)) == (4, 2, 2)
    assert [number for number in range(1, 5) if section.is_retired(number)] == [2, 4]


def test_the_counter_passes_over_retired_seats() -> None:
    run = a_run("A4")
    retire(run, 2)
    assert [seat_labels(book(run, name)) for name in ("ann", "ben", "cem")] == [["A-1"], ["A-3"], ["A-4"]]
    with refused(Reason.SECTION_FULL, run):
        book(run, "dan")


def test_a_seat_that_was_free_again_when_it_was_retired_is_not_sold() -> None:
    run = a_run("A3")
    bookings = [book(run, name) for name in ("ann", "ben", "cem")]
    cancel(run, bookings[1])
    retire(run, 2)
    with refused(Reason.SECTION_FULL, run):
        book(run, "dan")
    cancel(run, bookings[0])
    assert seat_labels(book(run, "eve")) == ["A-1"]


def test_a_group_gets_no_neighbours_across_a_retired_seat() -> None:
    run = a_run("A5")
    bookings = [book(run, name) for name in ("a", "b", "c", "d", "e")]
    for number in (0, 2, 3):
        cancel(run, bookings[number])
    cancel(run, bookings[1])
    retire(run, 2)
    assert sorted(seat_labels(book(run, "x", "y"))) == ["A-3", "A-4"]


@pytest.mark.parametrize("number", [2, 5])
def test_a_retired_seat_that_is_named_is_refused_as_one_that_never_was(number: int) -> None:
    run = a_run("A4")
    retire(run, 2)
    with invalid("seat_numbers[1]", run) as caught:
        create_booking(run, asks_for_seats("ann", "ben", section="A", seats=[1, number]), NOW, {})
    assert f"section A has no seat {number}" in caught[0].message
    with invalid("seat_numbers[0]", run):
        hold_seats(run, asks_to_hold("ann", seats=[number]), NOW)
    booking = book(run, "ann")
    with invalid("seat_number", run):
        move(run, booking, number=number)


def test_the_share_of_held_seats_is_one_of_the_seats_that_are_left() -> None:
    run = a_run("A100", terms=SalesTerms(hold_percent_max=50))
    assert held_seats_max(run) == 50
    retire(run, *range(61, 101))
    assert held_seats_max(run) == 30


def test_a_group_larger_than_what_is_left_of_a_section_cannot_wait_for_it() -> None:
    run = a_run("A3")
    retire(run, 1)
    for name in ("ann", "ben"):
        book(run, name)
    with refused(Reason.SECTION_FULL, run):
        book_waitlisted(run, "x", "y", "z")
    assert book_waitlisted(run, "x", "y").ticket_number == 1


@pytest.mark.parametrize("seed", range(15))
def test_no_decision_ever_gives_out_a_retired_seat(seed: int) -> None:
    chance, run = seeded_random(seed), a_run("A12 B12")
    for _ in range(40):
        decide_some(run, chance, 6)
        for index, section in enumerate(run.sections):
            unsold = [number for number, sold in enumerate(section.sold_legs, 1) if not sold]
            if unsold and section.seat_count > 6 and chance.random() < 0.3:
                run.set_sections([retired(s, unsold[-1]) if i == index else s for i, s in enumerate(run.sections)])
        run.committed()
        for section in run.sections:
            assert all(section.sold_legs[number - 1] == section.all_legs for number in section.retired)
            assert not section.retired & section.freed.keys()
        taken = [
            (passenger.seat.section, passenger.seat.number)
            for booking in run.bookings.values()
            for passenger in booking.passengers
            if booking.is_live and passenger.seat is not None
        ]
        taken += [(seat.section, seat.number) for held in run.holds.values() for seat in held.seats]
        gone = {(section.name, number) for section in run.sections for number in section.retired}
        assert not gone.intersection(taken)
    assert any(section.retired for section in run.sections)
