"""Does a booking cost more on a larger train?

Belongs here: the same sale on one large train and on many small ones, and the bytes of a commit on each. Does not belong here:
several runs at once (`sale.py`).
"""

from __future__ import annotations

from typing import Any

from bson import Timestamp

from tests.bench.figures import Volley, median_ratio
from tests.bench.requests import RunKey
from tests.bench.stage import Stage

CALLERS = 64


def measure_train_size(stage: Stage) -> None:
    """Sell out one train of 2,000 seats and 20 of 100 seats. Then measure the commits of a lone caller."""
    scale = stage.scale
    large: list[Volley] = []
    small: list[Volley] = []
    for _ in range(scale.rounds):
        runs = stage.fresh_runs(scale.small_seats, scale.large_seats // scale.small_seats)
        # One after another: callers move on to the next train when one is sold out.
        small.append(stage.sell([run for run in runs for _ in range(scale.small_seats)], CALLERS))
        stage.audit("seats_100", runs)
        run = stage.fresh_runs(scale.large_seats)[0]
        large.append(stage.sell([run] * scale.large_seats, CALLERS))
        stage.audit("seats_2000", [run])
    stage.results.add_volleys("seats_100", small)
    stage.results.add_volleys("seats_2000", large)
    cost = [[1.0 / volley.rate for volley in volleys] for volleys in (large, small)]
    stage.results.add_ratio("seats_2000_to_100", median_ratio(*cost))
    _measure_commits(stage)


def _measure_commits(stage: Stage) -> None:
    """Measure commits of one booking, on a small empty train and on a large one that is nearly full."""
    scale = stage.scale
    small, large = stage.fresh_runs(scale.small_seats)[0], stage.fresh_runs(scale.large_seats)[0]
    stage.sell([large] * (scale.large_seats - scale.commit_calls - 1), CALLERS)
    small_bytes = _commit_bytes(stage, small)
    large_bytes = _commit_bytes(stage, large)
    stage.audit("commit_bytes", [small, large])
    stage.results.add("commit_bytes_100_seats", small_bytes, "bytes")
    stage.results.add("commit_bytes_2000_seats", large_bytes, "bytes")
    stage.results.add_ratio("commit_bytes_2000_to_100", large_bytes / small_bytes)


def _commit_bytes(stage: Stage, run: RunKey) -> float:
    """Return the bytes that a booking of a lone caller adds to the replica set's log."""
    before: Timestamp = stage.client.admin.command("hello")["lastWrite"]["opTime"]["ts"]
    stage.sell([run] * stage.scale.commit_calls, 1)
    # The log lists inserts of several documents under the name of their command.
    names = [stage.runs.full_name, stage.database["bookings"].full_name, "admin.$cmd"]
    query: dict[str, Any] = {"ts": {"$gt": before}, "ns": {"$in": names}, "op": {"$ne": "n"}}
    entries = stage.client.local["oplog.rs"].aggregate([{"$match": query}, {"$project": {"size": {"$bsonSize": "$$ROOT"}}}])
    return float(sum(entry["size"] for entry in entries)) / stage.scale.commit_calls
