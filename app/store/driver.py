"""The database driver.

Belongs here: connecting, and turning the driver's errors into refusals. This is the only module that names the asynchronous
driver: Motor, which follows PyMongo's own asyncio API closely enough that replacing it means changing this file. Does not:
statements.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from struct import Struct
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


def current_primary(database: Database) -> object:
    """The replica set's primary and its election, as the driver knows them by now; None where it knows of none."""
    topology: TopologyDescription = database.client.topology_description  # type: ignore[assignment]  # stubs call it a method
    for server in topology.server_descriptions().values():
        if server.server_type_name == "RSPrimary":
            return server.address, server.election_id
    return None


def any_of(values: Sequence[str]) -> str | Document:
    """The condition on a field that has one of these values."""
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
    if not isinstance(error, OperationFailure):
        return False
    return error.code == _NOTHING_DURABLE_YET or error.has_error_label("RetryableWriteError")
