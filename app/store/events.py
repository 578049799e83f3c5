"""Events in MongoDB.

Belongs here: statements to the collection `events`. Does not: how events come into it (`runs.py`), the shape of its documents
(`documents.py`), nor what follows from an event (`app/usecases`).

A document holds all events of one commit. They are new from the moment they are copied out of their run's document until their
follow-up work is written down. Whoever ends in between leaves them new, so that the same work, under the same names, is written
down again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.domain.events import Event, commit_of
from app.store.documents import events_from
from app.store.driver import Collection, Database, outage_refused, watch_inserts

# Receivers of webhooks are tried for three days; a month lets people look into what happened.
_KEPT_SECONDS = 30 * 24 * 3_600


async def make_event_indexes(database: Database) -> None:
    """Makes the indexes of events that are missing."""
    with outage_refused():
        events = database["events"]
        # What is new, in the order of each run, and what is counted of it. What is not new any more is not in it.
        await events.create_index(
            [("is_new", 1), ("run_id", 1), ("version", 1), ("time", 1), ("event_count", 1)],
            name="new_events_by_commit",
            partialFilterExpression={"is_new": True},
        )
        await events.create_index("time", name="events_lifetime", expireAfterSeconds=_KEPT_SECONDS)


class Events:
    """The collection `events`. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._events: Collection = database["events"]

    async def find(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Those of the events that are kept, by their ids."""
        wanted = frozenset(event_ids)
        commits = list({commit_of(one) for one in wanted})
        with outage_refused():
            found = await self._events.find({"_id": {"$in": commits}}).to_list(len(commits))
        return {event.event_id: event for news in found for event in events_from(news) if event.event_id in wanted}

    async def list_new(self, commits_max: int) -> list[Event]:
        """All new events of at most so many commits, those of each run in their order."""
        with outage_refused():
            cursor = self._events.find({"is_new": True}).sort([("run_id", 1), ("version", 1)]).limit(commits_max)
            return [event for news in await cursor.to_list(commits_max) for event in events_from(news)]

    async def list_stale(self, before: datetime, commits_max: int) -> list[Event]:
        """The events that happened before then and are still new, of at most so many commits."""
        with outage_refused():
            cursor = self._events.find({"is_new": True, "time": {"$lt": before}}).limit(commits_max)
            return [event for news in await cursor.to_list(commits_max) for event in events_from(news)]

    async def wait_for_new(self) -> bool:
        """Returns when there are new events; False at once where the database cannot tell of changes.

        One change is enough: whoever follows up finds all that is new.
        """
        changes = watch_inserts(self._events)
        if changes is None:
            return False
        async with changes:
            if await self._events.find_one({"is_new": True}, {"_id": 1}) is None:
                await changes.next()
        return True

    async def followed_up(self, events: Iterable[Event]) -> None:
        """What follows from these is written down; they are all events of their commits."""
        commits = list({commit_of(one.event_id) for one in events})
        with outage_refused():
            await self._events.update_many({"_id": {"$in": commits}}, {"$unset": {"is_new": ""}})
