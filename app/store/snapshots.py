"""Snapshots: several reads of one moment.

Belongs here: choosing the moment, reading as of it, and the errors of it. Does not belong here: what is read (`bookings.py`,
`runs.py`, `payments.py`, `audit_runs.py`).

A booking moves from its run's document to `bookings` while others read. Two reads at two moments find it twice or not at all. A
snapshot reads all collections as of one moment (read concern "snapshot", MongoDB 5.0 and newer): its first read sets the
moment, the newest that most members of the replica set have, and later reads name it (`atClusterTime`).

What was acknowledged with w=majority before the first read is in the snapshot: a primary acknowledges nothing before its own
snapshots show it. A new primary is the exception. Until it has committed in its own term, its snapshots may lack what the old
one acknowledged. So the first snapshot after each election waits for all that the new primary has (`afterClusterTime`).

Commands are sent without the driver's snapshot sessions: each takes one hop to the driver's threads, while a session takes two
more and a cursor up to three. MongoDB remembers a moment for 300 seconds; reads here take milliseconds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from pymongo.errors import AutoReconnect, OperationFailure

from app.domain.refusals import Reason, Refusal
from app.store.driver import Collection, Database, Document, current_primary, translate_outages

_log = logging.getLogger(__name__)

# A snapshot may be unavailable while a collection or index is made (SnapshotUnavailable), which takes milliseconds, or after
# MongoDB has forgotten it (SnapshotTooOld). Five attempts with these pauses take two thirds of a second.
_ATTEMPTS_MAX = 5
_FIRST_PAUSE_SECONDS = 0.02
_SNAPSHOT_TOO_OLD = 239
_SNAPSHOT_UNAVAILABLE = 246
_NOT_A_REPLICA_SET = 123

Result = TypeVar("Result")
Sort = Sequence[tuple[str, int]]


class Snapshot(Protocol):
    """All collections as of one moment."""

    async def find(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None, sort: Sort = ()
    ) -> list[Document]:
        """Return at most `most` documents."""

    async def aggregate(self, collection: Collection, pipeline: Sequence[Document], *, most: int) -> list[Document]:
        """Return at most `most` documents that the pipeline makes."""


class Snapshots(Protocol):
    """Makes snapshots of a database."""

    async def read(self, look: Callable[[Snapshot], Awaitable[Result]]) -> Result:
        """Return what `look` returns for a snapshot. Where the snapshot is lost, call `look` again with a newer one.

        Refuses DATABASE_UNAVAILABLE in an outage. What `look` raises passes.
        """


class ServerSnapshots:
    """Makes snapshots of a database on a server, which must be a replica set."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._proven_primary: object = None  # its snapshots have all that was acknowledged before its election
        self._has_logged = False

    async def read(self, look: Callable[[Snapshot], Awaitable[Result]]) -> Result:
        """Return what `look` returns for a snapshot. Where the snapshot is lost, call `look` again with a newer one.

        Refuses DATABASE_UNAVAILABLE in an outage, where the snapshot is lost each time, and where the server is not a replica
        set, which has no snapshots. What `look` raises passes.
        """
        with translate_outages():
            for attempt in range(_ATTEMPTS_MAX):
                try:
                    return await self._look(look)
                except AutoReconnect as error:  # the driver repeats its own reads once, too
                    if error.timeout or attempt > 0:
                        raise
                except OperationFailure as error:
                    if error.code == _NOT_A_REPLICA_SET:
                        self._log_no_replica_set()
                        raise _snapshot_unavailable() from error
                    if error.code not in (_SNAPSHOT_TOO_OLD, _SNAPSHOT_UNAVAILABLE):
                        raise
                await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        raise _snapshot_unavailable()

    async def _look(self, look: Callable[[Snapshot], Awaitable[Result]]) -> Result:
        primary = current_primary(self._database)
        is_proven = primary is not None and primary == self._proven_primary
        reads = _ServerSnapshot(self._database, waits_for_primary=not is_proven)
        result = await look(reads)
        if reads.has_begun and primary == current_primary(self._database):
            self._proven_primary = primary
        return result

    def _log_no_replica_set(self) -> None:
        if not self._has_logged:
            _log.error("SEATLINE_MONGODB_URI: this MongoDB is no replica set; lists and bookings cannot be read from it")
        self._has_logged = True


def _snapshot_unavailable() -> Refusal:
    text = "the database cannot be read as of one moment now; send the same request again"
    return Refusal(Reason.DATABASE_UNAVAILABLE, text)


class _ServerSnapshot:
    """A snapshot of a real server. Its first read may have to wait for all that the primary has."""

    def __init__(self, database: Database, *, waits_for_primary: bool) -> None:
        self._database = database
        self._waits_for_primary = waits_for_primary
        self._at: Document = {}  # the moment, once there is one

    @property
    def has_begun(self) -> bool:
        """Whether anything was read."""
        return bool(self._at)

    async def find(
        self, collection: Collection, query: Document, *, most: int, projection: Document | None = None, sort: Sort = ()
    ) -> list[Document]:
        command: Document = {"find": collection.name, "filter": query, "limit": most, "batchSize": most}
        if projection is not None:
            command["projection"] = projection
        if sort:
            command["sort"] = dict(sort)
        return await self._read(collection, command, most)

    async def aggregate(self, collection: Collection, pipeline: Sequence[Document], *, most: int) -> list[Document]:
        stages = [*pipeline, {"$limit": most}]
        # One more than there can be: a batch that is just full leaves a cursor open.
        command: Document = {"aggregate": collection.name, "pipeline": stages, "cursor": {"batchSize": most + 1}}
        return await self._read(collection, command, most)

    async def _read(self, collection: Collection, command: Document, most: int) -> list[Document]:
        if not self._at and self._waits_for_primary:
            newest = (await self._database.command("ping")).get("operationTime")  # None from what is no replica set
            answer = await self._send(collection, command, {} if newest is None else {"afterClusterTime": newest})
        else:
            answer = await self._send(collection, command, self._at)
        if not self._at and "atClusterTime" not in answer:
            return await self._read_missing_collection(collection, command, most)
        self._at = self._at or {"atClusterTime": answer["atClusterTime"]}
        found: list[Document] = answer["firstBatch"]
        return await self._read_all(collection, command, answer["id"], most) if answer["id"] else found

    async def _read_missing_collection(self, collection: Collection, command: Document, most: int) -> list[Document]:
        """Read again after a first read of a missing collection: `find` names no moment then, `aggregate` does."""
        nothing: Document = {"aggregate": collection.name, "pipeline": [{"$limit": 1}], "cursor": {}}
        self._at = {"atClusterTime": (await self._send(collection, nothing, {}))["atClusterTime"]}
        return await self._read(collection, command, most)

    async def _send(self, collection: Collection, command: Document, moment: Document) -> Document:
        """Send a command and return the cursor in the reply."""
        whole = {**command, "readConcern": {"level": "snapshot", **moment}}
        reply = await self._database.command(whole, codec_options=collection.codec_options)
        cursor: Document = reply["cursor"]
        return cursor

    async def _read_all(self, collection: Collection, command: Document, cursor_id: int, most: int) -> list[Document]:
        """Read again, with a cursor at the same moment, what one reply of 16 MB cannot hold."""
        await self._database.command({"killCursors": collection.name, "cursors": [cursor_id]})
        concern = {"level": "snapshot", **self._at}
        options = collection.codec_options
        cursor = await self._database.cursor_command({**command, "readConcern": concern}, codec_options=options)
        found: list[Document] = await cursor.to_list(most)
        return found
