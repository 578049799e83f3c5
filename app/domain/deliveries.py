"""Deliveries: one event on its way to one receiver, and what each attempt makes of it.

Belongs here: the values, and when a delivery is tried again or given up. Does not belong here: who receives which events
(`webhooks.py`), sending (`app/notifications`), nor statements (`app/store/deliveries.py`).

    PENDING ──► DELIVERED    the receiver accepted it
       │  ▲
       │  └── tried again, after ever longer pauses
       └────► FAILED         the receiver is gone for good, or the channel's retry schedule is exhausted
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.domain.events import Event
from app.domain.retry import RetrySchedule
from app.domain.values import value


class OutcomeKind(StrEnum):
    """How one attempt ended: accepted; refused for good (the receiver is gone); or failed, which may be tried again."""

    DELIVERED = "DELIVERED"
    GONE = "GONE"
    FAILED = "FAILED"


@value(frozen=True, slots=True)
class SendOutcome:
    """The result of sending once.

    `status` is the channel's status code (of a webhook: the HTTP status), 0 without an answer. `detail` is for people.
    `retry_after_seconds` is how long the receiver asked to be left alone, 0 for not at all.
    """

    kind: OutcomeKind
    status: int = 0
    detail: str = ""
    retry_after_seconds: float = 0.0


@value(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt, as it is stored."""

    time: datetime
    outcome: OutcomeKind
    status: int
    detail: str


class DeliveryState(StrEnum):
    """The state of a delivery. DELIVERED and FAILED are final."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


# Every change of state of a delivery, with its cause; from None, the delivery is new. `docs/states.md` is drawn from it.
DELIVERY_TRANSITIONS: Mapping[tuple[DeliveryState | None, DeliveryState], str] = {
    (None, DeliveryState.PENDING): "an event that the webhook subscribes to",
    (DeliveryState.PENDING, DeliveryState.DELIVERED): "the receiver answers 2xx",
    (DeliveryState.PENDING, DeliveryState.PENDING): "any other answer or none, due again later",
    (DeliveryState.PENDING, DeliveryState.FAILED): "the receiver answers 410, or three days have passed",
}


@value(frozen=True, slots=True)
class Delivery:
    """One event on its way to one receiver. `next_attempt_time` is None once the state is final.

    `receiver_id` is stored as `webhook_id`: webhooks were the first receivers.
    """

    delivery_id: str
    event_id: str
    receiver_id: str
    event_type: str
    event_time: datetime
    state: DeliveryState
    attempts: tuple[DeliveryAttempt, ...]
    next_attempt_time: datetime | None


def make_delivery(event: Event, receiver_id: str) -> Delivery:
    """Return the delivery of an event to a receiver, due at once. The same two always give the same delivery."""
    return Delivery(
        delivery_id=f"{event.event_id}:{receiver_id}",
        event_id=event.event_id,
        receiver_id=receiver_id,
        event_type=event.event_type.value,
        event_time=event.time,
        state=DeliveryState.PENDING,
        attempts=(),
        next_attempt_time=event.time,
    )


def after_delivery_attempt(
    delivery: Delivery, outcome: SendOutcome, now: datetime, jitter: float, retries: RetrySchedule
) -> Delivery:
    """Return the delivery after one more attempt, which ended at `now`. `jitter` is a random number in [0, 1).

    Raises ValueError for a delivery whose state is final.
    """
    if delivery.state is not DeliveryState.PENDING:
        raise ValueError(f"the delivery {delivery.delivery_id} is {delivery.state}")
    attempts = (*delivery.attempts, DeliveryAttempt(now, outcome.kind, outcome.status, outcome.detail))
    if outcome.kind is OutcomeKind.DELIVERED:
        return replace(delivery, state=DeliveryState.DELIVERED, attempts=attempts, next_attempt_time=None)
    due = None
    if outcome.kind is OutcomeKind.FAILED:
        first_time = attempts[0].time
        due = retries.next_attempt_time(len(attempts), first_time, now, jitter, outcome.retry_after_seconds)
    state = DeliveryState.PENDING if due is not None else DeliveryState.FAILED
    return replace(delivery, state=state, attempts=attempts, next_attempt_time=due)
