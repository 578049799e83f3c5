"""The expiry of holds. It is judged against `now` before each batch; no timer is needed.

Belongs here: which holds have expired. Does not belong here: the end of a hold in general (`holds.py`).
"""

from datetime import datetime

from app.domain.events import EventType
from app.domain.rules.holds import end_hold, forget_ended
from app.domain.run.train_run import TrainRun


def expire_holds(run: TrainRun, now: datetime) -> bool:
    """End the holds that have expired, and return whether there were any. Does not promote the waitlist."""
    expired = [hold for hold in run.holds.values() if hold.expire_time <= now]
    # The order in which seats come free is the order in which they are sold again.
    for hold in sorted(expired, key=lambda hold: (hold.expire_time, hold.key)):
        end_hold(run, hold, EventType.HOLD_EXPIRED, now)
    if expired:
        forget_ended(run, now)
    return bool(expired)
