"""Layout operations on a train: which sections and coaches its new runs have.

Belongs here: the new layout of a train, and what it changes. Does not belong here: runs that exist
(`app/domain/rules/layout_sections.py`), bringing the change to them (`layout_jobs.py`).

A train has no seat numbers and no history: its runs number their seats when they are made. So seats are not removed by number.
The name of a coach that the same change removes is refused, since no run would take it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
from app.domain.refusals import InvalidField
from app.domain.sales_window import SalesWindow
from app.domain.train import Coach, Section, Train, check_fare, check_seat_count, check_short_name


@dataclass(slots=True)
class _TrainDraft:
    """The sections, coaches and sales windows of a train by name while its layout changes, and the names of removed coaches."""

    currency: str
    sections: dict[str, Section]
    coaches: dict[str, Coach]
    windows: dict[str, SalesWindow]
    removed_coaches: set[str] = field(default_factory=set)

    @property
    def totals(self) -> LayoutTotals:
        seats = sum(coach.seat_count for coach in self.coaches.values())
        return LayoutTotals(len(self.sections), len(self.coaches), seats, numbers=seats)

    def section(self, name: str, path: str) -> Section:
        """Return a section. Refuses INVALID_FIELD for an unknown one."""
        if name not in self.sections:
            raise InvalidField(path, f"the train has no section {name!r}; it has {', '.join(self.sections) or 'none'}")
        return self.sections[name]

    def coach(self, name: str, path: str) -> Coach:
        """Return a coach. Refuses INVALID_FIELD for an unknown one."""
        if name not in self.coaches:
            raise InvalidField(path, f"the train has no coach {name!r}; it has {', '.join(self.coaches) or 'none'}")
        return self.coaches[name]

    def remove_coach(self, name: str) -> None:
        """Remove a coach."""
        del self.coaches[name]
        self.removed_coaches.add(name)


def change_train_layout(train: Train, operations: Sequence[LayoutOperation]) -> Train:
    """Return the train with the layout after these operations.

    Refuses INVALID_FIELD with the path of the operation's field, such as `operations[2].remove_coach.name`.
    Refuses RemoveSeats always.
    """
    check_operation_count(operations)
    draft = _TrainDraft(
        train.sections[0].fare.currency,
        {section.name: section for section in train.sections},
        {coach.name: coach for coach in train.coaches},
        dict(train.terms.section_windows),
    )
    totals = TotalsCheck(draft.totals)
    for index, operation in enumerate(operations):
        _RULES[type(operation)](draft, operation, operation_path(index, operation))
        totals.note(index, operation, draft.totals)
    totals.check()
    terms = replace(train.terms, section_windows=tuple(draft.windows.items()))
    return replace(train, sections=tuple(draft.sections.values()), coaches=tuple(draft.coaches.values()), terms=terms)


def train_section_changes(before: Train, after: Train) -> tuple[SectionChange, ...]:
    """Compare the sections of a train before and after a change, those removed and added included."""
    old, new = ({section.name: section.fare for section in train.sections} for train in (before, after))
    return tuple(
        SectionChange(name, _seat_count(before, name), _seat_count(after, name), old.get(name), new.get(name))
        for name in {**old, **new}
    )


def _seat_count(train: Train, section: str) -> int:
    return sum(coach.seat_count for coach in train.coaches if coach.section == section)


# -- the operations


def _add_section(draft: _TrainDraft, operation: AddSection, path: str) -> None:
    check_short_name(operation.name, f"{path}.name")
    if operation.name in draft.sections:
        raise InvalidField(f"{path}.name", f"the train has a section {operation.name!r} already")
    check_fare(operation.fare, draft.currency, f"{path}.fare")
    draft.sections[operation.name] = Section(operation.name, operation.fare)


def _remove_section(draft: _TrainDraft, operation: RemoveSection, path: str) -> None:
    section = draft.section(operation.name, f"{path}.name")
    for coach in list(draft.coaches.values()):
        if coach.section == section.name:
            draft.remove_coach(coach.name)
    del draft.sections[section.name]
    draft.windows.pop(section.name, None)


def _set_fare(draft: _TrainDraft, operation: SetFare, path: str) -> None:
    section = draft.section(operation.section, f"{path}.section")
    check_fare(operation.fare, draft.currency, f"{path}.fare")
    draft.sections[section.name] = replace(section, fare=operation.fare)


def _add_coach(draft: _TrainDraft, operation: AddCoach, path: str) -> None:
    check_short_name(operation.name, f"{path}.name")
    check_seat_count(operation.seat_count, f"{path}.seat_count")
    section = draft.section(operation.section, f"{path}.section")
    if operation.name in draft.coaches:
        raise InvalidField(f"{path}.name", f"the train has a coach {operation.name!r} already")
    if operation.name in draft.removed_coaches:
        raise InvalidField(f"{path}.name", f"coach {operation.name!r} has just been removed; give the new one another name")
    draft.coaches[operation.name] = Coach(operation.name, section.name, operation.seat_count)


def _remove_coach(draft: _TrainDraft, operation: RemoveCoach, path: str) -> None:
    draft.remove_coach(draft.coach(operation.name, f"{path}.name").name)


def _set_seat_count(draft: _TrainDraft, operation: SetSeatCount, path: str) -> None:
    coach = draft.coach(operation.coach, f"{path}.coach")
    check_seat_count(operation.seat_count, f"{path}.seat_count")
    draft.coaches[coach.name] = replace(coach, seat_count=operation.seat_count)


def _remove_seats(draft: _TrainDraft, operation: RemoveSeats, path: str) -> None:
    raise InvalidField(
        path, "its runs may number their seats differently; use set_seat_count, or remove the seats of each run (travel_date)"
    )


_RULES: Mapping[type, Callable[[_TrainDraft, Any, str], None]] = {
    AddSection: _add_section,
    RemoveSection: _remove_section,
    SetFare: _set_fare,
    AddCoach: _add_coach,
    RemoveCoach: _remove_coach,
    SetSeatCount: _set_seat_count,
    RemoveSeats: _remove_seats,
}
