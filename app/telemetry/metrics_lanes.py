"""Metrics of lanes, and of what they sell.

Belongs here: what is counted of each batch. Does not: which families there are (`metrics.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from prometheus_client import Counter

from app.domain.events import EventType
from app.telemetry.metrics import Metrics

# What a commit says of a hold that a booking used up; the other outcomes are the events of the commit.
HOLD_USED = "hold.used"


class Batch(Protocol):
    """What is looked at of `app.store.observing.LaneBatch`, which says what each is."""

    @property
    def queued_at(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def begun_at(self) -> float: ...  # noqa: D102
    @property
    def decided_at(self) -> float: ...  # noqa: D102
    @property
    def ended_at(self) -> float: ...  # noqa: D102
    @property
    def committed(self) -> bool: ...  # noqa: D102
    @property
    def swaps_lost(self) -> int: ...  # noqa: D102
    @property
    def outcomes(self) -> Mapping[str, int]: ...  # noqa: D102


class LaneMetrics:
    """Counts what batches come to."""

    def __init__(self, metrics: Metrics) -> None:
        self._callers = metrics.histogram("seatline_lane_batch_callers")
        self._wait_seconds = metrics.histogram("seatline_lane_wait_seconds")
        self._commit_seconds = metrics.histogram("seatline_lane_commit_seconds")
        self._swaps_lost = metrics.counter("seatline_lane_swaps_lost_total")
        self._lanes = metrics.gauge("seatline_lanes")
        self._queue = metrics.gauge("seatline_lane_queue_callers")
        names = [one.value for one in EventType] + [HOLD_USED]
        self._outcomes = _outcomes(metrics, "seatline_bookings_total", "booking.", names)
        self._outcomes |= _outcomes(metrics, "seatline_holds_total", "hold.", names)

    def joined(self) -> None:
        """Nothing: a batch says when its callers came."""

    def batch_ended(self, batch: Batch) -> None:
        """Counts a batch. What was done without anybody's asking is in `outcomes` as well."""
        begun_at, observe = batch.begun_at, self._wait_seconds.observe
        for queued_at in batch.queued_at:
            observe(begun_at - queued_at)
        self._callers.observe(len(batch.queued_at))
        if batch.swaps_lost:
            self._swaps_lost.inc(batch.swaps_lost)
        if batch.committed:
            self._commit_seconds.observe(batch.ended_at - batch.decided_at)
            for name, count in batch.outcomes.items():
                counter = self._outcomes.get(name)
                if counter is not None:
                    counter.inc(count)

    def show_load(self, lanes: int, queue_callers: int) -> None:
        """How many lanes there are at the moment, and how many callers wait in them."""
        self._lanes.set(lanes)
        self._queue.set(queue_callers)


def _outcomes(metrics: Metrics, family: str, group: str, names: Sequence[str]) -> dict[str, Counter]:
    found = [one for one in names if one.startswith(group)]
    counters = metrics.counters(family, [one.removeprefix(group) for one in found])
    return {one: counters[one.removeprefix(group)] for one in found}
