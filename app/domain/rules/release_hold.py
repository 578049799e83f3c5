"""ReleaseHold: the owner releases held seats before the hold expires.

Belongs here: the release. Does not belong here: the end of a hold in general (`holds.py`).
"""

from datetime import datetime

from app.domain.commands import ReleaseHold
from app.domain.events import EventType
from app.domain.rules.holds import end_hold, find_hold, forget_ended, require_hold_owner
from app.domain.rules.promote_waitlist import promote
from app.domain.run.train_run import TrainRun


def release_hold(run: TrainRun, command: ReleaseHold, now: datetime) -> None:
    """Release held seats, which go to the waitlist first. Does nothing where the hold has ended.

    Refuses NOT_PERMITTED to everybody but the owner and operators.
    """
    hold = find_hold(run, command.hold_id)
    if hold is None:
        return
    require_hold_owner(hold, command.caller)
    end_hold(run, hold, EventType.HOLD_RELEASED, now, command.caller.trace_parent)
    forget_ended(run, now)
    promote(run, now)
