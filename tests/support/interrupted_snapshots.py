"""Snapshots of a real server with a change between their reads.

Belongs here: only that. Does not belong here: what changes, and what has to be read in spite of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.store.driver import Database, Document
from app.store.snapshots import Result, ServerSnapshots, Snapshot


class InterruptedSnapshots(ServerSnapshots):
    """Snapshots that await `change` after each read, with the number of reads so far."""

    def __init__(self, database: Database, change: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(database)
        self._change = change
        self.reads = 0

    async def read(self, look: Callable[[Snapshot], Awaitable[Result]]) -> Result:
        return await super().read(lambda snapshot: look(_InterruptedReads(snapshot, self._after_read)))

    async def _after_read(self) -> None:
        self.reads += 1
        await self._change(self.reads)


class _InterruptedReads:
    def __init__(self, snapshot: Snapshot, after_read: Callable[[], Awaitable[None]]) -> None:
        self._snapshot, self._after_read = snapshot, after_read

    async def find(self, *given: Any, **named: Any) -> list[Document]:
        found = await self._snapshot.find(*given, **named)
        await self._after_read()
        return found

    async def aggregate(self, *given: Any, **named: Any) -> list[Document]:
        found = await self._snapshot.aggregate(*given, **named)
        await self._after_read()
        return found
