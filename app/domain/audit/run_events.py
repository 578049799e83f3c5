"""Rules about the events of a run itself: delays, arrivals, the cancellation, and what follows from the clock.

Belongs here: the data of these events, and the run against the last event of each kind. Does not belong here: events of
bookings and holds (`events.py`), what a delay or a cancellation may be (`run_delays.py`, `run_cancellations.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.audit.run_delays import CLOCK_STATES
from app.domain.audit.run_record import AuditedRun
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, EventType
from app.domain.run.delay_record import Arrival
from app.domain.run.expected_times import expected_stops
from app.domain.timetable import RunState

RUN_GROUP = "run"
_CLOCK_EVENTS = {EventType.RUN_DEPARTED: RunState.DEPARTED, EventType.RUN_COMPLETED: RunState.COMPLETED}
_REASONS = frozenset(reason.value for reason in DisruptionReason)
_STATES = frozenset(state.value for state in RunState)


def is_time(text: object) -> bool:
    """Whether an event's text is an instant with its zone."""
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 0


def _is_name(text: object) -> bool:
    return isinstance(text, str) and bool(text)


def _is_optional_name(text: object) -> bool:
    return text is None or isinstance(text, str)


def _is_reason(text: object) -> bool:
    return text in _REASONS


def _is_optional_reason(text: object) -> bool:
    return not text or text in _REASONS


def _is_state(text: object) -> bool:
    return text in _STATES


def _are_stops(stops: object) -> bool:
    if not isinstance(stops, list) or not stops:
        return False
    return all(isinstance(stop, Mapping) and _is_name(stop.get("name")) and _has_times(stop) for stop in stops)


def _has_times(stop: Mapping[str, Any]) -> bool:
    times = [stop.get("expected_arrive_time"), stop.get("expected_depart_time")]
    return times != [None, None] and all(time is None or is_time(time) for time in times)


# What each field of the data of these events has to be.
_FIELDS: dict[EventType, dict[str, Callable[[object], bool]]] = {
    EventType.RUN_DELAYED: {
        "minutes": _is_count,
        "from_stop": _is_name,
        "reason": _is_optional_reason,
        "state": _is_state,
        "report_time": is_time,
        "stops": _are_stops,
    },
    EventType.RUN_ARRIVED: {"stop": _is_name, "arrive_time": is_time, "late_minutes": _is_count, "report_time": is_time},
    EventType.RUN_CANCELLED: {"reason": _is_reason, "from_stop": _is_optional_name, "state": _is_state},
    EventType.RUN_DEPARTED: {"state": _is_state, "stop": _is_name, "depart_time": is_time, "late_minutes": _is_count},
    EventType.RUN_COMPLETED: {"state": _is_state, "stop": _is_name, "arrive_time": is_time, "late_minutes": _is_count},
}


def wrong_run_data(event: Event) -> list[str]:
    """Return what is wrong with the data of an event about a run."""
    fields = _FIELDS[event.event_type]
    wrong = sorted(name for name, is_right in fields.items() if not is_right(event.data.get(name)))
    found = [f"has an impossible {', '.join(wrong)}"] if wrong else []
    if event.subject != event.run_id:
        found.append("is about another run than its own")
    return found


# -- a run against its events


def differs_from_last_delay(record: AuditedRun) -> Iterator[str]:
    """Compare the delay of a run with the event of the last report, as far as that is stored."""
    delay, last = record.run.delay, _last(record, EventType.RUN_DELAYED)
    if last is None:
        return
    reported = last.data["report_time"]
    if delay.report_time is None or delay.report_time < _instant(reported):  # the same report again has no event
        yield f"has a delay reported at {delay.report_time}, and by its last event at {reported}"
    if (delay.reason.value if delay.reason else None) != (last.data["reason"] or None):
        yield f"has a delay for {delay.reason}, and by its last event for {last.data['reason']}"
    names = [stop.name for stop in record.run.stops]
    start = names.index(str(last.data["from_stop"]))
    if any(minutes != last.data["minutes"] for minutes in delay.minutes[start:]) or len(delay.minutes) <= start:
        text = f"{last.data['minutes']} from {last.data['from_stop']} on"
        yield f"has the delays {list(delay.minutes)}, and by its last event {text}"
    yield from _wrong_expected_times(record, last)


def _wrong_expected_times(record: AuditedRun, last: Event) -> Iterator[str]:
    """Compare the times that the last report of a delay said with those that follow from the run's document."""
    known = replace(record.run.delay, arrivals=_arrivals_before(record, last))
    times = {stop.name: (stop.arrive, stop.depart) for stop in expected_stops(record.run.stops, known)}
    stops: Any = last.data.get("stops", [])
    for stop in stops:
        texts = stop["expected_arrive_time"], stop["expected_depart_time"]
        said = tuple(_instant(text) if text else None for text in texts)
        if times.get(stop["name"]) != said:
            yield f"is expected at {stop['name']} otherwise than its last event says"


def _arrivals_before(record: AuditedRun, report: Event) -> tuple[Arrival, ...]:
    """Return the arrivals that were known when a delay was reported. Those without a stored event are older."""
    names = [stop.name for stop in record.run.stops]
    events = _of_type(record, EventType.RUN_ARRIVED)
    earlier = {event.data["stop"]: event for event in events if event.sequence < report.sequence}
    later = {event.data["stop"] for event in events} - earlier.keys()
    arrivals = []
    for arrival in record.run.delay.arrivals:
        event = earlier.get(names[arrival.stop])
        if event is not None:
            arrivals.append(replace(arrival, time=_instant(event.data["arrive_time"])))
        elif names[arrival.stop] not in later:
            arrivals.append(arrival)
    return tuple(arrivals)


def differs_from_arrivals(record: AuditedRun) -> Iterator[str]:
    """Compare the arrivals of a run with the last event of each, as far as that is stored."""
    names = [stop.name for stop in record.run.stops]
    arrivals = {names[arrival.stop]: (arrival.time, arrival.report_time) for arrival in record.run.delay.arrivals}
    last = {event.data["stop"]: event for event in _of_type(record, EventType.RUN_ARRIVED)}
    for name, event in last.items():
        said, reported = _instant(event.data["arrive_time"]), _instant(event.data["report_time"])
        time, report_time = arrivals.get(str(name), (None, reported))
        if time != said or report_time < reported:  # the same report again has no event
            yield f"arrives at {name} at {time}, as of {report_time}; by its last event at {said}, as of {reported}"


def differs_from_cancellation(record: AuditedRun) -> Iterator[str]:
    """Compare the cancellation of a run with its last event, as far as that is stored."""
    cancellation, events = record.run.cancellation, _of_type(record, EventType.RUN_CANCELLED)
    if not events:
        return
    if cancellation is None:
        yield "is not cancelled, and by its last event it is"
        return
    last = events[-1]
    stop = record.run.stops[cancellation.from_stop].name if cancellation.from_stop else ""
    if (cancellation.reason.value, stop) != (last.data["reason"], last.data["from_stop"] or ""):
        said = f"{last.data['reason']} from {last.data['from_stop'] or 'the first stop'} on"
        yield f"is cancelled for {cancellation.reason} from {stop or 'the first stop'} on, and by its last event for {said}"
    if cancellation.time != last.time:
        yield f"was cancelled at {cancellation.time}, and by its events at {last.time}"


def differs_from_clock_events(record: AuditedRun) -> Iterator[str]:
    """Compare the state by the clock with the last event of it, which a later report may have undone."""
    state = record.run.clock_state
    events = [event for event in record.run_events if event.event_type in _CLOCK_EVENTS]
    if state not in CLOCK_STATES or not events:
        return
    last = _CLOCK_EVENTS[events[-1].event_type]
    reports = _of_type(record, EventType.RUN_DELAYED) + _of_type(record, EventType.RUN_ARRIVED)
    is_undone = any(report.sequence > events[-1].sequence for report in reports)
    if CLOCK_STATES.index(state) > CLOCK_STATES.index(last) or (state is not last and not is_undone):
        yield f"is {state} by the clock, and {last} by its last event"


def _of_type(record: AuditedRun, event_type: EventType) -> list[Event]:
    return [event for event in record.run_events if event.event_type is event_type]


def _last(record: AuditedRun, event_type: EventType) -> Event | None:
    return next(reversed(_of_type(record, event_type)), None)


def _instant(text: object) -> datetime:
    return datetime.fromisoformat(str(text))
