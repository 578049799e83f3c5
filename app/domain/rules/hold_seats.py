"""HoldSeats: seats are kept for one buyer for some minutes, before payment.

Belongs here: placing a hold, and the limits on holds. Does not belong here: the end of a hold (`release_hold.py`,
`expire_holds.py`, `use_hold.py`).

A hold takes its seats as a sale does, counter included. So numbers rise in the order of the requests, whoever pays when. It
expires by itself: expired holds are ended before each batch (`expire_holds.py`).

Holds cost nothing. So they are limited, or somebody could keep seats from others without paying:
1. A user has at most `HOLDS_PER_USER_MAX` holds on a run. Somebody may have many addresses, so:
2. At most a share of the run's seats, `hold_percent_max` of its terms, is on hold at a time.
3. After a hold expired, its owner may hold the same seats and legs again only after `HOLD_AGAIN_SECONDS`. After a release the
   owner may hold them again at once, but only until the released hold would have expired. The owner may book them at any time.
   Operators hold seats for groups and telephone customers, and need not wait.
The run remembers ended holds for at least that long, but at most `ENDED_HOLDS_PER_RUN_MAX` of them.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.commands import HoldSeats
from app.domain.events import EventType
from app.domain.people import require_identified
from app.domain.refusals import Reason, Refusal
from app.domain.rules.departures import require_running
from app.domain.rules.hidden_runs import require_visible_run
from app.domain.rules.holds import emit_hold_event, forget_ended
from app.domain.rules.sales_windows import require_section_on_sale
from app.domain.rules.seating import choose_seats, take_seats
from app.domain.run.hold import Hold, hold_id, hold_key
from app.domain.run.train_run import TrainRun


def hold_seats(run: TrainRun, command: HoldSeats, now: datetime) -> Hold:
    """Hold seats for the caller. A repeated request gets the same hold while it lasts.

    Refuses INVALID_FIELD, REQUEST_ID_REUSED, HOLD_EXPIRED (a repeated request whose hold was used by a booking),
    TRAIN_RUN_NOT_FOUND (hidden), RUN_CANCELLED, RUN_DEPARTED, SALES_NOT_OPEN, SALES_CLOSED, SEAT_TAKEN, SECTION_FULL,
    HOLDS_FULL, HOLD_TOO_SOON; then nothing has changed.
    """
    owner = require_identified(command.caller)
    key, fingerprint = hold_key(owner, command.request_id), _fingerprint(command)
    existing = run.holds.get(key)
    if existing is not None:
        if existing.fingerprint != fingerprint:
            raise Refusal(Reason.REQUEST_ID_REUSED, "this request_id made a hold from another request; choose a new one")
        return existing
    _require_not_used(run, key)
    require_visible_run(run, command.caller)
    journey = run.journey(command.origin, command.destination)
    require_running(run, journey, now)
    owner_key = command.caller.key or ""
    on_sale = require_section_on_sale(run, command.section, journey, now)
    count = command.seat_count or len(command.seat_numbers)
    _require_room(run, owner_key, now)
    section, numbers, by_counter = choose_seats(run, command.section, command.seat_numbers, journey.legs, count, on_sale)
    fare = run.sections[section].fare
    seats = tuple(run.seat(section, number) for number in numbers)
    expire_time = now + timedelta(seconds=command.seconds)
    places = {(seat.section, seat.number) for seat in seats}
    _require_share(run, places, now)
    if not command.caller.is_operator:
        expire_time = _limited_expire_time(run, owner_key, places, journey.legs, now, expire_time)
    hold = Hold(key, owner_key, fingerprint, journey.legs, seats, fare.minor, fare.currency, expire_time)
    take_seats(run, section, numbers, journey.legs, by_counter=by_counter)
    run.put_hold(hold)
    forget_ended(run, now)
    emit_hold_event(run, EventType.HOLD_PLACED, hold, now, command.caller.trace_parent)
    return hold


def held_seats_max(run: TrainRun) -> int:
    """Return how many seats of a run may be on hold at a time: a share of all, rounded up, and at least those of one group."""
    seat_count = sum(section.seat_count for section in run.sections)
    return max(limits.HELD_SEATS_ALWAYS_ALLOWED, -(-seat_count * run.terms.hold_percent_max // 100))


def _require_room(run: TrainRun, owner_key: str, now: datetime) -> None:
    """Refuse HOLDS_FULL where the user or the run has as many holds as the limits allow."""
    if not run.holds:
        return
    own = [run.holds[key] for key in run.hold_index.own.get(owner_key, ())]
    if len(own) >= limits.HOLDS_PER_USER_MAX:
        text = f"you hold seats {limits.HOLDS_PER_USER_MAX} times on this train already"
        raise Refusal(Reason.HOLDS_FULL, text, retry_seconds=_first_expiry_seconds(own, now))
    if len(run.holds) >= limits.HOLDS_PER_RUN_MAX:
        raise _holds_full(run, now)


def _require_share(run: TrainRun, places: set[tuple[str, int]], now: datetime) -> None:
    """Refuse HOLDS_FULL where these seats would make the share on hold too large."""
    held = run.hold_index.places
    if len(held) + sum(place not in held for place in places) > held_seats_max(run):
        raise _holds_full(run, now)


def _holds_full(run: TrainRun, now: datetime) -> Refusal:
    text = "too many seats of this train are held at the moment; book them, or come back later"
    return Refusal(Reason.HOLDS_FULL, text, retry_seconds=_first_expiry_seconds(run.holds.values(), now))


def _first_expiry_seconds(holds: Iterable[Hold], now: datetime) -> float:
    return max(0.0, (min(hold.expire_time for hold in holds) - now).total_seconds())


def _require_not_used(run: TrainRun, key: str) -> None:
    """Refuse a repeated request whose hold became a booking: a late copy of it must not hold other seats."""
    ended = run.ended_holds.get(key)
    if ended is not None and ended.was_used:
        name = hold_id(run.train_id, run.travel_date, key)
        raise Refusal(Reason.HOLD_EXPIRED, "the hold of this request was used by a booking", resource=("hold", name))


def _limited_expire_time(
    run: TrainRun, owner_key: str, places: set[tuple[str, int]], legs: int, now: datetime, expire_time: datetime
) -> datetime:
    """Return when a hold of these seats expires: at `expire_time`, or with a hold of theirs that its owner released.

    Refuses HOLD_TOO_SOON where the owner's hold of them has expired, until its `free_time`.
    """
    ended_holds = (run.ended_holds[key] for key in run.hold_index.ended.get(owner_key, ()))
    own = [ended for ended in ended_holds if not ended.was_used and ended.legs & legs and not places.isdisjoint(ended.places)]
    free_time = max((ended.free_time for ended in own if ended.expire_time <= now), default=now)
    if free_time > now:
        text = "your hold of these seats has expired; book them, hold others, or come back later"
        raise Refusal(Reason.HOLD_TOO_SOON, text, retry_seconds=(free_time - now).total_seconds())
    return min([expire_time, *(ended.expire_time for ended in own if ended.expire_time > now)])


def _fingerprint(command: HoldSeats) -> str:
    asked = [command.origin, command.destination, command.section, str(command.seat_count), str(command.seconds)]
    asked += map(str, command.seat_numbers)
    return hashlib.blake2b("\x1f".join(asked).encode(), digest_size=8).hexdigest()
