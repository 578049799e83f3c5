"""The adapter of MongoDB servers.

Belongs here: statements that only a server knows, or that it can do in fewer round trips. Does not belong here: the database in
memory (`in_memory.py`), nor statements that both know.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from app.ports.clock import ClockMeasurement
from app.store.driver import (
    SWAP_ERRORS,
    ChangeStream,
    Collection,
    Database,
    Document,
    Session,
    Swap,
    SwapOutcome,
    swap_one,
)
from app.store.packing import BsonPacker, Packer
from app.store.ping import ping_primary
from app.store.snapshots import ServerSnapshots, Snapshots


class ServerAdapter:
    """Adapts a MongoDB server; see `app.store.adapter.Adapter`."""

    packer: Packer = BsonPacker()

    def snapshots(self, database: Database) -> Snapshots:
        """Return snapshots by read concern "snapshot"."""
        return ServerSnapshots(database)

    def with_majority_reads(self, collection: Collection) -> Collection:
        """Return the collection with read concern "majority"."""
        return collection.with_options(read_concern=ReadConcern("majority"))

    @asynccontextmanager
    async def causal_session(self, database: Database) -> AsyncIterator[Session | None]:
        """Open a causally consistent session that knows the primary's latest operation."""
        async with await database.client.start_session(causal_consistency=True) as session:
            await database.command("ping", session=session)  # tells the session what the primary has; reads wait for it
            yield session

    async def find_in_one_batch(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None
    ) -> list[Document]:
        """Find by a plain command, which takes one turn of the driver's threads. A cursor takes three.

        Sales and receipts wait for it. Only what is too large for one reply of 16 MB is read again by a cursor.
        """
        command: Document = {"find": collection.name, "filter": query, "limit": most, "batchSize": most}
        if projection is not None:
            command["projection"] = projection
        reply = await collection.database.command(command, codec_options=collection.codec_options)
        found: list[Document] = reply["cursor"]["firstBatch"]
        if reply["cursor"]["id"]:
            return await collection.find(query, projection).limit(most).to_list(most)
        return found

    async def swap_many(self, collection: Collection, swaps: Sequence[Swap]) -> list[SwapOutcome]:
        """Make all swaps in one statement.

        MongoDB says of many updates only how many of them found a document. So each is an upsert whose inserted `_id`
        contradicts its guard: where the guard finds nothing, the insert always fails, and the error names the update.
        """
        if len(swaps) == 1:
            return [await swap_one(collection, swaps[0])]
        never = {"$setOnInsert": {"_id": "no document is ever inserted"}}
        outcomes = [SwapOutcome.DONE] * len(swaps)
        updates = [UpdateOne(swap.guard, swap.update | never, upsert=True) for swap in swaps]
        try:
            await collection.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            details = dict(error.details)
            for failure in details["writeErrors"]:
                outcomes[failure["index"]] = SWAP_ERRORS.get(failure["code"], SwapOutcome.DONE)
            if details.get("writeConcernErrors") or any(each["code"] not in SWAP_ERRORS for each in details["writeErrors"]):
                raise
        return outcomes

    async def replace_many(self, collection: Collection, replacements: Sequence[tuple[Document, Document]]) -> None:
        """Replace all documents in one statement."""
        if replacements:
            await collection.bulk_write([ReplaceOne(guard, document) for guard, document in replacements], ordered=False)

    def watch_inserts(self, collection: Collection) -> ChangeStream | None:
        """Open a change stream of inserts."""
        changes: ChangeStream = collection.watch([{"$match": {"operationType": "insert"}}, {"$project": {"documentKey": 1}}])
        return changes

    async def ping(self, database: Database, seconds_max: float) -> ClockMeasurement | None:
        """Ask the primary for its time in a thread of its own."""
        return await ping_primary(database, seconds_max)
