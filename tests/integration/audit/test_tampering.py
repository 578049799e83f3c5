"""`verify` finds any change of any field of any record, except for the fields listed here, which nothing contradicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.webhooks import make_webhook
from app.embedded.mongod import EmbeddedMongod
from app.notifications.secrets import make_secret
from app.store.driver import Database
from tests.support.clients import ASHFORD
from tests.support.delivery_worlds import Dispatch, RecordingReceivers
from tests.support.tampering import Tampering, tamperings
from tests.support.verified_worlds import (
    FIRST,
    SECOND,
    Documents,
    a_copy,
    fill,
    filled_documents,
    finds_something,
    hold,
    verify,
)
from tests.support.world import Clock, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLLECTIONS = (
    "bookings",
    "events",
    "jobs",
    "ledger",
    "payments",
    "train_runs",
    "trains",
    "users",
    "webhook_deliveries",
    "webhooks",
)
REMOVED, ANOTHER = "removed", "another value"
# Fields that nothing else in the database repeats, so that another plausible value is as good; and why. Their absence and
# another type are found, except where the last word is REMOVED: earlier versions did not write these.
NOT_CONTRADICTED: dict[str, tuple[str, ...]] = {
    "names are stored once, as people gave them": (
        "bookings user.first_name",
        "bookings user.last_name",
        "bookings passengers.*.first_name",
        "bookings passengers.*.last_name",
        "bookings cancelled_passengers.*.first_name",
        "bookings cancelled_passengers.*.last_name",
        "users first_name",
        "users last_name",
    ),
    "what was asked for, once the booking has a seat or is over": (
        "bookings wanted_section",
        f"bookings wanted_section {REMOVED}",
    ),
    "the former seat of a cancelled passenger: another one may have it by now": ("bookings cancelled_passengers.*.number",),
    "only events record what a booking was between its first and its last one, and every hold": (
        "events events.*.type",
        "events events.*.data.expire_time",
        "events events.*.data.passenger_count",
        "events events.*.data.passenger_numbers",
        "events events.*.data.passenger_numbers.*",
        "events events.*.data.price_minor",
        "events events.*.data.refunded_minor",
        "events events.*.data.seats",
        "events events.*.data.seats.*",
        "events events.*.data.state",
    ),
    "only the job records how and when it ran; the order in time is checked": (
        "jobs attempts",
        "jobs create_time",
        "jobs done_time",
        "jobs due_time",
        "jobs last_error",
        "jobs purge_time",
        "jobs ready_time",
        "jobs runs_alone",
    ),
    "when the ledger did what it was asked, by its own clock, and faults for trials": (
        "ledger create_time",
        "ledger update_time",
        "ledger refunds.*.create_time",
        "ledger faults",
    ),
    "a line for people": (
        "payments attempts.*.detail",
        "payments refunds.*.attempts.*.detail",
        "webhook_deliveries attempts.*.detail",
    ),
    "counts how often a record was written": ("payments version",),
    "when something was made, of which there is no other word": (
        "train_runs create_time",
        "trains create_time",
        "users create_time",
    ),
    "counters of which only the least is known": (
        "train_runs freed_sequence",
        "train_runs waiting_number",
        # It skips seats that are sold on all legs.
        "train_runs sections.*.next_number",
    ),
    "holds that are over are remembered for minutes, and by nothing else": (
        "train_runs ended_holds",
        f"train_runs ended_holds {REMOVED}",
        f"train_runs ended_holds.* {REMOVED}",
        "train_runs ended_holds.*.*",
    ),
    "who holds seats and what was asked for: the request of a hold is not stored": (
        "train_runs holds.*.fingerprint",
        "train_runs holds.*.owner_key",
    ),
    "written since this version, and derived or a default where it is missing": (
        f"train_runs arrive_time {REMOVED}",
        f"train_runs clock_state {REMOVED}",
        f"bookings refunds.*.reason {REMOVED}",
        f"trains schedule_horizon_days {REMOVED}",
        f"trains departure_reminder_minutes {REMOVED}",
        f"train_runs terms.hold_percent_max {REMOVED}",
        f"trains terms.hold_percent_max {REMOVED}",
        f"train_runs terms.passengers_per_booker_max {REMOVED}",
        f"trains terms.passengers_per_booker_max {REMOVED}",
        f"train_runs schema_version {REMOVED}",
        f"train_runs made_from_version {REMOVED}",
        f"train_runs clock_state {REMOVED}",
        f"bookings refunds.*.reason {REMOVED}",
        f"bookings schema_version {REMOVED}",
        f"bookings passengers.*.passenger_number {REMOVED}",
        f"bookings cancelled_passengers.*.passenger_number {REMOVED}",
        f"events events.*.data.passenger_numbers {REMOVED}",
        f"events events.*.data.changed_passenger_numbers {REMOVED}",
        f"jobs payload.has_refunds {REMOVED}",
        f"webhooks active_since {REMOVED}",
    ),
    "chosen by a client or by chance, and stored once": (
        "trains request_id",
        "trains schedule_horizon_days",
        "trains departure_reminder_minutes",
        "webhooks secret",
        "webhooks slot",
    ),
    "only the delivery records an attempt; the order in time is checked": (
        "webhook_deliveries attempts.*.status",
        "webhook_deliveries attempts.*.time",
    ),
}


def is_not_contradicted(tampering: Tampering) -> bool:
    plain = f"{tampering.collection} {tampering.name}"
    named = plain if tampering.kind == ANOTHER else f"{plain} {tampering.kind}"
    return any(named in fields for fields in NOT_CONTRADICTED.values())


async def fill_everything(world: World) -> None:
    """Fill a database with everything that the service stores: `fill`, and groups, moves, releases, users, webhooks."""
    await fill(world)
    store = world.server.store
    for number in range(2):
        moment = Clock().now()
        await store.webhooks.create(make_webhook(f"w{number}", "https://a.example.com/", (), make_secret(b"x" * 32), moment))
    run, other = (await world.runs("A60 B20", *(run_id.partition(":")[2] for run_id in (FIRST, SECOND)), train_id="es9"))[:2]
    await world.api_client("una").register("Una", "Li")
    await world.api_client("ute").register("Ute", "Li")
    group = await world.api_client("gil").book(run, "gil", "gus", "gea", section="A")
    await world.api_client("gil").cancel(group.reference, "gus")
    moved = await world.api_client("mia").book(other, section="A", destination=ASHFORD)
    await world.api_client("mia").move(moved.reference, section="B")
    released = await hold(world, run, "rex")
    await world.api_client("rex").release(released.hold_id)
    receivers = RecordingReceivers()
    engine = Dispatch(store, receivers, Clock().now).engine
    await eventually(lambda: _is_all_work_done(world))
    await engine.send_due()
    await eventually(lambda: _is_all_work_done(world))
    for run_id in (f"es9:{run_id.partition(':')[2]}" for run_id in (FIRST, SECOND)):
        await store.runs.archive_leftovers(run_id)


async def _is_all_work_done(world: World) -> bool:
    await world.wait_until_archived()
    database = world.database
    return (
        await database["events"].count_documents({"is_new": True}) == 0
        and await database["jobs"].count_documents({"state": "PENDING", "kind": "settle payment"}) == 0
        and await database["payments"].count_documents({"state": {"$nin": ["CAPTURED", "VOIDED"]}}) == 0
    )


@pytest_asyncio.fixture(scope="module")
async def filled(mongod: EmbeddedMongod) -> Documents:
    return await filled_documents(mongod, fill_everything)


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod, filled: Documents) -> AsyncIterator[Database]:
    async with a_copy(mongod, "test_tampering", filled) as copy:
        yield copy


async def test_the_filled_database_has_every_kind_of_record_and_no_finding(database: Database, filled: Documents) -> None:
    assert (await verify(database)).findings == []
    assert sorted(filled) == sorted(COLLECTIONS)
    states = Counter(booking["state"] for booking in filled["bookings"])
    assert set(states) == {"CONFIRMED", "WAITLISTED", "CANCELLED"}


async def verify_finds(database: Database, tampering: Tampering, document: dict[str, object]) -> bool:
    stored = database[tampering.collection]
    await stored.replace_one({"_id": tampering.record}, tampering.apply(document))
    is_found = await finds_something(database, tampering.collection, document)
    await stored.replace_one({"_id": tampering.record}, document)
    return is_found


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_change_of_any_field_is_found(database: Database, filled: Documents, collection: str) -> None:
    documents = {document["_id"]: document for document in filled[collection]}
    missed = [
        tampering.key
        for tampering in tamperings({collection: filled[collection]})
        if not is_not_contradicted(tampering) and not await verify_finds(database, tampering, documents[tampering.record])
    ]
    assert missed == []
