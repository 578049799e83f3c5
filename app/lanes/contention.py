"""Contention: when a lane pauses, and for how long.

Belongs here: what a lane knows of other servers on its run, and its pauses. Does not belong here: what happens after a lost
swap (`committer.py`).

Two servers that both commit on one run as fast as they can lose every other swap, and chance decides whose callers wait long.
So after each commit on a contended run a server leaves the others the time for a turn of their own. On a run without
contention a lane with many callers pauses as well: the callers whom it has just answered ask again, and share the next commit.
"""

import time

from app.lanes.bounds import LaneBounds


class Contention:
    """The contention policy of one lane."""

    def __init__(self, bounds: LaneBounds) -> None:
        self._bounds = bounds
        self._other_server_seen_at = float("-inf")
        self._commit_seconds = 0.0
        self._turn_seconds = 0.0

    @property
    def is_contended(self) -> bool:
        """Whether another server has committed on the run lately."""
        return time.monotonic() - self._other_server_seen_at < self._bounds.contention_memory_seconds

    def record_other_server(self) -> None:
        """Note that another server has committed on the run."""
        self._other_server_seen_at = time.monotonic()

    def record_commit(self, seconds: float) -> None:
        """Note how long a commit statement took."""
        self._commit_seconds = _moving_average(self._commit_seconds, seconds)

    def record_turn(self, seconds: float) -> None:
        """Note how long a turn took: to read the run, to decide, and to commit."""
        self._turn_seconds = _moving_average(self._turn_seconds, seconds)

    def pause_seconds(self, batch_size: int) -> float:
        """Return how long to pause after a batch of that many commands. A lone caller on an uncontended run never waits."""
        if self.is_contended:
            seconds = self._bounds.contention_pause_turns * self._turn_seconds
        elif batch_size >= self._bounds.gather_from:
            seconds = self._bounds.gather_commits * self._commit_seconds
        else:
            return 0.0
        return min(seconds, self._bounds.pause_seconds_max)


def _moving_average(average: float, latest: float) -> float:
    return 0.8 * average + 0.2 * latest
