"""Run histories: `python -m tests.simulation.run --count 100000`.

Belongs here: the options, several processes, the exit code. Does not belong here: a history (`world.py`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import Pool

from tests.simulation.seeds import failures_of
from tests.simulation.world import World

_CHUNK_SIZE = 50
_FAILURES_SHOWN_MAX = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the histories that the options name. Return the exit code."""
    parser = argparse.ArgumentParser(description="Run simulated histories of the service and check their invariants.")
    parser.add_argument("--count", type=int, default=100_000, help="number of histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay the history of this seed and print its trace")
    options = parser.parse_args(arguments)
    return _replay(options.seed) if options.seed is not None else _run(options.first, options.count)


def _replay(seed: int) -> int:
    world = World(seed, traced=True)
    failure = ""
    try:
        world.run()
    except Exception:
        failure = traceback.format_exc(limit=-3)
    sys.stdout.write("\n".join([*(world.trace or ()), failure or "no violation", ""]))
    return 1 if failure else 0


def _run(first: int, count: int) -> int:
    begin = time.monotonic()
    failures: list[str] = []
    done = 0
    with Pool(os.cpu_count()) as pool:
        for found in pool.imap_unordered(failures_of, _chunks(first, count)):
            done += _CHUNK_SIZE
            failures += found
            if done % 5_000 == 0:
                sys.stdout.write(f"{done} histories, {len(failures)} failures, {time.monotonic() - begin:.0f} s\n")
    seconds = time.monotonic() - begin
    sys.stdout.write("\n".join([*sorted(failures)[:_FAILURES_SHOWN_MAX], ""]) if failures else "")
    rate = count / seconds
    sys.stdout.write(f"{count} histories from seed {first}, {len(failures)} failures, {seconds:.0f} s, {rate:.0f} a second\n")
    return 1 if failures else 0


def _chunks(first: int, count: int) -> Iterator[range]:
    for start in range(first, first + count, _CHUNK_SIZE):
        yield range(start, min(start + _CHUNK_SIZE, first + count))


if __name__ == "__main__":
    sys.exit(main())
