"""Announcing delays: the notices to all travellers of a run that is late, or no longer.

Belongs here: the handler of ANNOUNCE_DELAY. Does not belong here: which delays are news (`app/domain/notices/delays.py`), the
expected times, making the job (`writing.py`).

A job is due a minute after its report, and announces the newest report that it finds then. The notices of one report have the
same ids, whichever job makes them. So a train that goes 10, 20 and then 40 minutes late within a minute makes one notice for
each recipient.

A job makes the notices of one page of bookings, and inserts the job of the next page. So a run of any size is announced in
short steps, and any worker takes the next one.
"""

from collections.abc import Collection, Mapping, Sequence

from app.domain.booking import Booking
from app.domain.jobs import Job, PermanentJobError
from app.domain.notices.delays import delay_cause, is_delay_news, told_minutes_of
from app.domain.notices.from_events import NoticeCause, make_notices
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.notices.preferences import DEFAULT_PREFERENCES, NotificationPreferences
from app.domain.notices.recipients import recipients_of
from app.domain.run.run_schedule import RunSchedule
from app.jobs.handlers import JobHandler, for_each_job
from app.ports.clock import Clock
from app.store.bookings import LiveBookings
from app.store.run_schedules import VersionedSchedule
from app.store.snapshots import Snapshot
from app.store.store import Store
from app.usecases.notices.scheduling import schedule_notices
from app.usecases.notices.writing import ANNOUNCE_DELAY, ReminderPlanner

# Bookings of one job: with notices and jobs some hundred kilobytes; what each recipient heard last is one read a booking.
_PAGE_SIZE = 200
# Jobs of one batch at a time: each reads and writes for a second or less.
_AT_ONCE_MAX = 4


class DelayAnnouncements:
    """Announces delays over the channels that are `enabled`. `clock` returns the present moment."""

    def __init__(self, store: Store, enabled: Collection[NoticeChannelName], reminders: ReminderPlanner, clock: Clock) -> None:
        self._store, self._enabled, self._reminders, self._clock = store, enabled, reminders, clock

    def handler(self) -> JobHandler:
        """Return the handler of ANNOUNCE_DELAY."""
        return for_each_job(self._announce, _AT_ONCE_MAX)

    async def _announce(self, job: Job) -> None:
        """Make the notices of one page of bookings. Refuses DATABASE_UNAVAILABLE, and RECORD_UNREADABLE for the run."""
        run_id, report, after = job.payload.get("run_id"), job.payload.get("report"), job.payload.get("after", 0)
        if not isinstance(run_id, str) or not isinstance(report, str) or not isinstance(after, int):
            raise PermanentJobError("its payload has no run_id, report and after")

        async def of_one_moment(snapshot: Snapshot) -> tuple[VersionedSchedule | None, LiveBookings]:
            run = await self._store.run_schedules.find_versioned(snapshot, run_id)
            return run, await self._store.bookings.list_live(snapshot, run_id, after, _PAGE_SIZE)

        run, page = await self._store.snapshots.read(of_one_moment)
        if run is None or run.schedule.is_cancelled or run.schedule.delay.report_time is None:
            return
        if not after:  # a reminder's job that was held when the delay was reported was not brought forward then
            await self._reminders.retime({run_id})
        await self._announce_to(page.bookings, run)
        if page.after is not None:
            now, payload = self._clock(), {"run_id": run_id, "report": report, "after": page.after}
            following = Job(f"{ANNOUNCE_DELAY} {report} {page.after}", ANNOUNCE_DELAY, payload, now, now)
            await self._store.jobs.insert_if_absent([following])

    async def _announce_to(self, bookings: Sequence[Booking], run: VersionedSchedule) -> None:
        affected = [booking for booking in bookings if self._is_ahead(booking, run.schedule)]
        told = await self._last_told(affected)
        recipients = {recipient.email_key for booking in affected for recipient in recipients_of(booking)}
        preferences = await self._store.preferences.find(recipients)
        possible = [
            notice for booking in affected for notice in self._notices_of(booking, run, preferences, told[booking.reference])
        ]
        # A notice that an earlier attempt stored counts as what its recipient heard; its job may be missing still.
        known = await self._store.notices.find([notice.notice_id for notice in possible])
        news = [
            notice
            for notice in possible
            if notice.notice_id in known
            or is_delay_news(notice.told_minutes or 0, told[notice.reference].get(notice.recipient_key))
        ]
        await schedule_notices(self._store, news)

    def _notices_of(
        self,
        booking: Booking,
        run: VersionedSchedule,
        preferences: Mapping[str, NotificationPreferences],
        told: Mapping[str, int],
    ) -> list[Notice]:
        """Return the notices that the recipients of a booking would get, whether or not the delay is news to them."""
        now, report_time = self._clock(), run.schedule.delay.report_time
        if report_time is None:
            raise ValueError("a delay that is announced was reported")
        minutes = told_minutes_of(run.schedule, booking.journey)
        notices: list[Notice] = []
        for recipient in recipients_of(booking):
            # The end of a delay is as essential as the delay was.
            weight = max(minutes, told.get(recipient.email_key, 0))
            cause = NoticeCause(NoticeKind.DELAYED, delay_cause(report_time), run.version, now, minutes, weight)
            chosen = preferences.get(recipient.email_key, DEFAULT_PREFERENCES)
            notices += make_notices(cause, booking, recipient, recipient.passenger_numbers, chosen, self._enabled, now)
        return notices

    def _is_ahead(self, booking: Booking, schedule: RunSchedule) -> bool:
        """Whether the train still is to carry the booking's passengers to their destination."""
        journey = booking.journey
        return not schedule.misses(journey.legs) and schedule.expected_journey(journey).arrive > self._clock()

    async def _last_told(self, bookings: Sequence[Booking]) -> dict[str, Mapping[str, int]]:
        """Return, by reference and recipient, the delay that the last notice told."""
        return {
            booking.reference: await self._store.notices.last_told_minutes(
                booking.reference, [recipient.email_key for recipient in recipients_of(booking)]
            )
            for booking in bookings
        }
