"""The limit on refusals that say that a passenger is already booked.

Belongs here: counting these refusals, and who has to wait after too many. Does not belong here: the refusal itself
(`app/domain/rules/create_booking.py`).

The refusal reveals that a person travels on a train. A buyer gets it by mistake, a few times at most; a caller who collects
such answers is looking for people. So after some of them within an hour, the caller is refused every new booking and every
change of passengers, whoever is named, until the first of them is an hour old: such a refusal reveals nothing about the
passenger. A repeated request still finds its booking. Operators see section lists anyway and are not counted.

Each process counts by itself: a caller gets as many answers from each server. Counts in the run's document would cost a commit
for each refusal, and any caller could cause those as fast as it likes.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal

REFUSALS_MAX = 10  # within the time below; a group that is booked twice by mistake counts once
REFUSALS_TIME = timedelta(hours=1)
# About 3 MB. The caller whose last refusal is the oldest is dropped first.
CALLERS_MAX = 10_000


class DuplicateRefusals:
    """The times of the last refusals of each caller, by caller key."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()

    def record(self, caller: Caller, refusal: Refusal, now: datetime) -> None:
        """Count a refusal that says that a passenger is already booked. Ignore all others."""
        if refusal.reason is not Reason.PASSENGER_ALREADY_BOOKED or caller.is_operator or caller.key is None:
            return
        times = self._times.setdefault(caller.key, deque(maxlen=REFUSALS_MAX))
        times.append(now)
        self._times.move_to_end(caller.key)
        if len(self._times) > CALLERS_MAX:
            self._times.popitem(last=False)

    def refusal_for(self, caller: Caller, now: datetime) -> Refusal | None:
        """Return the refusal for a caller who has to wait, or None."""
        times = self._times.get(caller.key) if self._times and caller.key is not None else None
        if times is None or len(times) < REFUSALS_MAX or caller.is_operator:
            return None
        left = times[0] + REFUSALS_TIME - now
        if left <= timedelta(0):
            return None
        text = f"{REFUSALS_MAX} of your requests named passengers who are already booked; try again later"
        return Refusal(Reason.TOO_MANY_REFUSALS, text, retry_seconds=left.total_seconds())
