"""The delivery engine: each event to each subscribed webhook, retries after a pause, and no receiver holds up another."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime, timedelta

import pytest

from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind, SendOutcome, after_delivery_attempt
from app.domain.events import EventType, commit_of
from app.domain.webhooks import WEBHOOK_RETRIES, Webhook, with_changes
from app.jobs.periodic_tasks import PeriodicTask
from app.usecases import deliveries
from app.usecases.deliveries import CLAIM_SECONDS, IDLE_SECONDS_MAX
from tests.support.delivery_worlds import DELIVERED, FAILED, GONE, NOW, DeliveryWorld, an_event
from tests.support.job_worlds import Clock, JobsInMemory, working

FIRST_PAUSE_SECONDS = 5


@pytest.fixture
def world() -> DeliveryWorld:
    return DeliveryWorld()


# -- from events to deliveries


async def test_an_event_becomes_a_delivery_to_each_subscribed_webhook(world: DeliveryWorld) -> None:
    for name, types in (("all", ()), ("bookings", ("booking.*",)), ("holds", ("hold.placed",))):
        await world.webhook(name, *types)
    await world.webhook("asleep", is_active=False)
    made = await world.subscriber.handle([an_event(0), an_event(1, EventType.HOLD_PLACED)])
    assert made == 4
    assert {name: len(await world.deliveries(name)) for name in ("all", "bookings", "holds", "asleep")} == {
        "all": 2,
        "bookings": 1,
        "holds": 1,
        "asleep": 0,
    }


async def test_events_that_are_handled_again_make_no_second_deliveries(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    assert await world.subscriber.handle([an_event(0)]) == 1
    await world.engine.send_due()
    assert await world.subscriber.handle([an_event(0), an_event(1)]) == 1
    assert await world.subscriber.handle([]) == 0


async def test_many_deliveries_are_inserted_with_several_statements(
    world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "INSERT_BATCH", 2)
    for name in ("w1", "w2", "w3"):
        await world.webhook(name)
    assert await world.subscriber.handle([an_event(number) for number in range(5)]) == 15


# -- one delivery


async def test_a_due_delivery_is_sent_once_as_a_cloud_event(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    (event,) = await world.happen(0)
    assert await world.engine.send_due() == IDLE_SECONDS_MAX
    assert await world.engine.send_due() == IDLE_SECONDS_MAX
    assert world.receivers.sent == [("w1", event.event_id)]
    assert json.loads(world.receivers.bodies[0])["type"] == "com.seatline.booking.confirmed.v1"
    stored = (await world.deliveries("w1"))[event.event_id]
    assert (stored.state, [attempt.status for attempt in stored.attempts]) == (DeliveryState.DELIVERED, [204])


async def test_a_failed_delivery_is_sent_again_after_its_pause_and_not_before(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(0)
    world.receivers.answers["w1"] = FAILED
    assert await world.engine.send_due() == FIRST_PAUSE_SECONDS
    world.clock.move(FIRST_PAUSE_SECONDS - 1)
    assert await world.engine.send_due() == 1
    assert len(world.receivers.sent) == 1
    del world.receivers.answers["w1"]
    world.clock.move(1)
    assert await world.engine.send_due() == IDLE_SECONDS_MAX
    assert len(world.receivers.sent) == 2
    assert await world.states("w1") == ["DELIVERED"]


async def test_without_webhooks_nothing_is_sent(world: DeliveryWorld) -> None:
    await world.happen(0)
    assert await world.engine.send_due() == IDLE_SECONDS_MAX


async def test_a_delivery_whose_event_was_deleted_fails_and_the_webhook_stays_active(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    lost, event = await world.happen(0, 1)
    await world.database["events"].delete_one({"_id": commit_of(lost.event_id)})
    await world.engine.send_due()
    stored = (await world.deliveries("w1"))[lost.event_id]
    assert (stored.state, stored.attempts[0].detail) == (DeliveryState.FAILED, "the event is no longer kept")
    assert world.receivers.to("w1") == [event.event_id]
    webhook = await world.store.webhooks.get("w1")
    assert webhook is not None
    assert webhook.is_active


async def test_a_fault_of_ours_is_a_failed_attempt(world: DeliveryWorld, caplog: pytest.LogCaptureFixture) -> None:
    await world.webhook("w1")
    (event,) = await world.happen(0)
    world.receivers.answers["w1"] = RuntimeError("hunter2")
    with caplog.at_level(logging.ERROR):
        assert await world.engine.send_due() == FIRST_PAUSE_SECONDS
    stored = (await world.deliveries("w1"))[event.event_id]
    assert (stored.attempts[0].outcome, "hunter2" in stored.attempts[0].detail) == (OutcomeKind.FAILED, False)
    assert "hunter2" in caplog.text


# -- receivers that are gone


async def test_a_webhook_whose_receiver_is_gone_is_disabled_and_sent_no_more(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.webhook("w2")
    await world.happen(*range(20))
    world.receivers.answers["w1"] = GONE
    await world.engine.send_due()
    webhook = await world.store.webhooks.get("w1")
    assert webhook is not None
    assert not webhook.is_active
    states = await world.states("w1")
    assert 1 <= states.count("FAILED") == len(world.receivers.to("w1")) <= 2
    assert states.count("PENDING") == 20 - states.count("FAILED")
    assert await world.states("w2") == ["DELIVERED"] * 20


async def test_deliveries_to_a_disabled_webhook_go_on_once_it_is_enabled(world: DeliveryWorld) -> None:
    webhook = await world.webhook("w1")
    await world.happen(0, 1)
    asleep = with_changes(webhook, NOW, is_active=False)
    assert await world.store.webhooks.update(asleep)
    assert await world.engine.send_due() == IDLE_SECONDS_MAX
    assert world.receivers.sent == []
    assert await world.store.webhooks.update(with_changes(asleep, NOW, is_active=True))
    await world.engine.send_due()
    assert await world.states("w1") == ["DELIVERED", "DELIVERED"]


async def test_a_webhook_whose_url_was_changed_before_its_old_receiver_was_gone_stays_active(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(0)

    async def moved(webhook: Webhook) -> None:
        await world.store.webhooks.update(with_changes(webhook, NOW, url="https://new.example.com/"))

    world.receivers.during, world.receivers.answers["w1"] = moved, GONE
    await world.engine.send_due()
    webhook = await world.store.webhooks.get("w1")
    assert webhook is not None
    assert (webhook.is_active, webhook.url) == (True, "https://new.example.com/")


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "disabled"])
async def test_a_webhook_that_is_deleted_or_disabled_while_it_is_served_is_sent_no_more(
    world: DeliveryWorld, is_deleted: bool
) -> None:
    await world.webhook("w1")
    await world.happen(0, 1, 2)

    async def ended(webhook: Webhook) -> None:
        if len(world.receivers.sent) < 2:
            return
        if is_deleted:
            await world.store.webhooks.delete(webhook.webhook_id)
        else:
            await world.store.webhooks.update(with_changes(webhook, NOW, is_active=False))

    world.receivers.during, world.receivers.answers["w1"] = ended, FAILED
    world.engine = world.another_engine(sends_max=1)
    await world.engine.send_due()
    world.clock.move(FIRST_PAUSE_SECONDS)
    assert await world.engine.send_due() == IDLE_SECONDS_MAX
    assert len(world.receivers.sent) == 2


# -- receivers that hang or fail


async def test_one_receiver_gets_at_most_half_of_the_slots_and_the_others_go_on(world: DeliveryWorld) -> None:
    await world.webhook("hangs")
    await world.webhook("well")
    await world.happen(*range(20))
    world.receivers.hanging.add("hangs")
    round_ = asyncio.create_task(world.engine.send_due())
    await world.receivers.until(lambda: len(world.receivers.to("well")) == 20)
    assert world.receivers.in_progress_max["hangs"] == 2
    world.receivers.may_end.set()
    await round_
    assert set(await world.states("hangs")) == {"DELIVERED"}


async def test_there_are_never_more_concurrent_sends_than_slots(world: DeliveryWorld) -> None:
    for name in ("w1", "w2", "w3"):
        await world.webhook(name)
    await world.happen(*range(10))
    at_once: list[int] = []

    async def counted(_: Webhook) -> None:
        at_once.append(len(world.receivers.in_progress))

    world.receivers.during = counted
    await world.engine.send_due()
    assert (len(at_once), max(at_once)) == (30, 4)


async def test_after_a_failure_a_receiver_gets_one_delivery_at_a_time_until_one_succeeds(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(*range(30))
    world.receivers.answers["w1"] = FAILED
    sent = world.receivers.sent
    # All are attempted once, but after the first two never two at a time.
    at_once: list[int] = []

    async def counted(_: Webhook) -> None:
        at_once.append(len(world.receivers.in_progress))

    world.receivers.during = counted
    assert await world.engine.send_due() == FIRST_PAUSE_SECONDS
    assert (len(sent), max(at_once[2:])) == (30, 1)
    del at_once[:], world.receivers.answers["w1"]
    world.clock.move(FIRST_PAUSE_SECONDS)
    await world.engine.send_due()
    assert at_once[0] == 1, "the first one is a trial"
    assert max(at_once) == 2
    assert set(await world.states("w1")) == {"DELIVERED"}


async def test_all_failing_receivers_together_have_at_most_half_of_the_slots(
    world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "POLL_SECONDS", 0.001)
    dead = [f"dead{number}" for number in range(8)]
    for name in dead:
        await world.webhook(name)
    await world.happen(0, 1)
    world.receivers.answers = dict.fromkeys(dead, FAILED)
    await world.engine.send_due()
    world.receivers.hanging = set(dead)
    world.clock.move(FIRST_PAUSE_SECONDS)
    await world.webhook("well")
    round_ = asyncio.create_task(world.engine.send_due())
    await world.receivers.until(lambda: len(world.receivers.in_progress) == 2)
    await world.happen(*range(10, 30))
    await world.receivers.until(lambda: len(world.receivers.to("well")) == 20)
    assert [name for name in world.receivers.in_progress if name != "well"] == world.receivers.in_progress[:2]
    assert len(world.receivers.in_progress) <= 4
    world.receivers.may_end.set()
    await round_


async def test_deliveries_that_become_due_while_a_receiver_hangs_are_sent_meanwhile(
    world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "POLL_SECONDS", 0.001)
    await world.webhook("hangs", "hold.*")
    await world.webhook("well", "booking.*")
    await world.happen(0, event_type=EventType.HOLD_PLACED)
    world.receivers.hanging.add("hangs")
    round_ = asyncio.create_task(world.engine.send_due())
    await world.receivers.until(lambda: world.receivers.in_progress == ["hangs"])
    await world.happen(1)
    await world.receivers.until(lambda: len(world.receivers.to("well")) == 1)
    world.receivers.may_end.set()
    assert await round_ == IDLE_SECONDS_MAX


async def test_an_error_with_one_webhook_is_raised_when_the_others_are_served(
    world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.webhook("broken", "hold.*")
    await world.webhook("well", "booking.*")
    await world.happen(0, event_type=EventType.HOLD_PLACED)
    await world.happen(*range(1, 10))
    claim = world.store.deliveries.claim

    async def fail_for_broken(delivery: Delivery, until: datetime) -> Delivery | None:
        if delivery.receiver_id == "broken":
            raise ValueError("a fault")
        return await claim(delivery, until)

    monkeypatch.setattr(world.store.deliveries, "claim", fail_for_broken)
    with pytest.raises(ValueError, match="a fault"):
        await world.engine.send_due()
    assert await world.states("well") == ["DELIVERED"] * 9
    assert await world.states("broken") == ["PENDING"]


# -- rounds


async def test_a_round_that_is_over_sends_nothing_and_asks_to_be_called_again(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(0)
    assert await world.another_engine(round_seconds_max=0.0).send_due() == 0
    assert world.receivers.sent == []


async def test_a_round_whose_time_is_over_finishes_running_sends_and_leaves_the_rest(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(*range(10))
    world.receivers.hanging.add("w1")
    seconds = 0.0
    engine = world.another_engine(round_seconds_max=60.0, timer=lambda: seconds)
    round_ = asyncio.create_task(engine.send_due())
    await world.receivers.until(lambda: len(world.receivers.in_progress) == 2)
    seconds = 60.0
    world.receivers.may_end.set()
    assert await round_ == 0
    assert sorted(await world.states("w1")) == ["DELIVERED"] * 2 + ["PENDING"] * 8


async def test_deliveries_of_a_cancelled_round_are_sent_again(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    (event,) = await world.happen(0)
    world.receivers.hanging.add("w1")
    round_ = asyncio.create_task(world.engine.send_due())
    await world.receivers.until(lambda: world.receivers.in_progress == ["w1"])
    round_.cancel()
    await asyncio.gather(round_, return_exceptions=True)
    assert world.receivers.in_progress == []
    world.receivers.hanging.clear()
    assert await world.engine.send_due() == min(CLAIM_SECONDS, IDLE_SECONDS_MAX)
    world.clock.move(CLAIM_SECONDS)
    await world.engine.send_due()
    assert world.receivers.to("w1") == [event.event_id] * 2
    assert await world.states("w1") == ["DELIVERED"]


async def test_a_delivery_that_another_engine_has_claimed_is_left_to_it(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    (event,) = await world.happen(0)
    due = (await world.deliveries("w1"))[event.event_id]
    assert await world.store.deliveries.claim(due, NOW + timedelta(seconds=30))
    assert await world.engine.send_due() == 30
    assert world.receivers.sent == []


async def test_several_engines_send_each_delivery_once(world: DeliveryWorld) -> None:
    for name in ("w1", "w2", "w3"):
        await world.webhook(name)
    events = await world.happen(*range(40))
    await asyncio.gather(*(world.another_engine().send_due() for _ in range(4)))
    expected = sorted((name, event.event_id) for name in ("w1", "w2", "w3") for event in events)
    assert sorted(world.receivers.sent) == expected


async def test_an_attempt_that_took_so_long_that_another_was_made_is_not_recorded(
    world: DeliveryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.webhook("w1")
    (event,) = await world.happen(0)
    other = SendOutcome(OutcomeKind.FAILED, 500, "the other")

    async def overtaken(_: Webhook) -> None:
        world.receivers.during = None
        delivery = (await world.deliveries("w1"))[event.event_id]
        assert await world.store.deliveries.record(after_delivery_attempt(delivery, other, NOW, 0.0, WEBHOOK_RETRIES))

    world.receivers.during = overtaken
    with caplog.at_level(logging.WARNING):
        assert await world.engine.send_due() == FIRST_PAUSE_SECONDS
    stored = (await world.deliveries("w1"))[event.event_id]
    assert [attempt.detail for attempt in stored.attempts] == ["the other"]
    assert "so long" in caplog.text


async def test_a_worker_sends_deliveries_as_a_periodic_task(world: DeliveryWorld) -> None:
    await world.webhook("w1")
    await world.happen(0)
    task = PeriodicTask("webhooks", 1.0, world.engine.send_due)
    async with working(JobsInMemory(), {}, Clock(), periodic_tasks=[task]):
        await world.receivers.until(lambda: len(world.receivers.to("w1")) == 1)
    assert await world.states("w1") == [DELIVERED.kind.value]
