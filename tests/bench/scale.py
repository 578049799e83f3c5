"""Scales: how much is measured.

Belongs here: counts and times of a full run (under ten minutes) and of a quick one (under one minute). Does not belong here:
the measurements (`parts/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import limits


@dataclass(frozen=True)
class Scale:
    """Counts are per round unless they say otherwise; `_seconds_max` bounds what has no predictable duration."""

    rounds: int
    warm_calls: int
    sale_calls: int
    sale_seats: int
    spread_runs: int
    spread_calls: int
    naive_rounds: int
    naive_seconds_max: float
    read_calls: int
    read_seconds_max: float
    large_seats: int
    small_seats: int
    commit_calls: int
    lone_calls: int
    memory_runs: int
    memory_runs_at_once: int
    memory_more_runs: int
    memory_seats: int
    memory_slice_calls: int
    replica_calls: int
    waitlist_calls: int
    long_waitlist_waiters: int
    long_waitlist_calls: int
    layout_changes: int
    ticket_mails: int


FULL = Scale(
    rounds=5,
    warm_calls=1_000,
    sale_calls=3_000,
    sale_seats=4_000,
    spread_runs=50,
    spread_calls=3_000,
    naive_rounds=3,
    naive_seconds_max=6.0,
    read_calls=2_000,
    read_seconds_max=4.0,
    large_seats=2_000,
    small_seats=100,
    commit_calls=40,
    lone_calls=100,
    memory_runs=100,
    memory_runs_at_once=25,
    memory_more_runs=20,
    memory_seats=1_000,
    memory_slice_calls=10_000,
    replica_calls=3_000,
    waitlist_calls=2_000,
    long_waitlist_waiters=limits.WAITLIST_MAX,
    long_waitlist_calls=200,
    layout_changes=9,
    ticket_mails=1_000,
)

QUICK = Scale(
    rounds=2,
    warm_calls=300,
    sale_calls=600,
    sale_seats=1_000,
    spread_runs=50,
    spread_calls=600,
    naive_rounds=1,
    naive_seconds_max=2.0,
    read_calls=200,
    read_seconds_max=1.0,
    large_seats=600,
    small_seats=100,
    commit_calls=10,
    lone_calls=30,
    memory_runs=5,
    memory_runs_at_once=3,
    memory_more_runs=2,
    memory_seats=200,
    memory_slice_calls=500,
    replica_calls=600,
    waitlist_calls=300,
    long_waitlist_waiters=1_000,
    long_waitlist_calls=20,
    layout_changes=2,
    ticket_mails=100,
)
