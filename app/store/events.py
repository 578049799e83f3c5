"""Events in MongoDB.

Belongs here: statements to the collection `events`. Does not: how events come into it (`runs.py`), the shape of its documents
(`documents.py`), nor what follows from an event (`app/usecases`).

A document holds all events of one commit. They are new from the moment they are copied out of their run's document until their
follow-up work is written down. Whoever ends in between leaves them new, so that the same work, under the same names, is written
down again.

A commit with an unreadable event is set apart (`is_unreadable`) once its readable events are followed up: it is not new any
more, so that it stands in nobody's way. It is looked at again every minute. Once all of it can be read, because it was mended
or a newer version has started, it is new again, and all of it is followed up under the same names.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.domain.events import Event, commit_of
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.event_documents import event_from, events_from
from app.store.sales_shapes import COMMIT
from app.store.unreadable import READ_ERRORS, Records, decode_all, unreadable_records

# Receivers of webhooks are tried for three days; a month lets people look into what happened.
_RETENTION_SECONDS = 30 * 24 * 3_600
# Commits of one statement that are looked at again: of at most some hundred events each.
_SET_APART_PAGE = 100
# Such statements at a time. What is left then waits for the next minute; it is as if a whole day's commits were unreadable.
_SET_APART_PAGES_MAX = 100


class UnprocessedEvents(NamedTuple):
    """What is new: the readable events, and the commits that have unreadable ones."""

    events: list[Event]
    unreadable_commits: list[str]


async def make_event_indexes(database: Database) -> None:
    """Makes the indexes of events that are missing."""
    with translate_outages():
        events = database["events"]
        # What is new, in the order of each run, and what is counted of it. What is not new any more is not in it.
        await events.create_index(
            [("is_new", 1), ("run_id", 1), ("version", 1), ("time", 1), ("event_count", 1)],
            name="new_events_by_commit",
            partialFilterExpression={"is_new": True},
        )
        # What is set apart; there is hardly ever any.
        await events.create_index("is_unreadable", name="events_unreadable", partialFilterExpression={"is_unreadable": True})
        await events.create_index("time", name="events_lifetime", expireAfterSeconds=_RETENTION_SECONDS)


class Events:
    """The collection `events`. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._events: Collection = database["events"]

    async def find(self, event_ids: Sequence[str]) -> Records[Event]:
        """Those of the events that are kept, by their ids."""
        wanted = frozenset(event_ids)
        commits = list({commit_of(one) for one in wanted})
        with translate_outages():
            found = await self._events.find({"_id": {"$in": commits}}).to_list(len(commits))
        there: dict[str, Event] = {}
        unreadable_commits: set[str] = set()
        for document in found:
            events, is_readable = _readable_events(document)
            there.update({event.event_id: event for event in events if event.event_id in wanted})
            if not is_readable:
                unreadable_commits.add(document["_id"])
        missing = wanted.difference(there)
        return Records(there, (event_id for event_id in missing if commit_of(event_id) in unreadable_commits))

    async def list_unprocessed(self, commits_max: int) -> UnprocessedEvents:
        """All new events of at most so many commits, those of each run in their order."""
        with translate_outages():
            cursor = self._events.find({"is_new": True}).sort([("run_id", 1), ("version", 1)]).limit(commits_max)
            found = await cursor.to_list(commits_max)
        new = UnprocessedEvents([], [])
        for document in found:
            events, is_readable = _readable_events(document)
            new.events.extend(events)
            if not is_readable:
                new.unreadable_commits.append(document["_id"])
        return new

    async def wait_for_unprocessed(self) -> bool:
        """Returns when there are new events; False at once where the database cannot tell of changes.

        One change is enough: whoever follows up finds all that is new.
        """
        changes = self._adapter.watch_inserts(self._events)
        if changes is None:
            return False
        async with changes:
            if await self._events.find_one({"is_new": True}, {"_id": 1}) is None:
                await changes.next()
        return True

    async def mark_processed(self, events: Iterable[Event], but_for: Iterable[str] = ()) -> None:
        """What follows from these is written down; they are all events of their commits, but for those in `but_for`."""
        commits = list({commit_of(one.event_id) for one in events}.difference(but_for))
        with translate_outages():
            await self._events.update_many({"_id": {"$in": commits}}, {"$unset": {"is_new": ""}})

    async def mark_unreadable(self, commits: Sequence[str]) -> None:
        """Set commits apart that have unreadable events, and whose readable ones are followed up."""
        update = {"$unset": {"is_new": ""}, "$set": {"is_unreadable": True}}
        with translate_outages():
            await self._events.update_many({"_id": {"$in": list(commits)}}, update)

    async def retry_unreadable(self) -> int:
        """Make commits new that were set apart and can be read by now; gives how many."""
        mended, after = 0, ""
        for _ in range(_SET_APART_PAGES_MAX):
            query: Document = {"is_unreadable": True, "_id": {"$gt": after}}
            with translate_outages():
                found = await self._events.find(query).sort("_id", 1).limit(_SET_APART_PAGE).to_list(_SET_APART_PAGE)
                looked_at = decode_all("events", found, events_from)
                commits = [document["_id"] for document in found if document["_id"] not in looked_at.unreadable]
                if commits:
                    update = {"$unset": {"is_unreadable": ""}, "$set": {"is_new": True}}
                    await self._events.update_many({"_id": {"$in": commits}, "is_unreadable": True}, update)
            mended += len(commits)
            if len(found) < _SET_APART_PAGE:
                break
            after = found[-1]["_id"]
        return mended


def _readable_events(commit: Document) -> tuple[list[Event], bool]:
    """The readable events of a commit, and whether these are all. One line tells of all that are not."""
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
