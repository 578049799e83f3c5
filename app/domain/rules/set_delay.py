"""SetDelay: an operator says how late the train is, from a stop on.

Belongs here: what may be said of a delay, and its event. Does not belong here: what it has in common with arrivals
(`delay_reports.py`), the expected times that follow (`app/domain/run/expected_times.py`).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.disruption import check_disruption
from app.domain.events import EventType, Json
from app.domain.people import require_operator
from app.domain.refusals import InvalidField
from app.domain.rules.delay_reports import (
    as_text,
    last_arrived_stop,
    record_report,
    report_time_of,
    require_served,
)
from app.domain.run.delay_record import DelayRecord
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetDelay
from app.domain.timetable import find_stop


def set_delay(run: TrainRun, command: SetDelay, now: datetime) -> None:
    """Set the delay of the stops from one on; earlier stops keep theirs. The same report again changes nothing.

    Refuses NOT_PERMITTED to all but operators; INVALID_FIELD (minutes, from_stop, reason, evidence, report_time);
    RUN_CANCELLED; REPORT_STALE; then nothing has changed.
    """
    require_operator(command.caller)
    _check_delay(command)
    before = run.delay
    stop = _first_late_stop(run, command)
    require_served(run, stop)
    reported = report_time_of(command.report_time, before.report_time, now, "the delay")
    _require_arrival_pending(run, stop)
    _require_order(run, stop, command.minutes)
    record = _delayed(run, command, stop, reported)
    if record == before:
        return
    is_repeated = before.report_time is not None and replace(record, report_time=before.report_time) == before
    record_report(run, record, now, is_repeated=is_repeated)
    if not is_repeated:
        data = _event_data(run, command.minutes, stop, now)
        run.emit(EventType.RUN_DELAYED, run.run_id, data, now, command.caller.trace_parent)


def _check_delay(command: SetDelay) -> None:
    """Refuse INVALID_FIELD for a delay that no train can have. The end of a delay needs no reason."""
    most = limits.DELAY_MINUTES_MAX
    if not 0 <= command.minutes <= most:
        raise InvalidField("minutes", f"needs 0 to {most:,}; a train that is later than a day does not run: cancel it")
    if command.minutes or command.reason is not None:
        check_disruption(command.reason, command.evidence)
    elif command.evidence:
        raise InvalidField("evidence", "proves a reason; name the reason too")


def _first_late_stop(run: TrainRun, command: SetDelay) -> int:
    """Return the index of the stop from which on the times change: the last one at which the train has arrived, by default."""
    if command.from_stop:
        return find_stop(run.stops, command.from_stop, "from_stop")
    return min(last_arrived_stop(run.delay), run.schedule.last_stop)


def _require_arrival_pending(run: TrainRun, stop: int) -> None:
    """Refuse INVALID_FIELD for a stop before one at which the train has arrived."""
    arrived = last_arrived_stop(run.delay)
    if stop < arrived:
        name = run.stops[arrived].name
        raise InvalidField("from_stop", f"the train has arrived at {name} already; name {name} or a later stop")


def _require_order(run: TrainRun, stop: int, minutes: int) -> None:
    """Refuse INVALID_FIELD for minutes by which the train would arrive at the stop before it leaves the one before.

    A train that has arrived at the stop has left the one before, whatever was expected there.
    """
    if stop <= last_arrived_stop(run.delay):
        return
    previous, following = run.stops[stop - 1], run.stops[stop]
    late = run.delay.minutes[stop - 1] if run.delay.minutes else 0
    if previous.depart is None or following.arrive is None:
        raise ValueError("a stop has no time")
    depart, arrive = previous.depart + timedelta(minutes=late), following.arrive + timedelta(minutes=minutes)
    if arrive < depart:
        text = f"the train would arrive at {following.name} ({as_text(arrive)}) before it leaves {previous.name}"
        raise InvalidField("minutes", f"{text} ({as_text(depart)}); name an earlier from_stop, or more minutes")


def _delayed(run: TrainRun, command: SetDelay, stop: int, reported: datetime) -> DelayRecord:
    """Return the record with the delay from a stop on.

    The end of a delay without a reason keeps the reason of the stops that stay late.
    """
    before = run.delay
    count = len(run.stops)
    minutes = (*(before.minutes or (0,) * count)[:stop], *(command.minutes,) * (count - stop))
    reason, evidence = command.reason, command.evidence
    if reason is None and any(minutes):
        reason, evidence = before.reason, before.evidence
    return replace(before, minutes=minutes, reason=reason, evidence=evidence, report_time=reported)


def _event_data(run: TrainRun, minutes: int, stop: int, now: datetime) -> dict[str, Json]:
    """Return what the event says: the report, and the times that are expected now at each stop that the train serves."""
    delay, schedule = run.delay, run.schedule
    return {
        "minutes": minutes,
        "from_stop": run.stops[stop].name,
        "reason": delay.reason.value if delay.reason else None,
        "state": schedule.state_at(now).value,
        "report_time": delay.report_time.isoformat() if delay.report_time else None,
        "stops": [
            {
                "name": expected.name,
                "expected_arrive_time": expected.arrive.isoformat() if expected.arrive else None,
                "expected_depart_time": expected.depart.isoformat() if expected.depart else None,
            }
            for expected in schedule.expected_stops[: schedule.last_stop + 1]
        ],
    }
