"""Deliveries from the database to real receivers: signed, retried, sent once each, and listed for operators."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from app.domain.events import EventType
from app.notifications.webhook_sender import WebhookSender
from app.pb.seatline.v1 import webhook_pb2
from app.process.clock import utc_now
from app.store.store import open_store
from app.usecases.deliveries import CLAIM_SECONDS
from tests.support.delivery_worlds import Dispatch
from tests.support.job_worlds import Clock
from tests.support.webhook_client import an_event, keep, webhook_client
from tests.support.webhook_receiver import LOOPBACK, Answer, Receiver, answering, running_receiver
from tests.support.world import World

SENDS_MAX = 8
# The first two pauses, without jitter. Receivers accept timestamps within five minutes.
PAUSES_SECONDS = (5, 30)
OK = answering(204)
PENDING = webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING
DELIVERED = webhook_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED
FAILED = webhook_pb2.WEBHOOK_DELIVERY_STATE_FAILED


@pytest.fixture
def chosen_settings() -> dict[str, Any]:
    """The receivers of these tests are on loopback."""
    return {"webhook_allow_private_addresses": True}


def in_turn(*answers: Answer) -> Answer:
    """Return an answer that is each of these in turn, and the last one for ever."""
    left = list(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(writer)

    return answer


@asynccontextmanager
async def dispatching(world: World, clock: Clock) -> AsyncIterator[Dispatch]:
    """The part of another process in deliveries: over the same database, with connections of its own."""
    async with WebhookSender(sends_max=SENDS_MAX, allow_private_addresses=True) as sender:
        store = open_store(world.database, jobs_kept_seconds=3_600)
        yield Dispatch(store, sender, clock, sends_max=SENDS_MAX)


def url_of(receiver: Receiver) -> str:
    return f"http://{LOOPBACK}:{receiver.port}/hook"


def ids_of(receiver: Receiver) -> list[str]:
    """Return the ids under which the receiver was sent events."""
    return [request.headers["webhook-id"] for request in receiver.received]


def verify(receiver: Receiver, secret: str) -> None:
    """Fail unless every request is signed by that secret."""
    for request in receiver.received:
        Verifier(secret).verify(request.body, request.headers)


def statuses(delivery: webhook_pb2.WebhookDelivery) -> Sequence[int]:
    return [attempt.http_status for attempt in delivery.attempts]


async def test_a_receiver_that_fails_twice_gets_the_event_with_the_third_attempt(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    refuses = answering(500, b"out of order")
    async with running_receiver(in_turn(refuses, refuses, OK)) as receiver, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(receiver), "booking.*")
        event = an_event()
        await keep(world.database, event)
        assert await dispatch.subscriber.handle([event, an_event(1, EventType.HOLD_PLACED)]) == 1
        for number, pause_seconds in enumerate(PAUSES_SECONDS, 1):
            assert await dispatch.engine.send_due() == pause_seconds
            assert len(receiver.received) == number
            (waiting,) = await client.deliveries(made.webhook_id)
            assert (waiting.state, statuses(waiting)) == (PENDING, [500] * number)
            clock.move(pause_seconds)
        await dispatch.engine.send_due()
    (delivery,) = await client.deliveries(made.webhook_id)
    assert (delivery.state, statuses(delivery)) == (DELIVERED, [500, 500, 204])
    assert delivery.attempts[0].detail == "out of order"
    assert ids_of(receiver) == [event.event_id] * 3
    verify(receiver, made.secret)
    bodies = {request.body for request in receiver.received}
    assert [(body["id"], body["data"]) for body in map(json.loads, bodies)] == [(event.event_id, {"reference": "7QK2MZ"})]


async def test_after_a_rotation_both_secrets_sign(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    async with running_receiver(OK) as receiver, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(receiver))
        rotated = await client.rotate(made.webhook_id)
        await keep(world.database, an_event())
        await dispatch.subscriber.handle([an_event()])
        await dispatch.engine.send_due()
    assert len(receiver.received) == 1
    verify(receiver, made.secret)
    verify(receiver, rotated.secret)


async def test_a_receiver_that_is_gone_disables_its_webhook_and_an_operator_enables_it_again(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    events = [an_event(number) for number in range(2)]
    await keep(world.database, *events)
    async with running_receiver(in_turn(answering(410), OK)) as receiver, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(receiver))
        await dispatch.subscriber.handle(events[:1])
        await dispatch.engine.send_due()
        disabled = await client.get(made.webhook_id)
        assert (disabled.state, disabled.etag) == (webhook_pb2.WEBHOOK_STATE_DISABLED, "2")
        assert await dispatch.subscriber.handle(events) == 0
        enabled = await client.change(made.webhook_id, mask=["state"], state=webhook_pb2.WEBHOOK_STATE_ACTIVE)
        assert enabled.state == webhook_pb2.WEBHOOK_STATE_ACTIVE
        assert await dispatch.subscriber.handle(events) == 1
        await dispatch.engine.send_due()
    found = {delivery.event_id: (delivery.state, statuses(delivery)) for delivery in await client.deliveries(made.webhook_id)}
    assert found == {events[0].event_id: (FAILED, [410]), events[1].event_id: (DELIVERED, [204])}
    assert ids_of(receiver) == [event.event_id for event in events]


async def test_a_delivery_that_failed_at_the_old_url_goes_to_the_new_one(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    await keep(world.database, an_event())
    async with running_receiver(answering(503)) as old, running_receiver(OK) as new, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(old))
        await dispatch.subscriber.handle([an_event()])
        clock.move(await dispatch.engine.send_due())
        await client.change(made.webhook_id, mask=["url"], url=url_of(new))
        await dispatch.engine.send_due()
    assert (len(old.received), len(new.received)) == (1, 1)


async def test_a_deleted_webhook_is_sent_nothing_more(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    await keep(world.database, an_event())
    async with running_receiver(OK) as receiver, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(receiver))
        await dispatch.subscriber.handle([an_event()])
        await client.delete(made.webhook_id)
        await dispatch.engine.send_due()
    assert receiver.received == []


async def test_two_engines_on_one_database_make_each_attempt_once(world: World) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    events = [an_event(number) for number in range(30)]
    await keep(world.database, *events)
    async with (
        running_receiver(OK) as well,
        running_receiver(in_turn(*[answering(500)] * 30, OK)) as sick,
        dispatching(world, clock) as one,
        dispatching(world, clock) as other,
    ):
        made = [await client.create(url_of(receiver)) for receiver in (well, sick)]
        await asyncio.gather(one.subscriber.handle(events), other.subscriber.handle(events))
        for round_, pause_seconds in enumerate((PAUSES_SECONDS[0], CLAIM_SECONDS), 1):
            await asyncio.gather(one.engine.send_due(), other.engine.send_due())
            assert Counter(ids_of(sick)) == {event.event_id: round_ for event in events}
            clock.move(pause_seconds)
        await asyncio.gather(one.engine.send_due(), other.engine.send_due())
    assert Counter(ids_of(well)) == {event.event_id: 1 for event in events}
    assert Counter(ids_of(sick)) == {event.event_id: 2 for event in events}
    for webhook, expected in zip(made, ([204], [500, 204]), strict=True):
        found = await client.deliveries(webhook.webhook_id)
        assert len(found) == 30
        assert [(delivery.state, statuses(delivery)) for delivery in found] == [(DELIVERED, expected)] * 30


async def test_a_receiver_gets_no_events_from_before_its_webhook_was_created_or_while_it_was_disabled(
    world: World,
) -> None:
    client, clock = webhook_client(world), Clock(utc_now() + timedelta(minutes=1))
    before = an_event(0, time=utc_now() - timedelta(seconds=1))
    async with running_receiver(OK) as receiver, dispatching(world, clock) as dispatch:
        made = await client.create(url_of(receiver))
        await client.change(made.webhook_id, mask=["state"], state=webhook_pb2.WEBHOOK_STATE_DISABLED)
        between = an_event(1, time=utc_now())
        await client.change(made.webhook_id, mask=["url"], url=f"{url_of(receiver)}/new")
        await client.change(made.webhook_id, mask=["state"], state=webhook_pb2.WEBHOOK_STATE_ACTIVE)
        after = an_event(2)
        await keep(world.database, before, between, after)
        assert await dispatch.subscriber.handle([before, between, after]) == 1
        await dispatch.engine.send_due()
    assert ids_of(receiver) == [after.event_id]
