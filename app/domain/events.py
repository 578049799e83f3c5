"""Events: what happened on a train run, told to those outside who asked to hear of it.

Belongs here: the kinds of events, the value, and how an event is named. Does not: who hears of it (`webhooks.py`), nor what it
looks like on the wire (`app/notifications/`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from app.domain.values import value

# Events of one commit: a batch has at most some hundred commands, and each of them few events.
_EVENTS_PER_COMMIT_MAX = 100_000

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class EventType(StrEnum):
    """What may happen. The word before the full stop is the group, by which whole families can be asked for."""

    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_WAITLISTED = "booking.waitlisted"
    BOOKING_PROMOTED = "booking.promoted"
    BOOKING_CHANGED = "booking.changed"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_EXPIRED = "booking.expired"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    HOLD_EXPIRED = "hold.expired"
    REFUND_REQUESTED = "refund.requested"
    RUN_DELAYED = "run.delayed"
    RUN_CANCELLED = "run.cancelled"
    LAYOUT_CHANGED = "layout.changed"

    @property
    def group(self) -> str:
        """The family: `booking` of `booking.confirmed`."""
        return self.value.partition(".")[0]


# Webhooks may ask for these already; no command emits them yet. The contract lists them apart. A test keeps both lists true.
PLANNED_EVENT_TYPES = frozenset(
    {EventType.REFUND_REQUESTED, EventType.RUN_DELAYED, EventType.RUN_CANCELLED, EventType.LAYOUT_CHANGED}
)


@value(frozen=True, slots=True)
class Event:
    """Something that happened on a run.

    `sequence` grows with each event of the run, so that a receiver can tell the later of two that arrived in the wrong order.
    `time` is UTC in whole milliseconds; `subject` is a booking's reference or the run's id; `data` is what JSON can hold;
    `trace_parent` is the W3C trace context of the call that made it happen, empty where there was none.
    """

    event_id: str
    event_type: EventType
    run_id: str
    sequence: int
    time: datetime
    subject: str
    data: Mapping[str, Json]
    trace_parent: str = ""


def event_id(run_id: str, version: int, index: int) -> str:
    """The name of the event at `index`, from 0, among those of the commit that made the run's `version`.

    It follows from the commit, so that an event which is told again after a crash is told under the same name.
    """
    return f"{commit_id(run_id, version)}:{index}"


def commit_id(run_id: str, version: int) -> str:
    """The name of the commit that made the run's `version`."""
    return f"{run_id}:{version}"


def commit_of(event_id: str) -> str:
    """The commit that an event is of, by their names."""
    return event_id.rpartition(":")[0]


def sequence_of(version: int, index: int) -> int:
    """The `sequence` of the event at `index` of a commit."""
    return version * _EVENTS_PER_COMMIT_MAX + index


def version_of(sequence: int) -> int:
    """The version that the commit of an event made."""
    return sequence // _EVENTS_PER_COMMIT_MAX
