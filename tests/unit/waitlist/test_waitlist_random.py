"""The waitlist against a slow, plain model of the same rules, over thousands of random decisions; waitlists of full length; and
trains that become longer.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import bson
import pytest

from app.domain import limits
from app.domain.booking import Booking, BookingState
from app.domain.commands import Command, CreateBooking, Promotion
from app.domain.refusals import Refusal
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.promote_waitlist import promote
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.seats import CoachSeats
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from app.store.booking_documents import booking_document
from app.store.driver import Document
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import (
    NOW,
    a_run,
    asks_to_cancel,
    asks_to_promote,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    seat_labels,
    seeded_random,
)
from tests.support.random_commands import random_commands

LEGS = range(3)


# -- a plain model: who sits where on which leg, and who could sit somewhere


def taken(run: TrainRun) -> set[tuple[str, int, int]]:
    """(section, seat, leg) of everything that is sold or held, as the bookings and holds themselves say."""
    rides = [
        (passenger.seat, booking.journey.legs)
        for booking in run.bookings.values()
        for passenger in (booking.passengers if booking.is_live else ())
        if passenger.seat is not None
    ]
    rides += [(seat, held.legs) for held in run.holds.values() for seat in held.seats]
    return {(seat.section, seat.number, leg) for seat, legs in rides for leg in LEGS if legs >> leg & 1}


def fits(run: TrainRun, booking: Booking) -> bool:
    """Whether some section has seats for all of the booking over the whole of its journey."""
    occupied = taken(run)
    for section in run.sections:
        if booking.wanted_section in ("", section.name):
            free = [
                number
                for number in range(1, section.size + 1)
                if not any(booking.journey.legs >> leg & 1 and (section.name, number, leg) in occupied for leg in LEGS)
            ]
            if len(free) >= len(booking.passengers):
                return True
    return False


def require_sound(run: TrainRun) -> None:
    """What holds after every step: no waitlisted booking fits, and every booking has paid what it costs."""
    waiting = {booking.ticket_number: booking for booking in run.bookings.values() if booking.state is BookingState.WAITLISTED}
    assert not [booking.reference for booking in waiting.values() if fits(run, booking)], "a waitlisted booking fits"
    assert {
        number: (booking.reference, booking.wanted_section, booking.journey.legs, len(booking.passengers), None)
        for number, booking in waiting.items()
    } == {number: (entry.reference, *entry.demand) for number, entry in run.waitlist.items()}
    for booking in run.bookings.values():
        charged = booking.charged_minor - sum(refund.minor for refund in booking.refunds)
        assert charged == (booking.price.minor if booking.is_live else 0)
        assert len({refund.refund_id for refund in booking.refunds}) == len(booking.refunds)
    require_counted(run)


def require_counted(run: TrainRun) -> None:
    """The indexes of the run are those of its waitlist and seats."""
    again = replace(run)  # which counts anew
    assert run.waitlist_index.ticket_numbers == again.waitlist_index.ticket_numbers
    users = {booking.user_key for booking in run.bookings.values()}
    assert {user: run.waitlisted_count(user) for user in users} == {user: again.waitlisted_count(user) for user in users}
    for section in run.sections:
        for legs in (0b111, 0b1, 0b110):
            free = section.free_count(legs)
            assert section.has_free(legs, free)
            assert not section.has_free(legs, free + 1)
    for number, place in run.waitlist.items():
        assert run.waitlist_index.position(number) == sum(1 for other in run.waitlist if other <= number)
        assert (run.waitlist_index.first(place.demand) or number) <= number


def require_nobody_passed(before: list[Booking], run: TrainRun, sold: Booking) -> None:
    """No waitlisted booking could have had the seats of the new booking."""
    without = {reference: booking for reference, booking in run.bookings.items() if reference != sold.reference}
    empty = replace(run, bookings=without)
    for booking in before:
        assert not fits(empty, booking), f"{sold.reference} was sold a seat that {booking.reference} waited for"


@pytest.mark.parametrize("seed", range(15))
def test_no_waitlisted_booking_fits_free_seats_and_no_new_one_takes_seats_that_would_fit(seed: int) -> None:
    chance = seeded_random(seed)
    run, now = a_run("A3 A1 B4", fares={"A": 5_000, "B": 2_000}), NOW
    commands = random_commands(run, chance)
    waited = 0
    for _ in range(800):
        if chance.random() < 0.1:
            now += timedelta(seconds=chance.randint(1, 900))
            expire_due(run, now)
            require_sound(run)
        decide_one(run, next(commands), now)
        require_sound(run)
        waited += bool(run.waitlist)
        if chance.random() < 0.3:
            run.undo()
            require_sound(run)
        elif chance.random() < 0.5:
            run.committed()
    assert waited > 100, "hardly anybody was waitlisted; this proves little"


def decide_one(run: TrainRun, command: Command[Any], now: datetime) -> None:
    before = [booking for booking in run.bookings.values() if booking.state is BookingState.WAITLISTED]
    known = set(run.bookings)
    try:
        result = decide(run, command, now, {})
    except Refusal:
        return
    if not isinstance(command, CreateBooking) or command.hold_id:
        return
    booking = result.booking
    if booking.reference not in known and booking.state is BookingState.CONFIRMED:
        require_nobody_passed(before, run, booking)


# -- a train that gets longer


def with_another_coach(run: TrainRun, section: int, seats: int) -> None:
    """Add a coach at the end of a section."""
    old = run.sections[section]
    coach = CoachSeats(f"{section}-extra-{old.size}", old.size + 1, old.size + seats)
    run.sections[section] = replace(old, coaches=(*old.coaches, coach), sold_legs=[*old.sold_legs, *[0] * seats])


@pytest.mark.parametrize(("seats", "seated"), [(0, 0), (1, 1), (3, 3), (5, 5), (7, 5)])
def test_a_longer_section_promotes_exactly_as_many_as_fit(seats: int, seated: int) -> None:
    run = a_run("A2 B1")
    fill(run)
    fill(run, "B")
    waiting = [book_waitlisted(run, f"w{number}") for number in range(1, 6)]
    in_section_b = book_waitlisted(run, "ann", section="B")
    with_another_coach(run, 0, seats)
    promote(run, NOW)
    run.committed()
    promoted = [
        booking for booking in (current_booking(run, before) for before in waiting) if booking.state is BookingState.CONFIRMED
    ]
    assert [seat_labels(booking) for booking in promoted] == [[f"A-{2 + number}"] for number in range(1, seated + 1)]
    assert [booking.reference for booking in promoted] == [booking.reference for booking in waiting[:seated]]
    assert current_booking(run, in_section_b).state is BookingState.WAITLISTED
    assert run.sections[0].free_count(0b111) == seats - seated


def test_a_longer_section_seats_whole_groups_and_those_who_fit_behind_them() -> None:
    run = a_run("A4")
    fill(run)
    groups = [book_waitlisted(run, *who) for who in (("ann", "ben"), ("cem", "dot", "eve", "fay"), ("gus",), ("hal", "ida"))]
    with_another_coach(run, 0, 4)
    promote(run, NOW)
    seated = [current_booking(run, group).state is BookingState.CONFIRMED for group in groups]
    assert seated == [True, False, True, False]


def test_promote_waitlist_returns_who_was_promoted_into_a_longer_section() -> None:
    run = a_run("A2")
    fill(run)
    waiting = [book_waitlisted(run, f"w{number}") for number in range(1, 6)]
    with_another_coach(run, 0, 3)
    found = decide(run, asks_to_promote(), NOW, {})
    assert found == Promotion(tuple(booking.reference for booking in waiting[:3]), still_waiting=2)
    run.committed()
    assert decide(run, asks_to_promote(), NOW, {}) == Promotion((), still_waiting=2)
    assert not run.change_set


# -- a waitlist of full length


def with_a_line_of(run: TrainRun, count: int) -> list[str]:
    """Put so many copies of the last waitlisted booking on the waitlist; return their references."""
    like = book_waitlisted(run, "who-is-like-them")
    cancel(run, like)
    references = [f"W{number:05}" for number in range(count)]
    for number, reference in enumerate(references):
        place = run.join_waitlist(reference, "A" if number % 2 else "", 0b111, 1)
        one = replace(like.passengers[0], key=f"w{number}@example.com")
        run.put_booking(replace(like, reference=reference, ticket_number=place.ticket_number, passengers=(one,)))
    return references


def update_of(run: TrainRun) -> Document:
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    return run_update(run, recent, [event_batch_document(run.change_set.events)] if run.change_set.events else [])


def test_a_waitlist_of_ten_thousand_keeps_the_document_and_each_commit_small() -> None:
    run = a_run("A400 A400", terms=SalesTerms(waitlist_max=limits.WAITLIST_MAX))
    group = book(run, *(f"g{number}" for number in range(9)))
    fill(run)
    document = run_document(run, NOW)
    references = with_a_line_of(run, limits.WAITLIST_MAX)
    document = applied(document, run_update(run, [], []))
    run.committed()
    assert len(run.waitlist) == len(document["waiting"]) == limits.WAITLIST_MAX
    assert len(bson.encode(document)) < 2_000_000

    cancel_booking(run, asks_to_cancel(group), NOW)
    assert [reference for reference in run.change_set.bookings if reference != group.reference] == references[:9]
    assert sorted(run.change_set.replaced["waitlist"]) == list(range(2, 11))
    assert len(bson.encode(update_of(run))) < 9 * 2_000 + 10_000
    run.committed()

    expire_due(run, waitlist_closing_time(run))
    assert len(run.change_set.replaced["waitlist"]) == limits.WAITLIST_EXPIRED_PER_DECISION
    assert len(bson.encode(update_of(run))) < limits.WAITLIST_EXPIRED_PER_DECISION * 2_000
