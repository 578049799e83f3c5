"""Layout jobs for tests.

Belongs here: layout jobs, their outcomes, and the commands that make them, made from what a test states and defaults for the
rest. Does not belong here: assertions, trains and runs (`builders.py`, `world.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, layout_job_id
from app.domain.layout.operations import LayoutOperation, SetSeatCount
from app.domain.layout.plan import LayoutCounts
from tests.support.builders import NOW, TRAIN_ID, an_operator


def a_layout_job(
    train_version: int = 2,
    create_time: datetime = NOW,
    *operations: LayoutOperation,
    version_before: int = 0,
    train_id: str = TRAIN_ID,
) -> LayoutJob:
    """Build the layout job that made a version of a train, from the version before unless another one is given."""
    return LayoutJob(
        layout_job_id=layout_job_id(train_id, train_version),
        train_id=train_id,
        train_version=train_version,
        layout_version_before=version_before or train_version - 1,
        request_id=f"change {train_version}",
        fingerprint="f" * 32,
        operations=operations or (SetSeatCount("1", 3),),
        allow_lower=False,
        refund_displaced=False,
        create_time=create_time,
    )


def a_layout_command(train_id: str, travel_date: str, *operations: LayoutOperation, **fields: Any) -> UpdateLayout:
    """Build an operator's command to the first version of a train, or to a run of it."""
    asked = {"etag": "" if travel_date else "1"} | fields
    return UpdateLayout(an_operator(), "r1", train_id, travel_date, operations, **asked)


def an_outcome(
    travel_date: str,
    state: LayoutOutcomeState = LayoutOutcomeState.APPLIED,
    counts: LayoutCounts | None = None,
    layout_job: LayoutJob | None = None,
) -> LayoutOutcome:
    """Build the outcome of a layout job on the run of a date."""
    name = (layout_job or a_layout_job()).layout_job_id
    return LayoutOutcome(name, travel_date, state, "", counts or LayoutCounts(), NOW)
