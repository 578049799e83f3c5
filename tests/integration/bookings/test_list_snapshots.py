"""Lists read a run's document and the archived bookings as of one moment: a change between the two reads is not in them.

Here, one change is made between each two reads. `tests/e2e/test_lists_while_others_write.py` has real crowds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from app.domain.booking import Booking
from app.domain.refusals import Reason, Refusal
from app.store.bookings import ReceiptQuery
from app.store.snapshots import Snapshot
from tests.support.clients import Run, person
from tests.support.interrupted_snapshots import InterruptedSnapshots
from tests.support.world import World

AGENT = "agent@example.com"


class Change:
    """A change while an agent has an archived booking, `old`, and one that is only in its run's document, `new`."""

    def __init__(self, world: World, run: Run, old: str, new: str, let_copy: Callable[[], None]) -> None:
        self._world, self._run, self._let_copy = world, run, let_copy
        self._old, self._new = old, new
        self._agent = world.api_client("agent")

    async def archive(self) -> None:
        """Archive the new booking, so that it leaves its run's document."""
        self._let_copy()
        await self._world.server.store.runs.archive_leftovers(f"{self._run.train_id}:{self._run.travel_date}")

    async def rename(self) -> None:
        """Change the old booking, so that it is recent again."""
        await self._agent.update(self._old, person("zoe"))

    async def move(self) -> None:
        await self._agent.move(self._old, "ann", seat_number=9)
        await self._agent.move(self._new, "bob", seat_number=8)

    async def cancel(self) -> None:
        await self._agent.cancel(self._new)
        await self._agent.cancel(self._old)

    async def book(self) -> None:
        await self._agent.book(self._run, "zoe")


CHANGES = [Change.archive, Change.rename, Change.move, Change.cancel, Change.book]


@pytest_asyncio.fixture
async def change(real_world: World, monkeypatch: pytest.MonkeyPatch) -> Change:
    run = await real_world.run("A9")
    agent = real_world.api_client("agent")
    old = await agent.book(run, "ann")
    await real_world.wait_until_archived()
    runs = real_world.server.store.runs
    await runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")
    copies, archive = False, runs.archive

    async def archive_if_allowed(batch: Any) -> None:
        if not copies:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")
        await archive(batch)

    def let_copy() -> None:
        nonlocal copies
        copies = True

    monkeypatch.setattr(runs, "archive", archive_if_allowed)
    new = await agent.book(run, "bob")
    await real_world.wait_until_archived()
    assert await real_world.database["bookings"].distinct("_id") == [old.reference]
    return Change(real_world, run, old.reference, new.reference, let_copy)


def interrupted(world: World, change: Change, happens: Callable[[Change], Awaitable[None]]) -> InterruptedSnapshots:
    """Snapshots with that change between their first two reads."""

    async def once(reads: int) -> None:
        if reads == 1:
            await happens(change)

    return InterruptedSnapshots(world.database, once)


@pytest.mark.parametrize("happens", CHANGES)
async def test_receipts_are_those_of_the_first_read(
    real_world: World, change: Change, happens: Callable[[Change], Awaitable[None]]
) -> None:
    store = real_world.server.store

    def look(snapshot: Snapshot) -> Awaitable[list[Booking]]:
        return store.bookings.list_receipts(snapshot, ReceiptQuery(AGENT), None, 10)

    before = await store.snapshots.read(look)
    snapshots = interrupted(real_world, change, happens)
    assert len(before) == 2
    assert await snapshots.read(look) == before
    assert snapshots.reads > 1


@pytest.mark.parametrize("happens", CHANGES)
async def test_occupants_of_a_section_are_those_of_the_first_read(
    real_world: World, change: Change, happens: Callable[[Change], Awaitable[None]]
) -> None:
    store, (run_id,) = real_world.server.store, await real_world.database["train_runs"].distinct("_id")

    def look(snapshot: Snapshot) -> Awaitable[list[Any]]:
        return store.bookings.list_section(snapshot, run_id, "A", None, 10)

    before = await store.snapshots.read(look)
    snapshots = interrupted(real_world, change, happens)
    assert [passenger.assigned_seat.number for _, passenger in before] == [1, 2]
    assert await snapshots.read(look) == before
    assert snapshots.reads > 1
