"""Events that are told to others, in MongoDB.

Belongs here: statements to the collection `events`. Does not: how events come into it, nor the shape of its documents
(`documents.py`).
"""

from collections.abc import Sequence

from app.domain.events import Event
from app.store.documents import event_from
from app.store.driver import Collection, Database, outage_refused


class Events:
    """The collection `events`."""

    def __init__(self, database: Database) -> None:
        self._events: Collection = database["events"]

    async def find(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Those of the events that are kept, by their ids."""
        with outage_refused():
            found = await self._events.find({"_id": {"$in": list(event_ids)}}).to_list(len(event_ids))
        return {document["_id"]: event_from(document) for document in found}
