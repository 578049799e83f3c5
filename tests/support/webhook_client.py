"""A client of the webhook service, and events that only a test has committed.

Belongs here: thin methods over the generated stubs, and events in the database. Does not belong here: assertions.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import field_mask_pb2

from app.domain.events import Event, EventType, event_id, sequence_of
from app.pb.seatline.v1 import webhook_pb2
from app.process.clock import utc_now
from app.store.driver import Database
from app.store.event_documents import event_batch_document
from tests.support.clients import ApiClient
from tests.support.world import World

URL = "https://hooks.example.com/seatline?tenant=7"
RUN_ID = "es9014:2026-09-01"


class WebhookClient(ApiClient):
    """Calls the webhook service, as whatever caller."""

    async def create(self, url: str = URL, *event_types: str, request_id: str = "", **asked: Any) -> webhook_pb2.Webhook:
        wanted = webhook_pb2.Webhook(url=url, event_types=event_types)
        return await self.create_as(wanted, request_id, **asked)

    async def create_as(self, wanted: webhook_pb2.Webhook, request_id: str = "", **asked: Any) -> webhook_pb2.Webhook:
        """Create a webhook from this message as it is."""
        request = webhook_pb2.CreateWebhookRequest(request_id=request_id or str(uuid.uuid4()), webhook=wanted, **asked)
        return await self.webhooks.CreateWebhook(request, **self._options)

    async def get(self, webhook_id: str) -> webhook_pb2.Webhook:
        return await self.webhooks.GetWebhook(webhook_pb2.GetWebhookRequest(webhook_id=webhook_id), **self._options)

    async def list_page(self, **asked: Any) -> webhook_pb2.ListWebhooksResponse:
        return await self.webhooks.ListWebhooks(webhook_pb2.ListWebhooksRequest(**asked), **self._options)

    async def change(self, webhook_id: str, *, mask: Sequence[str] = (), etag: str = "", **values: Any) -> webhook_pb2.Webhook:
        request = webhook_pb2.UpdateWebhookRequest(
            webhook_id=webhook_id,
            webhook=webhook_pb2.Webhook(**values),
            update_mask=field_mask_pb2.FieldMask(paths=mask),
            etag=etag,
        )
        return await self.webhooks.UpdateWebhook(request, **self._options)

    async def delete(self, webhook_id: str, etag: str = "") -> webhook_pb2.DeleteWebhookResponse:
        request = webhook_pb2.DeleteWebhookRequest(webhook_id=webhook_id, etag=etag)
        return await self.webhooks.DeleteWebhook(request, **self._options)

    async def rotate(self, webhook_id: str, etag: str = "") -> webhook_pb2.Webhook:
        request = webhook_pb2.RotateWebhookSecretRequest(webhook_id=webhook_id, etag=etag)
        return await self.webhooks.RotateWebhookSecret(request, **self._options)

    async def deliveries_page(self, webhook_id: str, **asked: Any) -> webhook_pb2.ListWebhookDeliveriesResponse:
        request = webhook_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook_id, **asked)
        return await self.webhooks.ListWebhookDeliveries(request, **self._options)

    async def deliveries(self, webhook_id: str) -> list[webhook_pb2.WebhookDelivery]:
        """Return the deliveries of the first page."""
        return list((await self.deliveries_page(webhook_id)).deliveries)


def webhook_client(world: World) -> WebhookClient:
    """Return the webhook client of an operator."""
    return WebhookClient(world.channel, "desk", roles="operator")


def an_event(number: int = 0, event_type: EventType = EventType.BOOKING_CONFIRMED, time: datetime | None = None) -> Event:
    """Return an event of the commit with that number, at `time` or in half a minute, after any webhook of the test."""
    moment = time or utc_now() + timedelta(seconds=30)
    key, sequence = event_id(RUN_ID, number, 0), sequence_of(number, 0)
    return Event(key, event_type, RUN_ID, sequence, moment, "7QK2MZ", {"reference": "7QK2MZ"})


async def keep(database: Database, *events: Event) -> None:
    """Store events where the engine finds them."""
    await database["events"].insert_many([event_batch_document([event]) for event in events])
