"""Reminding travellers: the jobs that look after the stops of a run, and the reminders that they make.

Belongs here: making these jobs, bringing them forward, and what they do. Does not belong here: when anybody is reminded
(`app/domain/notices/reminders.py`), who is (`reminder_notices.py` there), sending (`sending.py`).

A job for each stop and kind is made with the first booking that begins, or ends, there. It waits until its time, and then makes
the reminders of all bookings of the stop. Whoever gets a seat later finds that the job has run, or runs just now; then
`Reminders.add` makes the reminder itself, unless its time is days ahead. Both may make the same reminder: it has the same id.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from app.domain.jobs import Job, PermanentJobError, PostponedJob
from app.domain.limits import DEPARTURE_REMINDER_MINUTES_DEFAULT
from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.domain.notices.reminder_notices import SoldBooking, reminded_recipients, reminders_for
from app.domain.notices.reminders import (
    REMINDER_JOBS,
    QuietHours,
    look_time,
    reminder_job,
    reminder_stop,
    reminder_time,
)
from app.domain.refusals import Reason, Refusal
from app.domain.run.run_schedule import RunSchedule
from app.jobs.handlers import JobHandler, for_each_job
from app.ports.clock import Clock
from app.store.bookings import LiveBookings
from app.store.snapshots import Snapshot
from app.store.store import Store
from app.usecases.notices.scheduling import schedule_notices

# Jobs of one batch at a time: each reads a run, and may make hundreds of notices.
_AT_ONCE_MAX = 8
# Bookings of one page: with their notices and jobs some hundred kilobytes, written in a tenth of a second.
_PAGE_SIZE = 200
# A worker that has taken a job so long before the reminders' time postpones it: no delay and no change of a train moves them so
# far. Notices that were made with the sale could be deleted before they are due, 90 days later.
_FAR_AHEAD = timedelta(days=7)
# Pages of one stop: more than a run can hold, with 5,000 seats of bookings that change while they are read.
_PAGES_MAX = 200


class Reminders:
    """Reminds travellers over the channels that are `enabled`. `clock` returns the present moment.

    Every method refuses DATABASE_UNAVAILABLE, and RECORD_UNREADABLE where a run or a train cannot be read.
    """

    def __init__(self, store: Store, clock: Clock, enabled: Collection[NoticeChannelName], quiet: QuietHours) -> None:
        self._store, self._clock, self._enabled, self._quiet = store, clock, enabled, quiet

    def handlers(self) -> dict[str, JobHandler]:
        """Return the handlers of the jobs of stops, by kind of job."""
        return {job: for_each_job(partial(self._run_job, kind), _AT_ONCE_MAX) for kind, job in REMINDER_JOBS.items()}

    async def add(self, sold: Sequence[SoldBooking]) -> None:
        """Have bookings reminded of that have just got seats. May be called again with the same ones."""
        sold = [booked for booked in sold if reminded_recipients(booked.booking)]
        for kind in REMINDER_JOBS:
            await self._add_kind(kind, sold)

    async def _add_kind(self, kind: NoticeKind, sold: Sequence[SoldBooking]) -> None:
        now = self._clock()
        by_job: dict[str, list[SoldBooking]] = {}
        jobs: dict[str, Job] = {}
        for booked in sold:
            journey = booked.booking.journey
            job = reminder_job(kind, journey.run_id, reminder_stop(kind, journey), now)
            jobs[job.job_id] = job
            by_job.setdefault(job.job_id, []).append(booked)
        if not jobs:
            return
        await self._store.jobs.insert_if_absent(list(jobs.values()))
        # Read after the bookings were stored: a job that nobody has taken yet will find them.
        is_taken = await self._store.jobs.find_pending(list(jobs))
        for job_id, job in jobs.items():
            if not is_taken.get(job_id, True):
                continue
            run_id, stop = _subject_of(job)
            planned = await self._planned_time(kind, run_id, stop)
            if planned is None or (job_id in is_taken and planned > now + _FAR_AHEAD):
                continue
            await self._remind(kind, by_job[job_id], planned)

    async def retime(self, run_ids: Collection[str]) -> None:
        """Bring the jobs of runs forward whose times are earlier than they were. Later times are found when a job is due."""
        for run_id in run_ids:
            schedule, minutes_before = await self._read(run_id)
            now = self._clock()
            if schedule is None:
                continue
            for kind in REMINDER_JOBS:
                for stop in range(len(schedule.stops)):
                    planned = reminder_time(kind, schedule, stop, minutes_before, self._quiet)
                    if planned is None:
                        continue
                    look = look_time(kind, schedule, stop, minutes_before, self._quiet, now)
                    await self._store.jobs.bring_forward(reminder_job(kind, run_id, stop, now).job_id, look or now)

    # -- the job of a stop

    async def _run_job(self, kind: NoticeKind, job: Job) -> None:
        """Make the reminders of a stop. Raises PostponedJob until their time has come."""
        run_id, stop = _subject_of(job)
        schedule, minutes_before = await self._read(run_id)
        if schedule is None:
            return
        again = look_time(kind, schedule, stop, minutes_before, self._quiet, self._clock())
        if again is not None:
            raise PostponedJob(again)
        planned = reminder_time(kind, schedule, stop, minutes_before, self._quiet)
        if planned is not None:
            await self._remind_stop(kind, run_id, schedule.stops[stop].name, planned)

    async def _remind_stop(self, kind: NoticeKind, run_id: str, stop: str, planned: datetime) -> None:
        """Make the reminders of all bookings that begin, or end, at a stop. Raises RuntimeError past the last page."""
        name = "destination" if kind is NoticeKind.ARRIVAL_REMINDER else "origin"
        after: int | None = 0

        async def read_page(snapshot: Snapshot) -> LiveBookings:
            return await self._store.bookings.list_live(snapshot, run_id, after or 0, _PAGE_SIZE, **{name: stop})

        for _ in range(_PAGES_MAX):
            page = await self._store.snapshots.read(read_page)
            await self._remind(kind, [SoldBooking(booking, booking.create_time) for booking in page.bookings], planned)
            after = page.after
            if after is None:
                return
        raise RuntimeError("the bookings of a stop change faster than they can be reminded of")

    async def _remind(self, kind: NoticeKind, sold: Sequence[SoldBooking], planned: datetime) -> None:
        """Make the reminders of bookings, and the jobs that send them: those that there are not yet."""
        recipients = {recipient.email_key for booked in sold for recipient, _ in reminded_recipients(booked.booking)}
        preferences = await self._store.preferences.find(recipients)
        now = self._clock()
        notices = [
            notice for booked in sold for notice in reminders_for(kind, booked, planned, preferences, self._enabled, now)
        ]
        await schedule_notices(self._store, notices)

    # -- reading

    async def _planned_time(self, kind: NoticeKind, run_id: str, stop: int) -> datetime | None:
        schedule, minutes_before = await self._read(run_id)
        return None if schedule is None else reminder_time(kind, schedule, stop, minutes_before, self._quiet)

    async def _read(self, run_id: str) -> tuple[RunSchedule | None, int]:
        """Return the schedule of a run, None where there is none, and how long before a departure its train reminds."""
        found = await self._store.snapshots.read(partial(self._store.run_schedules.find_versioned, run_id=run_id))
        return (None if found is None else found.schedule), await self._minutes_before(run_id.rpartition(":")[0])

    async def _minutes_before(self, train_id: str) -> int:
        try:
            return (await self._store.trains.get(train_id)).train.departure_reminder_minutes
        except Refusal as refusal:
            if refusal.reason is not Reason.TRAIN_NOT_FOUND:
                raise
            return DEPARTURE_REMINDER_MINUTES_DEFAULT


def _subject_of(job: Job) -> tuple[str, int]:
    """Return the run and the index of the stop that a job is about. Raises PermanentJobError."""
    payload: Mapping[str, object] = job.payload
    run_id, stop = payload.get("run_id"), payload.get("stop")
    if not isinstance(run_id, str) or not isinstance(stop, int):
        raise PermanentJobError("its payload has no run_id and stop")
    return run_id, stop
