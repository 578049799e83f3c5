"""Metrics of lanes and of what they commit.

Belongs here: what is counted for each batch. Does not belong here: the families (`families.py`).
"""

from bisect import bisect_left
from collections.abc import Sequence

from app.domain.events import EventType
from app.ports.lane_observer import DISPLACED_OUTCOMES, HOLD_USED, LaneBatch
from app.telemetry.metrics.families import Metrics
from app.telemetry.metrics.loop_counters import LoopCounter

# The family of each group of outcomes, which are its only label.
_FAMILIES = {
    "booking": "seatline_bookings_total",
    "hold": "seatline_holds_total",
    "displaced": "seatline_displaced_passengers_total",
    "run": "seatline_run_events_total",
}


class LaneMetrics:
    """Counts batches, their waits and their outcomes."""

    def __init__(self, metrics: Metrics) -> None:
        self._callers = metrics.loop_family("seatline_lane_batch_callers").histogram()
        self._wait_seconds = metrics.loop_family("seatline_lane_wait_seconds").histogram()
        self._commit_seconds = metrics.loop_family("seatline_lane_commit_seconds").histogram()
        self._swaps_lost = metrics.loop_family("seatline_lane_swaps_lost_total").count()
        self._lanes = metrics.gauge("seatline_lanes")
        self._queue = metrics.gauge("seatline_lane_queue_callers")
        self._outcomes: dict[str, LoopCounter] = {}
        for name in (*EventType, HOLD_USED, *DISPLACED_OUTCOMES.values()):
            group, _, outcome = name.partition(".")
            if group in _FAMILIES:
                self._outcomes[str(name)] = metrics.loop_family(_FAMILIES[group]).count(outcome)
        self._outcomes[EventType.LAYOUT_CHANGED] = metrics.loop_family("seatline_layout_changes_total").count()

    def caller_queued(self) -> None:
        """Do nothing: a batch says when its callers were queued."""

    def batch_ended(self, batch: LaneBatch) -> None:
        """Count a batch. Its outcomes include expired holds and promotions, which no caller asked for."""
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
        """Count how long each caller waited; `observe` for many callers at once."""
        bounds, counts = self._wait_seconds.bounds, self._wait_seconds.counts
        for moment in queued_at:
            counts[bisect_left(bounds, begun_at - moment)] += 1
        self._wait_seconds.total += begun_at * len(queued_at) - sum(queued_at)

    def show_load(self, lanes: int, queue_callers: int) -> None:
        """Show the number of lanes, and of callers waiting in them."""
        self._lanes.set(lanes)
        self._queue.set(queue_callers)
