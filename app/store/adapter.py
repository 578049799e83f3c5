"""The two kinds of database: a MongoDB server, and one in this process's memory.

Belongs here: the operations in which they differ, and the choice between the two. Does not belong here: operations that both do
alike; those are written against `driver.py`.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.ports.clock import ClockMeasurement
from app.store.driver import ChangeStream, Collection, Database, Document, Session, Swap, SwapOutcome, is_on_server
from app.store.in_memory import InMemoryAdapter
from app.store.packing import Packer
from app.store.server_adapter import ServerAdapter
from app.store.snapshots import Snapshots


class Adapter(Protocol):
    """The operations in which the two kinds of database differ. Implementations have no state."""

    @property
    def packer(self) -> Packer:
        """The packer of documents whose common part is encoded once."""

    def snapshots(self, database: Database) -> Snapshots:
        """Return the consistent reads of a database."""

    def with_majority_reads(self, collection: Collection) -> Collection:
        """Return the collection, read as most members of the replica set have it: what is read is never rolled back.

        Otherwise a read may find what the primary alone has so far, which is lost if the primary is lost before it has
        replicated it. For a moment after an election, such reads lack what was acknowledged just before: a swap must prove
        them, or a `causal_session`.
        """

    def causal_session(self, database: Database) -> AbstractAsyncContextManager[Session | None]:
        """Open a session in which majority reads find all that was acknowledged before, also right after an election."""

    async def find_in_one_batch(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None
    ) -> list[Document]:
        """Return at most `most` documents."""

    async def swap_many(self, collection: Collection, swaps: Sequence[Swap]) -> list[SwapOutcome]:
        """Make each swap that can be made; return the outcomes in order. Each guard has an `_id`."""

    async def replace_many(self, collection: Collection, replacements: Sequence[tuple[Document, Document]]) -> None:
        """Replace what each guard finds by its document. What a guard does not find stays as it is."""

    def watch_inserts(self, collection: Collection) -> ChangeStream | None:
        """Return the stream of the keys of documents inserted from now on; None where the database has no such streams."""

    async def ping(self, database: Database, seconds_max: float) -> ClockMeasurement | None:
        """Return what the primary's clock showed when it answered; None where it has none of its own.

        Raises what the driver raises.
        """


_SERVER: Adapter = ServerAdapter()
_IN_MEMORY: Adapter = InMemoryAdapter()


def adapter_of(database: Database) -> Adapter:
    """Return the adapter of a database. Called when a part of the store is opened, and not for each statement."""
    return _SERVER if is_on_server(database) else _IN_MEMORY
