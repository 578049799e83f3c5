"""Rules about stored events: the events of one commit, and each event against the booking that it is about.

Belongs here: ids, versions, data and processing of events. Does not belong here: bookings against events (`bookings.py`).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from app.domain.audit.run_events import RUN_GROUP, is_time, wrong_run_data
from app.domain.booking import BookingState
from app.domain.events import Event, EventType, commit_id, version_of
from app.domain.rules.booking_changes import CAUSE_LAYOUT, CAUSE_RUN_CANCELLED, CAUSE_SEAT_CHANGE
from app.domain.values import value

BOOKING_GROUP, _HOLD_GROUP = "booking", "hold"

_TRACE_PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_CONFIRMED, _WAITLISTED = BookingState.CONFIRMED.value, BookingState.WAITLISTED.value
_CANCELLED, _EXPIRED = BookingState.CANCELLED.value, BookingState.EXPIRED.value
_LIVE = (_CONFIRMED, _WAITLISTED)
# The states in which an event of each type may leave its booking; a group is cancelled in parts.
_STATES = {
    EventType.BOOKING_CONFIRMED: (_CONFIRMED,),
    EventType.BOOKING_WAITLISTED: (_WAITLISTED,),
    EventType.BOOKING_PROMOTED: (_CONFIRMED,),
    EventType.BOOKING_CHANGED: (_CONFIRMED, _WAITLISTED, _CANCELLED, _EXPIRED),
    EventType.BOOKING_CANCELLED: (_CANCELLED, _CONFIRMED, _WAITLISTED),
    EventType.BOOKING_EXPIRED: (_EXPIRED,),
}
# Events after which some passengers of a booking may wait while others have seats, and which name moves.
_PARTLY_WAITING = (EventType.BOOKING_CHANGED, EventType.BOOKING_CANCELLED)
_CAUSES_OF_MOVES = (CAUSE_LAYOUT, CAUSE_SEAT_CHANGE)
_CAUSES = (None, *_CAUSES_OF_MOVES, CAUSE_RUN_CANCELLED)
_SEAT_LABEL = re.compile(r"[A-Z0-9]{1,8}-[1-9][0-9]*")
_LAYOUT_COUNTS = (
    "moved_passengers",
    "waitlisted_passengers",
    "cancelled_passengers",
    "refunded_minor",
    "promoted_bookings",
    "released_holds",
)
_FIRST = (EventType.BOOKING_CONFIRMED, EventType.BOOKING_WAITLISTED)


@value(frozen=True, slots=True)
class BookingOutline:
    """The part of a booking that its events repeat."""

    run_id: str
    payment_id: str
    currency: str
    create_time: datetime
    update_time: datetime


@value(frozen=True, slots=True)
class AuditedCommit:
    """The stored events of one commit. `run_version` is None where there is no such run."""

    commit_id: str
    event_count: int
    events: Sequence[Event]
    run_version: int | None


@value(frozen=True, slots=True)
class AuditedEvent:
    """An event and the booking that it is about, read later.

    `outline` is None if the booking is missing; `is_outline_unreadable` says that it cannot be read. `is_processed` says
    whether every subscriber has taken the event. What was due before `before` is late.
    """

    event: Event
    outline: BookingOutline | None
    is_outline_unreadable: bool
    is_processed: bool
    before: datetime


def wrong_commit(record: AuditedCommit) -> Iterator[str]:
    """Compare the events of a commit with its id, its count and its run."""
    first = record.events[0] if record.events else None
    if first is None or record.event_count != len(record.events):
        yield f"counts {record.event_count} events, and has {len(record.events)}"
    if first is not None:
        version = version_of(first.sequence)
        if record.commit_id != commit_id(first.run_id, version):
            yield f"has the events of version {version} of run {first.run_id}"
        if record.run_version is None:
            yield f"is of run {first.run_id}, which is not stored"
        elif version > record.run_version or version < 2:
            yield f"is of version {version}, and the run's last is {record.run_version}"
    if any(event.trace_parent and not _TRACE_PARENT.fullmatch(event.trace_parent) for event in record.events):
        yield "has a malformed trace context"


def wrong_event_data(record: AuditedEvent) -> Iterator[str]:
    """Find data that no event of its type has."""
    event = record.event
    seats = event.data.get("seats")
    if record.is_outline_unreadable:
        return
    if event.event_type is EventType.LAYOUT_CHANGED:
        yield from _wrong_layout_data(event)
    elif event.event_type.group == RUN_GROUP:
        yield from wrong_run_data(event)
    elif not isinstance(seats, list) or not all(isinstance(seat, str) for seat in seats):
        yield "has no list of seats"
    elif event.event_type.group == _HOLD_GROUP:
        yield from _wrong_hold_data(event, seats)
    elif event.event_type.group == BOOKING_GROUP:
        yield from _wrong_booking_data(event, seats)


def _wrong_hold_data(event: Event, seats: Sequence[object]) -> Iterator[str]:
    if event.data.get("hold_id") != event.subject or not seats or not is_time(event.data.get("expire_time")):
        yield "names another hold, no seats or no time of expiry"


def _wrong_booking_data(event: Event, seats: Sequence[object]) -> Iterator[str]:
    data = event.data
    counts = [data.get(name) for name in ("passenger_count", "price_minor", "refunded_minor")]
    if any(not isinstance(count, int) or count < 0 for count in counts) or data.get("state") not in _STATES[event.event_type]:
        yield "has an impossible state, price or number of passengers"
    numbers = data.get("passenger_numbers", [])
    if not isinstance(numbers, list) or not all(type(number) is int and number > 0 for number in numbers):
        yield "has impossible passenger numbers"
    if "changed_passenger_numbers" in data:
        yield from _wrong_changed_numbers(event, data["changed_passenger_numbers"], numbers)
    wanted = 0 if data.get("state") == _WAITLISTED else data.get("passenger_count")
    is_partly_waiting = event.event_type in _PARTLY_WAITING and data.get("state") == _CONFIRMED and len(seats) > 0
    if data.get("state") in _LIVE and len(seats) != wanted and not (is_partly_waiting and len(seats) < int(str(wanted))):
        yield f"has {len(seats)} seats of {wanted}"
    yield from _wrong_moves(event, seats)


def _wrong_changed_numbers(event: Event, changed: object, numbers: object) -> Iterator[str]:
    """Find passengers whom an event cannot have changed. `numbers` are those whom the booking has after it.

    Who leaves a booking while others stay is not among them. The passengers of a booking that has ended are its last ones.
    """
    if not isinstance(changed, list) or not changed or not all(map(_is_number, changed)) or len(set(changed)) != len(changed):
        yield "names no passengers whom it changes, or impossible ones"
        return
    if event.event_type in _FIRST:
        yield "makes a booking, and names passengers whom it changes"
    has_left = event.event_type is EventType.BOOKING_CANCELLED and event.data.get("state") in _LIVE
    there = set(changed).intersection(numbers) if isinstance(numbers, list) else set()
    if "passenger_numbers" in event.data and there != (set() if has_left else set(changed)):
        yield f"changes the passengers {changed}, and leaves the booking with {numbers}"


def _wrong_moves(event: Event, seats: Sequence[object]) -> Iterator[str]:
    """Find moves that nobody can have made: of no cause, of nobody, from no seat, or to no place."""
    data = event.data
    moves, cause = data.get("moves", []), data.get("cause")
    if cause not in _CAUSES or (cause is not None and event.event_type not in _PARTLY_WAITING):
        yield "has an impossible cause"
    if cause == CAUSE_RUN_CANCELLED and data.get("state") != _CANCELLED:
        yield f"is the end of a booking with its run, and the booking is {data.get('state')}"
    if not isinstance(moves, list) or ("moves" in data) != (cause in _CAUSES_OF_MOVES):
        yield "has moves without a cause, a cause without moves, or no list of them"
        return
    if cause == CAUSE_SEAT_CHANGE and len(moves) != 1:
        yield f"is a change of a seat, and moves {len(moves)} passengers"
    for move in moves:
        if not isinstance(move, dict) or set(move) != {"passenger_number", "from", "to"}:
            yield "has a malformed move: it needs passenger_number, from and to"
        elif not _is_number(move["passenger_number"]) or not _is_label(move["from"]) or not _is_place(move["to"]):
            yield "has a move of nobody, from no seat or to no place"
        elif data.get("state") in _LIVE and move["to"] is not None and move["to"] not in seats:
            yield f"moves passenger {move['passenger_number']} to {move['to']}, and has the seats {seats}"


def _is_number(number: object) -> bool:
    return type(number) is int and number > 0


def _is_label(text: object) -> bool:
    return isinstance(text, str) and _SEAT_LABEL.fullmatch(text) is not None


def _is_place(text: object) -> bool:
    return text is None or _is_label(text)


def _wrong_layout_data(event: Event) -> Iterator[str]:
    data = event.data
    if event.subject != event.run_id or not _is_number(data.get("layout_revision")):
        yield "is about another run than its own, or about no layout"
    if not isinstance(data.get("plan_hash"), str) or not data.get("plan_hash"):
        yield "names no plan"
    counts = [data.get(name) for name in _LAYOUT_COUNTS]
    if any(type(count) is not int or count < 0 for count in counts):
        yield "has impossible counts"


def wrong_event_booking(record: AuditedEvent) -> Iterator[str]:
    """Compare an event with the booking that it is about."""
    event, outline = record.event, record.outline
    if event.event_type.group != BOOKING_GROUP or record.is_outline_unreadable:
        return
    if outline is None:
        if event.time < record.before:
            yield f"is about booking {event.subject}, which is not stored"
        return
    if event.run_id != outline.run_id:
        yield f"is of run {event.run_id}, and booking {event.subject} of run {outline.run_id}"
    if event.data.get("payment_id") != outline.payment_id or event.data.get("currency") != outline.currency:
        yield f"names another payment or currency than booking {event.subject}"
    if event.event_type in _FIRST and event.time != outline.create_time:
        yield f"says that booking {event.subject} was made at another time than the booking does"
    if not outline.create_time <= event.time <= outline.update_time:
        yield f"is from before booking {event.subject} was made, or after its last change"


def unprocessed_event(record: AuditedEvent) -> Iterator[str]:
    """Find an event that has waited for its subscribers for longer than the tolerance."""
    event = record.event
    if event.time < record.before and not record.is_processed:
        since = f"{event.time:%Y-%m-%d %H:%M:%S}"
        yield f"{event.event_type} of {event.subject} is not processed since {since}; is a worker running?"
