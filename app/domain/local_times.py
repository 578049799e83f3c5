"""From the local times of a timetable to instants on a date.

Belongs here: which instant a local time is where clocks change, and whether a timetable is possible on any date. Does not
belong here: stops and journeys (`timetable.py`).

Every call is at the earliest instant that its local time can mean and that is not before the previous call:

- A local time that occurs twice (clocks go back, in October): the first one, unless the train has already left a later call. So
  a train that is early waits for its time, as railways do it.
- A local time that does not occur (clocks go forward, in March): the train keeps its running times. 02:30 is read with the
  offset before the change and is shown as 03:30. From there on the timetable follows the clocks of the evening before: all
  later calls move with it, and the train is late. Otherwise it would have to make up an hour, or arrive before its departure.
- The same holds where the clocks of a zone went forward while the train was under way to it, and its call there would come
  before its last call in another zone.

A train without a call in the skipped hour keeps its published times: its calls are in order as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.domain.refusals import Reason, Refusal
from app.domain.zones import change_dates, load_zone

_NO_OFFSET = timedelta(0)
# Clocks change between late evening and early morning. So long before a call in such a night, the old offset holds.
_EVENING_BEFORE = timedelta(hours=12)
_FIRST_OF_ALL = datetime.min  # noqa: DTZ901 - instants in this module have no zone; they are in UTC
# Whether a timetable is possible at all is tried in a year with today's rules, and in a later one with only the permanent rules
# of the zones. A zone with other rules in between is checked when a date is scheduled.
_YEARS_TRIED = (2026, 2038)
_DAYS_TRIED = (15, 1)


@dataclass(frozen=True, slots=True)
class LocalCall:
    """A local time at a station, `day_offset` days after the travel date, in the zone with that name."""

    station: str
    zone_name: str
    at: time
    day_offset: int


def instants_on(calls: Iterable[LocalCall], travel_date: date) -> Iterator[datetime]:
    """Yield the instant of each call, in UTC and in order.

    Refuses TIMETABLE_IMPOSSIBLE with date and station where a call would come before the previous one, where the calendar ends,
    and where a train that an earlier version stored has a zone that servers may not agree on.
    """
    train = _TrainUnderWay()
    for call in calls:
        zone = _zone_of(call, travel_date)
        try:
            instant = train.next(datetime.combine(travel_date + timedelta(days=call.day_offset), call.at), zone)
        except OverflowError:
            message = f"on {travel_date.isoformat()} the call at {call.station} lies outside the calendar"
            raise Refusal(Reason.TIMETABLE_IMPOSSIBLE, message) from None
        if instant is None:
            text = f"the call at {call.station} at {call.at:%H:%M} would come before the call before it"
            raise Refusal(Reason.TIMETABLE_IMPOSSIBLE, f"on {travel_date.isoformat()} {text}")
        yield instant.replace(tzinfo=UTC)


@dataclass(slots=True)
class _TrainUnderWay:
    """A train under way: its last call. After clocks went forward, it follows the clocks as they were at `clock_moment`.

    Instants are in UTC and have no zone.
    """

    instant: datetime = _FIRST_OF_ALL
    local: datetime = _FIRST_OF_ALL
    zone: ZoneInfo | None = None
    clock_moment: datetime | None = None

    def next(self, local: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the instant of the next call; None where nothing that its local time can mean is late enough."""
        for instant in self._readings(local, zone):
            if instant >= self.instant:
                self.instant, self.local, self.zone = instant, local, zone
                return instant
        return None

    def _readings(self, local: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yield what a local time can mean, in the order in which it is tried."""
        if self.clock_moment is not None:
            yield local - _offset_at(self.clock_moment, zone)
        first, second = local - _offset(local, zone, fold=0), local - _offset(local, zone, fold=1)
        if first > second:  # skipped: the offset before the change gives a later instant than the one after it
            self.clock_moment = first - max(_EVENING_BEFORE, first - second)  # where a whole day is skipped, the day before it
            yield first
            return
        yield first
        yield second
        before = _offset(local - _EVENING_BEFORE, zone, fold=0)
        if self._clocks_went_forward(local, zone, before):
            self.clock_moment = local - before - _EVENING_BEFORE
            yield local - before

    def _clocks_went_forward(self, local: datetime, zone: ZoneInfo, before: timedelta) -> bool:
        """Whether the clocks of this zone went forward since the last call, and the calls are in order by the old offsets."""
        if self.zone is None:
            return False
        last = self.local - _offset(self.local - _EVENING_BEFORE, self.zone, fold=0)
        return last <= local - before and _offset(last + before, zone, fold=0) == before


def _offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() or _NO_OFFSET


def _offset(local: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or _NO_OFFSET


def _zone_of(call: LocalCall, travel_date: date) -> ZoneInfo:
    try:
        return load_zone(call.zone_name)
    except KeyError:
        text = f"{call.zone_name!r}, the time zone of {call.station}, is no IANA time zone; make the train anew with one"
        raise Refusal(Reason.TIMETABLE_IMPOSSIBLE, f"on {travel_date.isoformat()}: {text}") from None


def find_timetable_fault(calls: Sequence[LocalCall]) -> str:
    """Return why a train with these calls can run on no date, such as a missing day offset. Empty where it can on some."""
    reason = ""
    for travel_date in _candidate_dates(calls):
        try:
            for _ in instants_on(calls, travel_date):
                pass
        except Refusal as refusal:
            reason = reason or refusal.message
        else:
            return ""
    return reason


def _candidate_dates(calls: Sequence[LocalCall]) -> Iterator[date]:
    """Yield dates in every season, and those on which a call is in a night in which clocks change."""
    for year in _YEARS_TRIED:
        for day in _DAYS_TRIED:
            for month in range(1, 13):
                yield date(year, month, day)
    offsets = sorted({call.day_offset for call in calls})
    changes = sorted({changed for call in calls for changed in change_dates(call.zone_name, _YEARS_TRIED[0])})
    yield from dict.fromkeys(changed - timedelta(days=days) for changed in changes for days in offsets)
