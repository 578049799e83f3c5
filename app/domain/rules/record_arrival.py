"""RecordArrival: an operator says when the train arrived at a stop.

Belongs here: what may be said of an arrival, and its event. Does not belong here: what it has in common with delays
(`delay_reports.py`), the expected times that follow (`app/domain/run/expected_times.py`).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.events import EventType, Json
from app.domain.people import require_operator
from app.domain.refusals import InvalidField
from app.domain.rules.delay_reports import (
    as_text,
    latest_time,
    record_report,
    report_time_of,
    require_served,
)
from app.domain.run.delay_record import Arrival
from app.domain.run.expected_times import late_minutes
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import RecordArrival
from app.domain.timetable import find_stop


def record_arrival(run: TrainRun, command: RecordArrival, now: datetime) -> None:
    """Record when the train arrived at a stop, or correct it. The same report again changes nothing.

    Refuses NOT_PERMITTED to all but operators; INVALID_FIELD (stop, arrive_time, report_time); RUN_CANCELLED; REPORT_STALE;
    then nothing has changed.
    """
    require_operator(command.caller)
    stop = find_stop(run.stops, command.stop, "stop")
    if not stop:
        raise InvalidField("stop", f"the train starts at {run.stops[0].name}; name a stop at which it arrives")
    require_served(run, stop)
    before = next((arrival for arrival in run.delay.arrivals if arrival.stop == stop), None)
    known, what = before.report_time if before else None, f"the arrival at {run.stops[stop].name}"
    reported = report_time_of(command.report_time, known, now, what)
    _check_time(run, stop, command.time, now)
    arrival = Arrival(stop, command.time, reported)
    if arrival == before:
        return
    others = [known for known in run.delay.arrivals if known.stop != stop]
    arrivals = tuple(sorted([*others, arrival], key=lambda known: known.stop))
    is_repeated = before is not None and before.time == arrival.time
    record_report(run, replace(run.delay, arrivals=arrivals), now, is_repeated=is_repeated)
    if not is_repeated:
        run.emit(EventType.RUN_ARRIVED, run.run_id, _event_data(run, arrival), now, command.caller.trace_parent)


def _check_time(run: TrainRun, stop: int, time: datetime, now: datetime) -> None:
    """Refuse INVALID_FIELD for a time in the future, far from the schedule, or out of order with the other stops."""
    scheduled, previous = run.stops[stop].arrive, run.stops[stop - 1]
    if scheduled is None or previous.depart is None:
        raise ValueError("a stop has no time")
    if time > latest_time(now):
        raise InvalidField("arrive_time", f"lies in the future; it is {as_text(now)} here: report arrivals that were")
    if time < previous.depart:
        text = f"is before the scheduled departure from {previous.name} ({as_text(previous.depart)})"
        raise InvalidField("arrive_time", f"{text}; no train leaves early: check the date and the stop")
    if time - scheduled > timedelta(minutes=limits.ARRIVAL_LATE_MINUTES_MAX):
        text = f"is more than {limits.ARRIVAL_LATE_MINUTES_MAX // (24 * 60)} days after the scheduled arrival"
        raise InvalidField("arrive_time", f"{text} ({as_text(scheduled)}); check the date")
    for known in run.delay.arrivals:
        is_before, is_after = known.stop < stop and time < known.time, known.stop > stop and time > known.time
        if is_before or is_after:
            text = f"is {'before' if is_before else 'after'} the reported arrival at {run.stops[known.stop].name}"
            raise InvalidField("arrive_time", f"{text} ({as_text(known.time)}); correct that one first, or check the time")


def _event_data(run: TrainRun, arrival: Arrival) -> dict[str, Json]:
    """Return what the event says."""
    return {
        "stop": run.stops[arrival.stop].name,
        "arrive_time": arrival.time.isoformat(),
        "late_minutes": late_minutes(run.stops, run.schedule.expected_stops, arrival.stop),
        "report_time": arrival.report_time.isoformat(),
    }
