"""Processor time that a busy or slow machine does not spoil.

Belongs here: measuring work beside a reference loop, so that a bound in seconds means seconds of a quiet machine. Does not
belong here: the bounds of a test.

A bound needs room for noise all the same: it is some times what the work takes, and less than what its fault would take.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# What the reference loop takes on the machine of docs/performance.md while nothing else runs, rounded up.
_REFERENCE_SECONDS = 0.0036
_REFERENCE_STEPS = 30_000


def slowness() -> float:
    """Return how many times as long as on a quiet machine the reference loop takes at present; at least 1."""
    begin = time.thread_time()
    found: dict[str, list[int]] = {}
    for number in range(_REFERENCE_STEPS):
        found.setdefault(str(number % 100), []).append(number)
    return max(1.0, (time.thread_time() - begin) / _REFERENCE_SECONDS)


@dataclass
class Taken:
    """What a block took: seconds of processor time, as many as a quiet machine would have needed."""

    seconds: float = 0.0


@contextmanager
def processor_time() -> Iterator[Taken]:
    """Measure what this process needs until the block ends. The load of others changes: take the least of some tries.

    The reference loop runs before and after the block; the slower of both counts.
    """
    taken, before, begin = Taken(), slowness(), time.process_time()
    yield taken
    seconds = time.process_time() - begin
    taken.seconds = seconds / max(before, slowness())
