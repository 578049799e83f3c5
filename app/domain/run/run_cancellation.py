"""The cancellation of a run, or of its last legs.

Belongs here: the record as a value. Does not belong here: the rules (`app/domain/rules/cancel_train_run.py`).
"""

from datetime import datetime

from app.domain.disruption import DisruptionReason
from app.domain.values import value


@value(frozen=True, slots=True)
class RunCancellation:
    """A run does not run, or not further than a stop. `time`, `reason` and `evidence` are those of the last extension.

    `from_stop` is the index of the stop at which it ends; 0 for the whole run. Bookings are cancelled in order of their
    references: those up to `cursor` have been, until `complete_time` is set. `booking_count` and `passenger_count` count what
    was cancelled by it so far, `refunded_minor` what they get back.
    """

    time: datetime
    reason: DisruptionReason
    evidence: str = ""
    from_stop: int = 0
    cursor: str = ""
    complete_time: datetime | None = None
    booking_count: int = 0
    passenger_count: int = 0
    refunded_minor: int = 0

    @property
    def is_open(self) -> bool:
        """Whether bookings may be left that it has to cancel."""
        return self.complete_time is None

    @property
    def is_whole(self) -> bool:
        """Whether the train does not run at all."""
        return self.from_stop == 0
