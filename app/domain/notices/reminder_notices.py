"""Who is reminded of a journey: the notices of a reminder that is due.

Belongs here: the notices for one booking. Does not belong here: when they are due (`reminders.py`), finding the bookings
(`app/usecases/notices/reminders.py`).

The rules:
1. Who travels is reminded: each address of passengers with seats. A booker who does not travel is not.
2. A person who books and travels with others who have no address of their own gets one reminder for all of them.
3. The reminder of an arrival is SKIPPED after a short journey: its ticket said it all a moment ago.
4. The cause is the travel date, so that a booking is reminded once, however often the job of its stop runs.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, BookingState
from app.domain.notices.from_events import NoticeCause, make_notices
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind, NoticeState, SkipReason
from app.domain.notices.preferences import DEFAULT_PREFERENCES, NotificationPreferences
from app.domain.notices.recipients import Recipient, recipients_of
from app.domain.notices.reminders import is_short, send_time
from app.domain.values import value


@value(frozen=True, slots=True)
class SoldBooking:
    """A booking with seats, when it got them, and the trace of that call, if it is known."""

    booking: Booking
    sale_time: datetime
    trace_parent: str = ""


def reminded_recipients(booking: Booking) -> list[tuple[Recipient, tuple[int, ...]]]:
    """Return who is reminded of a booking, each with the numbers of the passengers whom the reminder is about."""
    if booking.state is not BookingState.CONFIRMED:
        return []
    seated = {passenger.number for passenger in booking.passengers if passenger.seat is not None}
    reminded = []
    for recipient in recipients_of(booking):
        numbers = tuple(number for number in recipient.own_numbers if number in seated)
        if numbers:
            reminded.append((recipient, numbers))
    return reminded


def reminders_for(
    kind: NoticeKind,
    sold: SoldBooking,
    planned: datetime,
    preferences: Mapping[str, NotificationPreferences],
    enabled: Collection[NoticeChannelName],
    now: datetime,
) -> list[Notice]:
    """Return the reminders of a booking whose planned time has come, one for each recipient and channel.

    `preferences` are by address as compared; who has none there has the default ones.
    """
    booking = sold.booking
    due_time = send_time(planned, sold.sale_time, now)
    cause = NoticeCause(kind, booking.journey.travel_date, booking.revision, due_time, trace_parent=sold.trace_parent)
    notices = [
        notice
        for recipient, numbers in reminded_recipients(booking)
        for notice in make_notices(
            cause,
            booking,
            recipient,
            numbers,
            preferences.get(recipient.email_key, DEFAULT_PREFERENCES),
            enabled,
            now,
        )
    ]
    if kind is NoticeKind.ARRIVAL_REMINDER and is_short(booking.journey):
        return [_too_short(notice, now) for notice in notices]
    return notices


def _too_short(notice: Notice, now: datetime) -> Notice:
    """Return a notice that is not sent, since its journey is short, or since the recipient does not want it."""
    reason = notice.skip_reason or SkipReason.SHORT
    return replace(notice, state=NoticeState.SKIPPED, skip_reason=reason, final_time=now)
