"""What the sender reads before it sends a notice.

Belongs here: booking, run, waitlist position and preferences, as of one moment where they depend on each other. Does not belong
here: what is decided from them (`app/domain/notices/sending.py`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from app.domain.booking import Booking
from app.domain.notices.notice import Notice
from app.domain.notices.preferences import DEFAULT_PREFERENCES
from app.domain.notices.recipients import find_recipient
from app.domain.notices.sending import SendingFacts
from app.domain.run.run_schedule import RunSchedule
from app.ports.notices import PreferenceStore
from app.store.run_schedules import VersionedSchedule
from app.store.snapshots import Snapshot
from app.store.store import Store

# Returns when a reminder is due by the expected times of its run; None for other notices.
ReminderTimes = Callable[[Notice, Booking, RunSchedule], Awaitable[datetime | None]]


class NoticeReader:
    """Reads what notices are about. Each call refuses DATABASE_UNAVAILABLE, and RECORD_UNREADABLE."""

    def __init__(self, store: Store, preferences: PreferenceStore, reminder_times: ReminderTimes) -> None:
        self._store, self._preferences, self._reminder_times = store, preferences, reminder_times

    async def read(self, notice: Notice) -> SendingFacts | None:
        """Return the facts that decide about a notice; None where there is no such booking or run any more."""

        async def of_one_moment(snapshot: Snapshot) -> tuple[Booking | None, VersionedSchedule | None, int]:
            booking = await self._store.bookings.find(snapshot, notice.reference)
            run = await self._store.run_schedules.find_versioned(snapshot, notice.run_id)
            position = 0
            if booking is not None and booking.ticket_number:
                position = await self._store.runs.find_waitlist_position(snapshot, notice.run_id, booking.ticket_number)
            return booking, run, position

        booking, run, position = await self._store.snapshots.read(of_one_moment)
        if booking is None or run is None:
            return None
        recipient = find_recipient(booking, notice.addressee)
        key = notice.recipient_key if recipient is None else recipient.email_key
        chosen = await self._preferences.find([key])
        return SendingFacts(
            booking=booking,
            schedule=run.schedule,
            run_version=run.version,
            preferences=chosen.get(key, DEFAULT_PREFERENCES),
            reminder_time=await self._reminder_times(notice, booking, run.schedule),
            waitlist_position=position,
        )
