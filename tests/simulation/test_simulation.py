"""Random histories of the whole service, each from a seed: whatever happens, no seat is sold twice and no money is lost.

`python -m tests.simulation.run --seed 17` replays one of them and prints its trace; `make simulate` runs a hundred thousand.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.record import Document
from tests.simulation.seeds import failures_of
from tests.simulation.world import World, run_history
from tests.support.long_mode import full

ROOT = Path(__file__).parents[2]
CHUNK_SIZE = 100
HISTORIES = full(2_000, short=1_000)
# Of a hundred histories, one or two have a cancellation of three bookings. So a change of the simulation may leave none.
IDLE_HISTORIES = 300


@pytest.fixture(scope="module")
def first_worlds() -> dict[int, World]:
    """The worlds of the first histories by seed: they run once, to check the invariants and to show what happens in them."""
    return {}


@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK_SIZE))
def test_invariants_hold_through_a_hundred_histories_from_seed(first: int, first_worlds: dict[int, World]) -> None:
    failures = failures_of(range(first, first + CHUNK_SIZE), first_worlds if first < IDLE_HISTORIES else None)
    assert not failures, "\n".join(failures)


def layout_outcomes(world: World) -> list[Document]:
    return list(world.database["layout_outcomes"].documents.values())


def test_histories_are_not_idle(first_worlds: dict[int, World]) -> None:
    worlds = [first_worlds.get(seed) or run_history(seed) for seed in range(IDLE_HISTORIES)]
    bookings = [booking for world in worlds for of_run in world.record.bookings.values() for booking in of_run.values()]
    states = {booking["state"] for booking in bookings}
    kinds = {event["type"] for world in worlds for event in world.record.events.values()}
    accounts = [account for world in worlds for account in world.provider.accounts.values()]
    assert {"CONFIRMED", "WAITLISTED", "CANCELLED", "EXPIRED"} <= states
    assert {"booking.promoted", "booking.changed", "hold.placed", "hold.released", "hold.expired", "layout.changed"} <= kinds
    displaced = [moves for world in worlds for moves in world.record.layout_moves.values() if moves]
    assert any(seat for moves in displaced for seat in moves.values()), "nobody was moved by a layout change"
    assert not all(seat for moves in displaced for seat in moves.values()), "nobody lost a seat by a layout change"
    assert {outcome["state"] for world in worlds for outcome in layout_outcomes(world)} >= {"APPLIED", "SKIPPED"}
    assert {"run.delayed", "run.arrived", "run.cancelled", "run.departed", "run.completed"} <= kinds
    runs = [run for world in worlds for run in world.record.runs.values()]
    cancellations = [run["cancellation"] for run in runs if run.get("cancellation") is not None]
    assert {bool(cancellation["from_stop"]) for cancellation in cancellations} == {True, False}
    assert max(cancellation["booking_count"] for cancellation in cancellations) > 2, "no cancellation took several commits"
    assert any(run.get("is_compacted") for run in runs)
    assert any(run.get("sales_windows") for run in runs)
    assert {account.state for account in accounts} >= {"captured", "voided"}
    assert any(account.refunds for account in accounts)
    assert sum(world.record.commits for world in worlds) > 400, "hardly anything was committed; this proves little"


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    def trace(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation.run", "--seed", "21"]
        environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-1_000:]
        return done.stdout

    first = trace("1")
    assert first == trace("2")
    assert len(first.splitlines()) > 20
    assert first.endswith("no violation\n")
