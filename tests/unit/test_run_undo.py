"""The journal of a run and the way back: after any batch of decisions, `undo` restores everything."""

import random
from collections.abc import Iterator

import pytest

from app.domain.booking import Booking, Command, UpdateBooking
from app.domain.changing import cancel_booking, change_seat, update_booking
from app.domain.decisions import decide
from app.domain.refusals import Refusal
from app.domain.run import TrainRun
from app.domain.selling import create_booking
from tests.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    dice,
    fill,
)
from tests.snapshots import snapshot

JOURNEYS = [(LONDON, PARIS), (LONDON, ASHFORD), (LONDON, LILLE), (ASHFORD, LILLE), (ASHFORD, PARIS), (LILLE, PARIS)]
TOWN = [f"p{number}" for number in range(14)]


def random_commands(run: TrainRun, chance: random.Random) -> Iterator[Command]:
    """Whatever people ask for, sensible or not, in a town in which everybody knows each other's bookings."""
    while True:
        kind = chance.choice(("sell", "sell", "sell", "cancel", "cancel", "seat", "update"))
        if kind == "sell" or not run.bookings:
            origin, destination = chance.choice(JOURNEYS)
            who = chance.sample(TOWN, chance.choice((1, 1, 2, 4)))
            seats = chance.sample(range(1, 5), len(who)) if chance.random() < 0.3 else ()
            section = chance.choice("AB")
            yield asks_for_seats(*who, origin=origin, destination=destination, section=section, seats=seats)
            continue
        booking = chance.choice(list(run.bookings.values()))
        who = [passenger.key for passenger in booking.passengers]
        if kind == "cancel":
            some = chance.sample(who, chance.randint(0, len(who)))
            yield asks_to_cancel(booking, *some, validate_only=chance.random() < 0.1)
        elif kind == "seat":
            number = chance.choice((0, 1, 2, 3, 4, 5))
            yield asks_for_another_seat(booking, who=chance.choice(who), section=chance.choice("AB"), number=number)
        else:
            yield with_new_addresses(booking, chance)


def with_new_addresses(booking: Booking, chance: random.Random) -> UpdateBooking:
    return asks_for_new_fields(booking, *(a_person(name) for name in chance.sample(TOWN, len(booking.passengers))))


def decide_some(run: TrainRun, chance: random.Random, count: int) -> int:
    """Decides a batch, as the lane does; gives how many were refused."""
    commands, refusals = random_commands(run, chance), 0
    for _ in range(count):
        try:
            decide(run, next(commands), NOW, {})
        except Refusal:
            refusals += 1
    return refusals


@pytest.mark.parametrize("seed", range(20))
def test_undo_restores_the_run_after_any_batch_of_decisions(seed: int) -> None:
    chance = dice(seed)
    run = a_run("A3 A1 B4")
    changed = 0
    for _ in range(40):
        before, size = snapshot(run), chance.randint(1, 12)
        decide_some(run, chance, size)
        changed += bool(run.journal)
        run.undo()
        assert snapshot(run) == before
        assert not run.journal
        decide_some(run, chance, size)
        run.committed()
    assert changed > 20, "hardly any batch changed anything; this proves little"


@pytest.mark.parametrize("seed", range(100, 110))
def test_a_batch_that_is_undone_and_decided_again_comes_out_alike(seed: int) -> None:
    run = a_run("A3 A1 B4")
    decide_some(run, dice(seed), 12)
    run.committed()
    commands = list(zip(range(10), random_commands(run, dice(seed + 1)), strict=False))

    def decided() -> dict[str, object]:
        for _, command in commands:
            try:
                decide(run, command, NOW, {})
            except Refusal:
                continue
        return snapshot(run)

    first = decided()
    run.undo()
    assert decided() == first


@pytest.mark.parametrize("seed", range(200, 210))
def test_each_booking_holds_exactly_its_seats_whatever_was_decided(seed: int) -> None:
    chance = dice(seed)
    run = a_run("A3 A1 B4")
    for _ in range(30):
        decide_some(run, chance, 8)
        if chance.random() < 0.5:
            run.undo()
        else:
            run.committed()
        sold: dict[str, list[int]] = {section.name: [0] * section.size for section in run.sections}
        travellers: dict[str, str] = {}
        for booking in run.bookings.values():
            for passenger in booking.passengers if booking.is_live else ():
                assert not sold[passenger.place.section][passenger.place.number - 1] & booking.journey.legs
                sold[passenger.place.section][passenger.place.number - 1] |= booking.journey.legs
                assert passenger.key not in travellers, "two live bookings for one passenger"
                travellers[passenger.key] = booking.reference
        assert [section.sold_legs for section in run.sections] == list(sold.values())
        assert run.live_passengers == travellers
        assert all(reference == booking.reference for reference, booking in run.bookings.items())


def test_the_journal_is_empty_until_something_changes() -> None:
    run = a_run("A2")
    booking = book(run, "ann")
    assert not run.journal
    cancel_booking(run, asks_to_cancel(booking, validate_only=True), NOW)
    assert not run.journal
    change_seat(run, asks_for_another_seat(booking, number=1), NOW)
    assert not run.journal
    update_booking(run, asks_for_new_fields(booking, booking.passengers[0].person), NOW)
    assert not run.journal
    change_seat(run, asks_for_another_seat(booking, number=2), NOW)
    assert run.journal


def test_undo_takes_back_a_sale_and_all_that_it_moved() -> None:
    run = a_run("A3")
    before = snapshot(run)
    create_booking(run, asks_for_seats("ann", "ben", origin=LILLE), NOW, {})
    assert run.sections[0].next_number == 3
    run.undo()
    assert snapshot(run) == before


def test_undo_gives_an_address_back_that_changed_hands_within_the_batch() -> None:
    run = a_run("A4")
    first, second = book(run, "ann"), book(run, "ben")
    before = snapshot(run)
    update_booking(run, asks_for_new_fields(first, a_person("cem")), NOW)
    update_booking(run, asks_for_new_fields(second, a_person("ann")), NOW)
    update_booking(run, asks_for_new_fields(first, a_person("ben"), by=None), NOW)
    run.undo()
    assert snapshot(run) == before
    assert run.live_reference("ann@example.com") == first.reference


def test_undo_brings_a_freed_seat_back_to_its_place_in_the_order() -> None:
    run = a_run("A3")
    bookings = fill(run)
    for booking in (bookings[2], bookings[0]):
        cancel_booking(run, asks_to_cancel(booking), NOW)
    run.committed()
    create_booking(run, asks_for_seats("ann"), NOW, {})
    cancel_booking(run, asks_to_cancel(bookings[1]), NOW)
    run.undo()
    assert [book(run, who).passengers[0].place.number for who in ("ben", "cem")] == [3, 1]


def test_undo_of_nothing_changes_nothing() -> None:
    run = a_run("A3")
    book(run, "ann")
    before = snapshot(run)
    run.undo()
    assert snapshot(run) == before
