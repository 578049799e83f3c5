"""What lanes tell of themselves.

Belongs here: what there is to tell, and to whom. Does not: what is made of it (`app/telemetry`, which looks like the observer
below without knowing it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LaneBatch:
    """Callers of one run who were decided for and committed together, told when all have their answers.

    Instants are in `time.monotonic` seconds. `callers` is what the observer's `joined` gave for each caller, `queued_at` when
    each of them came, in the same order. The batch was taken up at `begun_at` and last decided for by `decided_at`; the
    commit that went through began then. It ended at `ended_at`, be it with a commit, with none to make, or in vain
    (`succeeded` is False). `swaps_lost` commits before the last one were lost to a rival. `still_waiting` callers stood in the
    queue when it was over.
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


class LaneObserver(Protocol):
    """Looks on. Neither of these may raise, wait, or take long: callers wait meanwhile."""

    def joined(self) -> object:
        """A caller joins a lane's queue, in the caller's own context; gives what is to be known of the caller in the batch."""

    def batch_ended(self, batch: LaneBatch) -> None:
        """A batch has its answers."""


class NobodyLooks:
    """The observer where there is none."""

    def joined(self) -> object:
        """Nothing."""
        return None

    def batch_ended(self, batch: LaneBatch) -> None:
        """Nothing."""
