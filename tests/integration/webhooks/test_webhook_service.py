"""The webhook service: webhooks are created once, changed with an etag, and show their secret only when it is new."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest

from app.domain.deliveries import OutcomeKind, SendOutcome, after_delivery_attempt, make_delivery
from app.domain.webhooks import WEBHOOK_RETRIES, WEBHOOKS_MAX, make_webhook
from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import webhook_pb2
from app.process.clock import utc_now
from tests.support.clients import refusal
from tests.support.webhook_client import URL, WebhookClient, an_event, webhook_client
from tests.support.world import World, running_server, settings_for

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "WEBHOOK_NOT_FOUND")
STALE = (grpc.StatusCode.ABORTED, "ETAG_STALE")
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
ACTIVE, DISABLED = webhook_pb2.WEBHOOK_STATE_ACTIVE, webhook_pb2.WEBHOOK_STATE_DISABLED
UNKNOWN = "0123456789abcdef"


# -- roles


@pytest.mark.parametrize(("name", "roles", "says"), [("", "operator", UNNAMED), ("jane", "admin", NOT_PERMITTED)])
async def test_only_operators_may_call_the_webhook_service(
    world: World, name: str, roles: str, says: tuple[grpc.StatusCode, str]
) -> None:
    made = await webhook_client(world).create()
    api_client = WebhookClient(world.channel, name, roles)
    for webhook_id in (made.webhook_id, UNKNOWN, "not an id"):
        for call in (
            api_client.create("not a url"),
            api_client.get(webhook_id),
            api_client.list_page(page_size=-1),
            api_client.change(webhook_id, mask=["secret"]),
            api_client.delete(webhook_id),
            api_client.rotate(webhook_id),
            api_client.deliveries_page(webhook_id),
        ):
            assert (await refusal(call)).says == says
    assert len((await webhook_client(world).list_page()).webhooks) == 1


async def test_an_unknown_webhook_is_not_found(world: World) -> None:
    client = webhook_client(world)
    for call in (
        client.get(UNKNOWN),
        client.change(UNKNOWN, mask=["url"], url=URL),
        client.delete(UNKNOWN, etag="1"),
        client.rotate(UNKNOWN),
        client.deliveries_page(UNKNOWN),
    ):
        refused = await refusal(call)
        assert (refused.says, refused.resource) == (NOT_FOUND, ("webhook", UNKNOWN))


@pytest.mark.parametrize("webhook_id", ["", "w1", UNKNOWN.upper(), f"{UNKNOWN}0", "../../secret"])
async def test_a_malformed_webhook_id_is_refused(world: World, webhook_id: str) -> None:
    client = webhook_client(world)
    for call in (
        client.get(webhook_id),
        client.change(webhook_id, mask=["url"], url=URL),
        client.delete(webhook_id),
        client.rotate(webhook_id),
        client.deliveries_page(webhook_id),
    ):
        refused = await refusal(call)
        assert (refused.says, refused.fields) == (INVALID, ("webhook_id",))


# -- creating


async def test_a_webhook_is_created_as_requested_and_shows_its_secret_only_then(world: World) -> None:
    client = webhook_client(world)
    made = await client.create(URL, "booking.*", "run.cancelled")
    assert (made.url, list(made.event_types), made.state, made.etag) == (URL, ["booking.*", "run.cancelled"], ACTIVE, "1")
    assert made.secret.startswith("whsec_")
    assert made.create_time == made.update_time
    assert made.create_time.seconds > 0
    assert not made.HasField("previous_secret_expire_time")
    found = await client.get(made.webhook_id)
    assert found.secret == ""
    assert list((await client.list_page()).webhooks) == [found]
    found.secret = made.secret
    assert found == made


async def test_a_repeated_request_returns_the_same_webhook_with_its_secret(world: World) -> None:
    client = webhook_client(world)
    first = await client.create(request_id="r1")
    assert await client.create(request_id="r1") == first
    changed = await client.change(first.webhook_id, mask=["url"], url="https://new.example.com/")
    assert (await client.create(request_id="r1")).url == changed.url
    refused = await refusal(client.create(URL, "booking.*", request_id="r1"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert refused.resource == ("webhook", first.webhook_id)
    assert len((await client.list_page()).webhooks) == 1


async def test_a_request_sent_many_times_at_once_creates_one_webhook(world: World) -> None:
    client = webhook_client(world)
    made = await asyncio.gather(*(client.create(request_id="r1") for _ in range(8)))
    assert len({(webhook.webhook_id, webhook.secret) for webhook in made}) == 1


async def test_the_same_request_id_of_another_caller_is_another_request(world: World) -> None:
    other = WebhookClient(world.channel, "olga", roles="operator")
    mine, theirs = await webhook_client(world).create(request_id="r1"), await other.create(request_id="r1")
    assert mine.webhook_id != theirs.webhook_id
    assert mine.secret != theirs.secret


async def test_validate_only_creates_no_webhook_and_shows_no_secret(world: World) -> None:
    client = webhook_client(world)
    tried = await client.create(request_id="r1", validate_only=True)
    assert (tried.url, tried.secret, tried.state) == (URL, "", ACTIVE)
    assert (tried.validate_only, tried.etag, tried.HasField("create_time"), tried.HasField("update_time")) == (
        True,
        "",
        False,
        False,
    )
    assert len((await client.list_page()).webhooks) == 0
    made = await client.create(request_id="r1")
    assert made.webhook_id == tried.webhook_id
    again, there = await client.create(request_id="r1", validate_only=True), await client.get(made.webhook_id)
    assert (again.validate_only, there.validate_only, made.validate_only) == (True, False, False)
    there.validate_only = True
    assert again == there
    refused = await refusal(client.create("https://other.example.com/", request_id="r1", validate_only=True))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_the_number_of_webhooks_is_bounded(world: World) -> None:
    client = webhook_client(world)
    for number in range(WEBHOOKS_MAX - 1):
        await world.server.store.webhooks.create(make_webhook(f"{number:016x}", URL, (), "whsec_MQ==", utc_now()))
    last = await client.create(request_id="last")
    for validate_only in (False, True):
        refused = await refusal(client.create(validate_only=validate_only))
        assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WEBHOOKS_FULL")
        assert refused.retry_seconds > 0
    assert await client.create(request_id="last") == last
    await client.delete(last.webhook_id)
    assert (await client.create()).secret


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("webhook.url", webhook_pb2.Webhook()),
        ("webhook.url", webhook_pb2.Webhook(url="ftp://example.com/")),
        ("webhook.url", webhook_pb2.Webhook(url="https://jane:pw@example.com/")),
        ("webhook.url", webhook_pb2.Webhook(url="http://2130706433/")),
        ("webhook.url", webhook_pb2.Webhook(url="http://169.254.169.254/latest/meta-data")),
        ("webhook.url", webhook_pb2.Webhook(url="https://localhost:8080/")),
        ("webhook.url", webhook_pb2.Webhook(url="https://hooks.invalid/")),
        ("webhook.url", webhook_pb2.Webhook(url=f"https://example.com/{'x' * 2_000}")),
        ("webhook.event_types[1]", webhook_pb2.Webhook(url=URL, event_types=["booking.*", "booking.eaten"])),
        ("webhook.event_types[2]", webhook_pb2.Webhook(url=URL, event_types=["hold.*", "run.*", "hold.*"])),
        ("webhook.state", webhook_pb2.Webhook(url=URL, state=DISABLED)),
        ("webhook.state", webhook_pb2.Webhook(url=URL, state=7)),  # type: ignore[arg-type]  # a value that this version does not know
    ],
)
async def test_a_malformed_webhook_is_refused_with_its_field(world: World, field: str, wanted: webhook_pb2.Webhook) -> None:
    refused = await refusal(webhook_client(world).create_as(wanted))
    assert (refused.says, refused.fields) == (INVALID, (field,))


@pytest.mark.parametrize("request_id", ["with blank", "x" * 65])
async def test_a_malformed_request_id_is_refused(world: World, request_id: str) -> None:
    refused = await refusal(webhook_client(world).create(request_id=request_id))
    assert (refused.says, refused.fields) == (INVALID, ("request_id",))


async def test_output_only_fields_of_a_webhook_are_ignored(world: World) -> None:
    wanted = webhook_pb2.Webhook(webhook_id=UNKNOWN, url=URL, secret="whsec_bWluZQ==", etag="9", state=ACTIVE)
    made = await webhook_client(world).create_as(wanted)
    assert (made.webhook_id != UNKNOWN, made.secret != wanted.secret, made.etag) == (True, True, "1")


# -- changing


async def test_only_fields_in_the_update_mask_change(world: World) -> None:
    client = webhook_client(world)
    made = await client.create(URL, "booking.*")
    new = "http://[2606:4700:4700::1111]:8080/"
    changed = await client.change(made.webhook_id, mask=["url"], url=new, event_types=["nonsense"], state=7)
    assert (changed.url, list(changed.event_types), changed.state) == (new, ["booking.*"], ACTIVE)
    assert changed.etag == "2"
    assert changed.secret == ""
    changed = await client.change(made.webhook_id, mask=["state", "event_types"], state=DISABLED)
    assert (changed.url, list(changed.event_types), changed.state, changed.etag) == (new, [], DISABLED, "3")
    assert await client.get(made.webhook_id) == changed


async def test_without_an_update_mask_every_changeable_field_is_read(world: World) -> None:
    client = webhook_client(world)
    made = await client.create(URL, "booking.*")
    refused = await refusal(client.change(made.webhook_id, url=URL))
    assert (refused.says, refused.fields) == (INVALID, ("webhook.state",)), "who forgets it does not disable the webhook"
    changed = await client.change(made.webhook_id, url=URL, event_types=["hold.*"], state=DISABLED)
    assert (list(changed.event_types), changed.state) == (["hold.*"], DISABLED)


async def test_a_change_that_changes_nothing_leaves_the_etag(world: World) -> None:
    client = webhook_client(world)
    made = await client.create(URL, "booking.*")
    same = await client.change(made.webhook_id, url=URL, event_types=["booking.*"], state=ACTIVE)
    assert (same.etag, same.update_time) == (made.etag, made.update_time)


@pytest.mark.parametrize(
    ("field", "mask", "values"),
    [
        ("update_mask.paths[1]", ["url", "secret"], {"url": URL}),
        ("update_mask.paths[0]", ["*"], {"url": URL}),
        ("webhook.url", ["url"], {}),
        ("webhook.url", ["url"], {"url": "example.com"}),
        ("webhook.event_types[0]", ["event_types"], {"event_types": ["*"]}),
        ("webhook.state", ["state"], {}),
    ],
)
async def test_a_malformed_change_is_refused_with_its_field(
    world: World, field: str, mask: list[str], values: dict[str, Any]
) -> None:
    client = webhook_client(world)
    made = await client.create()
    refused = await refusal(client.change(made.webhook_id, mask=mask, **values))
    assert (refused.says, refused.fields) == (INVALID, (field,))
    assert (await client.get(made.webhook_id)).etag == "1"


async def test_a_change_with_a_stale_etag_changes_nothing(world: World) -> None:
    client = webhook_client(world)
    made = await client.create()
    newer = await client.change(made.webhook_id, mask=["url"], url="https://new.example.com/", etag=made.etag)
    for call in (
        client.change(made.webhook_id, mask=["url"], url=URL, etag=made.etag),
        client.rotate(made.webhook_id, etag=made.etag),
        client.delete(made.webhook_id, etag=made.etag),
        client.delete(made.webhook_id, etag="nonsense"),
    ):
        assert (await refusal(call)).says == STALE
    assert await client.get(made.webhook_id) == newer
    await client.delete(made.webhook_id, etag=newer.etag)
    assert (await refusal(client.get(made.webhook_id))).says == NOT_FOUND


async def test_concurrent_changes_without_an_etag_are_all_made(real_world: World) -> None:
    client = webhook_client(real_world)
    made = await client.create()
    await asyncio.gather(
        client.change(made.webhook_id, mask=["url"], url="https://new.example.com/"),
        client.change(made.webhook_id, mask=["event_types"], event_types=["hold.*"]),
        client.change(made.webhook_id, mask=["state"], state=DISABLED),
        client.rotate(made.webhook_id),
    )
    found = await client.get(made.webhook_id)
    assert (found.url, list(found.event_types), found.state) == ("https://new.example.com/", ["hold.*"], DISABLED)
    assert (found.HasField("previous_secret_expire_time"), found.etag) == (True, "5")


async def test_of_concurrent_changes_with_the_same_etag_one_is_made(real_world: World) -> None:
    client = webhook_client(real_world)
    made = await client.create()
    calls = [client.rotate(made.webhook_id, etag=made.etag) for _ in range(8)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, webhook_pb2.Webhook) for answer in found) == 1
    assert (await client.get(made.webhook_id)).etag == "2"


async def test_a_new_secret_is_shown_and_the_old_one_lasts_for_a_day(world: World) -> None:
    client = webhook_client(world)
    made = await client.create()
    rotated = await client.rotate(made.webhook_id, etag=made.etag)
    assert rotated.secret.startswith("whsec_")
    assert rotated.secret != made.secret
    lasts = rotated.previous_secret_expire_time.ToDatetime() - rotated.update_time.ToDatetime()
    assert lasts == timedelta(days=1)
    assert (await client.get(made.webhook_id)).secret == ""
    stored = await world.server.store.webhooks.get(made.webhook_id)
    assert stored is not None
    assert (stored.secret, stored.previous_secret) == (rotated.secret, made.secret)


# -- lists


async def test_webhooks_are_listed_page_by_page(world: World) -> None:
    client = webhook_client(world)
    made = sorted([(await client.create()).webhook_id for _ in range(5)])
    pages, token = [], ""
    for _ in range(3):
        page = await client.list_page(page_size=2, page_token=token)
        pages.append([webhook.webhook_id for webhook in page.webhooks])
        token = page.next_page_token
        assert {webhook.secret for webhook in page.webhooks} == {""}
    assert (pages, token) == ([made[:2], made[2:4], made[4:]], "")


async def _with_deliveries(world: World, count: int) -> str:
    """Create a webhook with that many deliveries, of events each a second older than the one before."""
    made = await webhook_client(world).create()
    webhook = await world.server.store.webhooks.get(made.webhook_id)
    assert webhook is not None
    moment = utc_now() + timedelta(seconds=count)
    events = [an_event(number, time=moment - timedelta(seconds=number)) for number in range(count)]
    await world.server.store.deliveries.insert_if_absent([make_delivery(event, webhook.webhook_id) for event in events])
    return made.webhook_id


async def test_deliveries_are_listed_page_by_page_the_newest_events_first(world: World) -> None:
    client, webhook_id = webhook_client(world), await _with_deliveries(world, 5)
    await _with_deliveries(world, 3)
    first = await client.deliveries_page(webhook_id, page_size=3)
    second = await client.deliveries_page(webhook_id, page_size=3, page_token=first.next_page_token)
    found = [delivery.event_id for delivery in (*first.deliveries, *second.deliveries)]
    assert found == [an_event(number).event_id for number in range(5)]
    assert (len(first.deliveries), second.next_page_token) == (3, "")


async def test_a_delivery_lists_all_its_attempts(world: World) -> None:
    client, webhook_id = webhook_client(world), await _with_deliveries(world, 1)
    (waiting,) = await client.deliveries(webhook_id)
    assert waiting.state == webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING
    assert (waiting.event_type, waiting.webhook_id) == ("booking.confirmed", webhook_id)
    assert waiting.next_attempt_time == waiting.event_time
    store, now = world.server.store.deliveries, utc_now()
    delivery = await store.get(waiting.delivery_id)
    assert delivery is not None
    failed = after_delivery_attempt(delivery, SendOutcome(OutcomeKind.FAILED, 503, "out of order"), now, 0.0, WEBHOOK_RETRIES)
    await store.record(failed)
    await store.record(after_delivery_attempt(failed, SendOutcome(OutcomeKind.GONE, 410), now, 0.0, WEBHOOK_RETRIES))
    (ended,) = await client.deliveries(webhook_id)
    assert ended.state == webhook_pb2.WEBHOOK_DELIVERY_STATE_FAILED
    assert not ended.HasField("next_attempt_time")
    assert [(attempt.outcome, attempt.http_status, attempt.detail) for attempt in ended.attempts] == [
        (webhook_pb2.WEBHOOK_ATTEMPT_OUTCOME_FAILED, 503, "out of order"),
        (webhook_pb2.WEBHOOK_ATTEMPT_OUTCOME_GONE, 410, ""),
    ]
    assert ended.attempts[0].time.ToDatetime(tzinfo=now.tzinfo) == now


async def test_a_page_token_of_another_list_is_refused(world: World) -> None:
    client, mine = webhook_client(world), await _with_deliveries(world, 3)
    other = await _with_deliveries(world, 3)
    token = (await client.deliveries_page(mine, page_size=1)).next_page_token
    for call in (
        client.deliveries_page(other, page_token=token),
        client.list_page(page_token=token),
        client.deliveries_page(mine, page_token="nonsense"),
    ):
        refused = await refusal(call)
        assert (refused.says, refused.fields) == (INVALID, ("page_token",))
    for call in (client.list_page(page_size=-1), client.deliveries_page(mine, page_size=-1)):
        refused = await refusal(call)
        assert (refused.says, refused.fields) == (INVALID, ("page_size",))


async def test_no_webhook_call_reads_a_whole_collection(mongod: EmbeddedMongod) -> None:
    async with running_server(settings_for(mongod.uri)) as world:
        client, database = webhook_client(world), world.database
        webhook_id = await _with_deliveries(world, 3)
        await database.command("profile", 2)
        await client.get(webhook_id)
        await client.deliveries_page(webhook_id, page_size=2)
        await client.change(webhook_id, mask=["state"], state=DISABLED)
        await client.rotate(webhook_id)
        await client.list_page()
        await client.delete(webhook_id)
        await database.command("profile", 0)
        profiled = await database["system.profile"].find({"ns": {"$regex": "webhook"}}).to_list(1_000)
        await database.client.drop_database(database.name)
    plans = {(entry["ns"].partition(".")[2], entry["planSummary"]) for entry in profiled if "planSummary" in entry}
    assert {collection for collection, _ in plans} == {"webhooks", "webhook_deliveries"}
    assert [plan for plan in plans if "COLLSCAN" in plan[1]] == []
