"""How often a caller may be told that a passenger is booked already.

Belongs here: counting these refusals, and who has to wait after too many. Does not: the refusal itself
(`app/domain/rules/create_booking.py`).

The refusal says that a person travels on a train. A buyer meets it by mistake, a few times at most; who collects such answers
is somebody looking for people. So after some within an hour the caller is refused every new booking and every change of
passengers, whoever it names, until the first of them is an hour old: what is refused then says nothing of the passenger. A
repeated request still finds its booking. Operators, who see section lists anyway, are not counted.

The counts are this process's own and end with it: a caller has as many answers from each server. To keep them in the run's
document would cost a commit for each refusal, which anybody could ask for as fast as they like.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal

REFUSALS_MAX = 10  # within the time below; a whole group entered twice by mistake is one
REFUSALS_TIME = timedelta(hours=1)
# About 3 MB. The caller who was refused longest ago is forgotten first.
CALLERS_MAX = 10_000


class DuplicateRefusals:
    """The times of the last refusals of each caller, by address as compared."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()

    def record(self, caller: Caller, refusal: Refusal, now: datetime) -> None:
        """Count a refusal that says that a passenger is booked already; of others nothing is noted."""
        if refusal.reason is not Reason.PASSENGER_ALREADY_BOOKED or caller.is_operator or caller.key is None:
            return
        times = self._times.setdefault(caller.key, deque(maxlen=REFUSALS_MAX))
        times.append(now)
        self._times.move_to_end(caller.key)
        if len(self._times) > CALLERS_MAX:
            self._times.popitem(last=False)

    def refusal_for(self, caller: Caller, now: datetime) -> Refusal | None:
        """Give the refusal for a caller who has to wait; None for who need not."""
        times = self._times.get(caller.key) if self._times and caller.key is not None else None
        if times is None or len(times) < REFUSALS_MAX or caller.is_operator:
            return None
        left = times[0] + REFUSALS_TIME - now
        if left <= timedelta(0):
            return None
        text = f"{REFUSALS_MAX} of your requests named passengers who are booked already; try again later"
        return Refusal(Reason.TOO_MANY_REFUSALS, text, retry_seconds=left.total_seconds())
