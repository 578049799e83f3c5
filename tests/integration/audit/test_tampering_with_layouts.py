"""`verify` finds any change of any field that layout changes write, except for the fields listed here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.layout.layout_jobs import LayoutOutcomeState
from app.embedded.mongod import EmbeddedMongod
from app.store.driver import Database
from tests.support.layout_client import layout_client, remove_coach, remove_seats, set_fare, set_seat_count
from tests.support.tampering import Tampering, tamperings
from tests.support.verified_worlds import Documents, a_copy, filled_documents, findings_of, finds_something, verify
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMOVED, ANOTHER = "removed", "another value"
# Fields of a run's document that only layout changes write.
RUN_FIELDS = (
    "layout",
    "layout_reservation",
    "retired_sections",
    "last_displaced_number",
    "made_from_version",
    "eventless_version",
)
SECTION_FIELDS = ("retired", "coaches", "fare_minor", "name", "sold_legs")
COLLECTIONS = ("layout_jobs", "layout_outcomes", "train_runs", "train_versions")
NOT_CONTRADICTED: dict[str, tuple[str, ...]] = {
    "only the run records how its own layout was changed, and how that ended": (
        "train_runs layout.requests.*.counts.cancelled_passengers",
        "train_runs layout.requests.*.counts.currency",
        "train_runs layout.requests.*.counts.moved_passengers",
        "train_runs layout.requests.*.counts.promoted_bookings",
        "train_runs layout.requests.*.counts.refunded_minor",
        "train_runs layout.requests.*.counts.released_holds",
        "train_runs layout.requests.*.counts.waitlisted_passengers",
        "train_runs layout.requests.*.fingerprint",
        "train_runs layout.requests.*.plan_hash",
        "train_runs layout.requests.*.request_id",
        "train_runs layout.requests.*.time",
        "train_runs layout.is_own",
        "train_runs layout.earlier_fares",
        "train_runs layout.train_version",
        "train_runs sections.*.fare_minor",
    ),
    "a counter of which only the least is known": ("train_runs last_displaced_number",),
    "what an operator asked for, and when it came to an end": (
        "layout_jobs allow_lower",
        "layout_jobs complete_time",
        "layout_jobs fingerprint",
        "layout_jobs purge_time",
        "layout_jobs refund_displaced",
        "layout_jobs request_id",
        "layout_outcomes counts.currency",
        "layout_outcomes purge_time",
        "layout_outcomes reason",
        "layout_outcomes time",
    ),
    "the number of seats that the next version replaces": ("train_versions coaches.*.seat_count",),
    "how far ahead runs are scheduled and people reminded, stored once": (
        "train_versions departure_reminder_minutes",
        f"train_versions departure_reminder_minutes {REMOVED}",
        "train_versions schedule_horizon_days",
        f"train_versions schedule_horizon_days {REMOVED}",
    ),
    "a plan that is reserved, and stored once": (
        "train_runs layout_reservation.fingerprint",
        "train_runs layout_reservation.plan_hash",
        "train_runs layout_reservation.places",
        "train_runs layout_reservation.withdrawn",
    ),
    "a default where it is missing": (
        f"train_runs made_from_version {REMOVED}",
        f"train_versions terms.hold_percent_max {REMOVED}",
        f"train_versions terms.passengers_per_booker_max {REMOVED}",
    ),
}


async def fill(world: World) -> None:
    """Change layouts until every kind of record is stored.

    On the first run, a coach with passengers is removed: some move, and Dan's group waits at the front. The second run gets the
    change of its train; seats are reserved on it. The third has had no change of its own, and was deleted.
    """
    own, of_train, deleted = await world.runs("A3 A2 B2", TRAVEL_DATE, NEXT_DATE, THIRD_DATE)
    desk = layout_client(world)
    for name in ("ann", "bob", "cem"):
        await world.api_client(name).book(own, section="A")
    await world.api_client("dan").book(own, "dan", "dea", section="A")
    await world.api_client("eve").book(own, section="B")
    await world.api_client("fay").book(of_train, section="A", seats=[4])
    await desk.delete_run(deleted)
    await desk.change(own, remove_coach("2"), set_fare("A", 25))
    await desk.change(own, remove_seats("A", 1))
    made = await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 2))
    world.server.start_worker()
    await eventually(lambda: _is_done(world, made.layout_job_id))
    await desk.plan(of_train, remove_coach("2"), reserve=900)
    await world.wait_until_archived()
    for run in (own, of_train):
        await world.server.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")


async def _is_done(world: World, layout_job_id: str) -> bool:
    await world.wait_until_archived()
    complete = {"_id": layout_job_id, "complete_time": {"$exists": True}}
    database = world.database
    return (
        await database["layout_jobs"].count_documents(complete) == 1
        and await database["events"].count_documents({"is_new": True}) == 0
        and await database["jobs"].count_documents({"state": "PENDING", "kind": {"$in": ["settle payment"]}}) == 0
        and await database["payments"].count_documents({"state": {"$nin": ["CAPTURED", "VOIDED"]}}) == 0
    )


@pytest_asyncio.fixture(scope="module")
async def filled(mongod: EmbeddedMongod) -> Documents:
    return await filled_documents(mongod, fill)


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod, filled: Documents) -> AsyncIterator[Database]:
    async with a_copy(mongod, "test_tampering_with_layouts", filled) as copy:
        yield copy


async def test_layouts_that_changed_give_no_finding(database: Database, filled: Documents) -> None:
    assert [finding for finding in (await verify(database)).findings if not finding.is_warning] == []
    states = {outcome["state"] for outcome in filled["layout_outcomes"]}
    assert states == {LayoutOutcomeState.APPLIED, LayoutOutcomeState.SKIPPED}
    assert any("layout_reservation" in run for run in filled["train_runs"])
    assert any("deleted_time" in run for run in filled["train_runs"])
    assert any(int(number) < 0 for run in filled["train_runs"] for number in run.get("waiting", {}))


def is_of_layout(tampering: Tampering) -> bool:
    first, *further = tampering.name.split(".")
    in_section = first == "sections" and (not further or further[-1] in SECTION_FIELDS or "retired" in further)
    return tampering.collection != "train_runs" or first in RUN_FIELDS or in_section or first == "waiting"


def is_not_contradicted(tampering: Tampering) -> bool:
    plain = f"{tampering.collection} {tampering.name}"
    named = plain if tampering.kind == ANOTHER else f"{plain} {tampering.kind}"
    return any(named in fields for fields in NOT_CONTRADICTED.values())


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_change_of_any_field_of_a_layout_is_found(database: Database, filled: Documents, collection: str) -> None:
    before = findings_of(await verify(database))
    documents = {document["_id"]: document for document in filled[collection]}
    missed = []
    for tampering in filter(is_of_layout, tamperings({collection: filled[collection]})):
        if is_not_contradicted(tampering):
            continue
        document = documents[tampering.record]
        await database[collection].replace_one({"_id": tampering.record}, tampering.apply(document))
        is_found = await finds_something(database, collection, document, before)
        await database[collection].replace_one({"_id": tampering.record}, document)
        if not is_found:
            missed.append(tampering.key)
    assert not missed, "\n".join(map(str, missed))
