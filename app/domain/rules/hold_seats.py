"""The decisions about holds: to place one, to release it, to take its seats, to end those whose time is over.

Belongs here: HoldSeats and ReleaseHold on a train run. Does not: the sale of held seats (`create_booking.py`), which asks
`require_usable_hold`.

A hold takes its seats as a sale does, counter and all, so that numbers rise in the order of asking whether or not somebody
pays at once. It ends by itself: every decision on a run first drops the holds that are over (`expire_holds`).

Holds cost nothing, so they are bounded, lest somebody keeps seats from others without paying:
1. One person has `HOLDS_PER_USER_MAX` of them on a run. That is little to somebody with many names, so:
2. At most a share of the run's seats, `hold_percent_max` of its terms, is on hold at a time, whoever asks.
3. Whose hold ran out waits `HOLD_AGAIN_SECONDS` before holding any of its seats again on the same legs. A hold that was
   released is as good as one that goes on: who holds its seats again before it would have run out gets them until then, and no
   longer. Both may book them at once. Operators, who see to groups and to people on the phone, need not wait.
The run remembers holds that are over for at least as long as that takes, `ENDED_HOLDS_PER_RUN_MAX` of them at most.
"""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.commands import CreateBooking, HoldSeats, ReleaseHold
from app.domain.events import EventType, Json
from app.domain.people import Caller, require_identified
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.seating import choose_seats, take_seats
from app.domain.rules.waitlist import promote
from app.domain.run.hold import EndedHold, Hold, ended_hold, hold_id, hold_key, split_hold_id
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey, require_not_departed


def hold_seats(run: TrainRun, command: HoldSeats, now: datetime) -> Hold:
    """Keeps seats for who asks. The same request gives the same hold while it lasts.

    Refuses INVALID_FIELD, REQUEST_ID_REUSED, HOLD_EXPIRED (a repeated request whose hold was used by a booking), RUN_DEPARTED,
    SEAT_TAKEN, SECTION_FULL, HOLDS_FULL, HOLD_TOO_SOON; then nothing has changed.
    """
    owner = require_identified(command.caller)
    key, fingerprint = hold_key(owner, command.request_id), _fingerprint(command)
    existing = run.holds.get(key)
    if existing is not None:
        if existing.fingerprint != fingerprint:
            raise Refusal(Reason.REQUEST_ID_REUSED, "this request_id made a hold from another request; choose a new one")
        return existing
    _require_not_used(run, key)
    journey = run.journey(command.origin, command.destination)
    require_not_departed(journey, now)
    owner_key = command.caller.key or ""
    count = command.seat_count or len(command.seat_numbers)
    _require_room(run, owner_key, now)
    section, numbers, by_counter = choose_seats(run, command.section, command.seat_numbers, journey.legs, count)
    fare = run.sections[section].fare
    seats = tuple(run.seat(section, number) for number in numbers)
    expire_time = now + timedelta(seconds=command.seconds)
    places = {(seat.section, seat.number) for seat in seats}
    _require_share(run, places, now)
    if not command.caller.is_operator:
        expire_time = _end_of_hold(run, owner_key, places, journey.legs, now, expire_time)
    hold = Hold(key, owner_key, fingerprint, journey.legs, seats, fare.minor, fare.currency, expire_time)
    take_seats(run, section, numbers, journey.legs, by_counter=by_counter)
    run.put_hold(hold)
    _forget_ended(run, now)
    _emit(run, EventType.HOLD_PLACED, hold, now, command.caller.trace_parent)
    return hold


def release_hold(run: TrainRun, command: ReleaseHold, now: datetime) -> None:
    """Gives the held seats back; waiters come first. A hold that is over, or was used, is none: nothing happens.

    Refuses NOT_PERMITTED for somebody else's.
    """
    hold = _find_hold(run, command.hold_id)
    if hold is None:
        return
    _require_owner(hold, command.caller)
    _end_hold(run, hold, EventType.HOLD_RELEASED, now, command.caller.trace_parent)
    _forget_ended(run, now)
    promote(run, now)


def require_usable_hold(run: TrainRun, command: CreateBooking, journey: Journey) -> Hold:
    """The hold that a booking uses up; its seats stay taken and are the booking's now.

    Refuses HOLD_EXPIRED, NOT_PERMITTED, and INVALID_FIELD where the request does not fit the hold. Changes nothing.
    """
    hold = _find_hold(run, command.hold_id)
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


def expire_holds(run: TrainRun, now: datetime) -> bool:
    """Ends the holds that are over, and says whether there were any; their seats are free. Nobody is promoted yet."""
    expired = [hold for hold in run.holds.values() if hold.expire_time <= now]
    for hold in sorted(expired, key=lambda one: (one.expire_time, one.key)):  # seats are sold again in the order of coming free
        _end_hold(run, hold, EventType.HOLD_EXPIRED, now)
    if expired:
        _forget_ended(run, now)
    return bool(expired)


def use_hold(run: TrainRun, hold: Hold, now: datetime) -> None:
    """Ends a hold whose seats are a booking's now."""
    run.use_hold(hold)
    _remember_ended(run, ended_hold(hold, was_used=True), now)
    _forget_ended(run, now)


def _end_hold(run: TrainRun, hold: Hold, kind: EventType, now: datetime, trace_parent: str = "") -> None:
    for seat in hold.seats:
        run.release(seat, hold.legs)
    run.remove_hold(hold)
    _remember_ended(run, ended_hold(hold), now)
    _emit(run, kind, hold, now, trace_parent)


def _remember_ended(run: TrainRun, over: EndedHold, now: datetime) -> None:
    """Remember a hold that is over.

    A request that is repeated after its hold ran out may have held other seats under the same key. Their hold is remembered
    beside this one, or its owner could hold them again at once.
    """
    earlier = run.ended_holds.get(over.key)
    if earlier is not None and earlier.free_time > now:
        key = next(key for key in (f"{over.key}-{number}" for number in itertools.count(1)) if key not in run.ended_holds)
        run.set_ended_hold(key, replace(earlier, key=key))
    run.set_ended_hold(over.key, over)


def _emit(run: TrainRun, kind: EventType, hold: Hold, now: datetime, trace_parent: str = "") -> None:
    name = hold_id(run.train_id, run.travel_date, hold.key)
    data: dict[str, Json] = {
        "hold_id": name,
        "seats": [seat.label for seat in hold.seats],
        "expire_time": hold.expire_time.isoformat(),
    }
    run.emit(kind, name, data, now, trace_parent)


def _find_hold(run: TrainRun, name: str) -> Hold | None:
    parts = split_hold_id(name)
    return run.holds.get(parts[2]) if parts is not None and parts[:2] == (run.train_id, run.travel_date) else None


def _require_owner(hold: Hold, caller: Caller) -> None:
    require_identified(caller)
    if caller.key != hold.owner_key and not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "this hold is not yours")


def held_seats_max(run: TrainRun) -> int:
    """How many seats of a run may be on hold at a time: a share of all its seats, rounded up, and always a group's."""
    size = sum(section.size for section in run.sections)
    return max(limits.HELD_SEATS_ALWAYS_ALLOWED, -(-size * run.terms.hold_percent_max // 100))


def _require_room(run: TrainRun, owner_key: str, now: datetime) -> None:
    """Refuses HOLDS_FULL for a person, or a run, with as many holds as may be."""
    if not run.holds:
        return
    own = [run.holds[key] for key in run.hold_index.own.get(owner_key, ())]
    if len(own) >= limits.HOLDS_PER_USER_MAX:
        text = f"you hold seats {limits.HOLDS_PER_USER_MAX} times on this train already"
        raise Refusal(Reason.HOLDS_FULL, text, retry_seconds=_first_end_seconds(own, now))
    if len(run.holds) >= limits.HOLDS_PER_RUN_MAX:
        raise _holds_full(run, now)


def _require_share(run: TrainRun, places: set[tuple[str, int]], now: datetime) -> None:
    """Refuses HOLDS_FULL where with these places too large a share of the seats would be on hold."""
    held = run.hold_index.places
    if len(held) + sum(place not in held for place in places) > held_seats_max(run):
        raise _holds_full(run, now)


def _holds_full(run: TrainRun, now: datetime) -> Refusal:
    text = "too many seats of this train are held at the moment; book them, or come back later"
    return Refusal(Reason.HOLDS_FULL, text, retry_seconds=_first_end_seconds(run.holds.values(), now))


def _first_end_seconds(holds: Iterable[Hold], now: datetime) -> float:
    return max(0.0, (min(hold.expire_time for hold in holds) - now).total_seconds())


def _require_not_used(run: TrainRun, key: str) -> None:
    """Refuses a repeated request whose hold became a booking: a late copy of it must not hold other seats."""
    before = run.ended_holds.get(key)
    if before is not None and before.was_used:
        name = hold_id(run.train_id, run.travel_date, key)
        raise Refusal(Reason.HOLD_EXPIRED, "the hold of this request was used by a booking", resource=("hold", name))


def _end_of_hold(
    run: TrainRun, owner_key: str, places: set[tuple[str, int]], legs: int, now: datetime, expire_time: datetime
) -> datetime:
    """When a hold of these places ends: at `expire_time`, or with an earlier hold of theirs that its owner released.

    Refuses HOLD_TOO_SOON where such a hold has run out, until its `free_time`.
    """
    ended_holds = (run.ended_holds[key] for key in run.hold_index.ended.get(owner_key, ()))
    own = [
        before for before in ended_holds if not before.was_used and before.legs & legs and not places.isdisjoint(before.places)
    ]
    free_time = max((before.free_time for before in own if before.expire_time <= now), default=now)
    if free_time > now:
        text = "your hold of these seats has run out; book them, hold others, or come back later"
        raise Refusal(Reason.HOLD_TOO_SOON, text, retry_seconds=(free_time - now).total_seconds())
    return min([expire_time, *(before.expire_time for before in own if before.expire_time > now)])


def _forget_ended(run: TrainRun, now: datetime) -> None:
    """Makes room where too many holds are remembered: forgets those that nobody needs to know of, and the oldest ones."""
    if len(run.ended_holds) <= limits.ENDED_HOLDS_PER_RUN_MAX:
        return
    # Two fifths at a time: going through all of them for each one would cost a hundred times the decision.
    in_order = sorted((before.free_time, before.key) for before in run.ended_holds.values())
    enough = len(in_order) - limits.ENDED_HOLDS_PER_RUN_MAX * 3 // 5
    for place, (free_time, key) in enumerate(in_order):
        if place >= enough and free_time > now:
            return
        run.set_ended_hold(key, None)


def _fingerprint(command: HoldSeats) -> str:
    asked = [command.origin, command.destination, command.section, str(command.seat_count), str(command.seconds)]
    asked += map(str, command.seat_numbers)
    return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()
