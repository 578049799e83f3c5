"""Time bounds of calls.

Belongs here: finding overdue calls, at little cost for each call. Does not belong here: what happens to them (`guard.py`).
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Call: TypeAlias = "asyncio.Task[Any]"


class CallDeadlines:
    """Calls that may each take `seconds_max`. Calls `on_overdue` for each that takes longer, again until it has ended.

    All calls have the same bound, so the first that began is the first to become overdue, and one timer is enough for all. An
    `asyncio.timeout` for each call would cost some microseconds.
    """

    def __init__(self, seconds_max: float, on_overdue: Callable[[Call], None]) -> None:
        self._seconds_max, self._on_overdue = seconds_max, on_overdue
        self._ends: dict[Call, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Call]:
        """Iterate over the calls, oldest first."""
        return iter(self._ends)

    def begin(self, call: Call) -> None:
        """Start the time of a call."""
        loop = asyncio.get_running_loop()
        self._ends[call] = loop.time() + self._seconds_max
        if self._timer is None:
            self._timer = loop.call_later(self._seconds_max, self._check_overdue)

    def end(self, call: Call) -> None:
        """Remove a call, if it is not removed yet."""
        self._ends.pop(call, None)

    def seconds_elapsed(self, call: Call) -> float:
        """Return how long a call has taken that has not ended."""
        return asyncio.get_running_loop().time() - (self._ends[call] - self._seconds_max)

    def _check_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for call, end in self._ends.items():
            if end > now:
                self._timer = loop.call_at(end, self._check_overdue)
                break
            self._on_overdue(call)
