"""The totals of a layout: how many sections, coaches and seats, and their limits.

Belongs here: the limits that a layout change as a whole has to keep, and which operation is refused where it does not. Does not
belong here: what the operations do (`train_layout.py`, `app/domain/rules/layout_sections.py`).

The operations of a change are made together. So only its result has to keep the limits: the only coach may be removed before
another one is added. Where the result does not keep a limit, the last operation that raised or lowered the total is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from app.domain import limits
from app.domain.layout.operations import OPERATION_FIELDS, LayoutOperation, operation_path
from app.domain.refusals import InvalidField
from app.domain.values import value


@value(frozen=True, slots=True)
class LayoutTotals:
    """How many sections, coaches and seats a layout has. `numbers` are all seat numbers that its sections ever had."""

    sections: int
    coaches: int
    seats: int
    numbers: int


@dataclass(slots=True)
class TotalsCheck:
    """Checks the totals after a change. `totals` are those after the last operation."""

    totals: LayoutTotals
    _raised: dict[str, str] = field(default_factory=dict)
    _lowered: dict[str, str] = field(default_factory=dict)

    def note(self, index: int, operation: LayoutOperation, totals: LayoutTotals) -> None:
        """Note the totals after an operation, the one with this index in the request."""
        _, subject, size = OPERATION_FIELDS[type(operation)]
        for total in fields(LayoutTotals):
            before, after = getattr(self.totals, total.name), getattr(totals, total.name)
            path = f"{operation_path(index, operation)}.{subject if total.name in ('sections', 'coaches') else size}"
            if after != before:
                (self._raised if after > before else self._lowered)[total.name] = path
        self.totals = totals

    def check(self) -> None:
        """Refuse INVALID_FIELD where the last totals are out of their limits."""
        self._require_least("sections", "removes the last section; add another one in the same call")
        self._require_least("seats", "removes the last coach with seats; add another one in the same call")
        self._require_most("sections", limits.SECTIONS_PER_TRAIN_MAX, "sections")
        self._require_most("coaches", limits.COACHES_PER_TRAIN_MAX, "coaches")
        self._require_most("seats", limits.SEATS_PER_TRAIN_MAX, "seats")
        self._require_most("numbers", limits.SEAT_NUMBERS_PER_RUN_MAX, "seat numbers, those of removed seats included")

    def _require_least(self, name: str, refusal: str) -> None:
        if not getattr(self.totals, name) and name in self._lowered:
            raise InvalidField(self._lowered[name], refusal)

    def _require_most(self, name: str, most: int, what: str) -> None:
        count = getattr(self.totals, name)
        if count > most and name in self._raised:
            raise InvalidField(self._raised[name], f"makes it {count} {what}; at most {most}")


def check_operation_count(operations: Sequence[LayoutOperation]) -> None:
    """Refuse INVALID_FIELD for no operations, or too many."""
    if not 1 <= len(operations) <= limits.LAYOUT_OPERATIONS_MAX:
        raise InvalidField("operations", f"has {len(operations)} operations; needs 1 to {limits.LAYOUT_OPERATIONS_MAX}")
