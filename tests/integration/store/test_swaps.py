"""Each swap of a statement for several documents has its own outcome."""

from __future__ import annotations

from app.store.adapter import adapter_of
from app.store.driver import Database, Swap, SwapOutcome
from tests.support.world import World

RUNS = "train_runs"


async def _put(database: Database, *keys: str) -> None:
    await database[RUNS].insert_many([{"_id": key, "version": 1, "recent": [{"_id": f"of {key}"}]} for key in keys])


def _swap(key: str, version: int = 1, booking: str = "") -> Swap:
    recent = [{"_id": booking or f"newer of {key}"}]
    return Swap({"_id": key, "version": version}, {"$set": {"version": version + 1, "recent": recent}})


async def _make(database: Database, swaps: list[Swap]) -> list[SwapOutcome]:
    return await adapter_of(database).swap_many(database[RUNS], swaps)


async def _versions(database: Database) -> dict[str, int]:
    return {document["_id"]: document["version"] for document in await database[RUNS].find().to_list(100)}


async def test_swaps_of_the_expected_version_are_done_and_the_others_are_lost(world: World) -> None:
    await _put(world.database, "a", "b", "c")
    outcomes = await _make(world.database, [_swap("a"), _swap("b", version=7), _swap("c")])
    assert outcomes == [SwapOutcome.DONE, SwapOutcome.LOST, SwapOutcome.DONE]
    assert await _versions(world.database) == {"a": 2, "b": 1, "c": 2}


async def test_a_swap_of_a_missing_document_is_lost_and_inserts_nothing(world: World) -> None:
    await _put(world.database, "a")
    outcomes = await adapter_of(world.database).swap_many(
        world.database[RUNS], [_swap("gone"), _swap("a"), _swap("gone too", version=3)]
    )
    assert outcomes == [SwapOutcome.LOST, SwapOutcome.DONE, SwapOutcome.LOST]
    assert await _versions(world.database) == {"a": 2}


async def test_a_lone_swap_has_the_same_outcomes_as_one_of_many(world: World) -> None:
    await _put(world.database, "a")
    assert await _make(world.database, [_swap("a", version=2)]) == [SwapOutcome.LOST]
    assert await _make(world.database, [_swap("a")]) == [SwapOutcome.DONE]


async def test_a_duplicate_key_fails_only_its_own_swap(real_world: World) -> None:
    database = real_world.database
    await _put(database, "a", "b", "c")
    outcomes = await adapter_of(database).swap_many(
        database[RUNS], [_swap("a"), _swap("b", booking="of c"), _swap("c", version=2)]
    )
    assert outcomes == [SwapOutcome.DONE, SwapOutcome.DUPLICATE_KEY, SwapOutcome.LOST]
    assert await _make(database, [_swap("b", booking="of c")]) == [SwapOutcome.DUPLICATE_KEY]
    assert await _versions(database) == {"a": 2, "b": 1, "c": 1}
