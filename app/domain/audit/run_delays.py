"""Rules about the delay and the clock of a run: what was reported, what follows from it, and what is compacted.

Belongs here: the delay record, arrivals, the state by the clock, compaction. Does not belong here: cancellations
(`run_cancellations.py`), the run's own events (`run_events.py`).
"""

from collections.abc import Iterator
from datetime import timedelta

from app.domain import limits
from app.domain.audit.check import WarningText
from app.domain.audit.run_record import AuditedRun
from app.domain.disruption import check_disruption
from app.domain.refusals import InvalidField
from app.domain.run.delay_record import Arrival
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState

# The states of a run by the clock, in their order.
CLOCK_STATES = (RunState.SCHEDULED, RunState.DEPARTED, RunState.COMPLETED)
_REPORT_AHEAD = timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX)
_ARRIVAL_LATE_MAX = timedelta(minutes=limits.ARRIVAL_LATE_MINUTES_MAX)


def wrong_delay(record: AuditedRun) -> Iterator[str]:
    """Find a delay that nobody can have reported: for other stops, too long, in the future, without reason, or backwards."""
    run, delay = record.run, record.run.delay
    if delay.minutes and len(delay.minutes) != len(run.stops):
        yield f"has delays for {len(delay.minutes)} stops, and {len(run.stops)} stops"
        return
    if bool(delay.minutes) != (delay.report_time is not None):
        yield f"has the delays {list(delay.minutes)}, reported at {delay.report_time}"
    if any(not 0 <= minutes <= limits.DELAY_MINUTES_MAX for minutes in delay.minutes):
        yield f"has the delays {list(delay.minutes)}, of which one is impossible"
    if delay.report_time is not None and delay.report_time > record.now + record.tolerance + _REPORT_AHEAD:
        yield f"has a delay that will be reported at {delay.report_time}"
    yield from _wrong_reason(record)
    yield from _times_backwards(run)


def _wrong_reason(record: AuditedRun) -> Iterator[str]:
    """Find a delay without a reason, or a reason without its evidence. A delay that has ended needs neither."""
    delay = record.run.delay
    if any(delay.minutes) or (delay.minutes and delay.reason is not None):
        try:
            check_disruption(delay.reason, delay.evidence)
        except InvalidField as refusal:
            yield f"has a delay whose {refusal.message}"
    if not delay.minutes and (delay.reason is not None or delay.evidence):
        yield f"has no delay, and the reason {delay.reason} for it"


def _times_backwards(run: TrainRun) -> Iterator[str]:
    """Find delays by which a train would arrive at a stop before it has left the last. Where it has arrived, it has left."""
    minutes, arrived = run.delay.minutes, max((arrival.stop for arrival in run.delay.arrivals), default=0)
    for index in range(arrived + 1, len(minutes)):
        previous, following = run.stops[index - 1].depart, run.stops[index].arrive
        if previous is None or following is None:
            continue  # found where the run is compared with its train
        if following + timedelta(minutes=minutes[index]) < previous + timedelta(minutes=minutes[index - 1]):
            yield f"goes back in time at {run.stops[index].name} by its delays"


def wrong_arrivals(record: AuditedRun) -> Iterator[str]:
    """Find arrivals that nobody can have reported: at no stop, twice, too early, too late, out of order, or in the future."""
    run, arrivals = record.run, record.run.delay.arrivals
    stops = [arrival.stop for arrival in arrivals]
    if stops != sorted(set(stops)):
        yield f"has arrivals at the stops {stops}, not each once in their order"
    times = [arrival.time for arrival in arrivals]
    if times != sorted(times):
        yield "arrives at a stop before it arrives at an earlier one"
    for arrival in arrivals:
        if not 1 <= arrival.stop < len(run.stops):
            yield f"arrives at stop {arrival.stop} of {len(run.stops)}"
        else:
            yield from _wrong_arrival(record, arrival)


def _wrong_arrival(record: AuditedRun, arrival: Arrival) -> Iterator[str]:
    run, latest = record.run, record.now + record.tolerance + _REPORT_AHEAD
    stop = run.stops[arrival.stop]
    scheduled = stop.arrive
    departures = [earlier.depart for earlier in run.stops[: arrival.stop] if earlier.depart is not None]
    if arrival.time < max(departures):
        yield f"arrives at {stop.name} at {arrival.time}, before it leaves the stop before"
    if scheduled is None or arrival.time > scheduled + _ARRIVAL_LATE_MAX:
        yield f"arrives at {stop.name} at {arrival.time}, longer after {scheduled} than can be reported"
    if max(arrival.time, arrival.report_time) > latest:
        yield f"will arrive at {stop.name} at {arrival.time}, as will be reported at {arrival.report_time}"


def wrong_clock(record: AuditedRun) -> Iterator[str]:
    """Find a run that has departed or arrived by its events, and not by its expected times."""
    run = record.run
    if run.clock_state is None:
        return
    if run.clock_state not in CLOCK_STATES:
        yield f"is {run.clock_state} by the clock, which no clock says"
        return
    present = run.schedule.state_at(record.now + record.tolerance + _REPORT_AHEAD)
    if run.clock_state not in _states_until(present):
        yield f"is {run.clock_state} by its events, and {present} by its expected times"


def _states_until(state: RunState) -> tuple[RunState, ...]:
    """Return the states by the clock that a run in this state has been in, also the present one."""
    if state in (RunState.SCHEDULED, RunState.DELAYED, RunState.CANCELLED):
        return CLOCK_STATES[:1]
    return CLOCK_STATES[: CLOCK_STATES.index(state) + 1]


def clock_behind(record: AuditedRun) -> Iterator[str]:
    """Warn of a run that departed, arrived or should be compacted some time ago: workers see to it."""
    run = record.run
    if run.clock_state is None or run.clock_state not in CLOCK_STATES:
        return
    known = run.schedule.state_at(record.before)
    if run.clock_state is not _states_until(known)[-1]:
        yield WarningText(f"is {known} by its expected times, and {run.clock_state} by its events; is a worker running?")
    due, is_open = run.schedule.compact_time, run.cancellation is not None and run.cancellation.is_open
    if not run.is_compacted and not is_open and due < record.before:
        yield WarningText(f"is over since {due:%Y-%m-%d %H:%M:%S}, and not compacted; is a worker running?")


def wrong_compaction(record: AuditedRun) -> Iterator[str]:
    """Find a compacted run that is not over for long enough, or has what only sales need."""
    run = record.run
    if not run.is_compacted:
        return
    due = run.schedule.compact_time
    if due > record.now + record.tolerance + _REPORT_AHEAD:
        yield f"is compacted, and not over before {due}"
    if run.holds or run.ended_holds or run.layout_reservation is not None or run.layout.requests:
        yield "is compacted, and has holds or what is known of layout changes"
