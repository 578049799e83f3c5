"""The run's clock: the train departs, it arrives at its last stop, and then the run loses what only sales needed.

Belongs here: what happens on a run at these moments. Does not belong here: the expected times
(`app/domain/run/expected_times.py`), what else is due by the clock (`expire_due.py`).

The rules:
1. When the train is expected to leave its first stop, the run departs; when it is expected at its last stop, the run completes.
   There is an event of each. After a later delay that brings the run back, they follow again.
2. A run that is cancelled as a whole neither departs nor completes.
3. A run is compacted once its train has arrived and no delay can bring it back: ended holds, the order of freed seats and the
   last layout requests are removed. Bookings stay.
4. A run of an earlier version has no clock state. Its first commit before its departure sets one; after its departure nothing
   follows from the clock.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.events import EventType, Json
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState


def follow_clock(run: TrainRun, now: datetime) -> None:
    """Depart, complete and compact the run where that is due."""
    if run.clock_state is None and now < run.schedule.depart_time:
        run.set_clock_state(RunState.SCHEDULED)
    due_time = clock_due_time(run)
    if due_time is None or now < due_time:
        return
    if not run.schedule.is_cancelled:
        if run.clock_state is RunState.SCHEDULED and now >= run.schedule.depart_time:
            _depart(run, now)
        if run.clock_state is RunState.DEPARTED and now >= run.schedule.arrive_time:
            _complete(run, now)
    compact_time = _compact_time(run)
    if compact_time is not None and now >= compact_time:
        _compact(run)


def turn_back_clock(run: TrainRun, now: datetime) -> None:
    """Set the clock state back where the train has not departed or arrived by its expected times of now.

    Called after a change of the expected times. The events follow when these times come.
    """
    if run.clock_state in (RunState.DEPARTED, RunState.COMPLETED) and now < run.schedule.depart_time:
        run.set_clock_state(RunState.SCHEDULED)
    elif run.clock_state is RunState.COMPLETED and now < run.schedule.arrive_time:
        run.set_clock_state(RunState.DEPARTED)


def clock_due_time(run: TrainRun) -> datetime | None:
    """Return when the run departs, completes or is compacted next; None where nothing follows from the clock any more."""
    if run.clock_state is None:
        return None
    if not run.schedule.is_cancelled:
        if run.clock_state is RunState.SCHEDULED:
            return run.schedule.depart_time
        if run.clock_state is RunState.DEPARTED:
            return run.schedule.arrive_time
    return _compact_time(run)


def _compact_time(run: TrainRun) -> datetime | None:
    """Return when the run may be compacted; None where it was, and while its bookings are being cancelled."""
    is_cancelling = run.cancellation is not None and run.cancellation.is_open
    return None if run.is_compacted or is_cancelling else run.schedule.compact_time


def _depart(run: TrainRun, now: datetime) -> None:
    schedule = run.schedule
    late = schedule.depart_time - schedule.scheduled_depart_time
    data: dict[str, Json] = {
        "state": RunState.DEPARTED.value,
        "stop": run.stops[0].name,
        "depart_time": schedule.depart_time.isoformat(),
        "late_minutes": late // timedelta(minutes=1),
    }
    run.set_clock_state(RunState.DEPARTED)
    run.emit(EventType.RUN_DEPARTED, run.run_id, data, now)


def _complete(run: TrainRun, now: datetime) -> None:
    schedule = run.schedule
    late = max(timedelta(), schedule.arrive_time - schedule.scheduled_arrive_time)
    data: dict[str, Json] = {
        "state": RunState.COMPLETED.value,
        "stop": run.stops[schedule.last_stop].name,
        "arrive_time": schedule.arrive_time.isoformat(),
        "late_minutes": late // timedelta(minutes=1),
    }
    run.set_clock_state(RunState.COMPLETED)
    run.emit(EventType.RUN_COMPLETED, run.run_id, data, now)


def _compact(run: TrainRun) -> None:
    """Remove what only sales need. What comes free afterwards, such as an unpaid booking's seats, is noted as before."""
    for key in list(run.ended_holds):
        run.set_ended_hold(key, None)
    run.forget_freed_seats()
    if run.layout.requests:
        run.set_layout(replace(run.layout, requests=()))
    run.set_compacted()
