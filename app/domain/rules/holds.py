"""What the rules about holds share: finding a hold, its owner, its events, and its end.

Belongs here: the end of a hold and what the run remembers of it. Does not belong here: why it ends (one module of this folder
for each cause).
"""

import itertools
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.events import EventType, Json
from app.domain.people import Caller, require_identified
from app.domain.refusals import Reason, Refusal
from app.domain.run.hold import EndedHold, Hold, ended_hold, hold_id, split_hold_id
from app.domain.run.train_run import TrainRun


def find_hold(run: TrainRun, name: str) -> Hold | None:
    """Return the hold with this id, or None."""
    parts = split_hold_id(name)
    return run.holds.get(parts[2]) if parts is not None and parts[:2] == (run.train_id, run.travel_date) else None


def require_hold_owner(hold: Hold, caller: Caller) -> None:
    """Refuse NOT_PERMITTED to everybody but the owner and operators."""
    require_identified(caller)
    if caller.key != hold.owner_key and not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "this hold is not yours")


def end_hold(
    run: TrainRun,
    hold: Hold,
    kind: EventType,
    now: datetime,
    trace_parent: str = "",
    *,
    cause: str = "",
    gone: Collection[tuple[str, int]] = (),
) -> None:
    """Remove a hold, release its seats, remember it and emit the event.

    Seats (section, number) that are `gone` from the run are not released.
    """
    for seat in hold.seats:
        if (seat.section, seat.number) not in gone:
            run.release(seat, hold.legs)
    run.remove_hold(hold)
    remember_ended(run, ended_hold(hold), now)
    emit_hold_event(run, kind, hold, now, trace_parent, cause)


def emit_hold_event(run: TrainRun, kind: EventType, hold: Hold, now: datetime, trace_parent: str = "", cause: str = "") -> None:
    """Emit an event about a hold, with its cause where there is one."""
    name = hold_id(run.train_id, run.travel_date, hold.key)
    data: dict[str, Json] = {
        "hold_id": name,
        "seats": [seat.label for seat in hold.seats],
        "expire_time": hold.expire_time.isoformat(),
    }
    if cause:
        data["cause"] = cause
    run.emit(kind, name, data, now, trace_parent)


def remember_ended(run: TrainRun, ended: EndedHold, now: datetime) -> None:
    """Remember an ended hold.

    A request that is repeated after its hold expired may have held other seats under the same key. That earlier hold is kept
    under another key, or its owner could hold its seats again at once.
    """
    earlier = run.ended_holds.get(ended.key)
    if earlier is not None and earlier.free_time > now:
        key = next(key for key in (f"{ended.key}-{number}" for number in itertools.count(1)) if key not in run.ended_holds)
        run.set_ended_hold(key, replace(earlier, key=key))
    run.set_ended_hold(ended.key, ended)


def forget_ended(run: TrainRun, now: datetime) -> None:
    """Forget ended holds where the run remembers too many: those that no rule needs any more, and then the oldest."""
    if len(run.ended_holds) <= limits.ENDED_HOLDS_PER_RUN_MAX:
        return
    # Two fifths at a time: a scan of all of them for each new one would cost a hundred times the decision.
    in_order = sorted((ended.free_time, ended.key) for ended in run.ended_holds.values())
    enough = len(in_order) - limits.ENDED_HOLDS_PER_RUN_MAX * 3 // 5
    for index, (free_time, key) in enumerate(in_order):
        if index >= enough and free_time > now:
            return
        run.set_ended_hold(key, None)
