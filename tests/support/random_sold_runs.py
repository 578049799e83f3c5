"""Random runs that are sold in part, and random changes of their layouts.

Belongs here: making runs, operations and sales from a random generator. Does not belong here: what has to hold (the tests).
"""

import random
from datetime import datetime, timedelta
from itertools import count

from app.domain import limits
from app.domain.booking import DEFERRED_AUTHORIZATION
from app.domain.commands import IfFull
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.money import Money
from app.domain.people import Person
from app.domain.refusals import Refusal
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.hold_seats import hold_seats
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from app.domain.train import Train
from tests.support.builders import (
    NOW,
    TRAVEL_DATE,
    a_person,
    a_train,
    asks_for_another_seat,
    asks_for_seats,
    asks_to_hold,
    cancel,
)
from tests.support.random_commands import JOURNEYS

FARES = (1_000, 2_000, 2_000, 3_500)
# Everybody may book, so that trains become full.
_TERMS = SalesTerms(passengers_per_booker_max=limits.PASSENGERS_PER_BOOKER_MAX, hold_percent_max=100)


def a_random_run(chance: random.Random) -> tuple[TrainRun, Train]:
    """Build a run of two to four sections that is mostly full, with groups, holds, freed seats and a waitlist; and its train.

    Its bookings were made before `NOW`, most of them at different times.
    """
    sections = "ABCD"[: chance.randint(2, 4)]
    coaches = [section for section in sections for _ in range(chance.randint(1, 3))]
    layout = " ".join(f"{section}{chance.randint(1, 5)}" for section in coaches)
    train = a_train(layout, fares={section: chance.choice(FARES) for section in sections}, terms=_TERMS)
    run, now = make_run(train, TRAVEL_DATE), NOW - timedelta(minutes=4)
    names = (a_person(f"n{number}") for number in count())
    for _ in range(chance.randint(5, 5 * len(coaches) + 12)):
        now += timedelta(seconds=chance.randint(0, 2))
        _sell(run, chance, [next(names) for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4)))], now)
    _change_some(run, chance)
    return run, train


def _sell(run: TrainRun, chance: random.Random, who: list[Person], now: datetime) -> None:
    """Sell or hold some seats, or a place on the waitlist, and commit; nothing where it is refused."""
    origin, destination = chance.choice(JOURNEYS)
    section = chance.choice(["", *(section.name for section in run.sections)])
    held = asks_to_hold(who[0].email, count=len(who), section=section, origin=origin, destination=destination)
    bought = asks_for_seats(
        *who,
        origin=origin,
        destination=destination,
        section=section,
        if_full=chance.choice((IfFull.WAITLIST, IfFull.REJECT)),
        payment=DEFERRED_AUTHORIZATION,
    )
    try:
        if chance.random() < 0.15:
            hold_seats(run, held, now)
        else:
            create_booking(run, bought, now, {})
    except Refusal:
        return
    run.committed()


def _change_some(run: TrainRun, chance: random.Random) -> None:
    """Cancel some passengers, and let some change seats."""
    for booking in chance.sample(list(run.bookings.values()), len(run.bookings) // 5):
        if chance.random() < 0.6:
            numbers = [passenger.number for passenger in booking.passengers]
            cancel(run, run.bookings[booking.reference], *chance.sample(numbers, chance.randint(1, len(numbers))))
            continue
        section = chance.choice(run.sections).name
        try:
            change_seat(run, asks_for_another_seat(run.bookings[booking.reference], section=section), NOW)
            run.committed()
        except Refusal:
            run.undo()


def random_operations(run: TrainRun, chance: random.Random) -> tuple[LayoutOperation, ...]:
    """Return some operations that fit the run as it is, though not always each other."""
    return tuple(_an_operation(run, chance) for _ in range(chance.choice((1, 1, 1, 2, 2, 3))))


def _an_operation(run: TrainRun, chance: random.Random) -> LayoutOperation:
    section = chance.choice(run.sections)
    live = [number for number in range(1, section.size + 1) if not section.is_retired(number)]
    coach = section.coach_of(chance.choice(live)) if live else "none"
    fare = Money(chance.choice(FARES), "USD")
    made: list[LayoutOperation] = [
        *[RemoveCoach(coach)] * 3,
        *[SetSeatCount(coach, chance.randint(1, 6))] * 2,
        *[RemoveSeats(section.name, tuple(chance.sample(live, min(len(live), chance.randint(1, 4)))))] * 2,
        RemoveSection(section.name),
        AddCoach(f"X{chance.randint(1, 10**6)}", section.name, chance.randint(1, 4)),
        AddSection(chance.choice("ABCDEF"), fare),
        SetFare(section.name, fare),
    ]
    return chance.choice(made)


def something_else_happens(run: TrainRun, chance: random.Random, now: datetime) -> None:
    """Sell, hold, cancel or change a seat, and commit; nothing where it is refused."""
    if chance.random() < 0.6 or not run.bookings:
        _sell(run, chance, [a_person(f"m{chance.randint(1, 10**9)}") for _ in range(chance.choice((1, 1, 2, 3)))], now)
        return
    booking = chance.choice(list(run.bookings.values()))
    try:
        if chance.random() < 0.5:
            number = chance.choice(booking.passengers).number
            cancel(run, booking, number, now=now)
        else:
            change_seat(run, asks_for_another_seat(booking, section=chance.choice(run.sections).name), now)
            run.committed()
    except Refusal:
        run.undo()
