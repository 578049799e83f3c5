"""Deliveries as they are stored, on each kind of database: never twice, claimed by one server, no attempt over another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.deliveries import Delivery, OutcomeKind, SendOutcome, after_delivery_attempt, make_delivery
from app.domain.events import Event, EventType, event_id
from app.domain.refusals import Reason, Refusal
from app.domain.webhooks import WEBHOOK_RETRIES
from app.store.deliveries import (
    DELIVERIES_INDEX,
    DUE_INDEX,
    LIFETIME_INDEX,
    Deliveries,
    deliveries_query,
    delivery_key,
    due_query,
    make_delivery_indexes,
    pending_query,
)
from app.store.driver import Database, connect

# The present, since databases drop what is too old; in milliseconds, as they store time.
NOW = datetime.now(UTC).replace(microsecond=250_000)
RUN = "es9014:2026-09-01"
DELIVERED = SendOutcome(OutcomeKind.DELIVERED, 204, "thanks")
FAILED = SendOutcome(OutcomeKind.FAILED, 503, "out of order")


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


def later(**time: float) -> datetime:
    return NOW + timedelta(**time)


def made(index: int, webhook_id: str = "w1", moment: datetime = NOW) -> Delivery:
    """Return the delivery to that webhook of the event at `index` of a commit."""
    event = Event(event_id(RUN, 3, index), EventType.BOOKING_CONFIRMED, RUN, index, moment, "7QK2MZ", {})
    return make_delivery(event, webhook_id)


def attempted(delivery: Delivery, outcome: SendOutcome, now: datetime, jitter: float) -> Delivery:
    """Return a webhook's delivery after one more attempt."""
    return after_delivery_attempt(delivery, outcome, now, jitter, WEBHOOK_RETRIES)


def ids(found: list[Delivery]) -> list[str]:
    return [delivery.delivery_id for delivery in found]


async def test_a_delivery_is_stored_once_however_often_it_is_inserted(deliveries: Deliveries) -> None:
    assert await deliveries.insert_if_absent([made(0), made(1)]) == 2
    assert await deliveries.insert_if_absent([made(0), made(1), made(2)]) == 1
    assert await deliveries.insert_if_absent([]) == 0
    assert await deliveries.get(made(1).delivery_id) == made(1)
    assert await deliveries.get("other") is None


async def test_a_repeated_insert_does_not_undo_a_delivery(deliveries: Deliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    delivered = attempted(made(0), DELIVERED, NOW, 0.0)
    assert await deliveries.record(delivered)
    assert await deliveries.insert_if_absent([made(0)]) == 0
    assert await deliveries.get(delivered.delivery_id) == delivered


async def test_deliveries_are_listed_newest_first_page_by_page(deliveries: Deliveries) -> None:
    stored = [made(index, moment=later(seconds=index // 2)) for index in range(7)]
    await deliveries.insert_if_absent([*stored, made(0, "w2")])
    newest_first = ids(stored)[::-1]
    found: list[Delivery] = []
    pages = 0
    while page := await deliveries.list_page("w1", delivery_key(found[-1]) if found else None, 3):
        found += page
        pages += 1
    assert ids(found) == newest_first
    assert pages == 3


async def test_due_deliveries_are_listed_longest_waiting_first(deliveries: Deliveries) -> None:
    stored = [made(index, moment=later(seconds=-index)) for index in range(4)]
    coming = made(9, moment=later(seconds=1))
    await deliveries.insert_if_absent([*stored, coming, made(0, "w2")])
    assert ids(await deliveries.list_due("w1", NOW, 10)) == ids(stored)[::-1]
    assert ids(await deliveries.list_due("w1", NOW, 2)) == ids(stored)[:1:-1]
    assert ids(await deliveries.list_due("w1", later(seconds=1), 10)) == [*ids(stored)[::-1], coming.delivery_id]
    assert await deliveries.list_due("w3", NOW, 10) == []


async def test_the_next_due_time_is_that_of_the_earliest_pending_delivery(deliveries: Deliveries) -> None:
    assert await deliveries.next_due_time("w1") is None
    await deliveries.insert_if_absent([made(0, moment=later(seconds=9)), made(1, moment=later(seconds=7)), made(2, "w2")])
    assert await deliveries.next_due_time("w1") == later(seconds=7)
    taken = await deliveries.claim(made(1, moment=later(seconds=7)), later(seconds=60))
    assert taken is not None
    assert await deliveries.next_due_time("w1") == later(seconds=9)
    await deliveries.record(attempted(taken, DELIVERED, later(seconds=8), 0.0))
    await deliveries.record(attempted(made(0, moment=later(seconds=9)), DELIVERED, later(seconds=9), 0.0))
    assert await deliveries.next_due_time("w1") is None


async def test_a_failed_delivery_is_due_again_after_its_pause_and_a_final_one_never(deliveries: Deliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    failed = attempted(made(0), FAILED, NOW, 0.1)
    assert failed.next_attempt_time is not None
    assert await deliveries.record(failed)
    assert await deliveries.list_due("w1", later(seconds=5), 10) == []
    assert await deliveries.list_due("w1", failed.next_attempt_time, 10) == [failed]
    delivered = attempted(failed, DELIVERED, later(seconds=7), 0.1)
    assert await deliveries.record(delivered)
    assert await deliveries.list_due("w1", later(days=10), 10) == []
    assert await deliveries.get(failed.delivery_id) == delivered


async def test_a_delivery_is_claimed_by_one_server_until_its_claim_lapses(deliveries: Deliveries) -> None:
    await deliveries.insert_if_absent([made(0)])
    until = later(seconds=30)
    taken = await deliveries.claim(made(0), until)
    assert taken == replace(made(0), next_attempt_time=until)
    assert await deliveries.claim(made(0), later(seconds=40)) is None
    assert await deliveries.list_due("w1", later(seconds=29), 10) == []
    assert await deliveries.list_due("w1", until, 10) == [taken]


async def test_of_servers_that_claim_a_delivery_at_once_one_gets_it(real_database: Database) -> None:
    servers = [Deliveries(real_database) for _ in range(8)]
    await servers[0].insert_if_absent([made(0)])
    found = await asyncio.gather(*(server.claim(made(0), later(seconds=30)) for server in servers))
    assert sum(claimed is not None for claimed in found) == 1


@pytest.mark.parametrize("outcome", [DELIVERED, FAILED], ids=["delivered", "failed"])
async def test_an_attempt_is_recorded_unless_another_came_first(deliveries: Deliveries, outcome: SendOutcome) -> None:
    await deliveries.insert_if_absent([made(0)])
    mine, other = (
        attempted(made(0), outcome, NOW, 0.0),
        attempted(made(0), FAILED, later(seconds=1), 0.0),
    )
    assert await deliveries.record(mine)
    assert not await deliveries.record(other)
    assert await deliveries.record(mine)  # again, as after a lost answer
    assert await deliveries.get(mine.delivery_id) == mine


async def test_an_attempt_at_an_unknown_delivery_is_not_recorded(deliveries: Deliveries) -> None:
    assert not await deliveries.record(attempted(made(0), FAILED, NOW, 0.0))
    assert await deliveries.get(made(0).delivery_id) is None


# -- indexes


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield all stages of the winning plan, at any depth."""
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
    await Deliveries(real_database).insert_if_absent([made(number) for number in range(50)])
    command = {"find": "webhook_deliveries", "filter": query, "sort": order, "limit": 10}
    stages = list(_stages(await real_database.command("explain", command, verbosity="queryPlanner")))
    names = {stage["stage"] for stage in stages}
    assert not names & {"COLLSCAN", "SORT"}
    assert {stage["indexName"] for stage in stages if stage["stage"] == "IXSCAN"} == {index}


async def test_final_deliveries_are_not_in_the_index_of_due_ones(real_database: Database) -> None:
    deliveries = Deliveries(real_database)
    await deliveries.insert_if_absent([made(number) for number in range(3)])
    await deliveries.record(attempted(made(0), DELIVERED, NOW, 0.0))
    validated = await real_database.command("validate", "webhook_deliveries")
    assert validated["keysPerIndex"][DUE_INDEX] == 2


async def test_indexes_may_be_created_again_and_expire_deliveries_after_a_month(real_database: Database) -> None:
    await make_delivery_indexes(real_database)
    found = await real_database["webhook_deliveries"].index_information()
    assert found[LIFETIME_INDEX]["expireAfterSeconds"] == 30 * 86_400


@pytest.mark.parametrize(
    "ask",
    [
        make_delivery_indexes,
        lambda database: Deliveries(database).insert_if_absent([made(0)]),
        lambda database: Deliveries(database).list_page("w1", None, 10),
        lambda database: Deliveries(database).list_due("w1", NOW, 10),
        lambda database: Deliveries(database).next_due_time("w1"),
        lambda database: Deliveries(database).claim(made(0), NOW),
        lambda database: Deliveries(database).record(attempted(made(0), FAILED, NOW, 0.0)),
    ],
)
async def test_an_outage_is_a_refusal(ask: Callable[[Database], Awaitable[object]]) -> None:
    uri = "mongodb://127.0.0.1:1/?directConnection=true"
    client = connect(uri, operation_seconds_max=1.0, selection_seconds_max=0.05, connections_max=2)
    with pytest.raises(Refusal) as refusal:
        await ask(client["test"])
    assert refusal.value.reason is Reason.DATABASE_UNAVAILABLE
    client.close()
