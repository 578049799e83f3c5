"""Random layout operations on a run, valid or not.

Belongs here: making random operations. Does not belong here: what has to hold after them (the tests).
"""

import random
from collections.abc import Callable

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
from app.domain.run.train_run import TrainRun

SECTIONS = "ABCD"
COACHES = [str(number) for number in range(1, 100)]


def random_operations(run: TrainRun, chance: random.Random, most: int = 3) -> list[LayoutOperation]:
    """Return 1 to `most` operations. They name sections, coaches and seats that the run has, had, or never had."""
    return [_an_operation(run, chance) for _ in range(chance.randint(1, most))]


def _an_operation(run: TrainRun, chance: random.Random) -> LayoutOperation:
    """Make an operation that mostly fits the run, where those before it in the change leave it alone."""
    sections = [seats.name for seats in run.sections]
    section = chance.choice([*sections, *sections, *sections, chance.choice(SECTIONS)])
    there = [coach.name for seats in run.sections for coach in seats.coaches if not seats.is_retired(coach.last)]
    coach = chance.choice([*there, *there, *there, chance.choice(COACHES)])
    fare = Money(chance.choice((*range(1_000, 9_000, 500), -1)), "USD")
    operations: dict[str, Callable[[], LayoutOperation]] = {
        "add coach": lambda: AddCoach(chance.choice(COACHES), section, chance.choice((*range(1, 7), *range(1, 7), 0))),
        "set count": lambda: SetSeatCount(coach, chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 9, 0))),
        "remove seats": lambda: RemoveSeats(section, _some_seats(run, section, chance)),
        "remove coach": lambda: RemoveCoach(coach),
        "add section": lambda: AddSection(chance.choice(SECTIONS), fare),
        "remove section": lambda: RemoveSection(section),
        "set fare": lambda: SetFare(section, fare),
    }
    (kind,) = chance.choices(list(operations), weights=(2, 3, 2, 1, 1, 1, 1))
    return operations[kind]()


def _some_seats(run: TrainRun, section: str, chance: random.Random) -> tuple[int, ...]:
    there = [
        number
        for seats in run.sections
        if seats.name == section
        for number in range(1, seats.size + 1)
        if not seats.is_retired(number)
    ]
    if not there or chance.random() < 0.1:
        return tuple(chance.choices(range(12), k=2))
    return tuple(chance.sample(there, chance.randint(1, min(3, len(there)))))
