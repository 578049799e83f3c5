"""Observers of calls.

Belongs here: what the gRPC edge reports about each call, and to whom. Does not belong here: what is made of it
(`app/telemetry`).
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import grpc

from app.domain.refusals import Reason

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # the class takes no arguments at run time


class CallObserver(Protocol):
    """Observes the calls of our services. Its methods run within every call: they may not raise or wait.

    `method` is the full name, "/seatline.v1.BookingService/CreateBooking". Both methods run in the task and context of the
    call.
    """

    def call_started(self, method: str, context: Context) -> object:
        """Observe the start of a call. The result is passed to `call_ended`."""

    def call_ended(self, begun: Any, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Observe the end of a call with its status; `reason` says why it was refused.

        `begun` is the result of `call_started`. The status of a client that has gone is CANCELLED, or DEADLINE_EXCEEDED where
        its deadline has passed.
        """


class NullCallObserver:
    """Observes nothing."""

    def call_started(self, method: str, context: Context) -> object:
        """Do nothing."""
        return None

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Do nothing."""


class _CombinedCallObserver:
    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = tuple(observers)
        self._outwards = tuple(enumerate(observers))[::-1]

    def call_started(self, method: str, context: Context) -> tuple[object, ...]:
        return tuple([observer.call_started(method, context) for observer in self._observers])

    def call_ended(self, begun: tuple[object, ...], method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        for index, observer in self._outwards:
            observer.call_ended(begun[index], method, code, reason)


def combine_call_observers(observers: Sequence[CallObserver]) -> CallObserver:
    """Return one observer for all of these.

    The first is the outermost: it observes the end of a call last, so that the others still see what it has put around the
    call, such as a span.
    """
    if len(observers) > 1:
        return _CombinedCallObserver(observers)
    return observers[0] if observers else NullCallObserver()
