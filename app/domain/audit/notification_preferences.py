"""Rules about notification preferences.

Belongs here: what the service would not have stored of a person's preferences. Does not belong here: what preferences mean
(`app/domain/notices/choices.py`), notices (`notices.py`).
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.notices.preferences import CHOOSABLE_CHANNELS, NotificationPreferences, check_preferences
from app.domain.people import email_key
from app.domain.refusals import InvalidField
from app.domain.values import value


@value(frozen=True, slots=True)
class AuditedPreferences:
    """Preferences with the id of their document: the person's address as compared, and its last change. `now` is the time."""

    record_id: str
    preferences: NotificationPreferences
    update_time: datetime
    now: datetime


def invalid_preferences(record: AuditedPreferences) -> Iterator[str]:
    """Check phone and channels as UpdateNotificationPreferences does."""
    preferences = record.preferences
    try:
        check_preferences(preferences, "preferences")
    except InvalidField as refusal:
        yield refusal.message
    channels = preferences.channels
    if len(set(channels)) != len(channels) or not set(CHOOSABLE_CHANNELS).issuperset(channels):
        yield "has a channel twice, or one that nobody can choose"


def wrong_preferences_record(record: AuditedPreferences) -> Iterator[str]:
    """Find an id that is no address as compared, a version of somebody who never chose, and a change in the future."""
    if "@" not in record.record_id or email_key(record.record_id) != record.record_id:
        yield "is stored under something that is no address as the service compares it"
    if record.preferences.version < 1:
        yield "has the version of somebody who never chose"
    if record.update_time > record.now:
        yield "was changed in the future"
