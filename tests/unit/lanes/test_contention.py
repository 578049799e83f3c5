"""A lane pauses for other servers on its run and for crowds, never for a lone caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.lanes.bounds import LaneBounds
from app.lanes.contention import Contention

BOUNDS = LaneBounds(
    batch_max=64,
    commits_max=4,
    queue_max=64,
    commit_attempts_max=4,
    cached_passengers_max=100,
    gather_from=16,
    gather_commits=2.0,
    contention_memory_seconds=0.5,
    contention_pause_turns=3.0,
    pause_seconds_max=0.25,
)
Passing = Callable[[float], None]


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Passing:
    """The clock stands still until a test moves it."""
    seconds = 1_000.0
    monkeypatch.setattr("app.lanes.contention.time", SimpleNamespace(monotonic=lambda: seconds))

    def move(passed: float) -> None:
        nonlocal seconds
        seconds += passed

    return move


def test_a_lone_caller_on_an_uncontended_run_never_waits(pass_seconds: Passing) -> None:
    contention = Contention(BOUNDS)
    contention.record_commit(0.01)
    contention.record_turn(0.02)
    assert contention.pause_seconds(1) == 0.0


def test_a_crowd_waits_for_some_durations_of_a_commit(pass_seconds: Passing) -> None:
    contention = Contention(BOUNDS)
    for _ in range(50):
        contention.record_commit(0.01)
    assert contention.pause_seconds(15) == 0.0
    assert contention.pause_seconds(16) == pytest.approx(0.02, rel=0.01)


def test_after_another_server_has_committed_every_batch_waits_for_some_durations_of_a_turn(pass_seconds: Passing) -> None:
    contention = Contention(BOUNDS)
    for _ in range(50):
        contention.record_turn(0.02)
    contention.record_other_server()
    assert contention.is_contended
    assert contention.pause_seconds(1) == pytest.approx(0.06, rel=0.01)


def test_a_run_stops_being_contended_when_no_other_server_has_committed_for_a_while(pass_seconds: Passing) -> None:
    contention = Contention(BOUNDS)
    contention.record_turn(0.02)
    contention.record_other_server()
    pass_seconds(0.49)
    assert contention.is_contended
    pass_seconds(0.02)
    assert not contention.is_contended
    assert contention.pause_seconds(1) == 0.0


@pytest.mark.parametrize("is_contended", [True, False])
def test_no_pause_is_longer_than_its_limit(pass_seconds: Passing, is_contended: bool) -> None:
    contention = Contention(replace(BOUNDS, pause_seconds_max=0.1))
    contention.record_commit(60.0)
    contention.record_turn(60.0)
    if is_contended:
        contention.record_other_server()
    assert contention.pause_seconds(16) == 0.1
