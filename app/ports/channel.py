"""Channels: ways of sending events to receivers.

Belongs here: what the delivery engine needs of a channel. Does not belong here: any particular channel (`app/notifications`),
nor the engine (`app/usecases/deliveries.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from app.domain.deliveries import SendOutcome
from app.domain.events import Event
from app.domain.retry import RetrySchedule

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
