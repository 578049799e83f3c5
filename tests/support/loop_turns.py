"""ProcessMetrics how long the event loop is taken at a time.

Belongs here: the processor time of each turn of the loop. Not here: what makes it long.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Turns:
    """What was measured: the longest turn so far, in seconds of processor time, and what it ran."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self.ran = ""

    def note(self, seconds: float, handle: asyncio.Handle) -> None:
        if seconds > self.longest_seconds:
            self.longest_seconds, self.ran = seconds, repr(handle)


@contextmanager
def measured_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """Measures until the block ends. Processor time of the loop's thread: others use the machine, too.

    The garbage collector waits: it looks at all that the tests before have made, and a server sees to it that it looks rarely.
    """
    turns, run = Turns(), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begin = time.thread_time()
        run(handle)
        turns.note(time.thread_time() - begin, handle)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", timed)
        gc.disable()
        try:
            yield turns
        finally:
            gc.enable()
