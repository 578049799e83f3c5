"""Channels: the delivery engine serves whatever keeps to the protocol, and channels do not hold up each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.domain.deliveries import DeliveryState, OutcomeKind, SendOutcome
from app.domain.events import Event
from app.domain.retry import RetrySchedule
from app.store.event_documents import event_batch_document
from app.store.in_memory import connect_in_memory
from app.store.store import open_store
from app.usecases.deliveries import DeliveryEngine, DeliverySubscriber
from tests.support.delivery_worlds import NOW, an_event
from tests.support.job_worlds import Clock, Watched

FIRST_PAUSE_SECONDS = 7


class TextChannel(Watched):
    """A channel as small as one can be: its receivers are phone numbers, and want every event."""

    span_name = "send text"
    status_attribute = "test.status"
    retries = RetrySchedule((FIRST_PAUSE_SECONDS, 70), (1.0, 1.0), attempts_max=2)

    def __init__(self, name: str, *numbers: str) -> None:
        super().__init__()
        self.name, self.sends_max, self.numbers = name, 2, set(numbers)
        self.sent: list[tuple[str, str]] = []
        self.outcome = SendOutcome(OutcomeKind.DELIVERED)
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def list_receivers(self) -> Mapping[str, str]:
        return {f"{self.name}:{number}": number for number in sorted(self.numbers)}

    async def find_receiver(self, receiver_id: str) -> str | None:
        return (await self.list_receivers()).get(receiver_id)

    def is_subscribed(self, receiver: str, event: Event) -> bool:
        return True

    def trace_attributes(self, receiver: str) -> Mapping[str, str | int]:
        return {}

    async def send(self, receiver: str, event: Event, now: datetime) -> SendOutcome:
        self.sent.append((receiver, event.event_id))
        self.change()
        await self.may_end.wait()
        return self.outcome

    async def disable(self, receiver: str, now: datetime) -> bool:
        self.numbers.discard(receiver)
        return True

    async def close(self) -> None:
        """Close nothing."""


class Texts:
    """A store with events, and a subscriber and an engine for each channel."""

    def __init__(self, *channels: TextChannel) -> None:
        self.clock = Clock(NOW)
        self.database = connect_in_memory()["test"]
        self.store = open_store(self.database, jobs_kept_seconds=3_600)
        self.subscribers = [DeliverySubscriber(channel, self.store.deliveries) for channel in channels]
        self.engines = [DeliveryEngine(channel, self.store.events, self.store.deliveries, self.clock) for channel in channels]

    async def happen(self, *numbers: int) -> list[str]:
        """Store events and insert their deliveries; return the ids of the events."""
        events = [an_event(number) for number in numbers]
        await self.database["events"].insert_many([event_batch_document([event]) for event in events])
        for subscriber in self.subscribers:
            await subscriber.handle(events)
        return [event.event_id for event in events]


async def test_a_channel_of_any_kind_delivers_each_event_to_each_of_its_receivers() -> None:
    channel = TextChannel("texts", "+33 1", "+33 2")
    texts = Texts(channel)
    event_ids = await texts.happen(1, 2)
    await texts.engines[0].send_due()
    assert sorted(channel.sent) == [(number, event_id) for number in ("+33 1", "+33 2") for event_id in event_ids]


async def test_a_channel_has_its_own_retry_schedule() -> None:
    channel = TextChannel("texts", "+33 1")
    channel.outcome = SendOutcome(OutcomeKind.FAILED)
    texts = Texts(channel)
    (event_id,) = await texts.happen(1)
    assert await texts.engines[0].send_due() == FIRST_PAUSE_SECONDS
    texts.clock.move(FIRST_PAUSE_SECONDS)
    await texts.engines[0].send_due()
    delivery = await texts.store.deliveries.get(f"{event_id}:texts:+33 1")
    assert delivery is not None
    assert (delivery.state, len(delivery.attempts)) == (DeliveryState.FAILED, 2)
    assert delivery.attempts[-1].time - delivery.attempts[0].time == timedelta(seconds=FIRST_PAUSE_SECONDS)


async def test_a_receiver_that_is_gone_is_disabled_by_its_channel() -> None:
    channel = TextChannel("texts", "+33 1")
    channel.outcome = SendOutcome(OutcomeKind.GONE)
    texts = Texts(channel)
    await texts.happen(1)
    await texts.engines[0].send_due()
    assert channel.numbers == set()
    assert await texts.subscribers[0].handle([an_event(2)]) == 0


async def test_a_channel_that_hangs_does_not_hold_up_another_one() -> None:
    slow, quick = TextChannel("slow", "+33 1"), TextChannel("quick", "+33 1")
    texts = Texts(slow, quick)
    slow.may_end.clear()
    event_ids = await texts.happen(*range(10))
    hanging = asyncio.create_task(texts.engines[0].send_due())
    await slow.until(lambda: bool(slow.sent))
    await texts.engines[1].send_due()
    assert sorted(event_id for _, event_id in quick.sent) == sorted(event_ids)
    slow.may_end.set()
    await hanging
    assert sorted(event_id for _, event_id in slow.sent) == sorted(event_ids)
