"""Webhooks as they are stored, on each kind of database: never too many, never twice, no change over another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.refusals import Reason, Refusal
from app.domain.webhooks import WEBHOOKS_MAX, Webhook, make_webhook, with_changes, with_new_secret
from app.store.driver import Database, connect
from app.store.webhooks import Webhooks, make_webhook_indexes

# The present, since databases drop what is too old; in milliseconds, as they store time.
NOW = datetime.now(UTC).replace(microsecond=250_000)


@pytest.fixture
def webhooks(database: Database) -> Webhooks:
    return Webhooks(database)


def a_webhook(webhook_id: str = "w1", *event_types: str) -> Webhook:
    return make_webhook(webhook_id, "https://hooks.example.com/", event_types, "whsec_MQ==", NOW)


def later(**time: float) -> datetime:
    return NOW + timedelta(**time)


async def test_a_webhook_is_read_as_it_was_created(webhooks: Webhooks) -> None:
    webhook = with_new_secret(a_webhook("w1", "booking.*", "hold.placed"), "whsec_Mg==", NOW)
    assert await webhooks.create(webhook) == webhook
    assert await webhooks.get("w1") == webhook
    assert await webhooks.get("w2") is None


async def test_a_webhook_that_is_created_again_is_the_first_one(webhooks: Webhooks) -> None:
    first = a_webhook()
    await webhooks.create(first)
    assert await webhooks.create(replace(first, secret="whsec_b3RoZXI=", url="https://other.example.com/")) == first
    assert await webhooks.list_page("", 10) == [first]


async def test_there_are_never_more_webhooks_than_allowed_and_a_free_slot_is_used_again(webhooks: Webhooks) -> None:
    for number in range(WEBHOOKS_MAX):
        assert await webhooks.create(a_webhook(f"w{number}"))
    assert await webhooks.create(a_webhook("more")) is None
    assert await webhooks.create(a_webhook("w7")) == a_webhook("w7")
    assert await webhooks.delete("w50")
    assert await webhooks.create(a_webhook("more")) == a_webhook("more")
    assert len(await webhooks.list_active()) == WEBHOOKS_MAX


async def test_servers_that_create_webhooks_at_once_create_no_more_than_allowed(real_database: Database) -> None:
    servers = [Webhooks(real_database) for _ in range(3)]
    for number in range(WEBHOOKS_MAX - 10):
        await servers[0].create(a_webhook(f"w{number}"))
    await asyncio.gather(*(servers[number % 3].create(a_webhook(f"x{number}")) for number in range(30)))
    stored = await real_database["webhooks"].find().to_list(1_000)
    assert len(stored) <= WEBHOOKS_MAX
    assert len({document["slot"] for document in stored}) == len(stored)


async def test_a_few_webhooks_created_at_once_are_all_created(real_database: Database) -> None:
    servers = [Webhooks(real_database) for _ in range(3)]
    found = await asyncio.gather(*(servers[number % 3].create(a_webhook(f"w{number}")) for number in range(12)))
    assert found == [a_webhook(f"w{number}") for number in range(12)]


async def test_webhooks_are_listed_by_id_page_by_page(webhooks: Webhooks) -> None:
    for name in ("c", "a", "d", "b"):
        await webhooks.create(a_webhook(name))
    assert [webhook.webhook_id for webhook in await webhooks.list_page("", 3)] == ["a", "b", "c"]
    assert [webhook.webhook_id for webhook in await webhooks.list_page("c", 3)] == ["d"]
    assert await webhooks.list_page("d", 3) == []


async def test_a_disabled_webhook_receives_nothing(webhooks: Webhooks) -> None:
    for name in ("a", "b"):
        await webhooks.create(a_webhook(name))
    assert await webhooks.update(with_changes(a_webhook("a"), NOW, is_active=False))
    assert [webhook.webhook_id for webhook in await webhooks.list_active()] == ["b"]
    assert [webhook.webhook_id for webhook in await webhooks.list_page("", 10)] == ["a", "b"]


async def test_a_change_is_stored_unless_another_came_first(webhooks: Webhooks) -> None:
    webhook = a_webhook()
    await webhooks.create(webhook)
    mine, other = (
        with_changes(webhook, later(hours=1), event_types=("hold.*",)),
        with_new_secret(webhook, "whsec_Mg==", later(hours=2)),
    )
    assert await webhooks.update(mine)
    assert not await webhooks.update(other)
    assert await webhooks.get("w1") == mine
    assert await webhooks.update(mine)  # again, as after a lost answer


async def test_a_changed_webhook_keeps_its_slot(webhooks: Webhooks) -> None:
    for number in range(WEBHOOKS_MAX):
        await webhooks.create(a_webhook(f"w{number}"))
    assert await webhooks.update(with_changes(a_webhook("w3"), NOW, is_active=False))
    assert await webhooks.create(a_webhook("more")) is None


async def test_a_webhook_is_deleted_once_and_only_in_the_given_version(webhooks: Webhooks) -> None:
    webhook = a_webhook()
    await webhooks.create(webhook)
    assert not await webhooks.delete("w1", version=2)
    assert await webhooks.delete("w1", version=1)
    assert not await webhooks.delete("w1")
    assert not await webhooks.update(with_changes(webhook, NOW, is_active=False))
    assert await webhooks.get("w1") is None


@pytest.mark.parametrize(
    "ask",
    [
        make_webhook_indexes,
        lambda database: Webhooks(database).create(a_webhook()),
        lambda database: Webhooks(database).list_active(),
        lambda database: Webhooks(database).update(with_changes(a_webhook(), NOW, is_active=False)),
        lambda database: Webhooks(database).delete("w1"),
    ],
)
async def test_an_outage_is_a_refusal(ask: Callable[[Database], Awaitable[object]]) -> None:
    uri = "mongodb://127.0.0.1:1/?directConnection=true"
    client = connect(uri, operation_seconds_max=1.0, selection_seconds_max=0.05, connections_max=2)
    with pytest.raises(Refusal) as refusal:
        await ask(client["test"])
    assert refusal.value.reason is Reason.DATABASE_UNAVAILABLE
    client.close()
