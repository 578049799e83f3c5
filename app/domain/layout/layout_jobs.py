"""Layout jobs: the change of a train's layout, brought to each of its future runs.

Belongs here: a layout job and its outcome on each run, as values, their names, and why a run is left as it is. Does not belong
here: running them (`app/usecases/layout_jobs.py`), statements (`app/store/layout_jobs.py`).
"""

from datetime import datetime
from enum import StrEnum

from app.domain.layout.operations import LayoutOperation
from app.domain.layout.plan import LayoutCounts
from app.domain.refusals import Reason, Refusal
from app.domain.values import value


class LayoutOutcomeState(StrEnum):
    """How a layout job ended on one run. All are final."""

    APPLIED = "APPLIED"
    SKIPPED = "SKIPPED"  # departed, deleted, or its own layout was changed
    REFUSED = "REFUSED"  # a rule said no, such as for too many displaced passengers


@value(frozen=True, slots=True)
class LayoutJob:
    """The change that made a train's `train_version`. `layout_version_before` is the version whose layout it changes.

    `run_count` is None until its runs have been listed. `complete_time` is when the last of them had its outcome.
    """

    layout_job_id: str
    train_id: str
    train_version: int
    layout_version_before: int
    request_id: str
    fingerprint: str
    operations: tuple[LayoutOperation, ...]
    allow_lower: bool
    refund_displaced: bool
    create_time: datetime
    run_count: int | None = None
    complete_time: datetime | None = None


@value(frozen=True, slots=True)
class LayoutOutcome:
    """How a layout job ended on the run of `travel_date`. `reason` is for people; empty where it was applied."""

    layout_job_id: str
    travel_date: str
    state: LayoutOutcomeState
    reason: str
    counts: LayoutCounts
    time: datetime


@value(frozen=True, slots=True)
class LayoutProgress:
    """How far a layout job has come: how many runs have which outcome, and the sum of what was done."""

    applied: int
    skipped: int
    refused: int
    counts: LayoutCounts


class OwnLayoutKept(Refusal):
    """An operator has changed the run's own layout: a layout job must not overwrite it."""

    def __init__(self) -> None:
        super().__init__(Reason.ETAG_STALE, "the layout of this run was changed by itself; it is kept")


class EarlierLayoutMissing(Refusal):
    """The run has an older layout than the one that a layout job changes: an earlier layout job has not come to it."""

    def __init__(self) -> None:
        super().__init__(Reason.ETAG_STALE, "an earlier change of the train's layout was not made on this run")


def layout_job_id(train_id: str, train_version: int) -> str:
    """Return the id of the layout job that made this version of the train."""
    return f"{train_id}:{train_version}"


def run_job_id(job_id: str, travel_date: str) -> str:
    """Return the id of the job that brings a layout job to the run of one date. Also the request_id of its command."""
    return f"{job_id}:{travel_date}"
