"""What a run knows of its delay: minutes from each stop on, and the arrivals that were reported.

Belongs here: the record as a value. Does not belong here: the times that follow from it (`expected_times.py`), the rules
(`app/domain/rules/set_delay.py`, `record_arrival.py`).
"""

from datetime import datetime

from app.domain.disruption import DisruptionReason
from app.domain.values import value


@value(frozen=True, slots=True)
class Arrival:
    """The train arrived at the stop with index `stop` at `time`, as was reported at `report_time`."""

    stop: int
    time: datetime
    report_time: datetime


@value(frozen=True, slots=True)
class DelayRecord:
    """The delay of a run as it was last reported.

    `minutes` has the delay of each stop, for its arrival and its departure; it is empty where no delay was ever reported, and
    all zeros after the end of a delay. `reason` and `evidence` are those of the last report; where it ended the delay of the
    last stops only, they are those of the stops that stay late. `report_time` is when the last delay was reported, None for
    never. `arrivals` are by stop, each stop once.
    """

    minutes: tuple[int, ...] = ()
    reason: DisruptionReason | None = None
    evidence: str = ""
    report_time: datetime | None = None
    arrivals: tuple[Arrival, ...] = ()

    @property
    def is_reported(self) -> bool:
        """Whether anybody has ever reported on the run: a delay, its end, or an arrival."""
        return self.report_time is not None or bool(self.arrivals)


# That of a run on which nobody has reported.
NO_DELAY = DelayRecord()
