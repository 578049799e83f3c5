"""Many histories, one after the other.

Belongs here: running the histories of some seeds, and what each of them violates. Does not belong here: what a history is
(`world.py`), options (`run.py`).
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.simulation.world import World


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause the garbage collector: a history is short and makes many reference cycles, which take a fifth longer to collect."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def failure_of(seed: int) -> str:
    """Return what the history of a seed violates; empty where it violates nothing."""
    try:
        World(seed).run()
    except Exception as error:
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def failures_of(seeds: Iterable[int]) -> list[str]:
    """Return what the histories of these seeds violate."""
    with _garbage_collection_paused():
        return [failure for failure in map(failure_of, seeds) if failure]


def first_failure_of(seeds: Iterable[int]) -> str:
    """Return the first violation in the histories of these seeds; empty where there is none."""
    with _garbage_collection_paused():
        return next((failure for failure in map(failure_of, seeds) if failure), "")
