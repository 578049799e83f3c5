"""Webhooks and deliveries in MongoDB.

Belongs here: statements to the collections `webhooks` and `webhook_deliveries`, the shape of their documents, their indexes.
Does not: what is due when, and what an attempt changes (`app/domain/webhooks.py`).

webhooks            {_id: webhook_id, slot, url, event_types: [...], secret, previous_secret, previous_secret_expire_time,
                    is_active, fingerprint, create_time, update_time, version}
webhook_deliveries  {_id: "<event_id>:<webhook_id>", event_id, webhook_id, event_type, event_time, state,
                    attempts: [{time, outcome, status, detail}], next_attempt_time: while PENDING}

Each webhook takes one of `WEBHOOKS_MAX` slots, and no two the same: so there are never more, however many servers make them at
once. Deliveries are forgotten by the server itself, a month after their events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from app.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState, OutcomeKind
from app.domain.webhooks import WEBHOOKS_MAX, Webhook
from app.store.driver import Collection, Database, Document, DuplicateKeyError, insert_absent, translate_outages
from app.store.shapes import NULLABLE_TIME, ListOf, OneOf, Shape
from app.store.unreadable import decode_all, decode_one, read_page

SLOTS_INDEX = "webhooks_by_slot"
DELIVERIES_INDEX = "deliveries_by_webhook"
DUE_INDEX = "deliveries_due"
LIFETIME_INDEX = "deliveries_lifetime"
# Long enough to look into what happened last month; attempts end after three days.
_DELIVERY_LIFETIME_SECONDS = 30 * 24 * 3_600

# Free slots that a new webhook may lose to others made at the same moment; then it is as if there were none.
_SLOT_ATTEMPTS_MAX = 16

# How long a delivery that is due and unreadable is left alone; otherwise those of one webhook would keep it from all others.
_UNREADABLE_PAUSE = timedelta(minutes=5)
# Pages of nothing but unreadable deliveries that one look puts off; the next look, a second later, goes on.
_PUT_OFF_MAX = 20

WEBHOOK = Shape(
    {
        "_id": str,
        "url": str,
        "secret": str,
        "previous_secret": str,
        "is_active": bool,
        "fingerprint": str,
        "create_time": datetime,
        "update_time": datetime,
        "version": int,
        "event_types": ListOf(str),
        "previous_secret_expire_time": NULLABLE_TIME,
    },
    {"slot": int, "active_since": NULLABLE_TIME},
)
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

# Where a delivery stands in a list, newest first: its event's time in milliseconds since 1970, its id.
DeliveryKey = tuple[int, str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


async def make_webhook_indexes(database: Database) -> None:
    """Makes the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        # No more webhooks than slots.
        await database["webhooks"].create_index("slot", name=SLOTS_INDEX, unique=True)
        deliveries = database["webhook_deliveries"]
        # ListWebhookDeliveries.
        await deliveries.create_index([("webhook_id", 1), ("event_time", -1), ("_id", -1)], name=DELIVERIES_INDEX)
        # What is due for a webhook; what is final is not in it.
        await deliveries.create_index(
            [("webhook_id", 1), ("next_attempt_time", 1)],
            name=DUE_INDEX,
            partialFilterExpression={"next_attempt_time": {"$exists": True}},
        )
        # MongoDB itself drops what is too old.
        await deliveries.create_index("event_time", name=LIFETIME_INDEX, expireAfterSeconds=_DELIVERY_LIFETIME_SECONDS)


class Webhooks:
    """The collection `webhooks`."""

    def __init__(self, database: Database) -> None:
        self._webhooks: Collection = database["webhooks"]

    async def create(self, webhook: Webhook) -> Webhook | None:
        """Keeps a new webhook; gives it, or the one that has its id already, or None when all slots are taken."""
        document = _webhook_document(webhook)
        with translate_outages():
            for _ in range(_SLOT_ATTEMPTS_MAX):
                kept = await self._webhooks.find({}, {"slot": 1}).to_list(WEBHOOKS_MAX)
                if any(one["_id"] == webhook.webhook_id for one in kept):
                    break
                free = set(range(WEBHOOKS_MAX)).difference(one.get("slot") for one in kept)
                if not free:
                    return None
                # Not the first one, which all others try for at this moment.
                slot = sorted(free)[crc32(webhook.webhook_id.encode()) % len(free)]
                try:
                    await self._webhooks.insert_one({**document, "slot": slot})
                except DuplicateKeyError:
                    continue
                return webhook
        return await self.get(webhook.webhook_id)

    async def get(self, webhook_id: str) -> Webhook | None:
        """The webhook with that id. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._webhooks.find_one({"_id": webhook_id})
        return None if document is None else decode_one("webhooks", document, webhook_from)

    async def list_page(self, after: str, limit: int) -> list[Webhook]:
        """At most `limit` webhooks by id, behind `after`, without those that are unreadable."""

        async def fetch(behind: str, count: int) -> list[Document]:
            with translate_outages():
                return await self._webhooks.find({"_id": {"$gt": behind}}).sort("_id", 1).limit(count).to_list(count)

        return await read_page("webhooks", fetch, lambda document: str(document["_id"]), webhook_from, after, limit)

    async def list_active(self) -> list[Webhook]:
        """All webhooks that are told of events, by id; at most `WEBHOOKS_MAX`. Unreadable ones are told of nothing."""
        with translate_outages():
            found = await self._webhooks.find({"is_active": True}).sort("_id", 1).to_list(WEBHOOKS_MAX)
        return decode_all("webhooks", found, webhook_from).values

    async def update(self, webhook: Webhook) -> bool:
        """Keeps a changed webhook in place of the version before. False when another version, or none, is kept by now.

        Doing it again changes nothing and is True.
        """
        document = _webhook_document(webhook)
        guard = {"_id": document.pop("_id"), "version": webhook.version - 1}
        with translate_outages():
            if await self._webhooks.find_one_and_update(guard, {"$set": document}) is not None:
                return True
        return await self.get(webhook.webhook_id) == webhook

    async def delete(self, webhook_id: str, version: int | None = None) -> bool:
        """Forgets a webhook; only in that version, where one is given. False when it is not there.

        Its deliveries stay until they are too old; nobody asks for them any more.
        """
        guard: Document = {"_id": webhook_id} if version is None else {"_id": webhook_id, "version": version}
        with translate_outages():
            return await self._webhooks.find_one_and_delete(guard) is not None


class WebhookDeliveries:
    """The collection `webhook_deliveries`."""

    def __init__(self, database: Database) -> None:
        self._deliveries: Collection = database["webhook_deliveries"]

    async def insert_if_absent(self, deliveries: Sequence[Delivery]) -> int:
        """Keeps those deliveries that are not kept yet; gives how many."""
        with translate_outages():
            there = await insert_absent(self._deliveries, [_delivery_document(one) for one in deliveries])
        return len(deliveries) - len(there)

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery with that id. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._deliveries.find_one({"_id": delivery_id})
        return None if document is None else decode_one("webhook_deliveries", document, delivery_from)

    async def list_page(self, webhook_id: str, after: DeliveryKey | None, limit: int) -> list[Delivery]:
        """At most `limit` deliveries of a webhook, the newest events first, behind `after`; unreadable ones are left out."""
        order = [("event_time", -1), ("_id", -1)]

        async def fetch(behind: DeliveryKey | None, count: int) -> list[Document]:
            with translate_outages():
                query = deliveries_query(webhook_id, behind)
                return await self._deliveries.find(query).sort(order).limit(count).to_list(count)

        def key_of(document: Mapping[str, Any]) -> DeliveryKey:
            time = document.get("event_time")
            # Without a time it stands behind all that have one, where the list ends.
            return ((time - _EPOCH) // _MILLISECOND if isinstance(time, datetime) else 0), str(document["_id"])

        return await read_page("webhook_deliveries", fetch, key_of, delivery_from, after, limit)

    async def due(self, webhook_id: str, now: datetime, limit: int) -> list[Delivery]:
        """At most `limit` deliveries of a webhook that are to be tried by now, those that wait longest first.

        Unreadable ones are put off, so that they are looked at again and keep no others from their turn.
        """
        query = due_query(webhook_id, now)
        for _ in range(_PUT_OFF_MAX):
            with translate_outages():
                found = await self._deliveries.find(query).sort("next_attempt_time", 1).limit(limit).to_list(limit)
                due = decode_all("webhook_deliveries", found, delivery_from)
                if due.unreadable:
                    later = {"$set": {"next_attempt_time": now + _UNREADABLE_PAUSE}}
                    await self._deliveries.update_many({"_id": {"$in": due.unreadable}, **query}, later)
            if due.values or not due.unreadable:
                break
        return due.values

    async def next_due_time(self, webhook_id: str) -> datetime | None:
        """When the first of a webhook's deliveries is to be tried, which may have passed; None where none is."""
        with translate_outages():
            found = (
                await self._deliveries.find(pending_query(webhook_id), {"next_attempt_time": 1})
                .sort("next_attempt_time", 1)
                .limit(1)
                .to_list(1)
            )
        return found[0]["next_attempt_time"] if found else None

    async def claim(self, delivery: Delivery, until: datetime) -> Delivery | None:
        """Takes a due delivery for this server: nobody else finds it due before `until`. None when somebody else has taken it.

        A server that dies leaves it to others from then on. `until` is whole milliseconds.
        """
        guard = {"_id": delivery.delivery_id, "next_attempt_time": delivery.next_attempt_time}
        with translate_outages():
            found = await self._deliveries.find_one_and_update(guard, {"$set": {"next_attempt_time": until}})
        return None if found is None else replace(delivery, next_attempt_time=until)

    async def record(self, delivery: Delivery) -> bool:
        """Keeps a delivery after its last attempt. False when another attempt was kept in the meantime, or it is gone.

        Doing it again changes nothing and is True.
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
        kept = await self.get(delivery.delivery_id)
        return kept is not None and kept.attempts == delivery.attempts


def delivery_key(delivery: Delivery) -> DeliveryKey:
    """Where a delivery stands in a list."""
    return (delivery.event_time - _EPOCH) // _MILLISECOND, delivery.delivery_id


def deliveries_query(webhook_id: str, after: DeliveryKey | None) -> Document:
    """The question for a webhook's deliveries behind `after`."""
    if after is None:
        return {"webhook_id": webhook_id}
    moment = _EPOCH + after[0] * _MILLISECOND
    older = [{"event_time": {"$lt": moment}}, {"event_time": moment, "_id": {"$lt": after[1]}}]
    return {"webhook_id": webhook_id, "$or": older}


def due_query(webhook_id: str, now: datetime) -> Document:
    """The question for a webhook's deliveries that are due."""
    return {"webhook_id": webhook_id, "next_attempt_time": {"$lte": now}}


def pending_query(webhook_id: str) -> Document:
    """The question for a webhook's deliveries that are to be tried at some time."""
    # From the epoch on: a value that is no time would stand before all times, and never be due.
    return {"webhook_id": webhook_id, "next_attempt_time": {"$gte": _EPOCH}}


# -- documents


def _webhook_document(webhook: Webhook) -> Document:
    return {
        "_id": webhook.webhook_id,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "secret": webhook.secret,
        "previous_secret": webhook.previous_secret,
        "previous_secret_expire_time": webhook.previous_secret_expire_time,
        "is_active": webhook.is_active,
        "active_since": webhook.active_since,
        "fingerprint": webhook.fingerprint,
        "create_time": webhook.create_time,
        "update_time": webhook.update_time,
        "version": webhook.version,
    }


def webhook_from(document: Document) -> Webhook:
    """Decode a webhook. Raises UnreadableError."""
    WEBHOOK.check(document)
    return Webhook(
        webhook_id=document["_id"],
        url=document["url"],
        event_types=tuple(document["event_types"]),
        secret=document["secret"],
        is_active=document["is_active"],
        create_time=document["create_time"],
        update_time=document["update_time"],
        fingerprint=document["fingerprint"],
        version=document["version"],
        previous_secret=document["previous_secret"],
        previous_secret_expire_time=document["previous_secret_expire_time"],
        active_since=document.get("active_since"),
    )


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
