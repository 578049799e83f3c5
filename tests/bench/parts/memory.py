"""How much memory does a server need?

Belongs here: resident memory after many bookings over many runs, and after more. Does not belong here: speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from tests.bench.host_process import Host
from tests.bench.requests import RunKey
from tests.bench.stage import Stage

CALLERS = 256
BOOKINGS_OF_THE_FLOOR = 100_000


def measure_memory(stage: Stage) -> None:
    """Have a fresh server sell out 100 runs, some of them at the same time, then some more."""
    scale = stage.scale
    host = stage.start_host("memory")
    stage.results.add("rss_at_start", host.rss_mb, "MB")
    after: list[float] = []
    for part, count in (("sale", scale.memory_runs), ("more", scale.memory_more_runs)):
        runs = stage.fresh_runs(scale.memory_seats, count)
        peak_mb = _sell_out(stage, host, orders_for(runs, scale.memory_seats, scale.memory_runs_at_once))
        stage.audit(f"memory_{part}", runs)
        after.append(host.rss_mb)
        stage.results.add(f"rss_after_{part}", host.rss_mb, "MB")
        stage.results.add(f"rss_peak_during_{part}", peak_mb, "MB")
    stage.results.add_ratio("rss_growth_after_100k", after[1] / after[0])
    if scale.memory_runs * scale.memory_seats == BOOKINGS_OF_THE_FLOOR:
        stage.results.rss_mb_after_100k = round(after[0], 1)
    host.stop()


def orders_for(runs: list[RunKey], seats: int, at_once: int) -> list[RunKey]:
    """Return the run of each booking: group after group of runs, the bookings of a group in random order."""
    random = Random(20_26)  # noqa: S311 - the same order in every run, not a secret
    orders: list[RunKey] = []
    for first in range(0, len(runs), at_once):
        group = runs[first : first + at_once] * seats
        random.shuffle(group)
        orders += group
    return orders


def _sell_out(stage: Stage, host: Host, orders: list[RunKey]) -> float:
    """Sell in slices, so that not all requests are in memory. Return the highest memory between two of them."""
    volleys, seen_mb = [], []
    remaining = iter(orders)
    for piece in _slices(remaining, stage.scale.memory_slice_calls):
        volleys.append(stage.sell(piece, CALLERS, [host]))
        seen_mb.append(host.rss_mb)
    stage.results.add_volleys(f"memory_sale_{len(orders)}", volleys)
    return max(seen_mb)


def _slices(orders: Iterator[RunKey], size: int) -> Iterator[list[RunKey]]:
    while piece := list(islice(orders, size)):
        yield piece
