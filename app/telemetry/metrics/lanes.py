"""Metrics of lanes, and of what they sell.

Belongs here: what is counted of each batch. Does not: which families there are (`families.py`).
"""

from bisect import bisect_left
from collections.abc import Sequence

from app.domain.events import EventType
from app.ports.lane_observer import HOLD_USED, LaneBatch
from app.telemetry.metrics.families import Metrics
from app.telemetry.metrics.loop_counters import LoopCounter

_FAMILIES = {"booking": "seatline_bookings_total", "hold": "seatline_holds_total"}


class LaneMetrics:
    """Counts what batches come to."""

    def __init__(self, metrics: Metrics) -> None:
        self._callers = metrics.loop_family("seatline_lane_batch_callers").histogram()
        self._wait_seconds = metrics.loop_family("seatline_lane_wait_seconds").histogram()
        self._commit_seconds = metrics.loop_family("seatline_lane_commit_seconds").histogram()
        self._swaps_lost = metrics.loop_family("seatline_lane_swaps_lost_total").count()
        self._lanes = metrics.gauge("seatline_lanes")
        self._queue = metrics.gauge("seatline_lane_queue_callers")
        self._outcomes: dict[str, LoopCounter] = {}
        for name in (*EventType, HOLD_USED):
            group, _, outcome = name.partition(".")
            if group in _FAMILIES:
                self._outcomes[str(name)] = metrics.loop_family(_FAMILIES[group]).count(outcome)

    def caller_queued(self) -> None:
        """Nothing: a batch says when its callers came."""

    def batch_ended(self, batch: LaneBatch) -> None:
        """Counts a batch. What was done without anybody's asking is in `outcomes` as well."""
        self._count_waits(batch.queued_at, batch.begun_at)
        self._callers.observe(len(batch.queued_at))
        self._swaps_lost.value += batch.swaps_lost
        if batch.committed:
            self._commit_seconds.observe(batch.ended_at - batch.decided_at)
            for name, count in batch.outcomes.items():
                counter = self._outcomes.get(name)
                if counter is not None:
                    counter.value += count

    def _count_waits(self, queued_at: Sequence[float], begun_at: float) -> None:
        """Counts how long each caller waited. As `observe` does, but for a crowd at once."""
        bounds, counts = self._wait_seconds.bounds, self._wait_seconds.counts
        for moment in queued_at:
            counts[bisect_left(bounds, begun_at - moment)] += 1
        self._wait_seconds.total += begun_at * len(queued_at) - sum(queued_at)

    def show_load(self, lanes: int, queue_callers: int) -> None:
        """How many lanes there are at the moment, and how many callers wait in them."""
        self._lanes.set(lanes)
        self._queue.set(queue_callers)
