"""The database driver.

Belongs here: connecting, and turning the driver's errors into refusals. This is the only module that names the asynchronous
driver: Motor, which follows PyMongo's own asyncio API closely enough that replacing it means changing this file. Does not:
statements.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from app.domain.refusals import Reason, Refusal

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]

__all__ = [
    "Client",
    "Collection",
    "ConnectionStringError",
    "Database",
    "Document",
    "DuplicateKeyError",
    "connect",
    "connect_mock",
    "find_at_once",
    "insert_those_missing",
    "outage_refused",
    "pack",
]

_DUPLICATE_KEY = 11000


class ConnectionStringError(Exception):
    """What should say where MongoDB is does not."""


def connect(uri: str, *, operation_seconds_max: float, selection_seconds_max: float, connections_max: int) -> Client:
    """A client for the server or replica set at `uri`. It connects with the first operation, and again by itself after outages.

    An operation that takes longer than `operation_seconds_max` in all, or finds no server within `selection_seconds_max`,
    fails. Raises ConnectionStringError for a `uri` that is none.
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
        )
    except (PyMongoError, ValueError, TypeError) as error:
        raise ConnectionStringError(str(error)) from error


def pack(database: Database) -> Callable[[Document], Document]:
    """Encodes a document once, for statements that carry it several times; encoding is most of what they cost this process.

    The database in memory takes documents only as they are.
    """
    if _is_mock(database):
        return lambda document: document
    return lambda document: RawBSONDocument(encode(document))  # type: ignore[return-value]  # a mapping that is read only


def connect_mock() -> Client:
    """A client for a database in this process's memory, for trials where no server can be had. Nothing in it lasts."""
    from mongomock_motor import AsyncMongoMockClient  # noqa: PLC0415 - not installed with a real database

    client: Client = AsyncMongoMockClient(tz_aware=True, write_concern=WriteConcern("majority"))
    return client


@contextmanager
def outage_refused() -> Iterator[None]:
    """Turns the driver's "the server is away or too slow" into a refusal DATABASE_UNAVAILABLE. Other errors pass."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        if not _is_outage(error):
            raise
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again") from error


async def find_at_once(
    collection: Collection, query: Document, *, most: int, projection: Document | None = None
) -> list[Document]:
    """At most `most` documents.

    As a plain command it takes one turn of the driver's threads; a cursor takes three, and sales and receipts wait for it. Only
    what is too large for one answer of 16 MB is read again by a cursor.
    """
    if _is_mock(collection.database):  # type: ignore[arg-type]  # motor's stubs call the database a collection
        return await collection.find(query, projection).limit(most).to_list(most)
    command: Document = {"find": collection.name, "filter": query, "limit": most, "batchSize": most}
    if projection is not None:
        command["projection"] = projection
    reply = await collection.database.command(command, codec_options=collection.codec_options)
    found: list[Document] = reply["cursor"]["firstBatch"]
    if reply["cursor"]["id"]:
        return await collection.find(query, projection).limit(most).to_list(most)
    return found


def _is_mock(database: Database) -> bool:
    return type(database) is not AsyncIOMotorDatabase  # `isinstance` it is, too: the mock pretends


async def insert_those_missing(collection: Collection, documents: list[Document]) -> list[Document]:
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


def _is_outage(error: PyMongoError) -> bool:
    if isinstance(error, AutoReconnect) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.has_error_label("RetryableWriteError")
