"""Reminders: when people are reminded of their departure and their arrival.

Belongs here: the rules of time, and the jobs that look after the stops of a run. Does not belong here: who is reminded
(`app/usecases/notices/reminders.py`), what the sender decides besides (`sending.py`).

The rules:
1. Before departure: so many minutes before as the train says, on the day on which the train leaves the passenger's stop, by the
   clock there. Before the end of the quiet hours, it is at their end where the train leaves at least an hour later; else where
   they begin, the evening before.
2. Before arrival: 30 minutes before the expected arrival at the passenger's own stop. Short journeys have none.
3. Never earlier than five minutes after the sale, so that the ticket comes first.
4. After downtime, a reminder of the departure is sent until 30 minutes before, one of the arrival until the arrival.
5. Both follow the expected times.

There is one job for each stop and kind of a run, at most 120 a run. It waits until its time, and looks at the run again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType

from app.domain.jobs import Job
from app.domain.notices.notice import NoticeKind
from app.domain.run.run_schedule import RunSchedule
from app.domain.timetable import Journey
from app.domain.values import value
from app.domain.zones import load_zone

# The kind of the job that reminds those who begin, or end, at a stop; as stored.
REMINDER_JOBS: Mapping[NoticeKind, str] = MappingProxyType(
    {NoticeKind.DEPARTURE_REMINDER: "remind departure", NoticeKind.ARRIVAL_REMINDER: "remind arrival"}
)
ARRIVAL_REMINDER_MINUTES = 30  # before the arrival
AFTER_SALE = timedelta(minutes=5)
_SHORT_JOURNEY = timedelta(minutes=45)  # a reminder would come a quarter of an hour after the departure
_DEPARTURE_NOTICE_MIN = timedelta(minutes=30)  # who is reminded later than this before the departure cannot use it
_QUIET_UNTIL_MARGIN = timedelta(minutes=60)  # between the end of the quiet hours and the departure
# A train may begin to remind, or remind earlier, while the job of a stop waits. It looks so often, from the day before on.
_LOOK_AGAIN = timedelta(hours=1)
_EARLIEST_REMINDER = timedelta(days=1)


@value(frozen=True, slots=True)
class QuietHours:
    """Hours without reminders, by the clock of the origin: from `from_hour` in the evening until `until_hour`."""

    until_hour: int = 6
    from_hour: int = 22


DEFAULT_QUIET_HOURS = QuietHours()


def departure_reminder_time(depart: datetime, zone_name: str, minutes_before: int, quiet: QuietHours) -> datetime:
    """Return when those who depart then, from a stop in that zone, are reminded, whenever they bought."""
    local = depart.astimezone(load_zone(zone_name))
    planned = depart - timedelta(minutes=minutes_before)
    quiet_until = _at_hour(local, quiet.until_hour, days=0)
    if planned >= quiet_until:
        return planned
    return quiet_until if depart - quiet_until >= _QUIET_UNTIL_MARGIN else _at_hour(local, quiet.from_hour, days=-1)


def _at_hour(local: datetime, hour: int, *, days: int) -> datetime:
    """Return the instant of an hour on the local day of a moment, or so many days later."""
    naive = datetime.combine(local.date() + timedelta(days=days), time(hour))
    return naive.replace(tzinfo=local.tzinfo).astimezone(UTC)


def reminder_time(
    kind: NoticeKind, schedule: RunSchedule, stop: int, minutes_before: int, quiet: QuietHours
) -> datetime | None:
    """Return when those who begin, or end, at a stop are reminded.

    None for never: the run does not serve the stop that way, or the train does not remind (`minutes_before` is 0).
    """
    moment = _moment(kind, schedule, stop)
    if moment is None:
        return None
    if kind is NoticeKind.ARRIVAL_REMINDER:
        return moment - timedelta(minutes=ARRIVAL_REMINDER_MINUTES)
    if not minutes_before:
        return None
    return departure_reminder_time(moment, schedule.stops[stop].time_zone, minutes_before, quiet)


def _moment(kind: NoticeKind, schedule: RunSchedule, stop: int) -> datetime | None:
    """Return the expected departure from a stop, or arrival there; None where the run has none."""
    if schedule.is_cancelled or not 0 <= stop <= schedule.last_stop:
        return None
    if kind is NoticeKind.ARRIVAL_REMINDER:
        return schedule.expected_stops[stop].arrive
    return schedule.expected_stops[stop].depart if stop < schedule.last_stop else None


def look_time(
    kind: NoticeKind, schedule: RunSchedule, stop: int, minutes_before: int, quiet: QuietHours, now: datetime
) -> datetime | None:
    """Return when the job of a stop looks at the run again: later than `now`; None where it has to act, or is over.

    A reminder of the arrival depends on the run alone, whose reports bring the job forward. One of the departure depends on the
    train, too, which an operator may change: so the job looks every hour of the last day.
    """
    planned = reminder_time(kind, schedule, stop, minutes_before, quiet)
    if planned is not None and planned <= now:
        return None
    if kind is NoticeKind.ARRIVAL_REMINDER:
        return planned
    depart = _moment(kind, schedule, stop)
    if depart is None or is_too_late(kind, depart, now):
        return None
    again = max(now + _LOOK_AGAIN, depart - _EARLIEST_REMINDER)
    return again if planned is None else min(planned, again)


def is_too_late(kind: NoticeKind, moment: datetime, now: datetime) -> bool:
    """Whether nobody can use the reminder any more of the departure, or arrival, that is expected at `moment`."""
    return now >= moment if kind is NoticeKind.ARRIVAL_REMINDER else now > moment - _DEPARTURE_NOTICE_MIN


def reminded_moment(kind: NoticeKind, expected: Journey) -> datetime:
    """Return the departure or arrival of a journey, with its expected times, that a reminder is about."""
    return expected.arrive if kind is NoticeKind.ARRIVAL_REMINDER else expected.depart


def reminder_stop(kind: NoticeKind, journey: Journey) -> int:
    """Return the index of the stop whose job reminds of this journey: the origin, or the destination."""
    if kind is NoticeKind.ARRIVAL_REMINDER:
        return journey.legs.bit_length()
    return (journey.legs & -journey.legs).bit_length() - 1


def is_short(journey: Journey) -> bool:
    """Whether a journey is too short for a reminder of its arrival."""
    return journey.arrive - journey.depart < _SHORT_JOURNEY


def send_time(planned: datetime, sale_time: datetime, now: datetime) -> datetime:
    """Return when a reminder is sent that is planned then."""
    return max(planned, sale_time + AFTER_SALE, now)


def reminder_job(kind: NoticeKind, run_id: str, stop: int, now: datetime) -> Job:
    """Return the job of a stop. It is due at once, to find its time."""
    job_kind = REMINDER_JOBS[kind]
    return Job(f"{job_kind} {run_id} {stop}", job_kind, {"run_id": run_id, "stop": stop}, now, now)
