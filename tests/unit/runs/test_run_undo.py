"""The undo of a run: after any batch of decisions, `undo` restores everything."""

from collections import Counter
from datetime import timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.events import Event
from app.domain.refusals import Refusal
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.update_booking import update_booking
from app.domain.rules.waitlist import waitlist_closing_time
from tests.support.builders import (
    LILLE,
    NOW,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    fill,
    key_of,
    seeded_random,
)
from tests.support.random_commands import decide_some, random_commands
from tests.support.run_snapshots import snapshot

A_WHILE = 60 * 8  # seconds; holds of the random commands last up to fifteen minutes


@pytest.mark.parametrize("seed", range(20))
def test_undo_restores_the_run_after_any_batch_of_decisions(seed: int) -> None:
    chance = seeded_random(seed)
    run, now = a_run("A3 A1 B4"), NOW
    changed = 0
    for _ in range(60):
        now += timedelta(seconds=chance.choice((0, 0, 1, A_WHILE)))
        before, size = snapshot(run), chance.randint(1, 12)
        decide_some(run, chance, size, now)
        changed += bool(run.change_set)
        run.undo()
        assert snapshot(run) == before
        assert not run.change_set
        assert not run.change_set.events
        decide_some(run, chance, size, now)
        run.committed()
    assert changed > 30, "hardly any batch changed anything; this proves little"


@pytest.mark.parametrize("seed", range(300, 305))
def test_undo_restores_an_expired_waitlist_and_expired_holds(seed: int) -> None:
    chance = seeded_random(seed)
    run = a_run("A3 B2")
    while len(run.waitlist) < 4 or not run.holds:
        decide_some(run, chance, 4)
        run.committed()
    before = snapshot(run)
    expire_due(run, waitlist_closing_time(run))
    assert not run.waitlist
    assert not run.holds
    run.undo()
    assert snapshot(run) == before


@pytest.mark.parametrize("seed", range(100, 120))
def test_a_batch_that_is_undone_and_decided_again_has_the_same_result(seed: int) -> None:
    run = a_run("A3 A1 B4")
    decide_some(run, seeded_random(seed), 16)
    run.committed()
    commands = list(zip(range(10), random_commands(run, seeded_random(seed + 1)), strict=False))

    def decided() -> tuple[dict[str, object], list[Event]]:
        expire_due(run, NOW + timedelta(seconds=A_WHILE))
        for _, command in commands:
            try:
                decide(run, command, NOW + timedelta(seconds=A_WHILE), {})
            except Refusal:
                continue
        return snapshot(run), run.change_set.events

    first = decided()
    run.undo()
    assert decided() == first


@pytest.mark.parametrize("seed", range(200, 210))
def test_each_booking_and_hold_has_exactly_its_seats_whatever_was_decided(seed: int) -> None:
    chance = seeded_random(seed)
    run, now = a_run("A3 A1 B4"), NOW
    for _ in range(30):
        now += timedelta(seconds=chance.choice((0, 1, A_WHILE)))
        decide_some(run, chance, 8, now)
        if chance.random() < 0.5:
            run.undo()
        else:
            run.committed()
        taken = [(seat, held.legs) for held in run.holds.values() for seat in held.seats]
        passenger_index: dict[str, str] = {}
        booked: Counter[str] = Counter()
        for booking in run.bookings.values():
            booked[booking.user_key] += len(booking.passengers) if booking.is_live else 0
            for passenger in booking.passengers if booking.is_live else ():
                if passenger.seat is not None:
                    taken.append((passenger.seat, booking.journey.legs))
                assert (passenger.seat is None) == (booking.state is BookingState.WAITLISTED)
                assert passenger.key not in passenger_index, "two live bookings for one passenger"
                passenger_index[passenger.key] = booking.reference
        sold: dict[str, list[int]] = {section.name: [0] * section.size for section in run.sections}
        for seat, legs in taken:
            assert not sold[seat.section][seat.number - 1] & legs, "a leg of a seat twice"
            sold[seat.section][seat.number - 1] |= legs
        assert [section.sold_legs for section in run.sections] == list(sold.values())
        assert (run.passenger_index.references, run.passenger_index.passenger_counts) == (passenger_index, +booked)
        assert all(reference == booking.reference for reference, booking in run.bookings.items())


def test_the_change_set_is_empty_until_something_changes() -> None:
    run = a_run("A2")
    booking = book(run, "ann")
    assert not run.change_set
    cancel_booking(run, asks_to_cancel(booking, validate_only=True), NOW)
    assert not run.change_set
    change_seat(run, asks_for_another_seat(booking, number=1), NOW)
    assert not run.change_set
    update_booking(run, asks_for_new_fields(booking, booking.passengers[0].person), NOW)
    assert not run.change_set
    change_seat(run, asks_for_another_seat(booking, number=2), NOW)
    assert run.change_set


def test_undo_takes_back_a_sale_with_its_counter_and_freed_seats() -> None:
    run = a_run("A3")
    before = snapshot(run)
    create_booking(run, asks_for_seats("ann", "ben", origin=LILLE), NOW, {})
    assert run.sections[0].next_number == 3
    run.undo()
    assert snapshot(run) == before


def test_undo_restores_an_address_that_changed_its_booking_within_the_batch() -> None:
    run = a_run("A4")
    first, second = book(run, "ann"), book(run, "ben")
    before = snapshot(run)
    update_booking(run, asks_for_new_fields(first, a_person("cem")), NOW)
    update_booking(run, asks_for_new_fields(second, a_person("ann")), NOW)
    update_booking(run, asks_for_new_fields(first, a_person("ben"), by=None), NOW)
    run.undo()
    assert snapshot(run) == before
    assert run.live_reference(key_of("ann")) == first.reference


def test_undo_restores_the_order_of_freed_seats() -> None:
    run = a_run("A3")
    bookings = fill(run)
    for booking in (bookings[2], bookings[0]):
        cancel_booking(run, asks_to_cancel(booking), NOW)
    run.committed()
    create_booking(run, asks_for_seats("ann"), NOW, {})
    cancel_booking(run, asks_to_cancel(bookings[1]), NOW)
    run.undo()
    assert [book(run, who).passengers[0].assigned_seat.number for who in ("ben", "cem")] == [3, 1]


def test_undo_of_nothing_changes_nothing() -> None:
    run = a_run("A3")
    book(run, "ann")
    before = snapshot(run)
    run.undo()
    assert snapshot(run) == before
