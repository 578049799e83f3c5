"""Webhooks in MongoDB.

Belongs here: the collection `webhooks`, its documents, indexes and statements. Does not belong here: what a change is
(`app/domain/webhooks.py`), nor deliveries (`deliveries.py`).

webhooks  {_id: webhook_id, slot, url, event_types: [...], secret, previous_secret, previous_secret_expire_time, is_active,
           active_since, fingerprint, create_time, update_time, version}

Each webhook takes one of `WEBHOOKS_MAX` slots, and no two the same one: so there are never more, however many servers create
them at once.
"""

from datetime import datetime
from zlib import crc32

from app.domain.webhooks import WEBHOOKS_MAX, Webhook
from app.store.driver import Collection, Database, Document, DuplicateKeyError, translate_outages
from app.store.shapes import NULLABLE_TIME, ListOf, Shape
from app.store.unreadable import decode_all, decode_one, read_page

SLOTS_INDEX = "webhooks_by_slot"

# Free slots that a new webhook may lose to others created at the same moment; then it is as if there were none.
_SLOT_ATTEMPTS_MAX = 16

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


async def make_webhook_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        # No more webhooks than slots.
        await database["webhooks"].create_index("slot", name=SLOTS_INDEX, unique=True)


class Webhooks:
    """The collection `webhooks`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._webhooks: Collection = database["webhooks"]

    async def create(self, webhook: Webhook) -> Webhook | None:
        """Insert a webhook; return it, or the stored one with its id, or None when all slots are taken."""
        new = _webhook_document(webhook)
        with translate_outages():
            for _ in range(_SLOT_ATTEMPTS_MAX):
                stored = await self._webhooks.find({}, {"slot": 1}).to_list(WEBHOOKS_MAX)
                if any(document["_id"] == webhook.webhook_id for document in stored):
                    break
                free = set(range(WEBHOOKS_MAX)).difference(document.get("slot") for document in stored)
                if not free:
                    return None
                # Not the first one: servers that create webhooks at the same moment would all try for it.
                slot = sorted(free)[crc32(webhook.webhook_id.encode()) % len(free)]
                try:
                    await self._webhooks.insert_one({**new, "slot": slot})
                except DuplicateKeyError:
                    continue
                return webhook
        return await self.get(webhook.webhook_id)

    async def get(self, webhook_id: str) -> Webhook | None:
        """Return the webhook with that id, if any. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._webhooks.find_one({"_id": webhook_id})
        return None if document is None else decode_one("webhooks", document, webhook_from)

    async def list_page(self, after: str, limit: int) -> list[Webhook]:
        """Return at most `limit` readable webhooks by id, from behind `after`."""

        async def fetch(behind: str, count: int) -> list[Document]:
            with translate_outages():
                return await self._webhooks.find({"_id": {"$gt": behind}}).sort("_id", 1).limit(count).to_list(count)

        return await read_page("webhooks", fetch, lambda document: str(document["_id"]), webhook_from, after, limit)

    async def list_active(self) -> list[Webhook]:
        """Return all readable webhooks that receive events, by id; at most `WEBHOOKS_MAX`."""
        with translate_outages():
            found = await self._webhooks.find({"is_active": True}).sort("_id", 1).to_list(WEBHOOKS_MAX)
        return decode_all("webhooks", found, webhook_from).values

    async def update(self, webhook: Webhook) -> bool:
        """Replace the version before a changed webhook. Return False when another version, or none, is stored by now.

        A repeated call changes nothing and returns True.
        """
        document = _webhook_document(webhook)
        guard = {"_id": document.pop("_id"), "version": webhook.version - 1}
        with translate_outages():
            if await self._webhooks.find_one_and_update(guard, {"$set": document}) is not None:
                return True
        return await self.get(webhook.webhook_id) == webhook

    async def delete(self, webhook_id: str, version: int | None = None) -> bool:
        """Delete a webhook, only in that version if one is given. Return False when it is not there.

        Its deliveries stay until they are too old; nothing reads them.
        """
        guard: Document = {"_id": webhook_id} if version is None else {"_id": webhook_id, "version": version}
        with translate_outages():
            return await self._webhooks.find_one_and_delete(guard) is not None


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
