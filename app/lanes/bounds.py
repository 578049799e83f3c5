"""Bounds of the command bus.

Belongs here: what a lane and the cache of runs may hold, and how long they pause. Does not belong here: the settings that give
the first ones (`app/config.py`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneBounds:
    """What a lane may hold; `app/config.py` gives the first ones and their reasons.

    `pending_bookings_max` bounds the bookings in a run's document: 512 of nine passengers with the longest names take 6 MB of
    the 16
    that a document may have. Of `statements_max` statements that commit, MongoDB works on one while the next is gathered. The
    pauses were measured with two servers on one run: shorter ones lose more swaps, longer ones idle.
    """

    batch_max: int
    commits_max: int
    queue_max: int
    commit_attempts_max: int
    cached_passengers_max: int
    pending_bookings_max: int = 512
    statements_max: int = 2
    gather_from: int = 16
    gather_commits: float = 1.5
    contention_memory_seconds: float = 0.5
    contention_pause_turns: float = 1.5
    pause_seconds_max: float = 0.25
