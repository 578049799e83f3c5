"""Retry schedules: pauses, jitter and bounds, whatever is retried."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.jobs import PERIODIC_RETRIES, job_retries
from app.domain.retry import RetrySchedule
from app.domain.webhooks import WEBHOOK_RETRIES

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SCHEDULE = RetrySchedule(pauses_seconds=(1, 10), jitter_factors=(1.0, 1.0))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_each_pause_follows_its_attempt_and_the_last_one_repeats() -> None:
    assert [SCHEDULE.next_attempt_time(attempts, NOW, NOW, 0.0) for attempts in (1, 2, 3, 10**9)] == [
        later(1),
        later(10),
        later(10),
        later(10),
    ]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 5.0), (0.5, 10.0), (1.0, 15.0)])
def test_jitter_multiplies_a_pause_by_a_factor_between_the_two_bounds(jitter: float, seconds: float) -> None:
    schedule = replace(SCHEDULE, jitter_factors=(0.5, 1.5))
    assert schedule.next_attempt_time(2, NOW, NOW, jitter) == later(seconds)


def test_after_the_last_attempt_there_is_no_next_one() -> None:
    schedule = replace(SCHEDULE, attempts_max=3)
    assert schedule.next_attempt_time(2, NOW, NOW, 0.0) == later(10)
    assert schedule.next_attempt_time(3, NOW, NOW, 0.0) is None


def test_an_attempt_that_would_come_after_the_lifetime_is_not_made() -> None:
    schedule = replace(SCHEDULE, lifetime=timedelta(seconds=100))
    assert schedule.next_attempt_time(2, NOW, later(90), 0.0) == later(100)
    assert schedule.next_attempt_time(2, NOW, later(91), 0.0) is None


def test_a_longer_pause_that_the_other_side_asked_for_is_kept_to_but_not_beyond_the_lifetime() -> None:
    assert SCHEDULE.next_attempt_time(1, NOW, NOW, 0.0, asked_pause_seconds=60) == later(60)
    assert SCHEDULE.next_attempt_time(2, NOW, NOW, 0.0, asked_pause_seconds=6) == later(10)
    schedule = replace(SCHEDULE, lifetime=timedelta(seconds=50))
    assert schedule.next_attempt_time(1, NOW, NOW, 0.0, asked_pause_seconds=60) == later(50)


@pytest.mark.parametrize("schedule", [WEBHOOK_RETRIES, PERIODIC_RETRIES, job_retries(5)], ids=["webhooks", "periodic", "jobs"])
@pytest.mark.parametrize("jitter", [0.0, 0.1234567, 1.0])
def test_every_next_attempt_is_later_and_in_whole_milliseconds(schedule: RetrySchedule, jitter: float) -> None:
    times = [schedule.next_attempt_time(attempts, NOW, NOW, jitter) for attempts in range(1, 5)]
    assert all(time is not None and time > NOW and time.microsecond % 1_000 == 0 for time in times)
