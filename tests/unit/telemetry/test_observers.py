"""Combined observers: each observes what it would observe alone."""

from __future__ import annotations

from typing import Any

import grpc

from app.domain.refusals import Reason
from app.ports.call_observer import NullCallObserver, combine_call_observers
from app.ports.lane_observer import LaneBatch, NullLaneObserver, combine_lane_observers


class Watching:
    """An observer of calls and lanes that notes what it observes, and numbers callers by itself."""

    def __init__(self, name: str, notes: list[tuple[object, ...]]) -> None:
        self.name, self.notes, self.callers = name, notes, 0

    def call_started(self, method: str, context: Any) -> object:
        self.notes.append((self.name, "began", method, context))
        return f"{self.name}'s"

    def call_ended(self, begun: Any, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        self.notes.append((self.name, "ended", begun, method, code, reason))

    def caller_queued(self) -> object:
        self.callers += 1
        return f"{self.name}{self.callers}"

    def batch_ended(self, batch: Any) -> None:
        self.notes.append((self.name, batch.run_id, list(batch.callers)))


def test_the_first_observer_observes_the_end_last() -> None:
    notes: list[tuple[object, ...]] = []
    both = combine_call_observers([Watching("one", notes), Watching("two", notes)])
    context: Any = "context"
    both.call_ended(both.call_started("/a/b", context), "/a/b", grpc.StatusCode.ABORTED, Reason.ETAG_STALE)
    end = ("/a/b", grpc.StatusCode.ABORTED, Reason.ETAG_STALE)
    assert notes == [
        ("one", "began", "/a/b", "context"),
        ("two", "began", "/a/b", "context"),
        ("two", "ended", "two's", *end),
        ("one", "ended", "one's", *end),
    ]


def test_each_observer_gets_a_batch_with_its_own_callers() -> None:
    notes: list[tuple[object, ...]] = []
    both = combine_lane_observers([Watching("a", notes), Watching("b", notes)])
    callers = [both.caller_queued(), both.caller_queued()]
    both.batch_ended(LaneBatch("run", callers, [1.0, 1.0], 1.0, 2.0, 3.0, True, True, 0))
    assert notes == [("a", "run", ["a1", "a2"]), ("b", "run", ["b1", "b2"])]


def test_one_observer_is_not_wrapped_and_none_is_a_null_observer() -> None:
    only = Watching("only", [])
    assert combine_call_observers([only]) is only
    assert combine_lane_observers([only]) is only
    assert isinstance(combine_call_observers([]), NullCallObserver)
    assert isinstance(combine_lane_observers([]), NullLaneObserver)
