"""Which notices follow from an event of a booking.

Belongs here: the table of events and kinds, and who receives each. Does not belong here: reading bookings
(`app/usecases/notices/writing.py`), reminders (`reminders.py`), what the sender decides (`sending.py`).

The rules:
1. The booker receives every change. Any other recipient receives the changes of passengers it stands for.
2. A passenger leaves while others stay: a recipient whose last passenger left receives BOOKING_CANCELLED, any other one for
   whom a passenger left PASSENGERS_CANCELLED.
3. An event that only corrects what a cancelled booking owes makes no notice.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.booking import LIVE_STATES, Booking
from app.domain.events import Event, EventType, version_of
from app.domain.notices.choices import channels_of, is_wanted
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeChannelName, NoticeKind, NoticeState, SkipReason, notice_id
from app.domain.notices.preferences import DEFAULT_PREFERENCES, NotificationPreferences
from app.domain.notices.recipients import Recipient, all_recipients_of, recipients_of
from app.domain.rules.booking_changes import CAUSE_LAYOUT, CAUSE_RUN_CANCELLED, CAUSE_SEAT_CHANGE
from app.domain.values import value

_ANY_CAUSE = ""

# The kind of each event of a booking, by the event's cause; _ANY_CAUSE for events with another cause or none.
EVENT_NOTICES: Mapping[EventType, Mapping[str, NoticeKind]] = MappingProxyType(
    {
        EventType.BOOKING_CONFIRMED: {_ANY_CAUSE: NoticeKind.TICKET},
        EventType.BOOKING_WAITLISTED: {_ANY_CAUSE: NoticeKind.WAITLISTED},
        EventType.BOOKING_PROMOTED: {_ANY_CAUSE: NoticeKind.PROMOTED},
        EventType.BOOKING_CHANGED: {
            CAUSE_SEAT_CHANGE: NoticeKind.SEAT_CHANGED,
            CAUSE_LAYOUT: NoticeKind.MOVED,
            _ANY_CAUSE: NoticeKind.BOOKING_UPDATED,
        },
        EventType.BOOKING_CANCELLED: {
            CAUSE_RUN_CANCELLED: NoticeKind.RUN_CANCELLED,
            _ANY_CAUSE: NoticeKind.BOOKING_CANCELLED,
        },
        EventType.BOOKING_EXPIRED: {_ANY_CAUSE: NoticeKind.WAITLIST_EXPIRED},
    }
)
_LIVE = tuple(state.value for state in LIVE_STATES)


@value(frozen=True, slots=True)
class NoticeCause:
    """What makes notices of one kind.

    `cause` and `revision` are as in Notice. They are due at `due_time`. `told_minutes` is the delay that DELAYED notices tell;
    `delay_minutes` is the delay by which they are essential.
    """

    kind: NoticeKind
    cause: str
    revision: int
    due_time: datetime
    told_minutes: int | None = None
    delay_minutes: int = 0
    trace_parent: str = ""


def kind_of(event: Event) -> NoticeKind | None:
    """Return the kind of notice that an event makes; None for an event that makes none."""
    kinds = EVENT_NOTICES.get(event.event_type)
    if kinds is None or (event.event_type is EventType.BOOKING_CHANGED and event.data.get("state") not in _LIVE):
        return None
    return kinds.get(str(event.data.get("cause", _ANY_CAUSE)), kinds[_ANY_CAUSE])


def notices_for(
    event: Event,
    booking: Booking,
    preferences: Mapping[str, NotificationPreferences],
    enabled: Collection[NoticeChannelName],
    now: datetime,
) -> list[Notice]:
    """Return the notices that an event of a booking makes, with ids that follow from the event's.

    `booking` may be newer than the event. `preferences` are by address as compared; who has none there has the default ones.
    """
    kind = kind_of(event)
    if kind is None:
        return []
    notices: list[Notice] = []
    for recipient, received_kind, numbers in _recipients_of_event(event, booking, kind):
        due_time = event.time + timedelta(seconds=KIND_POLICIES[received_kind].gather_seconds)
        cause = NoticeCause(
            received_kind, event.event_id, version_of(event.sequence), due_time, trace_parent=event.trace_parent
        )
        chosen = preferences.get(recipient.email_key, DEFAULT_PREFERENCES)
        notices += make_notices(cause, booking, recipient, numbers, chosen, enabled, now)
    return notices


def make_notices(
    cause: NoticeCause,
    booking: Booking,
    recipient: Recipient,
    numbers: tuple[int, ...],
    preferences: NotificationPreferences,
    enabled: Collection[NoticeChannelName],
    now: datetime,
) -> list[Notice]:
    """Return the notices of one cause to one recipient about passengers with these numbers, one for each channel.

    They are SKIPPED where the recipient does not want them.
    """
    is_sent = is_wanted(cause.kind, preferences, cause.delay_minutes)
    return [
        Notice(
            notice_id=notice_id(cause.kind, booking.reference, recipient.addressee, cause.cause, channel),
            kind=cause.kind,
            channel=channel,
            reference=booking.reference,
            run_id=booking.journey.run_id,
            addressee=recipient.addressee,
            passenger_numbers=numbers,
            recipient_key=recipient.email_key,
            cause=cause.cause,
            revision=cause.revision,
            due_time=cause.due_time,
            create_time=now,
            state=NoticeState.SCHEDULED if is_sent else NoticeState.SKIPPED,
            skip_reason=None if is_sent else SkipReason.UNSUBSCRIBED,
            told_minutes=cause.told_minutes,
            final_time=None if is_sent else now,
            trace_parent=cause.trace_parent,
        )
        for channel in channels_of(preferences, enabled)
    ]


def _recipients_of_event(
    event: Event, booking: Booking, kind: NoticeKind
) -> list[tuple[Recipient, NoticeKind, tuple[int, ...]]]:
    """Return who receives an event, which kind of notice, and about which passengers."""
    changed = changed_numbers(event)
    if event.event_type is EventType.BOOKING_CANCELLED and event.data.get("state") in _LIVE:
        return _recipients_of_leaving(booking, changed)
    if changed is None:
        return [(recipient, kind, recipient.passenger_numbers) for recipient in recipients_of(booking)]
    return [
        (recipient, kind, recipient.passenger_numbers)
        for recipient in recipients_of(booking)
        if recipient.addressee == WHOLE_BOOKING or changed.intersection(recipient.passenger_numbers)
    ]


def _recipients_of_leaving(
    booking: Booking, changed: frozenset[int] | None
) -> list[tuple[Recipient, NoticeKind, tuple[int, ...]]]:
    """Return who receives that passengers left while others stayed. `changed` is None where the event does not name them."""
    received: list[tuple[Recipient, NoticeKind, tuple[int, ...]]] = []
    for recipient in all_recipients_of(booking):
        left = tuple(number for number in recipient.cancelled_numbers if changed is None or number in changed)
        if left:
            kind = NoticeKind.PASSENGERS_CANCELLED if recipient.passenger_numbers else NoticeKind.BOOKING_CANCELLED
            received.append((recipient, kind, left))
    return received


def changed_numbers(event: Event) -> frozenset[int] | None:
    """Return the passengers whom a change of a booking concerns; None where it concerns all, or an earlier version wrote it."""
    moves, numbers = event.data.get("moves"), event.data.get("changed_passenger_numbers")
    if isinstance(numbers, list):
        return frozenset(number for number in numbers if isinstance(number, int))
    if isinstance(moves, list) and moves:
        found = [move.get("passenger_number") for move in moves if isinstance(move, Mapping)]
        return frozenset(number for number in found if isinstance(number, int))
    return None
