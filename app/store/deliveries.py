"""Deliveries in MongoDB.

Belongs here: the collection `webhook_deliveries`, its documents, indexes and statements. Does not belong here: when a delivery
is due, and what an attempt changes (`app/domain/deliveries.py`).

webhook_deliveries  {_id: "<event_id>:<receiver_id>", event_id, webhook_id: receiver_id, event_type, event_time, state,
                     attempts: [{time, outcome, status, detail}], next_attempt_time: while PENDING}

The collection is named after webhooks, which were the first receivers; it holds the deliveries of every channel. MongoDB itself
deletes deliveries a month after their events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState, OutcomeKind
from app.store.driver import Collection, Database, Document, insert_absent, translate_outages
from app.store.shapes import ListOf, OneOf, Shape
from app.store.unreadable import decode_all, decode_one, read_page

DELIVERIES_INDEX = "deliveries_by_webhook"
DUE_INDEX = "deliveries_due"
LIFETIME_INDEX = "deliveries_lifetime"
# Long enough to look into what happened last month; attempts end after three days.
_DELIVERY_LIFETIME_SECONDS = 30 * 24 * 3_600

# How long a due delivery that is unreadable is postponed; otherwise those of one receiver would hold up all others.
_UNREADABLE_PAUSE = timedelta(minutes=5)
# Pages of nothing but unreadable deliveries that one call postpones; the next call, a second later, goes on.
_POSTPONED_PAGES_MAX = 20

DELIVERY = Shape(
    {
        "_id": str,
        "event_id": str,
        "webhook_id": str,
        "event_type": str,
        "event_time": datetime,
        "state": OneOf(DeliveryState),
        "attempts": ListOf(Shape({"time": datetime, "status": int, "detail": str, "outcome": OneOf(OutcomeKind)})),
    },
    {"next_attempt_time": datetime},
)

# The place of a delivery in a list, newest first: its event's time in milliseconds since 1970, its id.
DeliveryKey = tuple[int, str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


async def make_delivery_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        deliveries = database["webhook_deliveries"]
        # ListWebhookDeliveries.
        await deliveries.create_index([("webhook_id", 1), ("event_time", -1), ("_id", -1)], name=DELIVERIES_INDEX)
        # What is due for a receiver; final deliveries are not in it.
        await deliveries.create_index(
            [("webhook_id", 1), ("next_attempt_time", 1)],
            name=DUE_INDEX,
            partialFilterExpression={"next_attempt_time": {"$exists": True}},
        )
        # MongoDB itself deletes what is too old.
        await deliveries.create_index("event_time", name=LIFETIME_INDEX, expireAfterSeconds=_DELIVERY_LIFETIME_SECONDS)


class Deliveries:
    """The collection `webhook_deliveries`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._deliveries: Collection = database["webhook_deliveries"]

    async def insert_if_absent(self, deliveries: Sequence[Delivery]) -> int:
        """Insert the deliveries whose ids are not stored yet; return their number."""
        with translate_outages():
            there = await insert_absent(self._deliveries, [_delivery_document(delivery) for delivery in deliveries])
        return len(deliveries) - len(there)

    async def get(self, delivery_id: str) -> Delivery | None:
        """Return the delivery with that id, if any. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._deliveries.find_one({"_id": delivery_id})
        return None if document is None else decode_one("webhook_deliveries", document, delivery_from)

    async def list_page(self, receiver_id: str, after: DeliveryKey | None, limit: int) -> list[Delivery]:
        """Return at most `limit` readable deliveries to a receiver, the newest events first, from behind `after`."""
        order = [("event_time", -1), ("_id", -1)]

        async def fetch(behind: DeliveryKey | None, count: int) -> list[Document]:
            with translate_outages():
                query = deliveries_query(receiver_id, behind)
                return await self._deliveries.find(query).sort(order).limit(count).to_list(count)

        def key_of(document: Mapping[str, Any]) -> DeliveryKey:
            time = document.get("event_time")
            # An unreadable time sorts last.
            return ((time - _EPOCH) // _MILLISECOND if isinstance(time, datetime) else 0), str(document["_id"])

        return await read_page("webhook_deliveries", fetch, key_of, delivery_from, after, limit)

    async def list_due(self, receiver_id: str, now: datetime, limit: int) -> list[Delivery]:
        """Return at most `limit` readable deliveries to a receiver that are due, those that wait longest first.

        Unreadable ones are postponed, so that they hold up no others and are looked at again.
        """
        query = due_query(receiver_id, now)
        for _ in range(_POSTPONED_PAGES_MAX):
            with translate_outages():
                found = await self._deliveries.find(query).sort("next_attempt_time", 1).limit(limit).to_list(limit)
                due = decode_all("webhook_deliveries", found, delivery_from)
                if due.unreadable:
                    later = {"$set": {"next_attempt_time": now + _UNREADABLE_PAUSE}}
                    await self._deliveries.update_many({"_id": {"$in": due.unreadable}, **query}, later)
            if due.values or not due.unreadable:
                break
        return due.values

    async def next_due_time(self, receiver_id: str) -> datetime | None:
        """Return when the first pending delivery to a receiver is due, which may have passed; None if there is none."""
        with translate_outages():
            found = (
                await self._deliveries.find(pending_query(receiver_id), {"next_attempt_time": 1})
                .sort("next_attempt_time", 1)
                .limit(1)
                .to_list(1)
            )
        return found[0]["next_attempt_time"] if found else None

    async def claim(self, delivery: Delivery, until: datetime) -> Delivery | None:
        """Claim a due delivery: no other server finds it due before `until`. Return None when another one has claimed it.

        A server that dies leaves it to others from then on. `until` is in whole milliseconds.
        """
        guard = {"_id": delivery.delivery_id, "next_attempt_time": delivery.next_attempt_time}
        with translate_outages():
            found = await self._deliveries.find_one_and_update(guard, {"$set": {"next_attempt_time": until}})
        return None if found is None else replace(delivery, next_attempt_time=until)

    async def record(self, delivery: Delivery) -> bool:
        """Write a delivery's last attempt. Return False when another attempt was written in the meantime, or it is gone.

        A repeated call changes nothing and returns True.
        """
        guard = {"_id": delivery.delivery_id, "attempts": {"$size": len(delivery.attempts) - 1}}
        update: Document = {
            "$set": {"state": delivery.state.value},
            "$push": {"attempts": _attempt_document(delivery.attempts[-1])},
        }
        if delivery.next_attempt_time is None:
            update["$unset"] = {"next_attempt_time": ""}
        else:
            update["$set"]["next_attempt_time"] = delivery.next_attempt_time
        with translate_outages():
            if await self._deliveries.find_one_and_update(guard, update) is not None:
                return True
        stored = await self.get(delivery.delivery_id)
        return stored is not None and stored.attempts == delivery.attempts


def delivery_key(delivery: Delivery) -> DeliveryKey:
    """Return the place of a delivery in a list."""
    return (delivery.event_time - _EPOCH) // _MILLISECOND, delivery.delivery_id


def deliveries_query(receiver_id: str, after: DeliveryKey | None) -> Document:
    """Return the query for the deliveries to a receiver from behind `after`."""
    if after is None:
        return {"webhook_id": receiver_id}
    moment = _EPOCH + after[0] * _MILLISECOND
    older = [{"event_time": {"$lt": moment}}, {"event_time": moment, "_id": {"$lt": after[1]}}]
    return {"webhook_id": receiver_id, "$or": older}


def due_query(receiver_id: str, now: datetime) -> Document:
    """Return the query for the deliveries to a receiver that are due."""
    return {"webhook_id": receiver_id, "next_attempt_time": {"$lte": now}}


def pending_query(receiver_id: str) -> Document:
    """Return the query for the pending deliveries to a receiver."""
    # From the epoch on: a value that is no time sorts before all times, and is never due.
    return {"webhook_id": receiver_id, "next_attempt_time": {"$gte": _EPOCH}}


# -- documents


def _delivery_document(delivery: Delivery) -> Document:
    document: Document = {
        "_id": delivery.delivery_id,
        "event_id": delivery.event_id,
        "webhook_id": delivery.receiver_id,
        "event_type": delivery.event_type,
        "event_time": delivery.event_time,
        "state": delivery.state.value,
        "attempts": [_attempt_document(attempt) for attempt in delivery.attempts],
    }
    if delivery.next_attempt_time is not None:
        document["next_attempt_time"] = delivery.next_attempt_time
    return document


def delivery_from(document: Document) -> Delivery:
    """Decode a delivery. Raises UnreadableError."""
    DELIVERY.check(document)
    return Delivery(
        delivery_id=document["_id"],
        event_id=document["event_id"],
        receiver_id=document["webhook_id"],
        event_type=document["event_type"],
        event_time=document["event_time"],
        state=DeliveryState(document["state"]),
        attempts=tuple(
            DeliveryAttempt(attempt["time"], OutcomeKind(attempt["outcome"]), attempt["status"], attempt["detail"])
            for attempt in document["attempts"]
        ),
        next_attempt_time=document.get("next_attempt_time"),
    )


def _attempt_document(attempt: DeliveryAttempt) -> Document:
    return {"time": attempt.time, "outcome": attempt.outcome.value, "status": attempt.status, "detail": attempt.detail}
