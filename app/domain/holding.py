"""The decisions about holds: to place one, to release it, to take its seats, to end those whose time is over.

Belongs here: HoldSeats and ReleaseHold on a train run. Does not: the sale of held seats (`selling.py`), which asks `take_hold`.

A hold takes its seats as a sale does, counter and all, so that numbers rise in the order of asking whether or not somebody
pays at once. It ends by itself: every decision on a run first drops the holds that are over (`drop_expired_holds`).
"""

import hashlib
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import CreateBooking, HoldSeats, ReleaseHold
from app.domain.events import EventType, Json
from app.domain.hold import Hold, hold_id, hold_key, split_hold_id
from app.domain.people import Caller, identified
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.run import TrainRun
from app.domain.seating import choose_seats, take_seats
from app.domain.timetable import Journey, require_not_departed
from app.domain.waiting import promote


def hold_seats(run: TrainRun, command: HoldSeats, now: datetime) -> Hold:
    """Keeps seats for who asks. The same request gives the same hold while it lasts.

    Refuses INVALID_FIELD, REQUEST_ID_REUSED, RUN_DEPARTED, SEAT_TAKEN, SECTION_FULL, HOLDS_FULL; then nothing has changed.
    """
    owner = identified(command.caller)
    key, fingerprint = hold_key(owner, command.request_id), _fingerprint(command)
    existing = run.holds.get(key)
    if existing is not None:
        if existing.fingerprint != fingerprint:
            raise Refusal(Reason.REQUEST_ID_REUSED, "this request_id made a hold from another request; choose a new one")
        return existing
    journey = run.journey(command.origin, command.destination)
    require_not_departed(journey, now)
    owner_key = command.caller.key or ""
    _require_room(run, owner_key)
    count = command.seat_count or len(command.seat_numbers)
    section, numbers, by_counter = choose_seats(run, command.section, command.seat_numbers, journey.legs, count)
    fare = run.sections[section].fare
    seats = tuple(run.seat(section, number) for number in numbers)
    expire_time = now + timedelta(seconds=command.seconds)
    hold = Hold(key, owner_key, fingerprint, journey.legs, seats, fare.minor, fare.currency, expire_time)
    take_seats(run, section, numbers, journey.legs, by_counter=by_counter)
    run.put_hold(hold)
    _tell(run, EventType.HOLD_PLACED, hold, now, command.caller.trace_parent)
    return hold


def release_hold(run: TrainRun, command: ReleaseHold, now: datetime) -> None:
    """Gives the held seats back; waiters come first. A hold that is over, or was used, is none: nothing happens.

    Refuses NOT_PERMITTED for somebody else's.
    """
    hold = _find(run, command.hold_id)
    if hold is None:
        return
    _require_owner(hold, command.caller)
    _end(run, hold, EventType.HOLD_RELEASED, now, command.caller.trace_parent)
    promote(run, now)


def take_hold(run: TrainRun, command: CreateBooking, journey: Journey) -> Hold:
    """The hold that a booking uses up; its seats stay taken and are the booking's now.

    Refuses HOLD_EXPIRED, NOT_PERMITTED, and INVALID_FIELD where the request does not fit the hold. Changes nothing.
    """
    hold = _find(run, command.hold_id)
    if hold is None:
        raise Refusal(
            Reason.HOLD_EXPIRED,
            "the hold is over: it has expired, was released, or was used",
            resource=("hold", command.hold_id),
        )
    _require_owner(hold, command.caller)
    if hold.legs != journey.legs:
        raise InvalidField("hold_id", "holds seats for another journey")
    if len(hold.seats) != len(command.passengers):
        raise InvalidField("passengers", f"has {len(command.passengers)} passengers; the hold has {len(hold.seats)} seats")
    if command.section and command.section != hold.seats[0].section:
        raise InvalidField("section", f"the hold has seats in section {hold.seats[0].section}")
    if command.seat_numbers:
        raise InvalidField("seat_numbers", "must be empty with hold_id, which says which seats")
    return hold


def drop_expired_holds(run: TrainRun, now: datetime) -> bool:
    """Ends the holds that are over, and says whether there were any; their seats are free. Nobody is promoted yet."""
    expired = [hold for hold in run.holds.values() if hold.expire_time <= now]
    for hold in sorted(expired, key=lambda one: (one.expire_time, one.key)):  # seats are sold again in the order of coming free
        _end(run, hold, EventType.HOLD_EXPIRED, now)
    return bool(expired)


def _end(run: TrainRun, hold: Hold, kind: EventType, now: datetime, trace_parent: str = "") -> None:
    for seat in hold.seats:
        run.release(seat, hold.legs)
    run.drop_hold(hold)
    _tell(run, kind, hold, now, trace_parent)


def _tell(run: TrainRun, kind: EventType, hold: Hold, now: datetime, trace_parent: str = "") -> None:
    name = hold_id(run.train_id, run.travel_date, hold.key)
    data: dict[str, Json] = {
        "hold_id": name,
        "seats": [seat.label for seat in hold.seats],
        "expire_time": hold.expire_time.isoformat(),
    }
    run.tell(kind, name, data, now, trace_parent)


def _find(run: TrainRun, name: str) -> Hold | None:
    parts = split_hold_id(name)
    return run.holds.get(parts[2]) if parts is not None and parts[:2] == (run.train_id, run.travel_date) else None


def _require_owner(hold: Hold, caller: Caller) -> None:
    identified(caller)
    if caller.key != hold.owner_key and not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "this hold is not yours")


def _require_room(run: TrainRun, owner_key: str) -> None:
    if sum(1 for hold in run.holds.values() if hold.owner_key == owner_key) >= limits.HOLDS_PER_USER_MAX:
        raise Refusal(Reason.HOLDS_FULL, f"you hold seats {limits.HOLDS_PER_USER_MAX} times on this train already")
    if len(run.holds) >= limits.HOLDS_PER_RUN_MAX:
        raise Refusal(Reason.HOLDS_FULL, "too many seats of this train are held at the moment")


def _fingerprint(command: HoldSeats) -> str:
    asked = [command.origin, command.destination, command.section, str(command.seat_count), str(command.seconds)]
    asked += map(str, command.seat_numbers)
    return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()
