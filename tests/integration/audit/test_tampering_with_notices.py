"""`verify` finds each change of a notice, of preferences, and of the jobs of notices, but for these fields."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.notices.notice import NoticeChannelName
from app.domain.notices.preferences import Language, NotificationPreferences
from app.embedded.mongod import EmbeddedMongod
from app.store.driver import Database
from tests.support.clients import address
from tests.support.tampering import Tampering, tamperings
from tests.support.verified_worlds import Documents, a_copy, filled_documents, findings_of, finds_something, now, verify
from tests.support.world import TRAVEL_DATE, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMOVED, ANOTHER = "removed", "another value"
NOT_CONTRADICTED: dict[str, tuple[str, ...]] = {
    "when a worker made it, and took it; the order in time is checked": (
        "notices create_time",
        "notices final_time",
        "notices due_time",
        "notices attempts.*.time",
    ),
    "only the notice records what the channel said, and which revision was sent; the run's is not exceeded": (
        "notices attempts.*.status",
        "notices attempts.*.detail",
        "notices content_revision",
    ),
    "why it was skipped: the booking was another one then": ("notices skip_reason",),
    "a group may hear of a part of it": ("notices passenger_numbers",),
    "what somebody chose, and stored once": (
        "notification_preferences language",
        "notification_preferences channels",
        "notification_preferences channels.*",
        "notification_preferences departure_reminders",
        "notification_preferences arrival_reminders",
        "notification_preferences small_delays",
        "notification_preferences phone",
        "notification_preferences version",
        "notification_preferences update_time",
    ),
}


async def fill(world: World) -> None:
    """Sell to Ann with Bob, and to Cem who cancels before anybody gets a notice; then let a worker send them."""
    (run,) = await world.runs("A6", TRAVEL_DATE)
    preferences = world.server.store.preferences
    both = (NoticeChannelName.EMAIL, NoticeChannelName.SMS)
    await preferences.replace(address("ann"), NotificationPreferences(version=1), now())
    french = NotificationPreferences(Language.FRENCH, both, "+33612345678", small_delays=False, version=1)
    await preferences.replace(address("bob"), french, now())
    await world.api_client("ann").book(run, "ann", "bob")
    cem = await world.api_client("cem").book(run, "cem")
    await world.api_client("cem").cancel(cem.reference)
    world.server.start_worker()
    await eventually(lambda: _is_done(world))
    await world.server.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")


async def _is_done(world: World) -> bool:
    await world.wait_until_archived()
    database = world.database
    undone = {"$or": [{"state": {"$nin": ["CAPTURED", "VOIDED"]}}, {"refunds.state": "PENDING"}]}
    return (
        await database["events"].count_documents({"is_new": True}) == 0
        and await database["jobs"].count_documents({"state": "PENDING", "kind": {"$in": ["settle payment", "write notices"]}})
        == 0
        and await database["payments"].count_documents(undone) == 0
        and await database["notices"].count_documents({"is_open": True, "kind": {"$ne": "REFUNDED"}}) == 0
        and await database["notices"].count_documents({"state": "SENT"}) > 0
    )


@pytest_asyncio.fixture(scope="module")
async def filled(mongod: EmbeddedMongod, tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return await filled_documents(mongod, fill, notice_channels="log", data_dir=tmp_path_factory.mktemp("notices"))


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod, filled: Documents) -> AsyncIterator[Database]:
    async with a_copy(mongod, "test_tampering_with_notices", filled) as copy:
        yield copy


async def test_notices_that_were_sent_skipped_and_wait_give_no_finding(database: Database, filled: Documents) -> None:
    assert (await verify(database)).findings == []
    assert {(notice["kind"], notice["state"]) for notice in filled["notices"]} == {
        ("TICKET", "SENT"),
        ("TICKET", "SKIPPED"),
        ("BOOKING_CANCELLED", "SENT"),
        ("REFUNDED", "SCHEDULED"),
    }


def is_audited(tampering: Tampering) -> bool:
    return tampering.collection != "jobs" or tampering.name.startswith("payload")


def is_not_contradicted(tampering: Tampering) -> bool:
    plain = f"{tampering.collection} {tampering.name}"
    named = plain if tampering.kind == ANOTHER else f"{plain} {tampering.kind}"
    return any(named in fields for fields in NOT_CONTRADICTED.values())


@pytest.mark.parametrize("collection", ["notices", "notification_preferences", "jobs"])
async def test_a_change_of_any_field_is_found(database: Database, filled: Documents, collection: str) -> None:
    before = findings_of(await verify(database))
    stored = [document for document in filled[collection] if document.get("kind") != "settle payment"]
    documents = {document["_id"]: document for document in stored}
    missed = []
    for tampering in tamperings({collection: stored}):
        if not is_audited(tampering) or is_not_contradicted(tampering):
            continue
        document = documents[tampering.record]
        await database[collection].replace_one({"_id": tampering.record}, tampering.apply(document))
        if not await finds_something(database, collection, document, before):
            missed.append(str(tampering.key))
        await database[collection].replace_one({"_id": tampering.record}, document)
    assert not missed, "\n".join(missed)


async def test_a_notice_whose_job_is_gone_is_lost(database: Database, filled: Documents) -> None:
    sent = next(notice for notice in filled["notices"] if notice["state"] == "SENT")
    open_again = {name: part for name, part in sent.items() if name != "final_time"}
    open_again |= {"state": "SENDING", "is_open": True, "attempts": [], "attempt_count": 0, "content_revision": 0}
    await database["notices"].replace_one({"_id": sent["_id"]}, open_again)
    (finding,) = (await verify(database)).findings
    assert (finding.check, finding.subject) == ("notices", f"notice {sent['_id']}")
    assert "nobody sends it: its job is DONE" in finding.text
    assert (await verify(database, tolerance_seconds=3_600)).findings == []
