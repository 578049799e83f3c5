"""Events in MongoDB.

Belongs here: statements to the collection `events`. Does not belong here: how events come into it (`runs.py`), the shape of its
documents (`event_documents.py`), nor what follows from an event (`app/usecases/outbox.py`).

A document holds all events of one commit. It is unprocessed (`is_new`) from the moment it is archived from its run's document
until every subscriber has written down its work. If a process dies in between, it stays unprocessed, and the same work is
written down again under the same ids.

A commit with an unreadable event is marked (`is_unreadable`) once its other events are processed, and holds up no others. It is
read again every minute. Once all of it can be read, because it was repaired or a newer version has started, it is unprocessed
again.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.domain.events import Event, commit_of
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.event_documents import event_from, events_from
from app.store.sales_shapes import COMMIT
from app.store.unreadable import READ_ERRORS, Records, decode_all, unreadable_records

# Deliveries are tried for three days; a month lets people look into what happened.
_RETENTION_SECONDS = 30 * 24 * 3_600
# Unreadable commits that are read again with one statement: of at most some hundred events each.
_PAGE_SIZE = 100
# Such statements of one call; the next call, a minute later, goes on. So many are a whole day's commits.
_PAGES_MAX = 100


class UnprocessedEvents(NamedTuple):
    """Unprocessed events: the readable ones, and the commits that have unreadable ones."""

    events: list[Event]
    unreadable_commits: list[str]


async def make_event_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        events = database["events"]
        # Unprocessed commits in the order of each run, with what statistics count of them. Processed ones are not in it.
        await events.create_index(
            [("is_new", 1), ("run_id", 1), ("version", 1), ("time", 1), ("event_count", 1)],
            name="new_events_by_commit",
            partialFilterExpression={"is_new": True},
        )
        # Unreadable commits; there is hardly ever any.
        await events.create_index("is_unreadable", name="events_unreadable", partialFilterExpression={"is_unreadable": True})
        await events.create_index("time", name="events_lifetime", expireAfterSeconds=_RETENTION_SECONDS)


class Events:
    """The collection `events`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._events: Collection = database["events"]

    async def find(self, event_ids: Sequence[str]) -> Records[Event]:
        """Return the stored ones of these events, by id."""
        wanted = frozenset(event_ids)
        commits = list({commit_of(event_id) for event_id in wanted})
        with translate_outages():
            found = await self._events.find({"_id": {"$in": commits}}).to_list(len(commits))
        readable: dict[str, Event] = {}
        unreadable_commits: set[str] = set()
        for document in found:
            events, is_readable = _readable_events(document)
            readable.update({event.event_id: event for event in events if event.event_id in wanted})
            if not is_readable:
                unreadable_commits.add(document["_id"])
        missing = wanted.difference(readable)
        return Records(readable, (event_id for event_id in missing if commit_of(event_id) in unreadable_commits))

    async def list_unprocessed(self, commits_max: int) -> UnprocessedEvents:
        """Return the unprocessed events of at most `commits_max` commits, those of each run in their order."""
        with translate_outages():
            cursor = self._events.find({"is_new": True}).sort([("run_id", 1), ("version", 1)]).limit(commits_max)
            found = await cursor.to_list(commits_max)
        unprocessed = UnprocessedEvents([], [])
        for document in found:
            events, is_readable = _readable_events(document)
            unprocessed.events.extend(events)
            if not is_readable:
                unprocessed.unreadable_commits.append(document["_id"])
        return unprocessed

    async def wait_for_unprocessed(self) -> bool:
        """Wait until there are unprocessed events, and return True; return False at once if the database reports no changes.

        One change is enough: the relay finds all unprocessed events.
        """
        changes = self._adapter.watch_inserts(self._events)
        if changes is None:
            return False
        async with changes:
            if await self._events.find_one({"is_new": True}, {"_id": 1}) is None:
                await changes.next()
        return True

    async def mark_processed(self, events: Iterable[Event], unreadable_commits: Iterable[str] = ()) -> None:
        """Mark the commits of these events processed, except those that have unreadable events, too."""
        commits = list({commit_of(event.event_id) for event in events}.difference(unreadable_commits))
        with translate_outages():
            await self._events.update_many({"_id": {"$in": commits}}, {"$unset": {"is_new": ""}})

    async def mark_unreadable(self, commits: Sequence[str]) -> None:
        """Mark commits that have unreadable events, and whose readable ones are processed."""
        update = {"$unset": {"is_new": ""}, "$set": {"is_unreadable": True}}
        with translate_outages():
            await self._events.update_many({"_id": {"$in": list(commits)}}, update)

    async def retry_unreadable(self) -> int:
        """Mark commits unprocessed that were unreadable and can be read by now; return their number."""
        repaired, after = 0, ""
        for _ in range(_PAGES_MAX):
            query: Document = {"is_unreadable": True, "_id": {"$gt": after}}
            with translate_outages():
                found = await self._events.find(query).sort("_id", 1).limit(_PAGE_SIZE).to_list(_PAGE_SIZE)
                decoded = decode_all("events", found, events_from)
                commits = [document["_id"] for document in found if document["_id"] not in decoded.unreadable]
                if commits:
                    update = {"$unset": {"is_unreadable": ""}, "$set": {"is_new": True}}
                    await self._events.update_many({"_id": {"$in": commits}, "is_unreadable": True}, update)
            repaired += len(commits)
            if len(found) < _PAGE_SIZE:
                break
            after = found[-1]["_id"]
        return repaired


def _readable_events(commit: Document) -> tuple[list[Event], bool]:
    """Return the readable events of a commit, and whether these are all. Logs one line for all others."""
    events: list[Event] = []
    failure: Exception | None = None
    try:
        COMMIT.check(commit)
        for index in range(len(commit["events"])):
            try:
                events.append(event_from(commit, index))
            except READ_ERRORS as error:
                failure = failure or error
    except READ_ERRORS as error:
        failure = error
    if failure is not None:
        unreadable_records.report("events", commit["_id"], failure)
    return events, failure is None
