"""Cancelled runs in tests: the commands with small defaults, decided as the lane decides them.

Belongs here: building, deciding and committing the first change of a cancellation and the steps after it. Does not belong here:
assertions.
"""

from datetime import datetime

from app.domain.disruption import DisruptionReason
from app.domain.people import Caller
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings, CancelTrainRun
from tests.support.builders import NOW, TRAIN_ID, TRAVEL_DATE, an_operator

STEPS_MAX = 1_000


def asks_to_cancel_run(
    from_stop: str = "",
    *,
    reason: DisruptionReason | None = DisruptionReason.ROLLING_STOCK,
    evidence: str = "",
    validate_only: bool = False,
    by: Caller | None = None,
) -> CancelTrainRun:
    """Build a CancelTrainRun of the whole run or from a stop on, sent by an operator or by `by`."""
    return CancelTrainRun(by or an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), reason, evidence, from_stop, validate_only)


def cancel_run(run: TrainRun, from_stop: str = "", *, now: datetime = NOW) -> None:
    """Make the first change of a cancellation, and commit."""
    expire_due(run, now)
    decide(run, asks_to_cancel_run(from_stop), now, {})
    run.committed()


def cancel_step(run: TrainRun, *, now: datetime = NOW) -> bool:
    """Cancel the next bookings, and commit. Return whether any may be left."""
    expire_due(run, now)
    is_open = decide(run, CancelNextBookings(Caller(), run.run_id), now, {})
    if run.change_set:
        run.committed()
    return is_open


def cancel_all_bookings(run: TrainRun, *, now: datetime = NOW) -> int:
    """Take all steps of a cancellation. Return how many there were."""
    return next(steps for steps in range(1, STEPS_MAX) if not cancel_step(run, now=now))


def cancellation_of(run: TrainRun) -> RunCancellation:
    """Return the record of a cancelled run."""
    assert run.cancellation is not None
    return run.cancellation
