"""What a recipient's preferences mean for a notice: whether it is sent, and over which channels.

Belongs here: both rules. Does not belong here: the preferences (`preferences.py`), which kinds are essential (`kinds.py`).
"""

from collections.abc import Collection, Mapping

from app.domain.notices.kinds import ESSENTIAL_DELAY_MINUTES, KIND_POLICIES
from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.domain.notices.preferences import NotificationPreferences

# The switch of each kind that is not always essential: a field of NotificationPreferences.
SWITCHES: Mapping[NoticeKind, str] = {
    NoticeKind.DELAYED: "small_delays",
    NoticeKind.DEPARTURE_REMINDER: "departure_reminders",
    NoticeKind.ARRIVAL_REMINDER: "arrival_reminders",
}


def is_essential(kind: NoticeKind, minutes: int = 0) -> bool:
    """Whether nobody can unsubscribe the notice. `minutes` is what a DELAYED notice tells."""
    return KIND_POLICIES[kind].is_essential and (kind is not NoticeKind.DELAYED or minutes >= ESSENTIAL_DELAY_MINUTES)


def is_wanted(kind: NoticeKind, preferences: NotificationPreferences, minutes: int = 0) -> bool:
    """Whether a recipient with these preferences receives the notice. `minutes` is what a DELAYED notice tells."""
    return is_essential(kind, minutes) or bool(getattr(preferences, SWITCHES[kind]))


def channels_of(preferences: NotificationPreferences, enabled: Collection[NoticeChannelName]) -> tuple[NoticeChannelName, ...]:
    """Return the channels by which a recipient receives notices, each once.

    These are the preferred ones that are enabled, SMS only with a phone. Where none of them is enabled, mail is: an essential
    notice has to reach the recipient. LOG, where it is enabled, keeps every notice.
    """
    preferred = [channel for channel in preferences.channels if channel in enabled]
    if not preferences.phone:
        preferred = [channel for channel in preferred if channel is not NoticeChannelName.SMS]
    if not preferred and NoticeChannelName.EMAIL in enabled:
        preferred = [NoticeChannelName.EMAIL]
    kept = [NoticeChannelName.LOG] if NoticeChannelName.LOG in enabled else []
    return tuple(dict.fromkeys([*preferred, *kept]))
