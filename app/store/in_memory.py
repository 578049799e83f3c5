"""The database in this process's memory, for trials where no server can be had.

Belongs here: mongomock, and what it does differently from a server. This is the only module that names mongomock. Does not
belong here: MongoDB servers (`server_adapter.py`).

Nothing in it lasts. It has no other writers, sessions, read concerns, change streams or bulk upserts, and never yields to the
event loop: what it cannot show is tested on a server.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from pymongo.write_concern import WriteConcern

from app.ports.clock import ClockMeasurement
from app.store.driver import (
    ChangeStream,
    Client,
    Collection,
    Database,
    Document,
    Session,
    Swap,
    SwapOutcome,
    swap_one,
    translate_outages,
)
from app.store.packing import Packer, PlainPacker
from app.store.snapshots import Result, Snapshot, Snapshots, Sort


def connect_in_memory() -> Client:
    """Return a client of a new, empty database in memory."""
    from mongomock_motor import AsyncMongoMockClient  # noqa: PLC0415 - not installed with a real database

    client: Client = AsyncMongoMockClient(tz_aware=True, write_concern=WriteConcern("majority"))
    return client


class InMemoryAdapter:
    """Adapts a database in memory; see `app.store.adapter.Adapter`."""

    packer: Packer = PlainPacker()

    def snapshots(self, database: Database) -> Snapshots:
        """Return plain reads: nobody writes between two of them."""
        return _InMemorySnapshots()

    def with_majority_reads(self, collection: Collection) -> Collection:
        """Return the collection: it has no members that could disagree."""
        return collection

    @asynccontextmanager
    async def causal_session(self, database: Database) -> AsyncIterator[Session | None]:
        """Open no session: every read finds all that was written."""
        yield None

    async def find_in_one_batch(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None
    ) -> list[Document]:
        """Find by a cursor."""
        return await collection.find(query, projection).limit(most).to_list(most)

    async def swap_many(self, collection: Collection, swaps: Sequence[Swap]) -> list[SwapOutcome]:
        """Make one swap after the other."""
        return [await swap_one(collection, swap) for swap in swaps]

    async def replace_many(self, collection: Collection, replacements: Sequence[tuple[Document, Document]]) -> None:
        """Replace one document after the other."""
        for guard, document in replacements:
            await collection.replace_one(guard, document)

    def watch_inserts(self, collection: Collection) -> ChangeStream | None:
        """Return None: it has no change streams."""
        return None

    async def ping(self, database: Database, seconds_max: float) -> ClockMeasurement | None:
        """Ping in the event loop; the answer needs no thread. Its clock is that of this process."""
        await database.command("ping")
        return None


class _InMemorySnapshots:
    async def read(self, look: Callable[[Snapshot], Awaitable[Result]]) -> Result:
        with translate_outages():  # simulated ones
            return await look(_PlainSnapshot())


class _PlainSnapshot:
    async def find(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None, sort: Sort = ()
    ) -> list[Document]:
        cursor = collection.find(query, projection)
        return await (cursor.sort(list(sort)) if sort else cursor).limit(most).to_list(most)

    async def aggregate(self, collection: Collection, pipeline: Sequence[Document], *, most: int) -> list[Document]:
        return await collection.aggregate(list(pipeline)).to_list(most)
