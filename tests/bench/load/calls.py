"""Orders and records of one process of the generator.

Belongs here: plain data that is sent between processes: orders, the queue of calls, the record of each call. Does not
belong here: bytes on the wire (`frames.py`).
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench.load.frames import CallBytes, call_bytes

STATUS_OK = 0
STATUS_RESET = -2
"""The server ended the stream with RST_STREAM."""
STATUS_LOST = -3
"""The connection was lost while the call was under way."""
STATUS_UNSENT = -4
"""Not sent: time was up, or no connection was left."""
NOTES_MAX = 20


class Call(NamedTuple):
    """One unary call: its header block and its serialized message."""

    header_block: bytes
    message: bytes


@dataclass(frozen=True)
class Orders:
    """What one process has to do: keep `in_flight` calls under way until all have ended or `seconds_max` have passed."""

    host: str
    port: int
    calls: list[Call]
    in_flight: int
    connections: int = 1
    seconds_max: float = 60.0
    keep_payloads: bool = False


@dataclass
class Record:
    """The results of the calls, in the order in which they ended. `index` is the position in the orders."""

    index: array[int] = field(default_factory=lambda: array("q"))
    latency_ns: array[int] = field(default_factory=lambda: array("q"))
    end_ns: array[int] = field(default_factory=lambda: array("q"))
    status: array[int] = field(default_factory=lambda: array("h"))
    payloads: dict[int, bytes] = field(default_factory=dict)
    refusals: Counter[tuple[int, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    unsent: int = 0
    given_back: int = 0
    connections_lost: int = 0
    received_bytes: int = 0
    start_ns: int = 0
    cpu_seconds: float = 0.0

    def finish(self, index: int, start_ns: int, end_ns: int, status: int, message: str = "") -> None:
        """Note the end of a call."""
        self.index.append(index)
        self.latency_ns.append(end_ns - start_ns)
        self.end_ns.append(end_ns)
        self.status.append(status)
        if status != STATUS_OK:
            self.refusals[status, message if len(self.refusals) < NOTES_MAX else ""] += 1

    def note(self, text: str) -> None:
        """Note what readers of the figures should know; only the first few are kept."""
        if len(self.notes) < NOTES_MAX:
            self.notes.append(text)


class CallQueue:
    """The calls that are to be sent. A call that the server has refused to start goes back to the front."""

    def __init__(self, calls: list[Call]) -> None:
        # No cache of `call_bytes`: calls of one method share their header block, but not their messages.
        self.ready: list[CallBytes] = [call_bytes(call.header_block, call.message) for call in calls]
        self._waiting: deque[int] = deque(range(len(calls)))

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> int:
        """Return the index of the next call. The queue must not be empty."""
        return self._waiting.popleft()

    def give_back(self, index: int) -> None:
        """Put a call back at the front."""
        self._waiting.appendleft(index)

    def clear(self) -> int:
        """Empty the queue. Return how many calls were left."""
        left = len(self._waiting)
        self._waiting.clear()
        return left
