"""Random commands on a run, valid or not, by callers who know each other's bookings and holds.

Belongs here: making random commands. Does not belong here: what has to hold after them (the tests).
"""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.commands import Command, CreateBooking, HoldSeats, IfFull, UpdateBooking
from app.domain.refusals import Refusal
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_caller,
    a_person,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    asks_to_release,
    name_of,
    relatives,
)

JOURNEYS = [(LONDON, PARIS), (LONDON, ASHFORD), (LONDON, LILLE), (ASHFORD, LILLE), (ASHFORD, PARIS), (LILLE, PARIS)]
TOWN = [f"p{number}" for number in range(20)]
PEOPLE = [*map(a_person, TOWN), *relatives("p0@example.com", "Ann", "Ben", "Cem", "Dan")]


def random_commands(run: TrainRun, chance: random.Random) -> Iterator[Command[Any]]:
    """Yield commands without end, each made from the run as it is then."""
    while True:
        kind = chance.choice(
            ("sell", "sell", "sell", "sell", "hold", "buy held", "release", "cancel", "cancel", "seat", "update")
        )
        if kind == "hold":
            yield _a_hold(chance)
        elif kind in ("buy held", "release") and run.holds:
            held = chance.choice(list(run.holds.values()))
            who = chance.sample(TOWN, len(held.seats))
            bought = asks_for_seats(*who, by=held.owner_key, hold_id=name_of(run, held))
            yield bought if kind == "buy held" else asks_to_release(run, held)
        elif kind in ("cancel", "seat", "update") and run.bookings:
            yield _a_change(chance.choice(list(run.bookings.values())), kind, chance)
        else:
            yield _a_sale(chance)


def decide_some(run: TrainRun, chance: random.Random, count: int, now: datetime = NOW) -> int:
    """Expire what is due and decide a batch, as the lane does. Return how many commands were refused."""
    commands, refusals = random_commands(run, chance), 0
    expire_due(run, now)
    for _ in range(count):
        try:
            decide(run, next(commands), now, {})
        except Refusal:
            refusals += 1
    return refusals


def _a_sale(chance: random.Random) -> CreateBooking:
    origin, destination = chance.choice(JOURNEYS)
    who = chance.sample(PEOPLE, chance.choice((1, 1, 2, 4)))
    seats = chance.sample(range(1, 5), len(who)) if chance.random() < 0.3 else ()
    section = chance.choice("AB") if seats else chance.choice(("A", "B", ""))
    if_full = chance.choice((IfFull.WAITLIST, IfFull.WAITLIST, IfFull.REJECT))
    return asks_for_seats(*who, origin=origin, destination=destination, section=section, seats=seats, if_full=if_full)


def _a_hold(chance: random.Random) -> HoldSeats:
    origin, destination = chance.choice(JOURNEYS)
    seats = chance.sample(range(1, 5), 2) if chance.random() < 0.3 else ()
    return asks_to_hold(
        chance.choice(TOWN),
        count=chance.randint(1, 3),
        seats=seats,
        section=chance.choice("AB") if seats else chance.choice(("A", "B", "")),
        origin=origin,
        destination=destination,
        seconds=chance.randint(1, 900),
    )


def _a_change(booking: Booking, kind: str, chance: random.Random) -> Command[Any]:
    who = [passenger.email_key for passenger in booking.passengers]
    if kind == "cancel":
        numbers = [passenger.number for passenger in booking.passengers]
        named: list[str | int] = [*who] if chance.random() < 0.5 else [*numbers]
        some = chance.sample(named, chance.randint(0, len(named)))
        by = a_caller(chance.choice(who)) if chance.random() < 0.2 else None  # a passenger leaves, or tries more than that
        return asks_to_cancel(booking, *some, by=by, validate_only=chance.random() < 0.1)
    if kind == "seat":
        number = chance.choice((0, 1, 2, 3, 4, 5))
        return asks_for_another_seat(booking, who=chance.choice(who), section=chance.choice("AB"), number=number)
    return _with_new_addresses(booking, chance)


def _with_new_addresses(booking: Booking, chance: random.Random) -> UpdateBooking:
    return asks_for_new_fields(booking, *(a_person(name) for name in chance.sample(TOWN, len(booking.passengers))))
