"""CancelTrainRun: an operator cancels a run, or its legs from a stop on.

Belongs here: the first commit of a cancellation. Does not belong here: its bookings (`cancel_next_bookings.py`), what a
cancelled run refuses (`departures.py`), the record (`app/domain/run/run_cancellation.py`).

The rules:
1. The first commit marks the run, ends the holds that touch missing legs, and ends the reservation of a layout plan. From then
   on nobody buys or holds a seat on missing legs, and nobody on the waitlist is promoted to one.
2. The bookings follow in commits of their own, by whatever server or worker, until none is left. Their passengers get all of
   their fares back.
3. A run that is expected to have left its first stop can only be cancelled from a stop on that it has not left.
4. A cancellation is never undone. One from a stop on can be extended to an earlier stop or to the whole run: then all bookings
   are looked at again, and what was cancelled before stays counted. The record has the time and the reason of the last
   extension.
5. The same stop again changes nothing, whatever its reason. A later one is refused.
"""

from dataclasses import replace
from datetime import datetime

from app.domain.disruption import check_disruption
from app.domain.events import EventType, Json
from app.domain.people import require_operator
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.booking_changes import CAUSE_RUN_CANCELLED
from app.domain.rules.holds import end_hold, forget_ended
from app.domain.rules.layout_reservation import end_reservation
from app.domain.rules.promote_waitlist import promote
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelTrainRun
from app.domain.timetable import find_stop


def cancel_train_run(run: TrainRun, command: CancelTrainRun, now: datetime) -> None:
    """Cancel the run, or its legs from a stop on. The same again changes nothing, and neither does `validate_only`.

    Refuses what `plan_cancellation` refuses; then nothing has changed.
    """
    cancellation = plan_cancellation(run, command, now)
    if cancellation is None or command.validate_only:
        return
    begin_cancellation(run, cancellation, now, command.caller.trace_parent)
    promote(run, now)


def plan_cancellation(run: TrainRun, command: CancelTrainRun, now: datetime) -> RunCancellation | None:
    """Return the record of the cancellation that a command begins, None where it is made already. Changes nothing.

    Refuses NOT_PERMITTED to all but operators; INVALID_FIELD (reason, evidence, from_stop: unknown, the first or last stop, one
    that the train has left); RUN_DEPARTED for a whole run that has left; RUN_CANCELLED from an earlier stop on.
    """
    require_operator(command.caller)
    reason = check_disruption(command.reason, command.evidence)
    from_stop, before = _stop_index(run, command.from_stop), run.cancellation
    if before is not None and before.from_stop == from_stop:
        return None
    _require_not_cancelled(run, from_stop)
    _require_not_left(run, from_stop, now)
    if before is None:
        return RunCancellation(now, reason, command.evidence, from_stop)
    extended = replace(before, time=now, reason=reason, evidence=command.evidence, from_stop=from_stop)
    return replace(extended, cursor="", complete_time=None)


def begin_cancellation(run: TrainRun, cancellation: RunCancellation, now: datetime, trace_parent: str = "") -> None:
    """Make the first change of a cancellation, all but promotions. Needs no booking in memory."""
    run.set_cancellation(cancellation)
    _end_holds(run, now, trace_parent)
    end_reservation(run)
    from_stop = "" if cancellation.is_whole else run.stops[cancellation.from_stop].name
    data: dict[str, Json] = {
        "reason": cancellation.reason.value,
        "from_stop": from_stop,
        "state": run.schedule.state_at(now).value,
    }
    run.emit(EventType.RUN_CANCELLED, run.run_id, data, now, trace_parent)


# -- checks


def _stop_index(run: TrainRun, from_stop: str) -> int:
    """Return the index of the stop at which the train ends, 0 for the whole run. Refuses INVALID_FIELD."""
    if not from_stop:
        return 0
    index = find_stop(run.stops, from_stop, "from_stop")
    if index == 0:
        raise InvalidField("from_stop", f"{run.stops[0].name} is the first stop; leave from_stop empty to cancel the whole run")
    if index == len(run.stops) - 1:
        raise InvalidField("from_stop", f"{run.stops[-1].name} is the last stop: no leg begins there that could be cancelled")
    return index


def _require_not_cancelled(run: TrainRun, from_stop: int) -> None:
    """Refuse RUN_CANCELLED where the run is cancelled from an earlier stop on, or as a whole."""
    before = run.cancellation
    if before is None or 0 < from_stop < before.from_stop or (from_stop == 0 and not before.is_whole):
        return
    where = "as a whole" if before.is_whole else f"from {run.stops[before.from_stop].name} on"
    raise Refusal(Reason.RUN_CANCELLED, f"train {run.number} of {run.travel_date} is cancelled {where} already")


def _require_not_left(run: TrainRun, from_stop: int, now: datetime) -> None:
    """Refuse RUN_DEPARTED for a whole run, and INVALID_FIELD for a stop, that the train is expected to have left."""
    stop = run.schedule.expected_stops[from_stop]
    has_passed = any(arrival.stop > from_stop for arrival in run.delay.arrivals)
    if not has_passed and stop.depart is not None and now < stop.depart:
        return
    if from_stop:
        raise InvalidField("from_stop", f"the train has left {stop.name}; name a stop that it has not left")
    text = f"train {run.number} of {run.travel_date} has left {stop.name}; name the stop to cancel it from, in from_stop"
    raise Refusal(Reason.RUN_DEPARTED, text)


def _end_holds(run: TrainRun, now: datetime, trace_parent: str) -> None:
    """End the holds that touch missing legs, in the order in which they would have expired."""
    ended = [hold for hold in run.holds.values() if run.schedule.misses(hold.legs)]
    for hold in sorted(ended, key=lambda hold: (hold.expire_time, hold.key)):
        end_hold(run, hold, EventType.HOLD_RELEASED, now, trace_parent, cause=CAUSE_RUN_CANCELLED)
    if ended:
        forget_ended(run, now)
