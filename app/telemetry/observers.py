"""Several observers in the place of one.

Belongs here: showing calls and lanes to all who look on, and what they see. Does not: any observer.

Whoever looks on first stands outermost, as if the others were called inside of it: the others hear of a call's end before it
does, while what it has put around the call, such as a span, is still there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import grpc

from app.domain.refusals import Reason


class CallObserver(Protocol):
    """What is asked of an observer of calls; `app/ports/call_observer.py` says when and how."""

    def call_started(self, method: str, context: Any) -> object: ...  # noqa: D102
    def call_ended(self, begun: Any, method: str, code: grpc.StatusCode, reason: Reason | None) -> None: ...  # noqa: D102


class Batch(Protocol):
    """A batch of a lane, as `app.ports.observers.LaneBatch` has it and says what each is."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def callers(self) -> Sequence[object]: ...  # noqa: D102
    @property
    def queued_at(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def begun_at(self) -> float: ...  # noqa: D102
    @property
    def decided_at(self) -> float: ...  # noqa: D102
    @property
    def ended_at(self) -> float: ...  # noqa: D102
    @property
    def committed(self) -> bool: ...  # noqa: D102
    @property
    def succeeded(self) -> bool: ...  # noqa: D102
    @property
    def swaps_lost(self) -> int: ...  # noqa: D102
    @property
    def outcomes(self) -> Mapping[str, int]: ...  # noqa: D102


class LaneObserver(Protocol):
    """What is asked of an observer of lanes; `app/ports/observers.py` says when and how."""

    def caller_queued(self) -> object: ...  # noqa: D102
    def batch_ended(self, batch: Any) -> None: ...  # noqa: D102


def combine_call_observers(observers: Sequence[CallObserver]) -> CallObserver | None:
    """One observer for all of these: none where there is none, and the only one itself."""
    if len(observers) > 1:
        return _CombinedCallObserver(observers)
    return observers[0] if observers else None


def combine_lane_observers(observers: Sequence[LaneObserver]) -> LaneObserver | None:
    """One observer for all of these: none where there is none, and the only one itself."""
    if len(observers) > 1:
        return _CombinedLaneObserver(observers)
    return observers[0] if observers else None


class _CombinedCallObserver:
    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = tuple(observers)
        self._outwards = tuple(enumerate(observers))[::-1]

    def call_started(self, method: str, context: Any) -> tuple[object, ...]:
        return tuple([one.call_started(method, context) for one in self._observers])

    def call_ended(self, begun: tuple[object, ...], method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        for index, one in self._outwards:
            one.call_ended(begun[index], method, code, reason)


class _CombinedLaneObserver:
    """Each is shown a batch with what it gave for its callers itself."""

    def __init__(self, observers: Sequence[LaneObserver]) -> None:
        self._observers = tuple(observers)

    def caller_queued(self) -> tuple[object, ...]:
        return tuple([one.caller_queued() for one in self._observers])

    def batch_ended(self, batch: Any) -> None:
        for index, one in enumerate(self._observers):
            one.batch_ended(replace(batch, callers=[caller[index] for caller in batch.callers]))
