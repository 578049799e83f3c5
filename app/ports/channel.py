"""Channels: ways of sending events to receivers.

Belongs here: what the delivery engine needs of a channel, of its receivers' store, and of the stored deliveries. Does not
belong here: any particular channel (`app/notifications`), nor the engine (`app/usecases/deliveries.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from app.domain.deliveries import Delivery, SendOutcome
from app.domain.events import Event
from app.domain.retry import RetrySchedule
from app.domain.webhooks import Webhook

ReceiverT = TypeVar("ReceiverT")


class Channel(Protocol[ReceiverT]):
    """One way of sending events, and the receivers that it sends to. `ReceiverT` is the channel's own value of a receiver.

    Ids of receivers must be unique over all channels.
    """

    @property
    def name(self) -> str:
        """The channel's name in the plural, such as `webhooks`; part of a stored job's id."""

    @property
    def span_name(self) -> str:
        """The name of the span of one attempt, such as `POST webhook`."""

    @property
    def status_attribute(self) -> str:
        """The trace attribute that holds the status of an outcome."""

    @property
    def sends_max(self) -> int:
        """How many deliveries the engine may send at a time."""

    @property
    def retries(self) -> RetrySchedule:
        """When a failed delivery is tried again, and when it is given up."""

    async def list_receivers(self) -> Mapping[str, ReceiverT]:
        """Return the active receivers by id. Refuses DATABASE_UNAVAILABLE."""

    async def find_receiver(self, receiver_id: str) -> ReceiverT | None:
        """Return an active receiver as it is now; None for one that is disabled or deleted. Refuses DATABASE_UNAVAILABLE."""

    def is_subscribed(self, receiver: ReceiverT, event: Event) -> bool:
        """Whether the receiver is sent the event."""

    def trace_attributes(self, receiver: ReceiverT) -> Mapping[str, str | int]:
        """Return what a trace says of the receiver: no secrets, no path of an address."""

    async def send(self, receiver: ReceiverT, event: Event, now: datetime) -> SendOutcome:
        """Send an event once. Whatever goes wrong outside is an outcome, not an exception."""

    async def disable(self, receiver: ReceiverT, now: datetime) -> bool:
        """Send nothing more to a receiver that is gone. Return False if it was changed since: then it gets another attempt."""

    async def close(self) -> None:
        """Close all connections. Sends that are running fail."""


class DeliveryStore(Protocol):
    """Stored deliveries, as `app.store.deliveries.Deliveries` has them. Every method refuses DATABASE_UNAVAILABLE."""

    async def insert_if_absent(self, deliveries: Sequence[Delivery]) -> int:
        """Insert the deliveries whose ids are not stored yet; return their number."""

    async def list_due(self, receiver_id: str, now: datetime, limit: int) -> list[Delivery]:
        """Return at most `limit` deliveries to a receiver that are due, those that wait longest first."""

    async def next_due_time(self, receiver_id: str) -> datetime | None:
        """Return when the first pending delivery to a receiver is due, which may have passed; None if there is none."""

    async def claim(self, delivery: Delivery, until: datetime) -> Delivery | None:
        """Claim a due delivery until then. Return None when another server has claimed it."""

    async def record(self, delivery: Delivery) -> bool:
        """Write a delivery's last attempt. Return False when another attempt was written in the meantime, or it is gone."""


class WebhookStore(Protocol):
    """Stored webhooks, as the channel needs them. Every method refuses DATABASE_UNAVAILABLE."""

    async def list_active(self) -> list[Webhook]:
        """Return all readable webhooks that receive events, by id."""

    async def get(self, webhook_id: str) -> Webhook | None:
        """Return the webhook with that id, if any. Refuses RECORD_UNREADABLE."""

    async def update(self, webhook: Webhook) -> bool:
        """Replace the version before a changed webhook. Return False when another version, or none, is stored by now."""
