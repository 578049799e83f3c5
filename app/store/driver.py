"""The database driver.

Belongs here: connecting, and turning the driver's errors into refusals. This is the only module that names the asynchronous
driver, Motor. Motor follows PyMongo's own asyncio API closely; to replace it, change this file. Does not belong here:
statements, nor what a server and the database in memory do differently (`adapter.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

from motor.motor_asyncio import (
    AsyncIOMotorChangeStream,
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import monitoring
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.topology_description import TopologyDescription

from app.domain.refusals import Reason, Refusal
from app.ports.driver_observer import DriverObserver

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession
ChangeStream = AsyncIOMotorChangeStream[Document]

__all__ = [
    "SWAP_ERRORS",
    "ChangeStream",
    "Client",
    "Collection",
    "ConnectionStringError",
    "Database",
    "Document",
    "DuplicateKeyError",
    "Session",
    "StatementRefusedError",
    "Swap",
    "SwapOutcome",
    "any_of",
    "connect",
    "current_primary",
    "insert_absent",
    "is_on_server",
    "swap_one",
    "translate_outages",
]

_DUPLICATE_KEY = 11000
_IMMUTABLE_FIELD = 66
_NO_MAJORITY_YET = 134  # ReadConcernMajorityNotAvailableYet: a read too early after an election
# MongoDB's errors for an update that the stored document does not allow: BadValue, TypeMismatch, PathNotViable, and two for a
# document that would be too large.
_IMPOSSIBLE_UPDATES = frozenset({2, 14, 28, 10_334, 17_419})

StatementRefusedError = WriteError


class Swap(NamedTuple):
    """A compare-and-swap: an update of the one document that `guard` finds, if it still does."""

    guard: Document
    update: Document


class SwapOutcome(Enum):
    """The result of a swap. Only DONE wrote anything.

    LOST: the guard found nothing. DUPLICATE_KEY: a unique index forbids it. IMPOSSIBLE: the stored document does not allow it.
    """

    DONE = "done"
    LOST = "lost"
    DUPLICATE_KEY = "duplicate key"
    IMPOSSIBLE = "impossible"


class ConnectionStringError(Exception):
    """The connection string of MongoDB is malformed."""


def connect(
    uri: str,
    *,
    operation_seconds_max: float,
    selection_seconds_max: float,
    connections_max: int,
    observer: DriverObserver | None = None,
) -> Client:
    """Return a client of the server or replica set at `uri`. It connects with the first operation, and reconnects by itself.

    An operation fails when it takes longer than `operation_seconds_max` with its retries, or finds no server within
    `selection_seconds_max`. Raise ConnectionStringError for a malformed `uri`.
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
            readPreference="primary",  # whatever the uri says: a caller must find what it has just booked
            event_listeners=[]
            if observer is None
            else [_CommandListener(observer), _PoolListener(observer), _TopologyListener(observer)],
        )
    except (PyMongoError, ValueError, TypeError) as error:
        raise ConnectionStringError(str(error)) from error


class _CommandListener(monitoring.CommandListener):
    """Reports commands to an observer."""

    def __init__(self, observer: DriverObserver) -> None:
        self._ended = observer.command_ended

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.command_name, event.duration_micros / 1e6, True)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.command_name, event.duration_micros / 1e6, False)


class _PoolListener(monitoring.ConnectionPoolListener):
    """Reports changes of the number of connections to an observer. A connection is idle unless it is checked out."""

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
    """Reports to an observer whether there is a primary."""

    def __init__(self, observer: DriverObserver) -> None:
        self._changed = observer.primary_changed

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        self._changed(False)

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        self._changed(event.new_description.has_writable_server())

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        self._changed(False)


@contextmanager
def translate_outages() -> Iterator[None]:
    """Turn errors of an unreachable or slow server into a refusal DATABASE_UNAVAILABLE. Other errors pass."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        if not _is_outage(error):
            raise
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again") from error


def current_primary(database: Database) -> object:
    """Return the primary and its election as the driver knows them; None where it knows no primary."""
    topology: TopologyDescription = database.client.topology_description  # type: ignore[assignment]  # stubs call it a method
    for server in topology.server_descriptions().values():
        if server.server_type_name == "RSPrimary":
            return server.address, server.election_id
    return None


def any_of(values: Sequence[str]) -> str | Document:
    """Return the condition that a field has one of these values."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def is_on_server(database: Database) -> bool:
    """Return whether the database is on a MongoDB server, and not in this process's memory."""
    return type(database) is AsyncIOMotorDatabase  # `isinstance` is true of the one in memory, too: mongomock pretends


SWAP_ERRORS = {
    _IMMUTABLE_FIELD: SwapOutcome.LOST,
    _DUPLICATE_KEY: SwapOutcome.DUPLICATE_KEY,
    **dict.fromkeys(_IMPOSSIBLE_UPDATES, SwapOutcome.IMPOSSIBLE),
}


async def swap_one(collection: Collection, swap: Swap) -> SwapOutcome:
    """Make one swap of a single document."""
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
    """Insert the documents whose keys are not stored yet; return the others."""
    if not documents:
        return []
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = dict(error.details)
        if any(failure["code"] != _DUPLICATE_KEY for failure in details["writeErrors"]) or details.get("writeConcernErrors"):
            raise
        return [documents[failure["index"]] for failure in details["writeErrors"]]
    return []


def _is_outage(error: PyMongoError) -> bool:
    if isinstance(error, AutoReconnect) or error.timeout:
        return True
    if not isinstance(error, OperationFailure):
        return False
    return error.code == _NO_MAJORITY_YET or error.has_error_label("RetryableWriteError")
