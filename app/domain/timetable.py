"""Stops, clocks and legs.

Belongs here: the timetable's local times, the instants they are on a date, the legs between stops, where a run stands at a
moment. Does not: seats, sales.

A leg is the stretch between two consecutive stops; a set of legs is an integer whose bit i stands for the leg from stop i to
stop i+1. A journey covers the legs from its origin to its destination.

Instants: a local time becomes the earliest instant that is not before the train's previous one. That tells the two 02:30s of a
night in October apart by where the train has been. A local time that a clock change leaves out is read with the offset before
the change, as PEP 495 does: 02:30 becomes 03:30, and the train waits for nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.text import compared
from app.domain.values import value

_FORMS_REMEMBERED = 16_384  # names and codes of stops, of some thousand trains


@value(frozen=True, slots=True)
class Call:
    """A local time at a station: `day_offset` days after the travel date on that station's calendar."""

    at: time
    day_offset: int = 0


@value(frozen=True, slots=True)
class TimetableStop:
    """A station in the timetable. The first stop has no `arrive`, the last no `depart`."""

    name: str
    code: str
    time_zone: str
    arrive: Call | None
    depart: Call | None


@value(frozen=True, slots=True)
class Stop:
    """A station on a date: `arrive` and `depart` are instants in UTC."""

    name: str
    code: str
    time_zone: str
    arrive: datetime | None
    depart: datetime | None


class RunState(StrEnum):
    """Where a run stands."""

    SCHEDULED = "SCHEDULED"
    DEPARTED = "DEPARTED"
    COMPLETED = "COMPLETED"


@value(frozen=True, slots=True)
class Journey:
    """A ride on one train run, self-contained: which train, from where to where, when. `legs` is the set of legs it covers."""

    train_id: str
    travel_date: str
    train_number: str
    origin: str
    destination: str
    legs: int
    depart: datetime
    arrive: datetime

    @property
    def run_id(self) -> str:
        """The key of the run: `<train_id>:<YYYY-MM-DD>`."""
        return f"{self.train_id}:{self.travel_date}"


def legs_between(origin: int, destination: int) -> int:
    """The legs from stop `origin` to stop `destination` (indexes) as a bit set."""
    return (1 << destination) - (1 << origin)


def on_date(stops: Sequence[TimetableStop], travel_date: date) -> tuple[Stop, ...]:
    """The stops with their instants on a date.

    Refuses TIMETABLE_IMPOSSIBLE where a clock change between two calls would make the train arrive before it left, and where
    the calendar ends.
    """
    previous = datetime.min.replace(tzinfo=UTC)
    dated: list[Stop] = []
    for stop in stops:
        zone = ZoneInfo(stop.time_zone)
        arrive = _instant(stop.arrive, travel_date, zone, previous, stop.name)
        previous = arrive or previous
        depart = _instant(stop.depart, travel_date, zone, previous, stop.name)
        previous = depart or previous
        dated.append(Stop(stop.name, stop.code, stop.time_zone, arrive, depart))
    return tuple(dated)


def _instant(call: Call | None, travel_date: date, zone: ZoneInfo, previous: datetime, name: str) -> datetime | None:
    if call is None:
        return None
    try:
        local = datetime.combine(travel_date + timedelta(days=call.day_offset), call.at)
        for fold in (0, 1):
            instant = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            if instant >= previous:
                return instant
    except OverflowError:
        message = f"on {travel_date.isoformat()} the call at {name} lies outside the calendar"
        raise Refusal(Reason.TIMETABLE_IMPOSSIBLE, message) from None
    raise Refusal(
        Reason.TIMETABLE_IMPOSSIBLE,
        f"on {travel_date.isoformat()} the call at {name} at {call.at:%H:%M} would come before the call before it",
    )


def stop_forms(stop: Stop | TimetableStop) -> set[str]:
    """What a stop may be called, as it is compared: its name and its code."""
    return {stop_form(form) for form in (stop.name, stop.code) if form}


@lru_cache(maxsize=_FORMS_REMEMBERED)
def stop_form(text: str) -> str:
    """What a stop is called, as it is compared. Remembered: lists compare the same few names for each run.

    Unlike with people, "ß" is "ss": boards write Gießen as GIESSEN, and no two stations are told apart by it.
    """
    return compared(text.casefold())


def find_stop(stops: Sequence[Stop], text: str, field: str) -> int:
    """The index of the stop with that name or code, in any case. Refuses with `field` when there is none."""
    wanted = stop_form(text)
    for index, stop in enumerate(stops):
        if wanted in stop_forms(stop):
            return index
    names = ", ".join(stop.name for stop in stops)
    raise InvalidField(field, f"the train does not call at {text!r}; it calls at {names}")


def find_legs(stops: Sequence[Stop], origin: str, destination: str) -> tuple[int, int]:
    """The indexes of origin and destination; an empty text stands for the first or last stop. Refuses what is no journey."""
    start = find_stop(stops, origin, "origin") if origin else 0
    end = find_stop(stops, destination, "destination") if destination else len(stops) - 1
    if start >= end:
        raise InvalidField("origin", f"the train calls at {stops[start].name} at or after {stops[end].name}, not before")
    return start, end


def calls_in_order(stops: Iterable[Stop], origin: str, destination: str) -> bool:
    """Whether the stops lead from origin to destination; an empty text matches anything."""
    names = [stop_forms(stop) for stop in stops]
    starts = [index for index, forms in enumerate(names) if not origin or stop_form(origin) in forms]
    ends = [index for index, forms in enumerate(names) if not destination or stop_form(destination) in forms]
    return bool(starts and ends and starts[0] < ends[-1])


def require_not_departed(journey: Journey, now: datetime) -> None:
    """Refuses once the train has left the journey's origin."""
    if now >= journey.depart:
        raise Refusal(Reason.RUN_DEPARTED, f"train {journey.train_number} of {journey.travel_date} has left {journey.origin}")


def state_at(stops: Sequence[Stop], now: datetime) -> RunState:
    """Where a run stands at a moment, judged by its clock and not by what anyone noted."""
    first, last = stops[0].depart, stops[-1].arrive
    if last is not None and now >= last:
        return RunState.COMPLETED
    return RunState.DEPARTED if first is not None and now >= first else RunState.SCHEDULED
