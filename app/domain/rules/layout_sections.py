"""Layout operations on a run: which sections, coaches and seats it has afterwards.

Belongs here: the new sections, and which seats go. Does not belong here: who sat there (`displacement.py`), the layout of a
train (`app/domain/layout/train_layout.py`).

The rules:

1. Numbers never return. New seats get numbers above the highest that the section ever had, also where a section is removed and
   added again. The name of a coach that is gone is not used again on the run.
2. Fewer seats: empty seats go first, from the highest number down. Then those that are only on hold, then those with the fewest
   passengers, the highest number first among equals.
3. The operations are made in their order, and each one sees the result of those before. The limits hold for the result
   (`layout_totals.py`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain import limits
from app.domain.layout.layout_totals import LayoutTotals, TotalsCheck, check_operation_count
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
    operation_path,
)
from app.domain.layout.plan import SectionChange
from app.domain.money import Money
from app.domain.refusals import InvalidField
from app.domain.rules.section_draft import SectionDraft
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.train import check_fare, check_seat_count, check_short_name
from app.domain.values import value

# A seat of a run: section and number.
SeatKey = tuple[str, int]


@value(frozen=True, slots=True)
class SectionsChange:
    """The sections of a run after a layout change.

    `sections` and `retired_sections` are copies, in the order in which they are sold. `removed` are the seats (section, number)
    that the run had before and has no more. `earlier_fares` are the (section, fare in minor units) at which the run sold until
    some change, those of sections without a seat included. `changes` compares each section with the one before, those removed
    included.
    """

    sections: list[SectionSeats]
    retired_sections: list[SectionSeats]
    removed: frozenset[SeatKey]
    earlier_fares: tuple[tuple[str, int], ...]
    changes: tuple[SectionChange, ...]


@dataclass(slots=True)
class _LayoutDraft:
    """The sections of a run while its layout changes. `earlier_fares` are keys, in the order in which they ended."""

    currency: str
    all_legs: int
    sections: list[SectionDraft]
    retired_sections: list[SectionDraft]
    passenger_counts: Mapping[SeatKey, int]
    withdrawn: Collection[SeatKey]
    earlier_fares: dict[tuple[str, int], None] = field(default_factory=dict)

    @property
    def totals(self) -> LayoutTotals:
        return LayoutTotals(
            sections=len(self.sections),
            coaches=sum(len(section.coach_names) for section in self.sections),
            seats=sum(len(numbers) for section in self.sections for numbers in section.live.values()),
            numbers=sum(section.size for section in self.sections + self.retired_sections),
        )

    def section(self, name: str, path: str) -> SectionDraft:
        """Return a section. Refuses INVALID_FIELD for an unknown one."""
        for section in self.sections:
            if section.name == name:
                return section
        names = ", ".join(section.name for section in self.sections)
        raise InvalidField(path, f"the run has no section {name!r}; it has {names or 'none'}")

    def section_of_coach(self, coach: str, path: str) -> SectionDraft:
        """Return the section of a coach that has seats. Refuses INVALID_FIELD for an unknown one."""
        for section in self.sections:
            if section.live.get(coach):
                return section
        names = ", ".join(name for section in self.sections for name in section.coach_names)
        raise InvalidField(path, f"the run has no coach {coach!r}; it has {names or 'none'}")


def change_sections(
    run: TrainRun,
    operations: Sequence[LayoutOperation],
    passenger_counts: Mapping[SeatKey, int],
    withdrawn: Collection[SeatKey] = (),
) -> SectionsChange:
    """Return the sections of a run after these operations. Changes nothing.

    `passenger_counts` says how many passengers have each seat (section, number); seats without passengers may be missing. Where
    fewer seats of a coach are asked for, the seats `withdrawn` from sale for a plan go before all others.

    Refuses INVALID_FIELD with the path of the operation's field, such as `operations[2].remove_coach.name`.
    """
    check_operation_count(operations)
    draft = _LayoutDraft(
        currency=run.sections[0].fare.currency,
        all_legs=run.sections[0].all_legs,
        sections=[SectionDraft.copy_of(seats) for seats in run.sections],
        retired_sections=[SectionDraft.copy_of(seats) for seats in run.retired_sections],
        passenger_counts=passenger_counts,
        withdrawn=frozenset(withdrawn).difference(_named_seats(operations)),
        earlier_fares=dict.fromkeys(run.layout.earlier_fares),
    )
    totals = TotalsCheck(draft.totals)
    for index, operation in enumerate(operations):
        _RULES[type(operation)](draft, operation, operation_path(index, operation))
        totals.note(index, operation, draft.totals)
    totals.check()
    sections = [section.seats() for section in draft.sections]
    retired_sections = [section.seats() for section in draft.retired_sections if section.size]
    removed = frozenset(_live_seats(run.sections)).difference(_live_seats(sections))
    changes = _section_changes(run.sections, sections)
    return SectionsChange(sections, retired_sections, removed, _earlier_fares(run, draft, sections, retired_sections), changes)


def _earlier_fares(
    run: TrainRun, draft: _LayoutDraft, sections: Iterable[SectionSeats], retired_sections: Iterable[SectionSeats]
) -> tuple[tuple[str, int], ...]:
    """Return the fares until now, but for those of a section that came and went with this change: nobody can have paid them.

    The fare of a section that never had a seat stays: where it was the highest, waitlisted bookings for any section paid it.
    """
    names = {section.name for section in (*run.sections, *sections, *retired_sections)}
    names |= {name for name, _ in run.layout.earlier_fares}
    return tuple(fare for fare in draft.earlier_fares if fare[0] in names)


def removing_seats(run: TrainRun, operations: Sequence[LayoutOperation]) -> set[SeatKey]:
    """Return all seats (section, number) of which these operations may remove any, and maybe more. Refuses nothing."""
    sections: set[str] = set()
    coaches: set[str] = set()
    seats = frozenset(_named_seats(operations))
    for operation in operations:
        match operation:
            case RemoveSection(name):
                sections.add(name)
            case RemoveCoach(name) | SetSeatCount(name, _):
                coaches.add(name)
    return {
        (section.name, number)
        for section in run.sections
        for coach in section.coaches
        for number in range(coach.first, coach.last + 1)
        if section.name in sections or coach.name in coaches or (section.name, number) in seats
        if not section.is_retired(number)
    }


def _named_seats(operations: Iterable[LayoutOperation]) -> Iterator[SeatKey]:
    """Yield the seats that are removed by number. They are not left to an operation before it that removes any seats."""
    for operation in operations:
        if isinstance(operation, RemoveSeats):
            yield from ((operation.section, number) for number in operation.seat_numbers)


def _live_seats(sections: Iterable[SectionSeats]) -> Iterator[SeatKey]:
    return (
        (section.name, number)
        for section in sections
        for number in range(1, section.size + 1)
        if not section.is_retired(number)
    )


def _section_changes(before: Sequence[SectionSeats], after: Sequence[SectionSeats]) -> tuple[SectionChange, ...]:
    old, new = ({section.name: section for section in sections} for sections in (before, after))
    return tuple(
        SectionChange(
            name,
            old[name].seat_count if name in old else 0,
            new[name].seat_count if name in new else 0,
            old[name].fare if name in old else None,
            new[name].fare if name in new else None,
        )
        for name in {**old, **new}
    )


# -- the operations


def _add_section(draft: _LayoutDraft, operation: AddSection, path: str) -> None:
    check_short_name(operation.name, f"{path}.name")
    if any(section.name == operation.name for section in draft.sections):
        raise InvalidField(f"{path}.name", f"the run has a section {operation.name!r} already")
    _check_fare(draft, operation.name, operation.fare, f"{path}.fare")
    for section in draft.retired_sections:
        if section.name == operation.name:
            draft.retired_sections.remove(section)
            break
    else:
        section = SectionDraft.copy_of(SectionSeats(operation.name, operation.fare, (), draft.all_legs, []))
    section.fare = operation.fare
    draft.sections.append(section)


def _remove_section(draft: _LayoutDraft, operation: RemoveSection, path: str) -> None:
    section = draft.section(operation.name, f"{path}.name")
    section.retire(section.live_numbers)
    draft.sections.remove(section)
    draft.retired_sections.append(section)
    draft.earlier_fares[section.name, section.fare.minor] = None


def _set_fare(draft: _LayoutDraft, operation: SetFare, path: str) -> None:
    section = draft.section(operation.section, f"{path}.section")
    _check_fare(draft, section.name, operation.fare, f"{path}.fare")
    draft.earlier_fares[section.name, section.fare.minor] = None
    section.fare = operation.fare


def _check_fare(draft: _LayoutDraft, section: str, fare: Money, path: str) -> None:
    """Refuse a fare that no train may have, and another one where the run has had too many."""
    check_fare(fare, draft.currency, path)
    fares = {**draft.earlier_fares, **{(seats.name, seats.fare.minor): None for seats in draft.sections}}
    if (section, fare.minor) not in fares and len(fares) >= limits.FARES_PER_RUN_MAX:
        raise InvalidField(
            path, f"the run has had {len(fares)} fares, the most that it may; take one that the section had before"
        )


def _add_coach(draft: _LayoutDraft, operation: AddCoach, path: str) -> None:
    check_short_name(operation.name, f"{path}.name")
    check_seat_count(operation.seat_count, f"{path}.seat_count")
    section = draft.section(operation.section, f"{path}.section")
    for other in draft.sections + draft.retired_sections:
        if other.live.get(operation.name):
            raise InvalidField(f"{path}.name", f"the run has a coach {operation.name!r} already, in section {other.name}")
        if operation.name in other.live:
            raise InvalidField(f"{path}.name", f"the run had a coach {operation.name!r} before; give the new one another name")
    section.add_seats(operation.name, operation.seat_count)


def _remove_coach(draft: _LayoutDraft, operation: RemoveCoach, path: str) -> None:
    section = draft.section_of_coach(operation.name, f"{path}.name")
    section.retire(section.live[operation.name])


def _set_seat_count(draft: _LayoutDraft, operation: SetSeatCount, path: str) -> None:
    section = draft.section_of_coach(operation.coach, f"{path}.coach")
    check_seat_count(operation.seat_count, f"{path}.seat_count")
    numbers = section.live[operation.coach]
    missing = operation.seat_count - len(numbers)
    if missing > 0:
        section.add_seats(operation.coach, missing)
    else:
        section.retire(sorted(numbers, key=lambda number: _removal_order(draft, section, number))[:-missing])


def _removal_order(draft: _LayoutDraft, section: SectionDraft, number: int) -> tuple[bool, int, bool, int]:
    """Return what orders the seats of a coach by who goes first."""
    key = (section.name, number)
    return key not in draft.withdrawn, draft.passenger_counts.get(key, 0), section.sold_legs[number - 1] != 0, -number


def _remove_seats(draft: _LayoutDraft, operation: RemoveSeats, path: str) -> None:
    section = draft.section(operation.section, f"{path}.section")
    if not operation.seat_numbers:
        raise InvalidField(f"{path}.seat_numbers", "needs at least one seat")
    live, named = section.live_numbers, set[int]()
    for index, number in enumerate(operation.seat_numbers):
        if number not in live:
            raise InvalidField(f"{path}.seat_numbers[{index}]", f"section {section.name} has no seat {number}")
        if number in named:
            raise InvalidField(f"{path}.seat_numbers[{index}]", f"seat {number} stands twice")
        named.add(number)
    section.retire(named)


_RULES: Mapping[type, Callable[[_LayoutDraft, Any, str], None]] = {
    AddSection: _add_section,
    RemoveSection: _remove_section,
    SetFare: _set_fare,
    AddCoach: _add_coach,
    RemoveCoach: _remove_coach,
    SetSeatCount: _set_seat_count,
    RemoveSeats: _remove_seats,
}
