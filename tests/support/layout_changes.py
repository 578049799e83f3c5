"""UpdateLayout in tests: the command with small defaults, and plans and changes of a run.

Belongs here: building and deciding the command as the lane does, in a batch of its own. Does not belong here: assertions.
"""

from datetime import datetime

from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import LayoutOperation, RemoveSeats
from app.domain.layout.plan import LayoutPlan
from app.domain.people import Caller
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW, TRAIN_ID, TRAVEL_DATE, a_request_id, an_operator


def asks_for_layout(
    *operations: LayoutOperation,
    request_id: str = "",
    allow_lower: bool = False,
    refund_displaced: bool = False,
    validate_only: bool = False,
    reserve_seconds: int = 0,
    plan_hash: str = "",
    etag: str = "",
    train_version: int = 0,
    layout_version_before: int = 0,
    by: Caller | None = None,
) -> UpdateLayout:
    """Build an UpdateLayout, sent by an operator or by `by`."""
    return UpdateLayout(
        caller=by or an_operator(),
        request_id=request_id or a_request_id(),
        train_id=TRAIN_ID,
        travel_date=TRAVEL_DATE.isoformat(),
        operations=operations,
        allow_lower=allow_lower,
        refund_displaced=refund_displaced,
        validate_only=validate_only or bool(reserve_seconds),
        reserve_seconds=reserve_seconds,
        plan_hash=plan_hash,
        etag=etag,
        train_version=train_version,
        layout_version_before=layout_version_before,
    )


def decide_layout(run: TrainRun, command: UpdateLayout, now: datetime = NOW) -> LayoutPlan:
    """Decide the command without a commit."""
    return decide(run, command, now, {})


def decide_alone(run: TrainRun, command: UpdateLayout, now: datetime = NOW) -> LayoutPlan:
    """Decide the command in a batch of its own, and commit."""
    expire_due(run, now)
    plan = decide(run, command, now, {})
    if run.change_set:
        run.committed()
    return plan


def change_layout(
    run: TrainRun,
    *operations: LayoutOperation,
    allow_lower: bool = False,
    refund_displaced: bool = False,
    plan_hash: str = "",
    now: datetime = NOW,
) -> LayoutPlan:
    """Change the layout of the run, and commit."""
    command = asks_for_layout(*operations, allow_lower=allow_lower, refund_displaced=refund_displaced, plan_hash=plan_hash)
    return decide_alone(run, command, now)


def plan_layout(
    run: TrainRun,
    *operations: LayoutOperation,
    allow_lower: bool = False,
    refund_displaced: bool = False,
    reserve_seconds: int = 0,
    now: datetime = NOW,
) -> LayoutPlan:
    """Plan a change of the layout, with `reserve_seconds` a reserved one, and commit the reservation."""
    command = asks_for_layout(
        *operations,
        allow_lower=allow_lower,
        refund_displaced=refund_displaced,
        validate_only=True,
        reserve_seconds=reserve_seconds,
    )
    return decide_alone(run, command, now)


def remove_seats(
    run: TrainRun, section: str, *numbers: int, allow_lower: bool = False, refund_displaced: bool = False, now: datetime = NOW
) -> LayoutPlan:
    """Remove these seats of a section, and commit."""
    return change_layout(
        run, RemoveSeats(section, numbers), allow_lower=allow_lower, refund_displaced=refund_displaced, now=now
    )
