"""Events: what happened on a train run.

Belongs here: the types of events, the value, and the ids of events. Does not belong here: who receives them (`webhooks.py`),
nor their form on the wire (`app/notifications/`).
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
    """The types of events. The word before the full stop is the group, by which webhooks can subscribe.

    Webhooks may also subscribe to a type that no rule emits yet. The contract lists those apart, and a test compares the lists
    with the code.
    """

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
    RUN_DEPARTED = "run.departed"
    RUN_ARRIVED = "run.arrived"
    RUN_COMPLETED = "run.completed"
    LAYOUT_CHANGED = "layout.changed"

    @property
    def group(self) -> str:
        """The group: `booking` of `booking.confirmed`."""
        return self.value.partition(".")[0]


@value(frozen=True, slots=True)
class Event:
    """Something that happened on a run.

    `sequence` grows with each event of the run, so that a receiver can order events that arrived in another order. `time` is
    UTC in whole milliseconds. `subject` is a booking's reference, a hold's id or the run's id. `data` is what JSON can hold.
    `trace_parent` is the W3C trace context of the call that caused it, empty where there was none.
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
    """Return the id of the event at `index`, from 0, among those of the commit that made the run's `version`.

    It follows from the commit. So an event that is delivered again after a crash has the same id.
    """
    return f"{commit_id(run_id, version)}:{index}"


def commit_id(run_id: str, version: int) -> str:
    """Return the id of the commit that made the run's `version`."""
    return f"{run_id}:{version}"


def commit_of(event_id: str) -> str:
    """Return the id of the commit that an event belongs to."""
    return event_id.rpartition(":")[0]


def sequence_of(version: int, index: int) -> int:
    """Return the `sequence` of the event at `index` of a commit."""
    return version * _EVENTS_PER_COMMIT_MAX + index


def version_of(sequence: int) -> int:
    """Return the version that the commit of an event made."""
    return sequence // _EVENTS_PER_COMMIT_MAX
