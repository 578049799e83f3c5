"""Events that nothing has followed from yet.

Belongs here: finding new events, marking them as followed up. Does not: what follows (`app/usecases`),
nor how events come to be kept (`runs.py`).

An event is new from the moment it is copied out of its run's document until its follow-up work is written down. Whoever ends
in between leaves it new, so that the same work, under the same names, is written down again.
"""

from collections.abc import Sequence
from datetime import datetime

from app.domain.events import Event
from app.store.documents import event_from
from app.store.driver import Collection, Database, outage_refused


async def make_followup_indexes(database: Database) -> None:
    """Makes the indexes of new events that are missing."""
    # In the order of each run; what is not new any more is not in it.
    await database["events"].create_index(
        [("is_new", 1), ("run_id", 1), ("sequence", 1)], name="events_new", partialFilterExpression={"is_new": True}
    )


class Followups:
    """New events in the collection `events`. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._events: Collection = database["events"]

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

    async def done(self, event_ids: Sequence[str]) -> None:
        """What follows from these is written down."""
        with outage_refused():
            await self._events.update_many({"_id": {"$in": list(event_ids)}}, {"$unset": {"is_new": ""}})
