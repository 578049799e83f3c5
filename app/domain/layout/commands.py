"""Commands about the layout of a run, and about the run itself.

Belongs here: UpdateLayout and UpdateTrainRun, and what each declares. Does not belong here: their rules
(`app/domain/rules/update_layout.py`, `update_train_run.py`).
"""

from collections.abc import Collection
from typing import ClassVar

from app.domain.commands import TrainRunCommand
from app.domain.layout.operations import LayoutOperation
from app.domain.layout.plan import LayoutPlan, hash_of
from app.domain.people import Caller
from app.domain.rules.layout_sections import removing_seats
from app.domain.run.train_run import TrainRun
from app.domain.values import value


@value(frozen=True, slots=True)
class UpdateLayout(TrainRunCommand[LayoutPlan]):
    """Change the layout of a run; with `validate_only`, only plan it.

    With `reserve_seconds`, which needs `validate_only`, the seats of the plan are withdrawn from sale for that time. With
    `plan_hash`, the change is refused (PlanChanged) unless its plan is the one with that hash. `train_version` is that of the
    train's layout which a layout job brings to the run, `layout_version_before` the one before it; 0 for the run's own change.
    """

    caller: Caller
    request_id: str
    train_id: str
    travel_date: str
    operations: tuple[LayoutOperation, ...]
    allow_lower: bool = False
    refund_displaced: bool = False
    validate_only: bool = False
    reserve_seconds: int = 0
    plan_hash: str = ""
    etag: str = ""
    train_version: int = 0
    layout_version_before: int = 0

    is_alone: ClassVar[bool] = True

    @property
    def fingerprint(self) -> str:
        """A hash of what is to change, to detect a `request_id` that is used twice, and a plan of another change."""
        operations = [[type(operation).__name__, operation] for operation in self.operations]
        return hash_of(self.run_id, operations, self.allow_lower, self.refund_displaced)

    def required_seats(self, run: TrainRun) -> Collection[tuple[str, int]]:
        """Return all seats of which the operations may remove any."""
        return removing_seats(run, self.operations)


@value(frozen=True, slots=True)
class UpdateTrainRun(TrainRunCommand[None]):
    """Hide a run from buyers, or show it."""

    caller: Caller
    train_id: str
    travel_date: str
    hidden: bool
