"""Webhooks and deliveries as they are kept, on each kind of database: never too many, never twice, no change over another."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.domain.deliveries import Delivery, OutcomeKind, SendOutcome, after_attempt, make_delivery
from app.domain.events import Event, EventType, event_id
from app.domain.refusals import Reason, Refusal
from app.domain.webhooks import WEBHOOK_RETRIES, WEBHOOKS_MAX, Webhook, make_webhook, with_changes, with_new_secret
from app.embedded.mongod import EmbeddedMongod
from app.store.driver import Database, connect
from app.store.in_memory import connect_in_memory
from app.store.webhooks import (
    DELIVERIES_INDEX,
    DUE_INDEX,
    LIFETIME_INDEX,
    WebhookDeliveries,
    Webhooks,
    deliveries_query,
    delivery_key,
    due_query,
    make_webhook_indexes,
    pending_query,
)

# The present, since databases drop what is too old; in milliseconds, as they keep time.
NOW = datetime.now(UTC).replace(microsecond=250_000)
RUN = "es9014:2026-09-01"
DELIVERED = SendOutcome(OutcomeKind.DELIVERED, 204, "thanks")
FAILED = SendOutcome(OutcomeKind.FAILED, 503, "out of order")


@asynccontextmanager
async def a_database_of(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """An empty database of a real server, with its indexes."""
    client = connect(mongod.uri, operation_seconds_max=30.0, selection_seconds_max=10.0, connections_max=20)
    database = client[f"test_{uuid.uuid4().hex[:16]}"]
    await make_webhook_indexes(database)
    yield database
    await client.drop_database(database.name)
    client.close()


@pytest_asyncio.fixture
async def real_database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """For what mongomock cannot show: races, plans."""
    async with a_database_of(mongod) as database:
        yield database


@pytest_asyncio.fixture(params=["mongomock", "mongod"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database of each kind in turn, with its indexes."""
    if request.param == "mongod":
        async with a_database_of(request.getfixturevalue("mongod")) as database:
            yield database
    else:
        database = connect_in_memory()["test"]
        await make_webhook_indexes(database)
        yield database


@pytest.fixture
def webhooks(database: Database) -> Webhooks:
    return Webhooks(database)


@pytest.fixture
def deliveries(database: Database) -> WebhookDeliveries:
    return WebhookDeliveries(database)


def a_webhook(webhook_id: str = "w1", *event_types: str) -> Webhook:
    return make_webhook(webhook_id, "https://hooks.example.com/", event_types, "whsec_MQ==", NOW)


def later(**time: float) -> datetime:
    return NOW + timedelta(**time)


def made(index: int, webhook_id: str = "w1", moment: datetime = NOW) -> Delivery:
    """The delivery to that webhook of the event at `index` of a commit."""
    event = Event(event_id(RUN, 3, index), EventType.BOOKING_CONFIRMED, RUN, index, moment, "7QK2MZ", {})
    return make_delivery(event, webhook_id)


def ids(found: list[Delivery]) -> list[str]:
    return [one.delivery_id for one in found]


# -- webhooks


async def test_a_webhook_is_found_as_it_was_kept(webhooks: Webhooks) -> None:
    webhook = with_new_secret(a_webhook("w1", "booking.*", "hold.placed"), "whsec_Mg==", NOW)
    assert await webhooks.create(webhook) == webhook
    assert await webhooks.get("w1") == webhook
    assert await webhooks.get("w2") is None


async def test_a_webhook_that_is_made_again_is_the_one_that_was_made_first(webhooks: Webhooks) -> None:
    first = a_webhook()
    await webhooks.create(first)
    assert await webhooks.create(replace(first, secret="whsec_b3RoZXI=", url="https://other.example.com/")) == first
    assert await webhooks.list_page("", 10) == [first]


async def test_there_are_never_more_webhooks_than_allowed_and_a_place_that_comes_free_is_taken(webhooks: Webhooks) -> None:
    for number in range(WEBHOOKS_MAX):
        assert await webhooks.create(a_webhook(f"w{number}"))
    assert await webhooks.create(a_webhook("more")) is None
    assert await webhooks.create(a_webhook("w7")) == a_webhook("w7")
    assert await webhooks.delete("w50")
    assert await webhooks.create(a_webhook("more")) == a_webhook("more")
    assert len(await webhooks.list_active()) == WEBHOOKS_MAX


async def test_servers_that_make_webhooks_at_once_make_no_more_than_allowed(real_database: Database) -> None:
    servers = [Webhooks(real_database) for _ in range(3)]
    for number in range(WEBHOOKS_MAX - 10):
        await servers[0].create(a_webhook(f"w{number}"))
    await asyncio.gather(*(servers[number % 3].create(a_webhook(f"x{number}")) for number in range(30)))
    kept = await real_database["webhooks"].find().to_list(1_000)
    assert len(kept) <= WEBHOOKS_MAX
    assert len({document["slot"] for document in kept}) == len(kept)


async def test_a_few_webhooks_made_at_once_are_all_made(real_database: Database) -> None:
    servers = [Webhooks(real_database) for _ in range(3)]
    found = await asyncio.gather(*(servers[number % 3].create(a_webhook(f"w{number}")) for number in range(12)))
    assert found == [a_webhook(f"w{number}") for number in range(12)]


async def test_webhooks_are_listed_by_id_page_by_page(webhooks: Webhooks) -> None:
    for name in ("c", "a", "d", "b"):
        await webhooks.create(a_webhook(name))
    assert [one.webhook_id for one in await webhooks.list_page("", 3)] == ["a", "b", "c"]
    assert [one.webhook_id for one in await webhooks.list_page("c", 3)] == ["d"]
    assert await webhooks.list_page("d", 3) == []


async def test_a_webhook_that_is_not_active_is_told_of_nothing(webhooks: Webhooks) -> None:
    for name in ("a", "b"):
        await webhooks.create(a_webhook(name))
    assert await webhooks.update(with_changes(a_webhook("a"), NOW, is_active=False))
    assert [one.webhook_id for one in await webhooks.list_active()] == ["b"]
    assert [one.webhook_id for one in await webhooks.list_page("", 10)] == ["a", "b"]


async def test_a_change_is_kept_unless_another_came_first(webhooks: Webhooks) -> None:
    webhook = a_webhook()
    await webhooks.create(webhook)
    mine, other = (
        with_changes(webhook, later(hours=1), event_types=("hold.*",)),
        with_new_secret(webhook, "whsec_Mg==", later(hours=2)),
    )
    assert await webhooks.update(mine)
    assert not await webhooks.update(other)
    assert await webhooks.get("w1") == mine
    assert await webhooks.update(mine)  # as after an answer that was lost


async def test_a_changed_webhook_keeps_its_place(webhooks: Webhooks) -> None:
    for number in range(WEBHOOKS_MAX):
        await webhooks.create(a_webhook(f"w{number}"))
    assert await webhooks.update(with_changes(a_webhook("w3"), NOW, is_active=False))
    assert await webhooks.create(a_webhook("more")) is None


async def test_a_webhook_is_forgotten_once_and_in_the_version_that_was_meant(webhooks: Webhooks) -> None:
    webhook = a_webhook()
    await webhooks.create(webhook)
    assert not await webhooks.delete("w1", version=2)
    assert await webhooks.delete("w1", version=1)
    assert not await webhooks.delete("w1")
    assert not await webhooks.update(with_changes(webhook, NOW, is_active=False))
    assert await webhooks.get("w1") is None


# -- deliveries


async def test_a_delivery_is_kept_once_however_often_its_event_is_told(deliveries: WebhookDeliveries) -> None:
    assert await deliveries.insert_if_absent([made(0), made(1)]) == 2
    assert await deliveries.insert_if_absent([made(0), made(1), made(2)]) == 1
    assert await deliveries.insert_if_absent([]) == 0
    assert await deliveries.get(made(1).delivery_id) == made(1)
    assert await deliveries.get("other") is None


async def test_an_event_told_again_does_not_undo_its_delivery(deliveries: WebhookDeliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    delivered = after_attempt(made(0), DELIVERED, NOW, 0.0, WEBHOOK_RETRIES)
    assert await deliveries.record(delivered)
    assert await deliveries.insert_if_absent([made(0)]) == 0
    assert await deliveries.get(delivered.delivery_id) == delivered


async def test_deliveries_are_listed_newest_first_page_by_page(deliveries: WebhookDeliveries) -> None:
    kept = [made(index, moment=later(seconds=index // 2)) for index in range(7)]
    await deliveries.insert_if_absent([*kept, made(0, "w2")])
    newest_first = ids(kept)[::-1]
    found: list[Delivery] = []
    pages = 0
    while page := await deliveries.list_page("w1", delivery_key(found[-1]) if found else None, 3):
        found += page
        pages += 1
    assert ids(found) == newest_first
    assert pages == 3


async def test_what_is_due_is_found_longest_waiting_first(deliveries: WebhookDeliveries) -> None:
    kept = [made(index, moment=later(seconds=-index)) for index in range(4)]
    coming = made(9, moment=later(seconds=1))
    await deliveries.insert_if_absent([*kept, coming, made(0, "w2")])
    assert ids(await deliveries.due("w1", NOW, 10)) == ids(kept)[::-1]
    assert ids(await deliveries.due("w1", NOW, 2)) == ids(kept)[:1:-1]
    assert ids(await deliveries.due("w1", later(seconds=1), 10)) == [*ids(kept)[::-1], coming.delivery_id]
    assert await deliveries.due("w3", NOW, 10) == []


async def test_it_is_known_when_the_next_delivery_is_due(deliveries: WebhookDeliveries) -> None:
    assert await deliveries.next_due_time("w1") is None
    await deliveries.insert_if_absent([made(0, moment=later(seconds=9)), made(1, moment=later(seconds=7)), made(2, "w2")])
    assert await deliveries.next_due_time("w1") == later(seconds=7)
    taken = await deliveries.claim(made(1, moment=later(seconds=7)), later(seconds=60))
    assert taken is not None
    assert await deliveries.next_due_time("w1") == later(seconds=9)
    await deliveries.record(after_attempt(taken, DELIVERED, later(seconds=8), 0.0, WEBHOOK_RETRIES))
    await deliveries.record(after_attempt(made(0, moment=later(seconds=9)), DELIVERED, later(seconds=9), 0.0, WEBHOOK_RETRIES))
    assert await deliveries.next_due_time("w1") is None


async def test_a_delivery_is_due_again_after_its_pause_and_never_after_its_end(deliveries: WebhookDeliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    failed = after_attempt(made(0), FAILED, NOW, 0.1, WEBHOOK_RETRIES)
    assert failed.next_attempt_time is not None
    assert await deliveries.record(failed)
    assert await deliveries.due("w1", later(seconds=5), 10) == []
    assert await deliveries.due("w1", failed.next_attempt_time, 10) == [failed]
    delivered = after_attempt(failed, DELIVERED, later(seconds=7), 0.1, WEBHOOK_RETRIES)
    assert await deliveries.record(delivered)
    assert await deliveries.due("w1", later(days=10), 10) == []
    assert await deliveries.get(failed.delivery_id) == delivered


async def test_a_delivery_is_taken_by_one_server_until_it_would_have_died(deliveries: WebhookDeliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    until = later(seconds=30)
    taken = await deliveries.claim(made(0), until)
    assert taken == replace(made(0), next_attempt_time=until)
    assert await deliveries.claim(made(0), later(seconds=40)) is None
    assert await deliveries.due("w1", later(seconds=29), 10) == []
    assert await deliveries.due("w1", until, 10) == [taken]


async def test_servers_that_reach_for_a_delivery_at_once_do_not_both_get_it(real_database: Database) -> None:
    servers = [WebhookDeliveries(real_database) for _ in range(8)]
    await servers[0].insert_if_absent([made(0)])
    found = await asyncio.gather(*(one.claim(made(0), later(seconds=30)) for one in servers))
    assert sum(one is not None for one in found) == 1


@pytest.mark.parametrize("outcome", [DELIVERED, FAILED], ids=["delivered", "failed"])
async def test_an_attempt_is_kept_unless_another_came_first(deliveries: WebhookDeliveries, outcome: SendOutcome) -> None:
    await deliveries.insert_if_absent([made(0)])
    mine, other = (
        after_attempt(made(0), outcome, NOW, 0.0, WEBHOOK_RETRIES),
        after_attempt(made(0), FAILED, later(seconds=1), 0.0, WEBHOOK_RETRIES),
    )
    assert await deliveries.record(mine)
    assert not await deliveries.record(other)
    assert await deliveries.record(mine)  # as after an answer that was lost
    assert await deliveries.get(mine.delivery_id) == mine


async def test_an_attempt_for_a_delivery_that_is_not_there_is_not_kept(deliveries: WebhookDeliveries) -> None:
    assert not await deliveries.record(after_attempt(made(0), FAILED, NOW, 0.0, WEBHOOK_RETRIES))
    assert await deliveries.get(made(0).delivery_id) is None


# -- the server


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    """All stages of the winning plan, at any depth."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for name, part in plan.items():
            if name != "rejectedPlans":
                yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)


@pytest.mark.parametrize(
    ("query", "order", "index"),
    [
        (deliveries_query("w1", None), {"event_time": -1, "_id": -1}, DELIVERIES_INDEX),
        (deliveries_query("w1", (1_785_585_600_000, "x")), {"event_time": -1, "_id": -1}, DELIVERIES_INDEX),
        (due_query("w1", NOW), {"next_attempt_time": 1}, DUE_INDEX),
        (pending_query("w1"), {"next_attempt_time": 1}, DUE_INDEX),
    ],
    ids=["the first page", "a later page", "what is due", "what is due next"],
)
async def test_deliveries_are_read_by_index_in_their_order(
    real_database: Database, query: dict[str, Any], order: dict[str, int], index: str
) -> None:
    await WebhookDeliveries(real_database).insert_if_absent([made(number) for number in range(50)])
    command = {"find": "webhook_deliveries", "filter": query, "sort": order, "limit": 10}
    stages = list(_stages(await real_database.command("explain", command, verbosity="queryPlanner")))
    names = {stage["stage"] for stage in stages}
    assert not names & {"COLLSCAN", "SORT"}
    assert {stage["indexName"] for stage in stages if stage["stage"] == "IXSCAN"} == {index}


async def test_what_is_final_takes_no_room_among_what_is_due(real_database: Database) -> None:
    deliveries = WebhookDeliveries(real_database)
    await deliveries.insert_if_absent([made(number) for number in range(3)])
    await deliveries.record(after_attempt(made(0), DELIVERED, NOW, 0.0, WEBHOOK_RETRIES))
    validated = await real_database.command("validate", "webhook_deliveries")
    assert validated["keysPerIndex"][DUE_INDEX] == 2


async def test_indexes_may_be_made_again_and_forget_deliveries_after_a_month(real_database: Database) -> None:
    await make_webhook_indexes(real_database)
    found = await real_database["webhook_deliveries"].index_information()
    assert found[LIFETIME_INDEX]["expireAfterSeconds"] == 30 * 86_400


@pytest.mark.parametrize(
    "ask",
    [
        make_webhook_indexes,
        lambda database: Webhooks(database).create(a_webhook()),
        lambda database: Webhooks(database).list_active(),
        lambda database: Webhooks(database).update(with_changes(a_webhook(), NOW, is_active=False)),
        lambda database: Webhooks(database).delete("w1"),
        lambda database: WebhookDeliveries(database).insert_if_absent([made(0)]),
        lambda database: WebhookDeliveries(database).list_page("w1", None, 10),
        lambda database: WebhookDeliveries(database).due("w1", NOW, 10),
        lambda database: WebhookDeliveries(database).next_due_time("w1"),
        lambda database: WebhookDeliveries(database).claim(made(0), NOW),
        lambda database: WebhookDeliveries(database).record(after_attempt(made(0), FAILED, NOW, 0.0, WEBHOOK_RETRIES)),
    ],
)
async def test_a_database_that_is_away_is_a_refusal(ask: Callable[[Database], Awaitable[object]]) -> None:
    uri = "mongodb://127.0.0.1:1/?directConnection=true"
    client = connect(uri, operation_seconds_max=1.0, selection_seconds_max=0.05, connections_max=2)
    with pytest.raises(Refusal) as refusal:
        await ask(client["test"])
    assert refusal.value.reason is Reason.DATABASE_UNAVAILABLE
    client.close()
