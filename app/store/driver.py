"""The database driver.

Belongs here: connecting, and turning the driver's errors into refusals. This is the only module that names the asynchronous
driver: Motor, which follows PyMongo's own asyncio API closely enough that replacing it means changing this file. Does not:
statements.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from struct import Struct
from typing import Any, NamedTuple

from bson import encode
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import (
    AsyncIOMotorChangeStream,
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import ReplaceOne, UpdateOne, monitoring
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.topology_description import TopologyDescription
from pymongo.write_concern import WriteConcern

from app.domain.refusals import Reason, Refusal
from app.ports.observers import DriverObserver

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession

__all__ = [
    "BsonPacker",
    "Client",
    "Collection",
    "ConnectionStringError",
    "Database",
    "Document",
    "DuplicateKeyError",
    "StatementRefusedError",
    "Swap",
    "SwapOutcome",
    "causal_session",
    "connect",
    "connect_in_memory",
    "current_primary",
    "find_in_one_batch",
    "insert_absent",
    "is_mock",
    "replace_many",
    "swap_many",
    "translate_outages",
    "watch_inserts",
    "with_majority_reads",
]

_DUPLICATE_KEY = 11000
_IMMUTABLE_FIELD = 66
_NOTHING_DURABLE_YET = 134  # a read that comes too early after an election
_LENGTH = Struct("<i")
# What MongoDB answers to an update that the stored document's own shape forbids: BadValue, TypeMismatch, PathNotViable, and
# two for a document that would be too large.
_IMPOSSIBLE_UPDATES = frozenset({2, 14, 28, 10_334, 17_419})

StatementRefusedError = WriteError


class Swap(NamedTuple):
    """A change of the one document that `guard` finds, as long as it does."""

    guard: Document
    update: Document


class SwapOutcome(Enum):
    """What became of a swap. Only DONE wrote anything.

    LOST: its guard found nothing. DUPLICATE_KEY: a unique index forbids it. IMPOSSIBLE: the stored document's own shape does.
    """

    DONE = "done"
    LOST = "lost"
    DUPLICATE_KEY = "duplicate key"
    IMPOSSIBLE = "impossible"


class ConnectionStringError(Exception):
    """What should say where MongoDB is does not."""


def connect(
    uri: str,
    *,
    operation_seconds_max: float,
    selection_seconds_max: float,
    connections_max: int,
    observer: DriverObserver | None = None,
) -> Client:
    """A client for the server or replica set at `uri`. It connects with the first operation, and again by itself after outages.

    An operation that takes longer than `operation_seconds_max` in all, or finds no server within `selection_seconds_max`,
    fails. `observer` looks on. Raises ConnectionStringError for a `uri` that is none.
    """
    try:
        return AsyncIOMotorClient(
            uri,
            tz_aware=True,
            appname="seatline",
            timeoutMS=int(operation_seconds_max * 1000),
            serverSelectionTimeoutMS=int(selection_seconds_max * 1000),
            maxPoolSize=connections_max,
            retryWrites=True,
            w="majority",
            readPreference="primary",  # whatever the uri says: who has just booked is to find it
            event_listeners=[]
            if observer is None
            else [_CommandListener(observer), _PoolListener(observer), _TopologyListener(observer)],
        )
    except (PyMongoError, ValueError, TypeError) as error:
        raise ConnectionStringError(str(error)) from error


class _CommandListener(monitoring.CommandListener):
    """Shows commands to an observer."""

    def __init__(self, observer: DriverObserver) -> None:
        self._ended = observer.command_ended

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.command_name, event.duration_micros / 1e6, True)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.command_name, event.duration_micros / 1e6, False)


class _PoolListener(monitoring.ConnectionPoolListener):
    """Shows an observer how many connections there are. One is idle from when it is made until it is taken out, and after."""

    def __init__(self, observer: DriverObserver) -> None:
        self._changed = observer.connections_changed

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        self._changed(0, 1)

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        self._changed(0, -1)

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        self._changed(1, -1)

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        self._changed(-1, 1)

    def _nothing(self, event: object) -> None:
        pass

    pool_created = pool_ready = pool_cleared = pool_closed = _nothing
    connection_ready = connection_check_out_started = connection_check_out_failed = _nothing


class _TopologyListener(monitoring.TopologyListener):
    """Shows an observer whether there is a primary."""

    def __init__(self, observer: DriverObserver) -> None:
        self._changed = observer.primary_changed

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        self._changed(False)

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        self._changed(event.new_description.has_writable_server())

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        self._changed(False)


class BsonPacker:
    """Encodes documents once, for statements that carry them several times; encoding is most of what they cost this process.

    The database in memory takes documents only as they are.
    """

    def __init__(self, database: Database) -> None:
        self._is_mock = is_mock(database)

    def part(self, document: Document) -> Document | bytes:
        """What many documents have in common, for `join`."""
        return document if self._is_mock else encode(document)[4:-1]

    def join(self, own: Document, part: Document | bytes) -> Document:
        """One document of its own fields and a common part. (bsonspec.org: length, fields one after the other, a zero byte.)"""
        if not isinstance(part, bytes):
            return own | part
        fields = encode(own)[4:-1]
        whole = _LENGTH.pack(len(fields) + len(part) + 5) + fields + part + b"\0"
        return RawBSONDocument(whole)  # type: ignore[return-value]  # a mapping that is read only


def connect_in_memory() -> Client:
    """A client for a database in this process's memory, for trials where no server can be had. Nothing in it lasts."""
    from mongomock_motor import AsyncMongoMockClient  # noqa: PLC0415 - not installed with a real database

    client: Client = AsyncMongoMockClient(tz_aware=True, write_concern=WriteConcern("majority"))
    return client


@contextmanager
def translate_outages() -> Iterator[None]:
    """Turns the driver's "the server is away or too slow" into a refusal DATABASE_UNAVAILABLE. Other errors pass."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        if not _is_outage(error):
            raise
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again") from error


def with_majority_reads(collection: Collection) -> Collection:
    """The collection, read as most members of the replica set have it: what is read is never taken back.

    Otherwise a read finds what the primary has alone so far, which is gone if the primary is lost before it has passed it on.
    But for a moment after an election, this lacks what was acknowledged just before: a swap is to prove it, or
    `causal_session`.
    """
    if is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        return collection
    return collection.with_options(read_concern=ReadConcern("majority"))


@asynccontextmanager
async def causal_session(database: Database) -> AsyncIterator[Session | None]:
    """A session in which durable reads find all that was acknowledged before, also right after an election."""
    if is_mock(database):
        yield None
        return
    async with await database.client.start_session(causal_consistency=True) as session:
        await database.command("ping", session=session)  # tells the session what the primary has; reads wait for it
        yield session


def current_primary(database: Database) -> object:
    """The replica set's primary and its election, as the driver knows them by now; None where it knows of none."""
    topology: TopologyDescription = database.client.topology_description  # type: ignore[assignment]  # stubs call it a method
    for server in topology.server_descriptions().values():
        if server.server_type_name == "RSPrimary":
            return server.address, server.election_id
    return None


async def find_in_one_batch(
    collection: Collection, query: Document, *, most: int, projection: Document | None = None
) -> list[Document]:
    """At most `most` documents.

    As a plain command it takes one turn of the driver's threads; a cursor takes three, and sales and receipts wait for it. Only
    what is too large for one answer of 16 MB is read again by a cursor.
    """
    if is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        return await collection.find(query, projection).limit(most).to_list(most)
    command: Document = {"find": collection.name, "filter": query, "limit": most, "batchSize": most}
    if projection is not None:
        command["projection"] = projection
    reply = await collection.database.command(command, codec_options=collection.codec_options)
    found: list[Document] = reply["cursor"]["firstBatch"]
    if reply["cursor"]["id"]:
        return await collection.find(query, projection).limit(most).to_list(most)
    return found


def any_of(values: Sequence[str]) -> str | Document:
    """The condition on a field that has one of these values."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def is_mock(database: Database) -> bool:
    """Whether the database is in this process's memory."""
    return type(database) is not AsyncIOMotorDatabase  # `isinstance` it is, too: the mock pretends


async def swap_many(collection: Collection, swaps: Sequence[Swap]) -> list[SwapOutcome]:
    """Makes each swap that can be made, in one statement; gives the outcomes in order. The guards have an `_id`.

    MongoDB tells of many updates only how many of them found something. So each is to insert its document where it finds none,
    under a key that contradicts its guard: this always fails, and the failure tells which update it was.
    """
    if len(swaps) == 1 or is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        return [await _swap(collection, swap) for swap in swaps]
    never = {"$setOnInsert": {"_id": "no document is ever inserted"}}
    outcomes = [SwapOutcome.DONE] * len(swaps)
    try:
        await collection.bulk_write([UpdateOne(one.guard, one.update | never, upsert=True) for one in swaps], ordered=False)
    except BulkWriteError as error:
        details = dict(error.details)
        for one in details["writeErrors"]:
            outcomes[one["index"]] = _SWAP_ERRORS.get(one["code"], SwapOutcome.DONE)
        if details.get("writeConcernErrors") or any(one["code"] not in _SWAP_ERRORS for one in details["writeErrors"]):
            raise
    return outcomes


_SWAP_ERRORS = {
    _IMMUTABLE_FIELD: SwapOutcome.LOST,
    _DUPLICATE_KEY: SwapOutcome.DUPLICATE_KEY,
    **dict.fromkeys(_IMPOSSIBLE_UPDATES, SwapOutcome.IMPOSSIBLE),
}


async def _swap(collection: Collection, swap: Swap) -> SwapOutcome:
    try:
        before = await collection.find_one_and_update(swap.guard, swap.update, projection={"_id": 1})
    except DuplicateKeyError:
        return SwapOutcome.DUPLICATE_KEY
    except OperationFailure as error:
        if error.code not in _IMPOSSIBLE_UPDATES:
            raise
        return SwapOutcome.IMPOSSIBLE
    return SwapOutcome.LOST if before is None else SwapOutcome.DONE


async def insert_absent(collection: Collection, documents: list[Document]) -> list[Document]:
    """Inserts the documents whose keys are not there yet; gives the others."""
    if not documents:
        return []
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = dict(error.details)
        if any(one["code"] != _DUPLICATE_KEY for one in details["writeErrors"]) or details.get("writeConcernErrors"):
            raise
        return [documents[one["index"]] for one in details["writeErrors"]]
    return []


async def replace_many(collection: Collection, replacements: Sequence[tuple[Document, Document]]) -> None:
    """Replaces what each guard finds by its document, all in one statement. What a guard does not find stays as it is."""
    if is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        for guard, document in replacements:
            await collection.replace_one(guard, document)
    elif replacements:
        await collection.bulk_write([ReplaceOne(guard, document) for guard, document in replacements], ordered=False)


def watch_inserts(collection: Collection) -> AsyncIOMotorChangeStream[Document] | None:
    """The stream of documents that are inserted from now on, by their keys; None where the database has no such streams."""
    if is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        return None
    changes: AsyncIOMotorChangeStream[Document] = collection.watch(
        [{"$match": {"operationType": "insert"}}, {"$project": {"documentKey": 1}}]
    )
    return changes


def _is_outage(error: PyMongoError) -> bool:
    if isinstance(error, AutoReconnect) or error.timeout:
        return True
    if not isinstance(error, OperationFailure):
        return False
    return error.code == _NOTHING_DURABLE_YET or error.has_error_label("RetryableWriteError")
