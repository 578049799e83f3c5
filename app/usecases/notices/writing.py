"""Writing notices: each event that people hear of becomes a job, and the job makes the notices.

Belongs here: which events have such a job, and its handler. Does not belong here: which notices follow from an event
(`app/domain/notices/from_events.py`), delays (`delay_announcements.py`), reminders (`reminders.py`), sending (`sending.py`).

The outbox relay inserts the jobs, whose ids follow from the events'. The job reads bookings and preferences, and makes notices
whose ids follow from the event's. So whatever dies in between, each notice exists once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.booking import Booking
from app.domain.events import Event, EventType
from app.domain.jobs import Job, PermanentJobError
from app.domain.notices.from_events import kind_of, notices_for
from app.domain.notices.kinds import GATHER_SECONDS
from app.domain.notices.notice import NoticeChannelName
from app.domain.notices.recipients import all_recipients_of
from app.domain.notices.reminder_notices import SoldBooking
from app.ports.clock import Clock
from app.store.store import Store
from app.store.unreadable import record_unreadable
from app.usecases.notices.scheduling import schedule_notices

WRITE_NOTICES = "write notices"
ANNOUNCE_DELAY = "announce delay"

# The events of a run by which its expected times change.
_RETIMING = frozenset({EventType.RUN_DELAYED, EventType.RUN_ARRIVED})
# The events by which passengers get seats.
_SEATING = frozenset({EventType.BOOKING_CONFIRMED, EventType.BOOKING_PROMOTED})


class ReminderPlanner(Protocol):
    """What writing notices needs of reminders."""

    async def add(self, sold: Sequence[SoldBooking]) -> None:
        """Have bookings reminded of that have just got seats. May be called again with the same ones."""

    async def retime(self, run_ids: Collection[str]) -> None:
        """Bring the jobs of runs forward whose expected times are earlier than they were."""


def notice_jobs(events: Sequence[Event], now: datetime) -> list[Job]:
    """Return the jobs that follow from events: WRITE_NOTICES for each that concerns people, ANNOUNCE_DELAY for a delay."""
    jobs: list[Job] = []
    for event in events:
        payload = {"event_id": event.event_id}
        if kind_of(event) is not None or event.event_type in _RETIMING:
            jobs.append(Job(f"{WRITE_NOTICES} {event.event_id}", WRITE_NOTICES, payload, now, now))
        if event.event_type is EventType.RUN_DELAYED:
            due_time = max(now, event.time + timedelta(seconds=GATHER_SECONDS))  # the relay may be late
            payload = {"run_id": event.run_id, "report": event.event_id}
            jobs.append(Job(f"{ANNOUNCE_DELAY} {event.event_id}", ANNOUNCE_DELAY, payload, due_time, now))
    return jobs


class NoticeWriting:
    """Makes the notices of events, for the channels that are `enabled`. `clock` returns the present moment."""

    def __init__(self, store: Store, enabled: Collection[NoticeChannelName], reminders: ReminderPlanner, clock: Clock) -> None:
        self._store, self._enabled, self._reminders, self._clock = store, enabled, reminders, clock

    async def handle(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Make the notices of events; the handler of WRITE_NOTICES. Refuses DATABASE_UNAVAILABLE.

        An event that was deleted after its retention makes none.
        """
        event_ids = {job.job_id: str(job.payload["event_id"]) for job in jobs if "event_id" in job.payload}
        events = await self._store.events.find(list(event_ids.values()))
        outcomes: dict[str, Exception | None] = dict.fromkeys(events)
        outcomes |= dict.fromkeys(events.unreadable, record_unreadable("events"))
        outcomes |= await self._write([events[event_id] for event_id in event_ids.values() if event_id in events])
        await self._reminders.retime({event.run_id for event in events.values() if event.event_type in _RETIMING})
        malformed = PermanentJobError("its payload has no event_id")
        return {job.job_id: outcomes.get(event_ids[job.job_id]) if job.job_id in event_ids else malformed for job in jobs}

    async def _write(self, events: Sequence[Event]) -> dict[str, Exception]:
        """Make the notices and reminders of bookings' events; return the error of each event whose booking is unreadable."""
        of_bookings = [event for event in events if kind_of(event) is not None]
        if not of_bookings:
            return {}
        bookings = await self._store.bookings.find_many(list({event.subject for event in of_bookings}))
        preferences = await self._store.preferences.find(_addresses(bookings.values()))
        now, found = self._clock(), [(event, bookings[event.subject]) for event in of_bookings if event.subject in bookings]
        notices = [
            notice for event, booking in found for notice in notices_for(event, booking, preferences, self._enabled, now)
        ]
        await schedule_notices(self._store, notices)
        seated = [(event, booking) for event, booking in found if event.event_type in _SEATING]
        await self._reminders.add([SoldBooking(booking, event.time, event.trace_parent) for event, booking in seated])
        unreadable = record_unreadable("bookings")
        return {event.event_id: unreadable for event in of_bookings if event.subject in bookings.unreadable}


def _addresses(bookings: Collection[Booking]) -> set[str]:
    """Return the addresses, as compared, of all recipients of bookings."""
    return {recipient.email_key for booking in bookings for recipient in all_recipients_of(booking)}
