"""Many histories, one after the other.

Belongs here: running the histories of some seeds and telling what is wrong with each. Does not: what a history is (`world.py`),
options (`run.py`).
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.simulation.world import World


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """A history is short and makes much that refers to itself; looking for that again and again takes a fifth longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def failure_of(seed: int) -> str:
    """What is wrong with the history of a seed; empty where nothing is."""
    try:
        World(seed).live()
    except Exception as error:
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def failures_of(seeds: Iterable[int]) -> list[str]:
    """What is wrong with the histories of these seeds."""
    with _garbage_collection_paused():
        return [failure for failure in map(failure_of, seeds) if failure]


def first_failure_of(seeds: Iterable[int]) -> str:
    """What is wrong with the first of these histories that something is wrong with; empty where nothing is."""
    with _garbage_collection_paused():
        return next((failure for failure in map(failure_of, seeds) if failure), "")
