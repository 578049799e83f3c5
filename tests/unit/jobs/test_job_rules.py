"""Jobs: when they are due, when they are tried again, and when they are given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.jobs import (
    ERROR_LENGTH_MAX,
    FIRST_PAUSE_SECONDS,
    PAUSE_SECONDS_MAX,
    Job,
    JobState,
    PermanentJobError,
    after_failure,
    after_operator_retry,
    after_periodic_failure,
    after_periodic_success,
    after_postponement,
    after_success,
    in_batches,
    is_due,
    is_exhausted,
    job_retries,
)

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RETRIES = job_retries(5)


def a_job(job_id: str = "refund 1", kind: str = "refund") -> Job:
    return Job(job_id, kind, {"booking": "ABC"}, due_time=NOW, create_time=NOW)


def a_taken_job(attempts: int = 1) -> Job:
    return replace(a_job(), attempts=attempts, lease_owner="worker/1", lease_until=NOW + 30 * SECOND)


# -- due


def test_a_job_is_due_from_its_time_on() -> None:
    assert not is_due(a_job(), NOW - SECOND)
    assert is_due(a_job(), NOW)
    assert is_due(a_job(), NOW + SECOND)


def test_a_leased_job_is_due_again_when_the_lease_expires() -> None:
    assert not is_due(a_taken_job(), NOW + 29 * SECOND)
    assert is_due(a_taken_job(), NOW + 30 * SECOND)


def test_an_expired_lease_does_not_make_a_job_due_before_its_time() -> None:
    later = replace(a_taken_job(), due_time=NOW + 60 * SECOND)
    assert not is_due(later, NOW + 59 * SECOND)
    assert is_due(later, NOW + 60 * SECOND)


@pytest.mark.parametrize("state", [JobState.DONE, JobState.DEAD])
def test_a_done_or_dead_job_is_never_due(state: JobState) -> None:
    assert not is_due(replace(a_job(), state=state), NOW + 3600 * SECOND)


# -- retries


def pause_seconds(attempts: int, jitter: float = 1.0) -> float:
    """Return the pause after so many failed attempts at a job that is never given up."""
    due_time = job_retries(None).next_attempt_time(attempts, NOW, NOW, jitter)
    assert due_time is not None
    return (due_time - NOW).total_seconds()


def test_pauses_double_until_they_reach_the_longest_one() -> None:
    pauses = [pause_seconds(attempts) for attempts in range(1, 15)]
    assert pauses[:10] == [FIRST_PAUSE_SECONDS * 2**doublings for doublings in range(10)]
    assert pauses[10:] == [PAUSE_SECONDS_MAX] * 4


def test_a_pause_after_very_many_attempts_is_the_longest_one() -> None:
    assert pause_seconds(10**9) == PAUSE_SECONDS_MAX


def test_jitter_shortens_a_pause_by_at_most_a_half() -> None:
    assert [pause_seconds(4, jitter) for jitter in (0, 0.5, 1)] == [4, 6, 8]


def test_due_times_are_whole_milliseconds_as_they_are_stored() -> None:
    assert pause_seconds(1, 0.123456789) == 0.562


# -- outcomes


def test_a_done_job_has_no_lease_and_a_time() -> None:
    done = after_success(replace(a_taken_job(), last_error="ConnectionError: gone"), NOW + SECOND)
    assert (done.state, done.done_time, done.last_error) == (JobState.DONE, NOW + SECOND, "")
    assert (done.lease_owner, done.lease_until) == ("", None)


def test_a_failed_job_is_due_later_and_says_why() -> None:
    failed = after_failure(a_taken_job(attempts=3), ConnectionError("gone"), NOW, 1, RETRIES)
    assert (failed.state, failed.attempts, failed.last_error) == (JobState.PENDING, 3, "ConnectionError: gone")
    assert failed.due_time == NOW + 4 * SECOND
    assert (failed.lease_owner, failed.lease_until) == ("", None)


def test_a_job_is_dead_when_its_last_attempt_fails() -> None:
    failed = after_failure(a_taken_job(attempts=5), ConnectionError("gone"), NOW, 1, RETRIES)
    assert (failed.state, failed.lease_until, failed.last_error) == (JobState.DEAD, None, "ConnectionError: gone")


def test_a_permanent_error_makes_a_job_dead_at_once() -> None:
    failed = after_failure(a_taken_job(attempts=1), PermanentJobError("the card is closed"), NOW, 1, RETRIES)
    assert failed.state is JobState.DEAD


def test_a_long_error_is_shortened() -> None:
    failed = after_failure(a_taken_job(), ValueError("x" * 10_000), NOW, 1, RETRIES)
    assert len(failed.last_error) == ERROR_LENGTH_MAX
    assert failed.last_error.endswith("…")


def test_a_postponed_job_is_due_at_its_time_and_its_attempt_does_not_count() -> None:
    taken = replace(a_taken_job(attempts=3), last_error="ConnectionError: no answer")
    job = after_postponement(taken, NOW + 60 * SECOND)
    assert job == replace(a_job(), attempts=2, due_time=NOW + 60 * SECOND)


def test_a_job_whose_attempts_all_ended_without_an_outcome_is_not_started_again() -> None:
    assert not is_exhausted(a_taken_job(attempts=5), RETRIES)
    assert is_exhausted(a_taken_job(attempts=6), RETRIES)


def test_a_retried_job_is_due_now_with_all_its_attempts_left() -> None:
    dead = replace(a_job(), state=JobState.DEAD, attempts=5, last_error="ConnectionError: gone", runs_alone=True)
    again = after_operator_retry(dead, NOW + SECOND)
    assert is_due(again, NOW + SECOND)
    assert (again.attempts, again.last_error, again.runs_alone) == (0, "ConnectionError: gone", False)


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.DONE])
def test_only_a_dead_job_is_retried(state: JobState) -> None:
    job = replace(a_taken_job(), state=state)
    assert after_operator_retry(job, NOW + SECOND) == job


# -- periodic jobs


def test_a_periodic_job_keeps_its_times() -> None:
    again = after_periodic_success(a_taken_job(), NOW + 2 * SECOND, interval_seconds=60)
    assert (again.due_time, again.attempts, again.lease_until) == (NOW + 60 * SECOND, 0, None)


def test_a_periodic_job_skips_times_that_were_missed() -> None:
    assert after_periodic_success(a_taken_job(), NOW + 605 * SECOND, interval_seconds=60).due_time == NOW + 660 * SECOND
    assert after_periodic_success(a_taken_job(), NOW + 600 * SECOND, interval_seconds=60).due_time == NOW + 660 * SECOND


def test_a_periodic_job_never_dies_and_never_waits_longer_than_its_interval() -> None:
    failed = after_periodic_failure(a_taken_job(attempts=10_000), PermanentJobError("no"), NOW, 1, interval_seconds=5)
    assert (failed.state, failed.due_time) == (JobState.PENDING, NOW + 5 * SECOND)
    assert after_periodic_failure(a_taken_job(), ValueError("no"), NOW, 1, interval_seconds=3600).due_time == NOW + SECOND


# -- batches


def test_a_batch_has_one_kind_of_jobs_and_a_largest_size() -> None:
    jobs = [a_job(f"{kind} {number}", kind) for number in range(5) for kind in ("refund", "capture")]
    batches = in_batches(jobs, 2)
    assert [[job.job_id for job in batch] for batch in batches] == [
        ["refund 0", "refund 1"],
        ["refund 2", "refund 3"],
        ["refund 4"],
        ["capture 0", "capture 1"],
        ["capture 2", "capture 3"],
        ["capture 4"],
    ]


def test_a_job_that_runs_alone_has_a_batch_of_its_own() -> None:
    jobs = [replace(a_job(str(number)), runs_alone=number in (1, 3)) for number in range(5)]
    assert [[job.job_id for job in batch] for batch in in_batches(jobs, 100)] == [["0", "2", "4"], ["1"], ["3"]]


def test_without_jobs_there_are_no_batches() -> None:
    assert in_batches([], 100) == []
