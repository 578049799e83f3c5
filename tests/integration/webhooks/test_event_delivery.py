"""The whole way of an event: from its commit, through the store, to a receiver that fails at first."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook as Verifier

from app.domain.deliveries import Delivery, DeliveryState, after_delivery_attempt, make_delivery
from app.domain.events import Event, EventType, event_id
from app.domain.webhooks import WEBHOOK_RETRIES, check_url, make_webhook
from app.notifications.cloud_events import encode
from app.notifications.secrets import make_secret
from app.notifications.webhook_sender import WebhookSender
from app.store.deliveries import Deliveries, make_delivery_indexes
from app.store.in_memory import connect_in_memory
from app.store.webhooks import Webhooks, make_webhook_indexes
from tests.support.webhook_receiver import LOOPBACK, answering, running_receiver

SECRET = make_secret(bytes(range(32)))
RUN = "es9014:2026-09-01"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def test_a_receiver_that_fails_gets_the_event_later_under_the_same_id() -> None:
    database = connect_in_memory()["test"]
    await make_webhook_indexes(database)
    await make_delivery_indexes(database)
    webhooks, deliveries = Webhooks(database), Deliveries(database)
    now = _now()
    event = Event(event_id(RUN, 3, 0), EventType.BOOKING_CONFIRMED, RUN, 3, now, "7QK2MZ", {"reference": "7QK2MZ"})
    answers = iter([answering(503, b"out of order"), answering(204)])

    async def answer(writer: asyncio.StreamWriter) -> None:
        await next(answers)(writer)

    async def deliver(moment: datetime) -> Delivery:
        (due,) = await deliveries.list_due("w1", moment, 10)
        claimed = await deliveries.claim(due, moment + timedelta(seconds=30))
        assert claimed is not None
        webhook = await webhooks.get(claimed.receiver_id)
        assert webhook is not None
        outcome = await sender.send(webhook, event.event_id, encode(event), _now())
        after = after_delivery_attempt(claimed, outcome, moment, 0.5, WEBHOOK_RETRIES)
        assert await deliveries.record(after)
        return after

    async with running_receiver(answer) as receiver, WebhookSender(allow_private_addresses=True) as sender:
        url = check_url(f"http://{LOOPBACK}:{receiver.port}/hook", "webhook.url")
        await webhooks.create(make_webhook("w1", url, ("booking.*",), SECRET, now))
        await deliveries.insert_if_absent(
            [make_delivery(event, webhook.webhook_id) for webhook in await webhooks.list_active()]
        )
        failed = await deliver(now)
        assert failed.state is DeliveryState.PENDING
        assert failed.next_attempt_time is not None
        delivered = await deliver(failed.next_attempt_time)
    assert delivered.state is DeliveryState.DELIVERED
    assert [attempt.status for attempt in delivered.attempts] == [503, 204]
    assert await deliveries.get(delivered.delivery_id) == delivered
    assert {request.headers["webhook-id"] for request in receiver.received} == {event.event_id}
    for request in receiver.received:
        assert Verifier(SECRET).verify(request.body, request.headers)["type"] == "com.seatline.booking.confirmed.v1"
    assert json.loads(receiver.received[0].body)["data"] == {"reference": "7QK2MZ"}
