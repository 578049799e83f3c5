"""Layout operations: what an operator asks to change in the sections, coaches and seats of a train or run.

Belongs here: the operations as values. Does not belong here: what they do to a train (`train_layout.py`) or to a run
(`app/domain/rules/layout_sections.py`).
"""

from typing import TypeAlias

from app.domain.money import Money
from app.domain.values import value


@value(frozen=True, slots=True)
class AddSection:
    """Add a section without coaches, after all others. On a run that had a section of that name, its seat numbers go on."""

    name: str
    fare: Money


@value(frozen=True, slots=True)
class RemoveSection:
    """Remove a section with its coaches and seats."""

    name: str


@value(frozen=True, slots=True)
class SetFare:
    """Set the fare of a section for later sales. Holds and bookings keep theirs."""

    section: str
    fare: Money


@value(frozen=True, slots=True)
class AddCoach:
    """Add a coach with `seat_count` seats to a section, behind all others."""

    name: str
    section: str
    seat_count: int


@value(frozen=True, slots=True)
class RemoveCoach:
    """Remove a coach with its seats."""

    name: str


@value(frozen=True, slots=True)
class SetSeatCount:
    """Add or remove seats of a coach until it has `seat_count`."""

    coach: str
    seat_count: int


@value(frozen=True, slots=True)
class RemoveSeats:
    """Remove the seats with these numbers of a section. Only for a run: the runs of a train may number seats differently."""

    section: str
    seat_numbers: tuple[int, ...]


LayoutOperation: TypeAlias = AddSection | RemoveSection | SetFare | AddCoach | RemoveCoach | SetSeatCount | RemoveSeats
