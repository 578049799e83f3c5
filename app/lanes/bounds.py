"""Limits of the command bus.

Belongs here: how much lanes hold, and how long they pause. Does not belong here: the settings of the same names, with their
reasons (`app/config/`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneBounds:
    """How much lanes hold, and how long they pause. The fields without a default are settings.

    batch_max: commands of one commit.
    commits_max: lanes that commit at a time.
    queue_max: commands that wait in one lane.
    commit_attempts_max: decisions of one batch, each after another server has committed first.
    cached_passengers_max: passengers on all runs in memory.
    pending_bookings_max: bookings of one run's document that are not archived. 512 bookings of nine passengers with the longest
        names take 6 MB of the 16 MB that a document may have.
    statements_max: statements that commit at a time. MongoDB works on one while the commits of the next one are collected.
    gather_from: a batch of so many commands or more makes its lane wait for the next crowd.
    gather_commits: how long that wait is, in durations of a commit.
    contention_memory_seconds: how long a run counts as contended after another server has committed on it.
    contention_pause_turns: the pause for other servers on a contended run, in durations of a turn. Measured with two servers
        on one run: shorter pauses lose more swaps, longer ones idle.
    pause_seconds_max: the longest pause of either kind.
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
