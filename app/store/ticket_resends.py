"""Resends of tickets in MongoDB: which requests were taken, at most so many a day for each recipient.

Belongs here: the collection `ticket_resends`, its indexes and statements. Does not belong here: the notices that send tickets
again (`notices.py`).

ticket_resends  {_id: "<reference> <addressee> <UTC date> <slot>", reference, request_id, addressee, create_time}

The day's slots of a recipient are numbered from 1, and each is a document. So the unique `_id` bounds the requests of a day,
and the unique index over reference and request_id lets a request take one slot, however many servers are asked at once.
MongoDB itself deletes a document when its notices are deleted.
"""

from datetime import datetime

from app.store.driver import Collection, Database, Document, DuplicateKeyError, translate_outages
from app.store.notices import LIFETIME_SECONDS

REQUEST_INDEX = "ticket_resends_by_request"
LIFETIME_INDEX = "ticket_resends_lifetime"


async def make_ticket_resend_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        resends = database["ticket_resends"]
        await resends.create_index([("reference", 1), ("request_id", 1)], name=REQUEST_INDEX, unique=True)
        await resends.create_index("create_time", name=LIFETIME_INDEX, expireAfterSeconds=LIFETIME_SECONDS)


class TicketResends:
    """The collection `ticket_resends`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._resends: Collection = database["ticket_resends"]

    async def take(self, reference: str, addressee: str, request_id: str, now: datetime, slots: int) -> str | None:
        """Take one of the day's `slots` of a recipient for a request, unless the request has one already.

        Return the addressee for whom the request has a slot, which may be another one; None where all slots are taken.
        """
        taken: Document = {"reference": reference, "request_id": request_id, "addressee": addressee, "create_time": now}
        day = f"{reference} {addressee} {now.date().isoformat()}"
        with translate_outages():
            for slot in range(1, slots + 1):
                try:
                    await self._resends.insert_one({"_id": f"{day} {slot}", **taken})
                except DuplicateKeyError:
                    earlier = await self._resends.find_one({"reference": reference, "request_id": request_id})
                    if earlier is not None:
                        return str(earlier["addressee"])
                else:
                    return addressee
        return None
