"""What does the longest possible waitlist cost?

Belongs here: the same lone calls at a short waitlist and at a full one, and the size of the run's document then. Does not
belong here: many callers at a waitlist (`waitlist.py`).
"""

from __future__ import annotations

from bson import encode

from tests.bench import requests
from tests.bench.figures import Volley
from tests.bench.requests import RunKey
from tests.bench.stage import Stage, document_id

CALLERS = 256
SEATS = 500
FILL_SECONDS_MAX = 120.0


def measure_long_waitlist(stage: Stage) -> None:
    """Measure joining the waitlist, and cancellations that promote its first entry, one call at a time."""
    calls, waiters = stage.scale.long_waitlist_calls, stage.scale.long_waitlist_waiters
    run = stage.fresh_runs(SEATS)[0]
    stage.sell([run] * SEATS, CALLERS)
    seated = stage.acknowledged(run)
    _measure(stage, "short_waitlist", run, seated[:calls])
    missing = waiters - calls - _waiting(stage, run)
    filled = stage.sell([run] * missing, CALLERS, seconds_max=FILL_SECONDS_MAX)
    _measure(stage, "long_waitlist", run, seated[calls : 2 * calls])
    stage.results.add("long_waitlist_filled_rate", filled.rate, "calls/s")
    if filled.ok_count != missing:
        stage.results.problems.append(f"long waitlist: {filled.ok_count} of {missing} joined it")


def _measure(stage: Stage, name: str, run: RunKey, seated: list[str]) -> None:
    joined = stage.sell([run] * len(seated), 1)
    waiting = _waiting(stage, run)
    stage.results.add(f"{name}_waiting", waiting, "bookings")
    stage.results.add(f"{name}_document", len(encode(stage.runs.find_one({"_id": document_id(run)}) or {})), "bytes")
    cancelled = stage.fire([stage.host.service], requests.cancel_calls(seated), 1)
    for kind, volley in (("join", joined), ("promote", cancelled)):
        stage.results.add(f"{name}_{kind}_p50", volley.p50_ms / 1_000, "s")
        stage.results.add(f"{name}_{kind}_p99", volley.p99_ms / 1_000, "s")
        stage.results.add(f"{name}_{kind}_server_cpu", volley.server_us_per_call, "us")
        stage.results.add(f"{name}_{kind}_database_cpu", volley.database_us_per_call, "us")
        _require_all(stage, f"{name}: {kind}", volley, len(seated))
    if _waiting(stage, run) != waiting - len(seated):
        stage.results.problems.append(f"{name}: {len(seated)} cancellations promoted {waiting - _waiting(stage, run)}")


def _require_all(stage: Stage, name: str, volley: Volley, calls: int) -> None:
    stage.results.problems += [f"{name}: {problem}" for problem in volley.problems]
    if volley.ok_count != calls:
        stage.results.problems.append(f"{name}: {volley.ok_count} of {calls} calls were answered with OK")


def _waiting(stage: Stage, run: RunKey) -> int:
    document = stage.runs.find_one({"_id": document_id(run)}, {"waiting": 1})
    return len(document["waiting"]) if document else 0
