"""The webhook channel: events as CloudEvents, sent by HTTP to the URLs that operators registered.

Belongs here: the channel. Does not belong here: HTTP and signatures (`webhook_sender.py`), which receiver gets what
(`app/domain/webhooks.py`), nor when it is sent (`app/usecases/deliveries.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from app.domain.deliveries import SendOutcome
from app.domain.events import Event
from app.domain.webhooks import WEBHOOK_RETRIES, Webhook, is_subscribed, with_changes
from app.notifications.cloud_events import encode
from app.ports.trace_attributes import HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS, SERVER_PORT, WEBHOOK_ID
from app.ports.webhooks import WebhookStore

_PORTS = {"http": 80, "https": 443}


class Sender(Protocol):
    """What the channel needs of `WebhookSender`."""

    async def send(self, webhook: Webhook, event_id: str, body: bytes, now: datetime) -> SendOutcome:
        """Send an event once."""

    async def close(self) -> None:
        """Close all connections."""


class WebhookChannel:
    """Sends events to webhooks, `sends_max` at a time, for which `sender` needs to have as many slots."""

    name = "webhooks"
    span_name = "POST webhook"
    status_attribute = HTTP_RESPONSE_STATUS_CODE
    retries = WEBHOOK_RETRIES

    def __init__(self, webhooks: WebhookStore, sender: Sender, *, sends_max: int) -> None:
        self._webhooks, self._sender, self.sends_max = webhooks, sender, sends_max

    async def list_receivers(self) -> Mapping[str, Webhook]:
        """Return the active webhooks by id. Refuses DATABASE_UNAVAILABLE."""
        return {webhook.webhook_id: webhook for webhook in await self._webhooks.list_active()}

    async def find_receiver(self, receiver_id: str) -> Webhook | None:
        """Return an active webhook as it is now. Refuses DATABASE_UNAVAILABLE, RECORD_UNREADABLE."""
        webhook = await self._webhooks.get(receiver_id)
        return webhook if webhook is not None and webhook.is_active else None

    def is_subscribed(self, receiver: Webhook, event: Event) -> bool:
        """Whether the webhook receives the event."""
        return is_subscribed(receiver, event)

    def trace_attributes(self, receiver: Webhook) -> Mapping[str, str | int]:
        """Return the webhook's id, host and port."""
        return webhook_trace_attributes(receiver)

    async def send(self, receiver: Webhook, event: Event, now: datetime) -> SendOutcome:
        """Post the event once. Raises ValueError for an event that cannot be encoded."""
        return await self._sender.send(receiver, event.event_id, encode(event), now)

    async def disable(self, receiver: Webhook, now: datetime) -> bool:
        """Disable the webhook, unless it was changed since it was read. Refuses DATABASE_UNAVAILABLE."""
        return await self._webhooks.update(with_changes(receiver, now, is_active=False))

    async def close(self) -> None:
        """Close all connections."""
        await self._sender.close()


def webhook_trace_attributes(webhook: Webhook) -> Mapping[str, str | int]:
    """Return the webhook's id, host and port. Receivers put secrets into the rest of their URLs."""
    url = urlsplit(webhook.url)
    return {
        HTTP_REQUEST_METHOD: "POST",
        SERVER_ADDRESS: url.hostname or "",
        SERVER_PORT: url.port or _PORTS.get(url.scheme, 0),
        WEBHOOK_ID: webhook.webhook_id,
    }
