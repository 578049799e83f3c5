"""Layout operations: what an operator asks to change in the sections, coaches and seats of a train or run.

Belongs here: the operations as values. Does not belong here: what they do to a train (`train_layout.py`) or to a run
(`app/domain/rules/layout_sections.py`).
"""

from collections.abc import Mapping
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

# The field of a LayoutOperation that has each kind, and within it the fields that say what it is about and how many seats.
OPERATION_FIELDS: Mapping[type, tuple[str, str, str]] = {
    AddSection: ("add_section", "name", "name"),
    RemoveSection: ("remove_section", "name", "name"),
    SetFare: ("set_fare", "section", "section"),
    AddCoach: ("add_coach", "name", "seat_count"),
    RemoveCoach: ("remove_coach", "name", "name"),
    SetSeatCount: ("set_seat_count", "coach", "seat_count"),
    RemoveSeats: ("remove_seats", "section", "seat_numbers"),
}


def operation_path(index: int, operation: LayoutOperation) -> str:
    """Return the path of an operation in a request, such as `operations[2].remove_coach`."""
    return f"operations[{index}].{OPERATION_FIELDS[type(operation)][0]}"
