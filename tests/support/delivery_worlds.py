"""Worlds in which events are delivered: a store in memory, a clock that is moved by hand, and receivers that record.

Belongs here: stand-ins for the clock and for HTTP, and events and webhooks in the store. Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from app.domain.deliveries import Delivery, OutcomeKind, SendOutcome
from app.domain.events import Event, EventType, event_id, sequence_of
from app.domain.webhooks import Webhook, make_webhook, with_changes
from app.notifications.webhook import Sender, WebhookChannel
from app.store.event_documents import event_batch_document
from app.store.in_memory import connect_in_memory
from app.store.store import Store, open_store
from app.usecases.deliveries import DeliveryEngine, DeliverySubscriber
from tests.support.job_worlds import Clock, Watched

# The present, since databases delete what is too old; in milliseconds, as they store time.
NOW = datetime.now(UTC).replace(microsecond=250_000)
RUN_ID = "es9014:2026-09-01"
DELIVERED, GONE = SendOutcome(OutcomeKind.DELIVERED, 204), SendOutcome(OutcomeKind.GONE, 410, "gone")
FAILED = SendOutcome(OutcomeKind.FAILED, 503, "out of order")


class RecordingReceivers(Watched):
    """Stands in for HTTP: answers DELIVERED, or as `answers` says for a webhook, and records what each was sent.

    A send to a webhook in `hanging` ends when `may_end` is set. `during` is called during each send.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, SendOutcome | Exception] = {}
        self.hanging: set[str] = set()
        self.may_end = asyncio.Event()
        self.during: Callable[[Webhook], Awaitable[object]] | None = None
        self.sent: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.in_progress: list[str] = []
        self.in_progress_max: dict[str, int] = {}

    def to(self, webhook_id: str) -> list[str]:
        """Return the ids of the events that a webhook was sent."""
        return [sent for receiver, sent in self.sent if receiver == webhook_id]

    async def close(self) -> None:
        """Close nothing."""

    async def send(self, webhook: Webhook, event_id: str, body: bytes, now: datetime) -> SendOutcome:
        name = webhook.webhook_id
        self.sent.append((name, event_id))
        self.bodies.append(body)
        self.in_progress.append(name)
        self.in_progress_max[name] = max(self.in_progress_max.get(name, 0), self.in_progress.count(name))
        self.change()
        try:
            if name in self.hanging:
                await self.may_end.wait()
            await asyncio.sleep(0)
            if self.during is not None:
                await self.during(webhook)
        finally:
            self.in_progress.remove(name)
            self.change()
        answer = self.answers.get(name, DELIVERED)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Dispatch:
    """The deliveries of one process: the subscriber that inserts them, and the engine that sends them.

    `chosen` are arguments of the engine. Pauses have their shortest length.
    """

    def __init__(
        self, store: Store, sender: Sender, clock: Callable[[], datetime], *, sends_max: int = 4, **chosen: Any
    ) -> None:
        channel = WebhookChannel(store.webhooks, sender, sends_max=sends_max)
        self.subscriber = DeliverySubscriber(channel, store.deliveries)
        self.engine = DeliveryEngine(channel, store.events, store.deliveries, clock, **{"jitter": lambda: 0.0, **chosen})


class DeliveryWorld:
    """A store with webhooks and events, and a delivery engine over it."""

    def __init__(self, *, sends_max: int = 4) -> None:
        self.clock = Clock(NOW)
        self.database = connect_in_memory()["test"]
        self.store: Store = open_store(self.database, jobs_kept_seconds=3_600)
        self.receivers = RecordingReceivers()
        dispatch = Dispatch(self.store, self.receivers, self.clock, sends_max=sends_max)
        self.subscriber, self.engine = dispatch.subscriber, dispatch.engine

    def another_engine(self, *, sends_max: int = 4, **chosen: Any) -> DeliveryEngine[Webhook]:
        """Return one more engine over the same store, to the same receivers."""
        return Dispatch(self.store, self.receivers, self.clock, sends_max=sends_max, **chosen).engine

    async def webhook(self, webhook_id: str, *event_types: str, is_active: bool = True) -> Webhook:
        """Store a webhook."""
        made = make_webhook(webhook_id, f"https://{webhook_id}.example.com/", event_types, "whsec_MQ==", NOW)
        await self.store.webhooks.create(made)
        if not is_active:
            made = with_changes(made, NOW, is_active=False)
            await self.store.webhooks.update(made)
        return made

    async def happen(self, *numbers: int, event_type: EventType = EventType.BOOKING_CONFIRMED) -> list[Event]:
        """Store events and insert their deliveries."""
        events = [an_event(number, event_type) for number in numbers]
        await self.database["events"].insert_many([event_batch_document([event]) for event in events])
        await self.subscriber.handle(events)
        return events

    async def deliveries(self, webhook_id: str) -> dict[str, Delivery]:
        """Return the deliveries to a webhook, by the id of their event."""
        return {delivery.event_id: delivery for delivery in await self.store.deliveries.list_page(webhook_id, None, 1_000)}

    async def states(self, webhook_id: str) -> list[str]:
        """Return the states of the deliveries to a webhook."""
        return [delivery.state.value for delivery in (await self.deliveries(webhook_id)).values()]


def an_event(number: int = 0, event_type: EventType = EventType.BOOKING_CONFIRMED) -> Event:
    """Return an event of now, of the commit with that number."""
    key, sequence = event_id(RUN_ID, number, 0), sequence_of(number, 0)
    return Event(key, event_type, RUN_ID, sequence, NOW, "7QK2MZ", {"reference": "7QK2MZ"})
