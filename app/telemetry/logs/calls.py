"""Log lines about calls that were refused or failed.

Belongs here: one line for each such call, and the limit of lines. Does not belong here: the format of lines (`format.py`).

A line has the method, the status, the documented reason and the duration of the call. It never has the caller or the request.
Logging a burst of refusals would cost more than refusing. So each method has a number of lines a second; the rest is counted in
one line.
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
    """Note an unexpected error in the current call: its log line gets the incident number and the places of the error."""
    _incident.set(_Incident(number, error))


@dataclass(slots=True)
class LineBudget:
    """Allows `lines_max` lines in the second that began at `begun_at`. Suppressed lines are counted by status."""

    lines_max: int
    begun_at: float = float("-inf")
    lines: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)

    def admits(self, now_seconds: float, code: str) -> bool:
        """Return whether one more line is allowed; count it as suppressed if not."""
        if now_seconds - self.begun_at >= _SECOND:
            self.begun_at, self.lines = now_seconds, 0
        self.lines += 1
        if self.lines <= self.lines_max:
            return True
        self.suppressed[code] += 1
        return False

    def take_suppressed(self) -> Counter[str]:
        """Return the suppressed lines by status, and reset them."""
        suppressed, self.suppressed = self.suppressed, Counter()
        return suppressed


class CallLogger:
    """Logs calls that were refused or failed; a `CallObserver`. `lines_max` is per second, method and level."""

    def __init__(self, lines_max: int) -> None:
        self._lines_max = lines_max
        self._budgets: dict[tuple[str, int], LineBudget] = {}
        self._timer: asyncio.TimerHandle | None = None

    def call_started(self, method: str, context: "grpc.aio.ServicerContext[object, object]") -> float:
        """Return the time."""
        return time.monotonic()

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Log the call, if it was refused or failed."""
        if code is _OK or not isinstance(begun, float):
            return
        level = _LEVELS.get(code, logging.INFO)
        if not _log.isEnabledFor(level):
            return
        now_seconds = time.monotonic()
        budget = self._budgets.get((method, level))
        if budget is None:  # bounded: the methods are those of the contract
            budget = self._budgets[method, level] = LineBudget(self._lines_max)
        if not budget.admits(now_seconds, code.name):
            if self._timer is None:
                # In a context of its own: the line is about many calls, and is no part of this call's trace.
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_SECOND, self.log_suppressed, context=Context())
            return
        fields: dict[str, object] = {"method": method[1:], "code": code.name}
        if reason is not None:
            fields["reason"] = reason.value
        fields["milliseconds"] = round((now_seconds - begun) * 1000, 3)
        _log_call(level, "call cancelled by its client" if code is _CANCELLED else "call failed", fields)

    def log_suppressed(self) -> None:
        """Log the number of suppressed lines; also called when the process ends."""
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


def _log_call(level: int, event: str, fields: dict[str, object]) -> None:
    incident = _incident.get()
    if level < logging.WARNING and event == "call failed":
        event = "call refused"
    if incident is None:
        _log.log(level, event, extra=fields)
    else:
        fields["incident"] = incident.number
        _log.log(level, "%s, incident %s", event, incident.number, extra=fields, exc_info=incident.error)
