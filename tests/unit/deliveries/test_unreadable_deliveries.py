"""Unreadable records: an event, a delivery or a webhook that cannot be read holds up no others."""

from __future__ import annotations

import pytest

from app.domain.events import commit_of
from app.usecases.deliveries import CLAIM_SECONDS
from tests.support.delivery_worlds import DeliveryWorld


@pytest.fixture
def world() -> DeliveryWorld:
    return DeliveryWorld()


async def test_a_delivery_of_an_unreadable_event_is_sent_once_the_event_is_repaired(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    (event, *_) = await world.happen(0, 1, 2)
    query = {"_id": commit_of(event.event_id)}
    await world.database["events"].update_one(query, {"$set": {"events.0.type": "hold.eaten"}})
    await world.engine.send_due()
    assert sorted(await world.states("w1")) == ["DELIVERED", "DELIVERED", "PENDING"]
    assert (await world.deliveries("w1"))[event.event_id].attempts == ()
    await world.database["events"].update_one(query, {"$set": {"events.0.type": event.event_type.value}})
    world.clock.move(CLAIM_SECONDS)
    await world.engine.send_due()
    assert await world.states("w1") == ["DELIVERED"] * 3


async def test_unreadable_deliveries_and_webhooks_hold_up_no_others(world: DeliveryWorld) -> None:
    await world.webhook("w0")
    await world.webhook("w1")
    events = await world.happen(*range(150))
    broken = [f"{event.event_id}:w1" for event in events[:120]]
    await world.database["webhook_deliveries"].update_many({"_id": {"$in": broken}}, {"$set": {"state": "LOST"}})
    await world.database["webhooks"].update_one({"_id": "w0"}, {"$unset": {"url": ""}})
    await world.engine.send_due()
    assert sorted(world.receivers.to("w1")) == sorted(event.event_id for event in events[120:])
    assert world.receivers.to("w0") == []
    assert len(await world.deliveries("w1")) == 30
    assert [webhook.webhook_id for webhook in await world.store.webhooks.list_page("", 10)] == ["w1"]
