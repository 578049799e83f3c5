"""Requests around notices: messages to values.

Belongs here: kinds, channels, languages, the update mask. Does not belong here: what preferences have to be
(`app/domain/notices/preferences.py`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.domain.notices.preferences import Language
from app.domain.notices.unsubscribe import TOKEN_LENGTH_MAX
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import notice_pb2
from app.rpc import fields
from app.rpc.notices.wire_names import CHOOSABLE_BY_NUMBER, KINDS_BY_NUMBER

_CHANNELS_MAX = 10  # entries of a request; each channel counts once
_PHONE_LENGTH_MAX = 32


def optional_email(text: str, field: str) -> str:
    """Return an address; empty for the caller's own."""
    return fields.email(text, field) if text.strip() else ""


def optional_reference(text: str) -> str:
    """Return a reference; empty for all bookings."""
    return fields.reference(text) if text else ""


def kind(number: notice_pb2.NoticeKind.ValueType) -> NoticeKind:
    """Return a kind of notices, which is required."""
    found = KINDS_BY_NUMBER.get(number)
    if found is None:
        raise InvalidField("kind", "is required: say which notice")
    return found


def language(text: str, field: str) -> Language:
    """Return a language."""
    try:
        return Language(text)
    except ValueError:
        known = " or ".join(f'"{known.value}"' for known in Language)
        raise InvalidField(field, f"needs to be {known}") from None


def token(text: str) -> str:
    """Return the token of an unsubscribe link, not checked yet."""
    return fields.bounded(fields.required(text, "token"), "token", TOKEN_LENGTH_MAX)


def _channels(message: notice_pb2.NotificationPreferences) -> tuple[NoticeChannelName, ...]:
    if len(message.channels) > _CHANNELS_MAX:
        raise InvalidField("preferences.channels", f"has {len(message.channels)} entries; at most {_CHANNELS_MAX}")
    for index, number in enumerate(message.channels):
        if number not in CHOOSABLE_BY_NUMBER:
            raise InvalidField(f"preferences.channels[{index}]", "needs to be EMAIL or SMS")
    return tuple(dict.fromkeys(CHOOSABLE_BY_NUMBER[number] for number in message.channels))


# What the mask may name, and how each field is read.
_READERS: Mapping[str, Callable[[notice_pb2.NotificationPreferences], Any]] = MappingProxyType(
    {
        "language": lambda message: language(message.language, "preferences.language"),
        "channels": _channels,
        "phone": lambda message: fields.bounded(message.phone.strip(), "preferences.phone", _PHONE_LENGTH_MAX),
        "departure_reminders": lambda message: message.departure_reminders,
        "arrival_reminders": lambda message: message.arrival_reminders,
        "small_delays": lambda message: message.small_delays,
    }
)


def preference_changes(request: notice_pb2.UpdateNotificationPreferencesRequest) -> dict[str, Any]:
    """Return the fields that the mask names; an empty mask names all that can change (google.aip.dev/134)."""
    for index, path in enumerate(request.update_mask.paths):
        if path not in _READERS:
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; {', '.join(_READERS)} can")
    masked = request.update_mask.paths or _READERS
    return {name: read(request.preferences) for name, read in _READERS.items() if name in masked}
