"""What lanes tell of themselves.

Belongs here: what there is to tell, and to whom. Does not: what is made of it (`app/telemetry`, which looks like the observer
below without knowing it).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.domain.run.train_run import ChangeSet

# What a commit says of a hold that a booking used up; the other outcomes are the types of its events.
HOLD_USED = "hold.used"


@dataclass(frozen=True, slots=True)
class LaneBatch:
    """Callers of one run who were decided for and committed together, told when all have their answers.

    Instants are in `time.monotonic` seconds. `callers` is what the observer's `caller_queued` gave for each caller,
    `queued_at` when
    each of them came, in the same order. The batch was taken up at `begun_at` and last decided for by `decided_at`; the
    commit that went through began then. It ended at `ended_at`, be it with a commit, with none to make, or in vain
    (`succeeded` is False). `swaps_lost` commits before the last one were lost to a rival. `still_waiting` callers stood in the
    queue when it was over. `outcomes` is how often the commit made what happen, as `count_outcomes` has it.
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
    still_waiting: int
    outcomes: Mapping[str, int] = field(default_factory=dict)


class LaneObserver(Protocol):
    """Looks on. Neither of these may raise, wait, or take long: callers wait meanwhile."""

    def caller_queued(self) -> object:
        """A caller joins a lane's queue, in the caller's own context; gives what is to be known of the caller in the batch."""

    def batch_ended(self, batch: LaneBatch) -> None:
        """A batch has its answers."""


class NullLaneObserver:
    """The observer where there is none."""

    def caller_queued(self) -> object:
        """Nothing."""
        return None

    def batch_ended(self, batch: LaneBatch) -> None:
        """Nothing."""


class DriverObserver(Protocol):
    """Looks on at what the driver does, in the driver's threads, which wait meanwhile. None of these may raise."""

    def command_ended(self, command: str, seconds: float, succeeded: bool) -> None:
        """The database has answered a command, or has not within its time."""

    def connections_changed(self, in_use: int, idle: int) -> None:
        """So many more connections are in use now, and idle; of fewer, less than none."""

    def primary_changed(self, is_known: bool) -> None:
        """The driver has found a primary, or lost it."""


def count_outcomes(change_set: ChangeSet) -> Mapping[str, int]:
    """How often a commit of this journal makes what happen: by types of events, and holds that bookings used up."""
    outcomes: Counter[str] = Counter([event.event_type for event in change_set.events])
    if change_set.holds_used:
        outcomes[HOLD_USED] = change_set.holds_used
    return outcomes
