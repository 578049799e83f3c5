"""Calls whose time is up.

Belongs here: noticing them, at little cost for each call. Does not: what becomes of them (`guard.py`).
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Call: TypeAlias = "asyncio.Task[Any]"


class CallDeadlines:
    """Calls that may each take `seconds_max`; `on_overdue` is told of those that take longer, again until they have ended.

    Since every call may take equally long, they stand in the order of their ends, and one timer serves all: an
    `asyncio.timeout` for each costs some microseconds.
    """

    def __init__(self, seconds_max: float, on_overdue: Callable[[Call], None]) -> None:
        self._seconds_max, self._when_overdue = seconds_max, on_overdue
        self._ends: dict[Call, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Call]:
        """The calls, oldest first."""
        return iter(self._ends)

    def begin(self, call: Call) -> None:
        """The call's time begins."""
        loop = asyncio.get_running_loop()
        self._ends[call] = loop.time() + self._seconds_max
        if self._timer is None:
            self._timer = loop.call_later(self._seconds_max, self._check_overdue)

    def end(self, call: Call) -> None:
        """The call is over, if it was not before."""
        self._ends.pop(call, None)

    def seconds_elapsed(self, call: Call) -> float:
        """For how long a call that has not ended is under way."""
        return asyncio.get_running_loop().time() - (self._ends[call] - self._seconds_max)

    def _check_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for call, end in self._ends.items():
            if end > now:
                self._timer = loop.call_at(end, self._check_overdue)
                break
            self._when_overdue(call)
