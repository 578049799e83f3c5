"""What do snapshot reads cost?

Belongs here: lists and bookings as the store reads them, in snapshots and, in alternation, by the same commands without a read
concern. Does not belong here: gRPC, which is the same for both.

    python -m tests.bench.snapshots
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from app.store.bookings import Bookings, ReceiptQuery
from app.store.driver import Collection, Database, Document
from app.store.snapshots import ServerSnapshots, Snapshot
from tests.support.clients import people
from tests.support.own_mongod import start_mongod
from tests.support.world import World, running_server, settings_for

ROUNDS, READS_PER_ROUND = 10, 100
BOOKED = 300

Read = Callable[[Snapshot], Awaitable[Any]]


class PlainCommands:
    """Sends the same commands without a snapshot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self,
        collection: Collection,
        query: Document,
        *,
        most: int,
        projection: Document | None = None,
        sort: Sequence[tuple[str, int]] = (),
    ) -> list[Document]:
        command: Document = {"find": collection.name, "filter": query, "limit": most, "batchSize": most}
        return await self._send(collection, command | ({} if projection is None else {"projection": projection}))

    async def aggregate(self, collection: Collection, pipeline: Sequence[Document], *, most: int) -> list[Document]:
        stages = [*pipeline, {"$limit": most}]
        return await self._send(
            collection, {"aggregate": collection.name, "pipeline": stages, "cursor": {"batchSize": most + 1}}
        )

    async def _send(self, collection: Collection, command: Document) -> list[Document]:
        reply = await self._database.command(command, codec_options=collection.codec_options)
        found: list[Document] = reply["cursor"]["firstBatch"]
        return found


async def _sell(world: World) -> tuple[str, str]:
    """Sell seats to many people. Return the run and a reference."""
    run = await world.run(f"A{BOOKED}")
    sold = await asyncio.gather(*(world.api_client(name).book(run) for name in people("p", BOOKED)))
    await world.wait_until_archived()
    return f"{run.train_id}:{run.travel_date}", sold[0].reference


async def _milliseconds(call: Callable[[], Awaitable[Any]]) -> float:
    begin = time.perf_counter()
    for _ in range(READS_PER_ROUND):
        await call()
    return (time.perf_counter() - begin) * 1_000 / READS_PER_ROUND


async def _measure(world: World) -> None:
    run_id, reference = await _sell(world)
    bookings, snapshots, plain = Bookings(world.database), ServerSnapshots(world.database), PlainCommands(world.database)
    receipts = ReceiptQuery("p7@example.com")
    reads: dict[str, Read] = {
        "list receipts": lambda snapshot: bookings.list_receipts(snapshot, receipts, None, 51),
        "get booking": lambda snapshot: bookings.find(snapshot, reference),
        "list section": lambda snapshot: bookings.list_section(snapshot, run_id, "A", None, 201),
    }
    for name, read in reads.items():
        in_snapshot, plain_reads = [], []
        for _ in range(ROUNDS):
            in_snapshot.append(await _milliseconds(lambda read=read: snapshots.read(read)))  # type: ignore[misc]
            plain_reads.append(await _milliseconds(lambda read=read: read(plain)))  # type: ignore[misc]
        one, other = statistics.median(in_snapshot), statistics.median(plain_reads)
        print(f"{name:15} {one:7.3f} ms in a snapshot, {other:7.3f} ms plainly: {one / other:.2f} times")  # noqa: T201


async def _run() -> None:
    with tempfile.TemporaryDirectory() as home:
        mongod = await asyncio.to_thread(start_mongod, Path(home))
        try:
            async with running_server(settings_for(mongod.uri)) as world:
                await _measure(world)
        finally:
            mongod.stop()


if __name__ == "__main__":
    asyncio.run(_run())
