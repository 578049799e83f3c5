"""Notification preferences in MongoDB.

Belongs here: statements to the collection `notification_preferences`, and its documents. Does not belong here: what preferences
mean (`app/domain/notices/choices.py`).

notification_preferences  {_id: address as compared, language, channels, phone, departure_reminders, arrival_reminders,
                           small_delays, version, update_time}

A person who never chose has no document. A document stays until the person's data is erased.
"""

from collections.abc import Collection as Values
from datetime import datetime

from app.domain.notices.notice import NoticeChannelName
from app.domain.notices.preferences import Language, NotificationPreferences
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, DuplicateKeyError, translate_outages
from app.store.shapes import ListOf, OneOf, Shape
from app.store.unreadable import Records, decode_by_id

PREFERENCES = Shape(
    {
        "_id": str,
        "language": OneOf(Language),
        "channels": ListOf(OneOf(NoticeChannelName)),
        "phone": str,
        "departure_reminders": bool,
        "arrival_reminders": bool,
        "small_delays": bool,
        "version": int,
        "update_time": datetime,
    }
)


class NotificationPreferencesStore:
    """The collection `notification_preferences`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._preferences: Collection = database["notification_preferences"]

    async def find(self, email_keys: Values[str]) -> Records[NotificationPreferences]:
        """Return the preferences of those who ever chose; DEFAULT_PREFERENCES hold for the others."""
        if not email_keys:
            return Records()
        keys = sorted(set(email_keys))
        with translate_outages():
            found = await self._adapter.find_in_one_batch(self._preferences, {"_id": {"$in": keys}}, most=len(keys))
        return decode_by_id("notification_preferences", found, preferences_from)

    async def replace(self, email_key: str, changed: NotificationPreferences, now: datetime) -> bool:
        """Store changed preferences in place of the version before. Return False where that is not the newest any more."""
        document = preferences_document(email_key, changed, now)
        with translate_outages():
            if changed.version > 1:
                guard = {"_id": email_key, "version": changed.version - 1}
                return (await self._preferences.replace_one(guard, document)).matched_count == 1
            try:
                await self._preferences.insert_one(document)
            except DuplicateKeyError:
                return False
        return True


def preferences_document(email_key: str, preferences: NotificationPreferences, now: datetime) -> Document:
    """Encode the preferences of the person with that address."""
    return {
        "_id": email_key,
        "language": preferences.language.value,
        "channels": [channel.value for channel in preferences.channels],
        "phone": preferences.phone,
        "departure_reminders": preferences.departure_reminders,
        "arrival_reminders": preferences.arrival_reminders,
        "small_delays": preferences.small_delays,
        "version": preferences.version,
        "update_time": now,
    }


def preferences_from(document: Document) -> NotificationPreferences:
    """Decode preferences. Raises UnreadableError."""
    PREFERENCES.check(document)
    return NotificationPreferences(
        language=Language(document["language"]),
        channels=tuple(NoticeChannelName(channel) for channel in document["channels"]),
        phone=document["phone"],
        departure_reminders=document["departure_reminders"],
        arrival_reminders=document["arrival_reminders"],
        small_delays=document["small_delays"],
        version=document["version"],
    )
