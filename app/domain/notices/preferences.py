"""Which notices a person wants, in which language, and how.

Belongs here: the value and its checks. Does not belong here: statements (`app/store/notification_preferences.py`).
"""

import re
from enum import StrEnum

from app.domain.notices.notice import NoticeChannelName
from app.domain.refusals import InvalidField
from app.domain.values import value


class Language(StrEnum):
    """The languages of notices and tickets."""

    ENGLISH = "en"
    FRENCH = "fr"


# Channels that a person may choose. LOG is the operator's choice.
CHOOSABLE_CHANNELS = (NoticeChannelName.EMAIL, NoticeChannelName.SMS)
_E164 = re.compile(r"\+[1-9]\d{6,14}")  # ITU-T E.164: at most 15 digits


@value(frozen=True, slots=True)
class NotificationPreferences:
    """What one person wants. `version` counts the changes; 0 is the default of a person who never chose.

    `phone` is in E.164, empty for none. `departure_reminders`, `arrival_reminders` and `small_delays` can be switched off;
    everything else is essential.
    """

    language: Language = Language.ENGLISH
    channels: tuple[NoticeChannelName, ...] = (NoticeChannelName.EMAIL,)
    phone: str = ""
    departure_reminders: bool = True
    arrival_reminders: bool = True
    small_delays: bool = True
    version: int = 0

    @property
    def etag(self) -> str:
        """A text that differs after every change."""
        return str(self.version)


DEFAULT_PREFERENCES = NotificationPreferences()


def check_preferences(preferences: NotificationPreferences, path: str) -> None:
    """Refuse INVALID_FIELD for a phone that is not in E.164, no channel, or SMS without a phone. `path` is the message's."""
    if preferences.phone and not _E164.fullmatch(preferences.phone):
        raise InvalidField(f"{path}.phone", "needs a number in E.164, such as +33612345678")
    if not preferences.channels:
        raise InvalidField(f"{path}.channels", "needs at least one channel; essential notices have to reach you")
    if NoticeChannelName.SMS in preferences.channels and not preferences.phone:
        raise InvalidField(f"{path}.phone", "is required for the channel SMS")
