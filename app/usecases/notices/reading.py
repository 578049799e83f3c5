"""What the sender reads before it sends a notice.

Belongs here: booking, run, waitlist position and preferences, as of one moment where they depend on each other. Does not belong
here: what is decided from them (`app/domain/notices/sending.py`).
"""

from datetime import datetime

from app.domain.booking import Booking
from app.domain.notices.notice import Notice, NoticeKind
from app.domain.notices.preferences import DEFAULT_PREFERENCES
from app.domain.notices.recipients import find_recipient
from app.domain.notices.refunds import done_refunds
from app.domain.notices.reminders import REMINDER_JOBS, QuietHours, reminder_stop, reminder_time
from app.domain.notices.sending import SendingFacts
from app.domain.payments import Payment
from app.domain.run.run_schedule import RunSchedule
from app.ports.notices import PreferenceStore
from app.store.run_schedules import VersionedSchedule
from app.store.snapshots import Snapshot
from app.store.store import Store


class NoticeReader:
    """Reads what notices are about. Each call refuses DATABASE_UNAVAILABLE, and RECORD_UNREADABLE."""

    def __init__(self, store: Store, preferences: PreferenceStore, quiet: QuietHours) -> None:
        self._store, self._preferences, self._quiet = store, preferences, quiet

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
            reminder_time=await self._reminder_time(notice, booking, run.schedule),
            waitlist_position=position,
            done_refunds=done_refunds(await self._payment(notice, booking), booking),
        )

    async def _reminder_time(self, notice: Notice, booking: Booking, schedule: RunSchedule) -> datetime | None:
        """Return when a reminder is due by the expected times of its run; None for other notices."""
        if notice.kind not in REMINDER_JOBS:
            return None
        minutes_before = 0
        if notice.kind is NoticeKind.DEPARTURE_REMINDER:
            minutes_before = (await self._store.trains.get(booking.journey.train_id)).train.departure_reminder_minutes
        stop = reminder_stop(notice.kind, booking.journey)
        return reminder_time(notice.kind, schedule, stop, minutes_before, self._quiet)

    async def _payment(self, notice: Notice, booking: Booking) -> Payment | None:
        """Return the payment of a booking whose refunds the notice is about."""
        if notice.kind is not NoticeKind.REFUNDED:
            return None
        stored = (await self._store.payments.find([booking.payment_id])).get(booking.payment_id)
        return None if stored is None else stored.payment
