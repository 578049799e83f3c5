"""Measuring how long each turn of the event loop takes.

Belongs here: the processor time of the turns, in seconds of a quiet machine. Does not belong here: what makes them long.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.processor_time import slowness


class Turns:
    """The longest turn, in seconds of processor time, and what it ran."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self.ran = ""

    def note(self, seconds: float, handle: asyncio.Handle) -> None:
        if seconds > self.longest_seconds:
            self.longest_seconds, self.ran = seconds, repr(handle)


@contextmanager
def measured_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """Measure until the block ends, in processor time of the loop's thread: other processes use the machine, too.
    They also slow it down. Once the block has ended, the seconds are those of a quiet machine.

    The garbage collector is off meanwhile: it would visit all objects of earlier tests, and a server makes it run rarely.
    """
    turns, run = Turns(), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begin = time.thread_time()
        run(handle)
        turns.note(time.thread_time() - begin, handle)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", timed)
        gc.disable()
        before = slowness()
        try:
            yield turns
        finally:
            turns.longest_seconds /= max(before, slowness())
            gc.enable()
