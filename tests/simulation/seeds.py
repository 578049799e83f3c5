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


def failure_of(seed: int, kept: dict[int, World] | None = None) -> str:
    """Return what the history of a seed violates; empty where it violates nothing. Keep its world in `kept`, if given."""
    try:
        world = World(seed)
        if kept is not None:
            kept[seed] = world
        world.run()
    except Exception as error:
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def failures_of(seeds: Iterable[int], kept: dict[int, World] | None = None) -> list[str]:
    """Return what the histories of these seeds violate. Keep their worlds by seed in `kept`, if given."""
    with _garbage_collection_paused():
        return [failure for seed in seeds if (failure := failure_of(seed, kept))]


def first_failure_of(seeds: Iterable[int]) -> str:
    """Return the first violation in the histories of these seeds; empty where there is none."""
    with _garbage_collection_paused():
        return next((failure for failure in map(failure_of, seeds) if failure), "")
