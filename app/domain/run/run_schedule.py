"""The schedule of a run: scheduled and expected times, and what is cancelled.

Belongs here: all that follows from the stops, the delay record and the cancellation alone, for the rules and for reads. Does
not belong here: what the rules make of it (`app/domain/rules/`), nor seats and bookings (`train_run.py`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.run.delay_record import NO_DELAY, DelayRecord
from app.domain.run.expected_times import expected_stops, late_minutes
from app.domain.run.run_cancellation import RunCancellation
from app.domain.timetable import Journey, RunState, Stop, legs_between


@dataclass(slots=True)
class RunSchedule:
    """The stops of a run with their times, and the legs that it does not run.

    `expected_stops` are `stops` where nothing was reported. `last_stop` is the index of the stop at which the train ends;
    `missing_legs` are those that are cancelled, all of them where the whole run is. `depart_time` from the first stop and
    `arrive_time` at the last one are expected; `scheduled_depart_time` and `scheduled_arrive_time` are those of the timetable.
    """

    stops: tuple[Stop, ...]
    delay: DelayRecord = NO_DELAY
    cancellation: RunCancellation | None = None
    expected_stops: tuple[Stop, ...] = field(init=False)
    last_stop: int = field(init=False)
    missing_legs: int = field(init=False)
    scheduled_depart_time: datetime = field(init=False)
    scheduled_arrive_time: datetime = field(init=False)
    depart_time: datetime = field(init=False)
    arrive_time: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.expected_stops = expected_stops(self.stops, self.delay)
        self.last_stop, self.missing_legs = len(self.stops) - 1, 0
        if self.cancellation is not None:
            self.missing_legs = legs_between(self.cancellation.from_stop, self.last_stop)
            self.last_stop = self.cancellation.from_stop or self.last_stop
        self.scheduled_depart_time, self.scheduled_arrive_time = _first_and_last_time(self.stops, self.last_stop)
        self.depart_time, self.arrive_time = _first_and_last_time(self.expected_stops, self.last_stop)

    @property
    def is_cancelled(self) -> bool:
        """Whether the whole run is cancelled."""
        return self.cancellation is not None and self.cancellation.is_whole

    @property
    def compact_time(self) -> datetime:
        """When no delay can bring the run back any more: then it may lose what only sales need."""
        return max(self.arrive_time, self.scheduled_arrive_time + timedelta(hours=limits.RUN_COMPACTED_AFTER_HOURS))

    def misses(self, legs: int) -> bool:
        """Whether any of these legs is cancelled."""
        return bool(self.missing_legs & legs)

    def expected_journey(self, journey: Journey) -> Journey:
        """Return the journey with its expected times; the journey itself where nothing was reported."""
        if self.expected_stops is self.stops:
            return journey
        origin, destination = self._ends(journey)
        depart, arrive = self.expected_stops[origin].depart, self.expected_stops[destination].arrive
        if depart is None or arrive is None:
            raise ValueError("a stop of the journey has no time")
        return replace(journey, depart=depart, arrive=arrive)

    def late_minutes(self, journey: Journey) -> int:
        """Return by how many whole minutes the train is expected late at the journey's destination."""
        if self.expected_stops is self.stops:
            return 0
        return late_minutes(self.stops, self.expected_stops, self._ends(journey)[1])

    def state_at(self, now: datetime) -> RunState:
        """Return the state of the run at a moment: by its expected times, and CANCELLED where all of it is."""
        if self.cancellation is not None and self.cancellation.is_whole:
            return RunState.CANCELLED
        if now >= self.depart_time:
            return RunState.COMPLETED if now >= self.arrive_time else RunState.DEPARTED
        if self.expected_stops is self.stops:  # nothing was reported; the answer to each sale asks for the state
            return RunState.SCHEDULED
        is_late = any(
            after != before for before, after in zip(self.stops[: self.last_stop + 1], self.expected_stops, strict=False)
        )
        return RunState.DELAYED if is_late else RunState.SCHEDULED

    @staticmethod
    def _ends(journey: Journey) -> tuple[int, int]:
        """Return the indexes of the journey's origin and destination, which its legs tell."""
        return (journey.legs & -journey.legs).bit_length() - 1, journey.legs.bit_length()


def _first_and_last_time(stops: tuple[Stop, ...], last_stop: int) -> tuple[datetime, datetime]:
    """Return the departure from the first stop, and the arrival at the one with the index `last_stop`."""
    depart, arrive = stops[0].depart, stops[last_stop].arrive
    if depart is None or arrive is None:
        raise ValueError("the first or last stop has no time")
    return depart, arrive
