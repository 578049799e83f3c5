"""Events in MongoDB.

Belongs here: statements to the collection `events`. Does not: how events come into it (`runs.py`), the shape of its documents
(`documents.py`), nor what follows from an event (`app/usecases`).

An event is new from the moment it is copied out of its run's document until its follow-up work is written down. Whoever ends
in between leaves it new, so that the same work, under the same names, is written down again.
"""

from collections.abc import Sequence
from datetime import datetime

from app.domain.events import Event
from app.store.documents import event_from
from app.store.driver import Collection, Database, outage_refused, watch_inserts

# Receivers of webhooks are tried for three days; a month lets people look into what happened.
_KEPT_SECONDS = 30 * 24 * 3_600


async def make_event_indexes(database: Database) -> None:
    """Makes the indexes of events that are missing."""
    with outage_refused():
        events = database["events"]
        # What is new, in the order of each run. What is not new any more is not in it.
        await events.create_index(
            [("is_new", 1), ("run_id", 1), ("sequence", 1)], name="events_new", partialFilterExpression={"is_new": True}
        )
        await events.create_index("time", name="events_lifetime", expireAfterSeconds=_KEPT_SECONDS)


class Events:
    """The collection `events`. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._events: Collection = database["events"]

    async def find(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Those of the events that are kept, by their ids."""
        with outage_refused():
            found = await self._events.find({"_id": {"$in": list(event_ids)}}).to_list(len(event_ids))
        return {document["_id"]: event_from(document) for document in found}

    async def list_new(self, limit: int) -> list[Event]:
        """New events, those of each run in their order."""
        with outage_refused():
            cursor = self._events.find({"is_new": True}).sort([("run_id", 1), ("sequence", 1)]).limit(limit)
            return [event_from(one) for one in await cursor.to_list(limit)]

    async def list_stale(self, before: datetime, limit: int) -> list[Event]:
        """At most `limit` events that happened before then and are still new."""
        with outage_refused():
            cursor = self._events.find({"is_new": True, "time": {"$lt": before}}).limit(limit)
            return [event_from(one) for one in await cursor.to_list(limit)]

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

    async def followed_up(self, event_ids: Sequence[str]) -> None:
        """What follows from these is written down."""
        with outage_refused():
            await self._events.update_many({"_id": {"$in": list(event_ids)}}, {"$unset": {"is_new": ""}})
