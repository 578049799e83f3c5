"""Stops, local times, legs and journeys.

Belongs here: the timetable's local times, stops on a date, the legs between them, the states of a run. Does not belong
here: which instant a local time is (`local_times.py`), the state at a moment (`run/run_schedule.py`), seats, sales.

A leg is the stretch between two consecutive stops. A set of legs is an integer whose bit i stands for the leg from stop i to
stop i+1. A journey covers the legs from its origin to its destination.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from app.domain import limits
from app.domain.local_times import LocalCall, instants_on
from app.domain.refusals import InvalidField
from app.domain.text import comparison_form
from app.domain.values import value

_FORMS_CACHED = 16_384  # names and codes of stops, of some thousand trains


@value(frozen=True, slots=True)
class Call:
    """A local time at a station, `day_offset` days after the travel date on the station's calendar."""

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
    """A station on a date. `arrive` and `depart` are instants in UTC."""

    name: str
    code: str
    time_zone: str
    arrive: datetime | None
    depart: datetime | None


class RunState(StrEnum):
    """The state of a run."""

    SCHEDULED = "SCHEDULED"
    DELAYED = "DELAYED"
    CANCELLED = "CANCELLED"
    DEPARTED = "DEPARTED"
    COMPLETED = "COMPLETED"


# Every change of state of a run, with its cause; from None, the run is new. `docs/states.md` is drawn from it.
RUN_TRANSITIONS: Mapping[tuple[RunState | None, RunState], str] = {
    (None, RunState.SCHEDULED): "ScheduleTrainRuns",
    (RunState.SCHEDULED, RunState.DELAYED): "SetDelay",
    (RunState.SCHEDULED, RunState.CANCELLED): "CancelTrainRun",
    (RunState.SCHEDULED, RunState.DEPARTED): "the departure from the first stop",
    (RunState.DELAYED, RunState.SCHEDULED): "SetDelay with 0 minutes",
    (RunState.DELAYED, RunState.CANCELLED): "CancelTrainRun",
    (RunState.DELAYED, RunState.DEPARTED): "the expected departure from the first stop, or an earlier report",
    (RunState.DELAYED, RunState.COMPLETED): "SetDelay or RecordArrival says that the train has arrived",
    (RunState.DEPARTED, RunState.DELAYED): "SetDelay says that the train has not left its first stop",
    (RunState.DEPARTED, RunState.COMPLETED): "the expected arrival at the last stop, or its report",
    (RunState.COMPLETED, RunState.DELAYED): "SetDelay says that the train has not left its first stop",
    (RunState.COMPLETED, RunState.DEPARTED): "SetDelay or RecordArrival says that the train has not arrived",
}


@value(frozen=True, slots=True)
class Journey:
    """A ride on one train run: train, origin, destination, times. `legs` is the set of legs that it covers."""

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
    """Return the legs from stop `origin` to stop `destination` (indexes) as a bit set."""
    return (1 << destination) - (1 << origin)


def stops_on_date(stops: Sequence[TimetableStop], travel_date: date) -> tuple[Stop, ...]:
    """Return the stops with their instants on a date. `local_times.py` has the rules for instants.

    Refuses TIMETABLE_IMPOSSIBLE where the train would run backwards on that date, and where the calendar ends.
    """
    instants = instants_on(local_calls(stops), travel_date)
    return tuple(
        Stop(
            stop.name,
            stop.code,
            stop.time_zone,
            arrive=next(instants) if stop.arrive else None,
            depart=next(instants) if stop.depart else None,
        )
        for stop in stops
    )


def local_calls(stops: Iterable[TimetableStop]) -> list[LocalCall]:
    """Return all arrivals and departures, in order."""
    return [
        LocalCall(stop.name, stop.time_zone, call.at, call.day_offset)
        for stop in stops
        for call in (stop.arrive, stop.depart)
        if call is not None
    ]


def stop_forms(stop: Stop | TimetableStop) -> set[str]:
    """Return the name and the code of a stop, as compared."""
    return {stop_form(form) for form in (stop.name, stop.code) if form}


@lru_cache(maxsize=_FORMS_CACHED)
def stop_form(text: str) -> str:
    """Return the form in which names and codes of stops are compared. Cached: lists compare the same few names for each run.

    Unlike in names of people, "ß" is "ss": station boards write Gießen as GIESSEN, and no two stations differ by it alone.
    """
    return comparison_form(text.casefold())


def find_stop(stops: Sequence[Stop], text: str, field: str) -> int:
    """Return the index of the stop with that name or code, in any case. Refuses INVALID_FIELD with the path `field`."""
    wanted = stop_form(text)
    for index, stop in enumerate(stops):
        if wanted in stop_forms(stop):
            return index
    names = ", ".join(stop.name for stop in stops)
    raise InvalidField(field, f"the train does not call at {text!r}; it calls at {names}")


def find_legs(stops: Sequence[Stop], origin: str, destination: str) -> tuple[int, int]:
    """Return the indexes of origin and destination. An empty text stands for the first or last stop.

    Refuses INVALID_FIELD where the origin is not before the destination.
    """
    start = find_stop(stops, origin, "origin") if origin else 0
    end = find_stop(stops, destination, "destination") if destination else len(stops) - 1
    if start >= end:
        raise InvalidField("origin", f"the train calls at {stops[start].name} at or after {stops[end].name}, not before")
    return start, end


def calls_in_order(stops: Iterable[Stop], origin: str, destination: str) -> bool:
    """Whether the train calls at the origin before the destination. An empty text matches any stop."""
    names = [stop_forms(stop) for stop in stops]
    starts = [index for index, forms in enumerate(names) if not origin or stop_form(origin) in forms]
    ends = [index for index, forms in enumerate(names) if not destination or stop_form(destination) in forms]
    return bool(starts and ends and starts[0] < ends[-1])


def earliest_date_under_way(now: datetime) -> date:
    """Return the earliest travel date of a run that may not have arrived at its last stop by `now`, which is in UTC.

    The last call is at most `DAY_OFFSET_MAX` days after the travel date, on a clock that is at most 12 hours behind UTC: before
    noon (UTC) of the next day. Clocks that went forward make the train late by at most another day, and its delay by
    `DELAY_MINUTES_MAX`. A later arrival is reported afterwards: then the train has arrived.
    """
    return (now - timedelta(days=limits.DAY_OFFSET_MAX + 2, minutes=limits.DELAY_MINUTES_MAX)).date()
