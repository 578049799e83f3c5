"""Observers of lanes.

Belongs here: what lanes report about their batches, and to whom. Does not belong here: what is made of it (`app/telemetry`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from app.domain.events import EventType
from app.domain.run.change_set import ChangeSet

# The outcome of a hold that a booking used up.
HOLD_USED = "hold.used"
# The outcomes of displaced passengers, by the count in the event of the layout change. All other outcomes are types of events.
DISPLACED_OUTCOMES = {
    "moved_passengers": "displaced.moved",
    "waitlisted_passengers": "displaced.waitlisted",
    "cancelled_passengers": "displaced.cancelled",
}


@dataclass(frozen=True, slots=True)
class LaneBatch:
    """A batch: callers of one run whose commands were decided and committed together. Reported when all have their answers.

    Instants are in `time.monotonic` seconds. For each caller, in the same order, `callers` has what the observer's
    `caller_queued` returned, and `queued_at` when the caller was queued. The batch was taken up at `begun_at`; its last
    decision ended, and its commit began, at `decided_at`. The batch ended at `ended_at`. `committed` is whether it wrote
    anything, `succeeded` is False when its commit failed. `swaps_lost` commits before the last one lost to another server.
    `outcomes` counts what the commit did, see `count_outcomes`.
    """

    run_id: str
    callers: Sequence[object]
    queued_at: Sequence[float]
    begun_at: float
    decided_at: float
    ended_at: float
    committed: bool
    succeeded: bool
    swaps_lost: int
    outcomes: Mapping[str, int] = field(default_factory=dict)


class LaneObserver(Protocol):
    """Observes lanes. Its methods run while callers wait: they may not raise or wait, and must be quick."""

    def caller_queued(self) -> object:
        """Observe that a caller joins a lane's queue, in the caller's own context. The result goes into `LaneBatch.callers`."""

    def batch_ended(self, batch: LaneBatch) -> None:
        """Observe a batch whose callers have their answers."""


class NullLaneObserver:
    """Observes nothing."""

    def caller_queued(self) -> object:
        """Do nothing."""
        return None

    def batch_ended(self, batch: LaneBatch) -> None:
        """Do nothing."""


class _CombinedLaneObserver:
    def __init__(self, observers: Sequence[LaneObserver]) -> None:
        self._observers = tuple(observers)

    def caller_queued(self) -> tuple[object, ...]:
        return tuple([observer.caller_queued() for observer in self._observers])

    def batch_ended(self, batch: LaneBatch) -> None:
        """Show each observer the batch with what that observer itself returned for the callers."""
        callers = cast("Sequence[tuple[object, ...]]", batch.callers)
        for index, observer in enumerate(self._observers):
            observer.batch_ended(replace(batch, callers=[results[index] for results in callers]))


def combine_lane_observers(observers: Sequence[LaneObserver]) -> LaneObserver:
    """Return one observer for all of these."""
    if len(observers) > 1:
        return _CombinedLaneObserver(observers)
    return observers[0] if observers else NullLaneObserver()


def count_outcomes(change_set: ChangeSet) -> Mapping[str, int]:
    """Count what a commit of this change set does: its events by type, holds used up by bookings, displaced passengers."""
    outcomes: Counter[str] = Counter([event.event_type for event in change_set.events])
    if change_set.holds_used:
        outcomes[HOLD_USED] = change_set.holds_used
    if EventType.LAYOUT_CHANGED in outcomes:
        for event in change_set.events:
            if event.event_type is EventType.LAYOUT_CHANGED:
                for name, outcome in DISPLACED_OUTCOMES.items():
                    outcomes[outcome] += cast("int", event.data[name])
    return outcomes
