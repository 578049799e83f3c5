"""Lines about calls that were refused or failed.

Belongs here: one line for each such call, and how many of them there may be. Does not: the form of lines (`format.py`).

A line has the method, the status, the documented reason and how long the call took; who called and what was sent stays out of
it. A storm of refusals would cost more to tell than to refuse. So each method has so many lines a second, and what is beyond is
counted in one.
"""

import asyncio
import logging
import time
from collections import Counter
from contextvars import Context, ContextVar
from dataclasses import dataclass, field

import grpc

from app.domain.refusals import Reason

_log = logging.getLogger(__name__)

_SECOND = 1.0
_LEVELS = {
    grpc.StatusCode.UNKNOWN: logging.ERROR,
    grpc.StatusCode.INTERNAL: logging.ERROR,
    grpc.StatusCode.DATA_LOSS: logging.ERROR,
    grpc.StatusCode.UNAVAILABLE: logging.WARNING,
    grpc.StatusCode.DEADLINE_EXCEEDED: logging.WARNING,
}
_OK, _CANCELLED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED


@dataclass(frozen=True, slots=True)
class _Incident:
    number: str
    error: BaseException


_incident: ContextVar[_Incident | None] = ContextVar("incident", default=None)


def record_incident(number: str, error: BaseException) -> None:
    """Tells of a fault in the call that we are in: its line will have the incident's number and the places of the error."""
    _incident.set(_Incident(number, error))


@dataclass(slots=True)
class LineBudget:
    """How many lines there may be: `lines_max` in the second that began at `begun_at`. What is left out is counted by code."""

    lines_max: int
    begun_at: float = float("-inf")
    lines: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)

    def admits(self, now_seconds: float, code: str) -> bool:
        """Whether there may be one more line."""
        if now_seconds - self.begun_at >= _SECOND:
            self.begun_at, self.lines = now_seconds, 0
        self.lines += 1
        if self.lines <= self.lines_max:
            return True
        self.suppressed[code] += 1
        return False

    def take_suppressed(self) -> Counter[str]:
        """What was left out since it was asked for last."""
        suppressed, self.suppressed = self.suppressed, Counter()
        return suppressed


class CallLogger:
    """Looks on at calls, as `app/ports/call_observer.py` has it. `lines_max` is for a second, a method and a level."""

    def __init__(self, lines_max: int) -> None:
        self._lines_max = lines_max
        self._budgets: dict[tuple[str, int], LineBudget] = {}
        self._timer: asyncio.TimerHandle | None = None

    def call_started(self, method: str, context: "grpc.aio.ServicerContext[object, object]") -> float:
        """When."""
        return time.monotonic()

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Writes the line, if there is one to write."""
        if code is _OK or not isinstance(begun, float):
            return
        level = _LEVELS.get(code, logging.INFO)
        if not _log.isEnabledFor(level):
            return
        now_seconds = time.monotonic()
        budget = self._budgets.get((method, level))
        if budget is None:  # methods are those of the contract, so that there are few
            budget = self._budgets[method, level] = LineBudget(self._lines_max)
        if not budget.admits(now_seconds, code.name):
            if self._timer is None:
                # In a context of its own: the line is of many calls, and not of this one's trace.
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_SECOND, self.log_suppressed, context=Context())
            return
        told: dict[str, object] = {"method": method[1:], "code": code.name}
        if reason is not None:
            told["reason"] = reason.value
        told["milliseconds"] = round((now_seconds - begun) * 1000, 3)
        _tell(level, "call left by its client" if code is _CANCELLED else "call failed", told)

    def log_suppressed(self) -> None:
        """Writes how many lines were left out; also for the end of the process."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        for (method, level), budget in self._budgets.items():
            for code, count in budget.take_suppressed().items():
                _log.log(
                    level,
                    "%d more calls of this kind",
                    count,
                    extra={"method": method[1:], "code": code, "calls": count},
                )


def _tell(level: int, event: str, told: dict[str, object]) -> None:
    incident = _incident.get()
    if level < logging.WARNING and event == "call failed":
        event = "call refused"
    if incident is None:
        _log.log(level, event, extra=told)
    else:
        told["incident"] = incident.number
        _log.log(level, "%s, incident %s", event, incident.number, extra=told, exc_info=incident.error)
