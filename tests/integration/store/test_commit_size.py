"""The size of a commit depends on what changed, not on the size of the train or on earlier bookings; and the
document of a run does not grow with its bookings.
"""

from __future__ import annotations

import bson
import pytest

from tests.support.clients import Run, people
from tests.support.world import World

# Bookings differ in reference and times; nothing else may differ.
DIFFERENCE_BYTES_MAX = 16


async def _commit_bytes(world: World, run: Run) -> list[int]:
    """Return the sizes of the oplog entries about this run's document, oldest first."""
    query = {"ns": f"{world.database.name}.train_runs", "op": "u", "o2._id": f"{run.train_id}:{run.travel_date}"}
    found = await world.database.client["local"]["oplog.rs"].find(query).sort("$natural", 1).to_list(1_000)
    return [len(bson.encode(entry)) for entry in found]


async def _book_one_after_another(world: World, run: Run, count: int, section: str = "") -> None:
    for name in people("p", count):
        await world.api_client(name).book(run, section=section)
        await world.server.bus.wait_idle()


@pytest.mark.parametrize("section", ["A", "B"])
async def test_the_bytes_of_a_commit_do_not_grow_with_the_train(real_world: World, section: str) -> None:
    small = await real_world.run("A50 B50", train_id=f"small-{section.lower()}")
    large = await real_world.run(" ".join(["A200"] * 5 + ["B200"] * 5), train_id=f"large-{section.lower()}")
    sizes = []
    for run in (small, large):
        await _book_one_after_another(real_world, run, 30, section)
        sizes.append(await _commit_bytes(real_world, run))
    assert len(sizes[0]) == len(sizes[1]) == 30
    assert max(abs(on_small - on_large) for on_small, on_large in zip(*sizes, strict=True)) <= DIFFERENCE_BYTES_MAX


async def test_the_bytes_of_a_commit_do_not_grow_with_earlier_bookings(real_world: World) -> None:
    run = await real_world.run("A200", train_id="filling-up")
    await _book_one_after_another(real_world, run, 80)
    sizes = await _commit_bytes(real_world, run)
    assert max(sizes[40:]) - min(sizes[2:10]) <= DIFFERENCE_BYTES_MAX


async def test_the_runs_document_does_not_grow_with_bookings_and_cancellations(real_world: World) -> None:
    run = await real_world.run("A50")
    await _book_one_after_another(real_world, run, 5)
    early = len(bson.encode(await real_world.run_document(run)))
    for name in people("q", 100):
        api_client = real_world.api_client(name)
        await api_client.cancel((await api_client.book(run)).reference)
        await real_world.server.bus.wait_idle()
    await real_world.api_client("last").book(run)
    await real_world.server.bus.wait_idle()
    late = len(bson.encode(await real_world.run_document(run)))
    # A freed seat takes a few bytes in the list of freed seats; a booking takes about 700.
    assert late - early < 50 * 40 + 1_000
