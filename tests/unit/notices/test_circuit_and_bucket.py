"""The circuit of a provider opens after five faults in a row within ten minutes; the token bucket keeps to its rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.notices.circuit import CLOSED, FAULTS_MAX, PROBE_PAUSE, Circuit, after_fault, may_probe, with_probe_begun
from app.domain.notices.token_bucket import full_bucket, reserve

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def after_faults(*minutes: float) -> Circuit:
    """Return the circuit after faults at these minutes."""
    circuit = CLOSED
    for minute in minutes:
        circuit = after_fault(circuit, NOW + timedelta(minutes=minute))
    return circuit


@pytest.mark.parametrize(
    ("minutes", "is_open"),
    [((0, 1, 2, 3), False), ((0, 1, 2, 3, 4), True), ((0, 2, 4, 6, 9.9), True), ((0, 3, 6, 9, 12), False)],
    ids=["four faults", "five faults", "five within ten minutes", "five in twelve minutes"],
)
def test_a_circuit_opens_after_five_faults_within_ten_minutes(minutes: tuple[float, ...], is_open: bool) -> None:
    assert after_faults(*minutes).is_open is is_open


def test_an_open_circuit_is_probed_every_thirty_seconds_whatever_fails_meanwhile() -> None:
    opened = after_faults(0, 0, 0, 0, 0)
    late_answer = after_fault(opened, NOW + timedelta(seconds=29))
    assert not may_probe(late_answer, NOW + timedelta(seconds=29))
    assert may_probe(late_answer, NOW + PROBE_PAUSE)
    probed = with_probe_begun(late_answer, NOW + PROBE_PAUSE)
    assert not may_probe(probed, NOW + PROBE_PAUSE)
    assert may_probe(probed, NOW + 2 * PROBE_PAUSE)
    assert not may_probe(CLOSED, NOW)


def test_a_circuit_remembers_no_more_faults_than_it_needs() -> None:
    assert len(after_faults(*[0] * 50).fault_times) == FAULTS_MAX


def test_a_bucket_lets_a_seconds_messages_through_at_once_and_then_its_rate() -> None:
    bucket, waits = full_bucket(2.0, 100.0), []
    for _ in range(5):
        bucket, wait = reserve(bucket, 100.0, 60.0)
        waits.append(wait)
    assert waits == [0.0, 0.0, 0.5, 1.0, 1.5]
    bucket, wait = reserve(bucket, 200.0, 60.0)
    assert wait == 0.0


def test_a_bucket_reserves_nothing_for_who_would_wait_too_long() -> None:
    bucket = full_bucket(1.0, 0.0)
    bucket, _ = reserve(bucket, 0.0, 1.0)
    for _ in range(3):
        bucket, wait = reserve(bucket, 0.0, 0.5)
        assert wait is None
    assert reserve(bucket, 0.0, 1.0)[1] == 1.0


def test_a_slow_bucket_has_one_token() -> None:
    bucket, first = reserve(full_bucket(0.1, 0.0), 0.0, 60.0)
    assert (first, reserve(bucket, 0.0, 60.0)[1]) == (0.0, 10.0)
