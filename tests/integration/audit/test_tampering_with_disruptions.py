"""`verify` finds each change of what delays, arrivals, cancellations and sales windows write, but for these fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import disruption_pb2, sales_window_pb2
from app.store.driver import Database
from tests.support.clients import ASHFORD, LILLE, Run, booking_request
from tests.support.tampering import Tampering, tamperings
from tests.support.verified_worlds import WAIT, Documents, a_copy, filled_documents, findings_of, finds_something, verify
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, eventually, on_day

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMOVED, ANOTHER = "removed", "another value"
# A train of that day has arrived, and a report of it is still possible.
PAST_DATE = on_day(-2)
RUN_FIELDS = (
    "delay",
    "cancellation",
    "sales_windows",
    "clock_state",
    "is_compacted",
    "opened_until",
    "next_due",
    "arrive_time",
)
NOT_CONTRADICTED: dict[str, tuple[str, ...]] = {
    "only the run records what proves a reason": ("train_runs delay.evidence", "train_runs cancellation.evidence"),
    "the same report again moves it, without an event": (
        "train_runs delay.report_time",
        "train_runs delay.arrivals.*.2",
    ),
    "when the last step of a cancellation was made, and how far it had come": (
        "train_runs cancellation.complete_time",
        "train_runs cancellation.cursor",
    ),
    "what an operator set, and stored once": (
        "train_runs sales_windows",
        f"train_runs sales_windows {REMOVED}",
        "train_runs sales_windows.*",
        "train_runs sales_windows.*.*",
        "train_runs sales_windows.*.*.closes_minutes_before",
        "train_runs sales_windows.*.*.open_at",
        "train_runs sales_windows.*.*.open_days_before",
        "train_runs sales_windows.*.*.open_time",
    ),
    "a run of an earlier version has none, and its next commit sets it": (
        f"train_runs clock_state {REMOVED}",
        f"train_runs arrive_time {REMOVED}",
        f"bookings refunds.*.reason {REMOVED}",
    ),
}


async def fill(world: World) -> None:
    """Let one run be late, end another at Ashford, and sell the third within windows, until nothing is left to do.

    The late run arrived two days ago. On the run that ends at Ashford, Ann and Dan went further, and Dan waited.
    """
    late, cut, sold = await world.runs("A2 B1", PAST_DATE, TRAVEL_DATE, NEXT_DATE)
    desk = world.desk
    await desk.set_delay(late, 40, from_stop=ASHFORD)
    await desk.record_arrival(late, LILLE, datetime.fromisoformat(f"{PAST_DATE}T11:20:00+00:00"))
    await world.api_client("ann").book(cut, "ann", "ada", section="A")
    await world.api_client("bob").book(cut, section="B", destination=ASHFORD)
    await world.api_client("dan").send(booking_request(cut, "dan", section="A", if_full=WAIT))
    await desk.cancel_run(cut, ASHFORD, reason=disruption_pb2.DISRUPTION_REASON_LAW_ENFORCEMENT, evidence="case 17")
    window = sales_window_pb2.SalesWindow()
    window.open_time.FromDatetime(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    await desk.set_sales_window(sold, window, section="A")
    await world.api_client("eve").book(sold, section="A")
    world.server.start_worker()
    await eventually(lambda: _is_done(world, cut, late))
    for run in (late, cut, sold):
        await world.server.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")


async def _is_done(world: World, cut: Run, late: Run) -> bool:
    await world.wait_until_archived()
    database = world.database
    cancellation = (await world.run_document(cut))["cancellation"]
    return (
        cancellation["complete_time"] is not None
        and (await world.run_document(late)).get("is_compacted", False)
        and await database["events"].count_documents({"is_new": True}) == 0
        and await database["jobs"].count_documents({"state": "PENDING", "kind": "settle payment"}) == 0
        and await database["payments"].count_documents({"$or": [{"state": {"$ne": "CAPTURED"}}, {"refunds.state": "PENDING"}]})
        == 0
    )


@pytest_asyncio.fixture(scope="module")
async def filled(mongod: EmbeddedMongod) -> Documents:
    return await filled_documents(mongod, fill)


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod, filled: Documents) -> AsyncIterator[Database]:
    async with a_copy(mongod, "test_tampering_with_disruptions", filled) as copy:
        yield copy


async def test_late_and_cancelled_runs_give_no_finding(database: Database, filled: Documents) -> None:
    assert (await verify(database)).findings == []
    kinds = {event["type"] for commit in filled["events"] for event in commit["events"]}
    assert kinds >= {"run.delayed", "run.arrived", "run.departed", "run.completed", "run.cancelled"}
    cancelled = [booking for booking in filled["bookings"] if booking["state"] == "CANCELLED"]
    assert [refund["reason"] for booking in cancelled for refund in booking["refunds"]] == ["RUN_CANCELLED"] * 2


def is_of_disruption(tampering: Tampering) -> bool:
    if tampering.collection == "train_runs":
        return tampering.name.partition(".")[0] in RUN_FIELDS
    if tampering.collection == "bookings":
        return tampering.name.startswith("refunds")
    return False


def is_not_contradicted(tampering: Tampering) -> bool:
    plain = f"{tampering.collection} {tampering.name}"
    named = plain if tampering.kind == ANOTHER else f"{plain} {tampering.kind}"
    return any(named in fields for fields in NOT_CONTRADICTED.values())


async def missed_in(database: Database, stored: Documents, collection: str) -> list[str]:
    """Return the changes of a collection's documents that `verify` does not find."""
    before = findings_of(await verify(database))
    documents = {document["_id"]: document for document in stored[collection]}
    missed = []
    for tampering in tamperings(stored):
        if not is_of_disruption(tampering) or is_not_contradicted(tampering):
            continue
        document = documents[tampering.record]
        await database[collection].replace_one({"_id": tampering.record}, tampering.apply(document))
        is_found = await finds_something(database, collection, document, before)
        await database[collection].replace_one({"_id": tampering.record}, document)
        if not is_found:
            missed.append(str(tampering.key))
    return missed


@pytest.mark.parametrize("collection", ["bookings", "train_runs"])
async def test_a_change_of_any_field_of_a_late_or_cancelled_run_is_found(
    database: Database, filled: Documents, collection: str
) -> None:
    missed = await missed_in(database, {collection: filled[collection]}, collection)
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize("kind", ["run.delayed", "run.arrived", "run.cancelled", "run.departed"])
async def test_an_event_of_a_run_without_one_of_its_fields_is_found(database: Database, filled: Documents, kind: str) -> None:
    commit = next(commit for commit in filled["events"] if any(event["type"] == kind for event in commit["events"]))
    index = next(index for index, event in enumerate(commit["events"]) if event["type"] == kind)
    for name in commit["events"][index]["data"]:
        events = [dict(event) for event in commit["events"]]
        events[index]["data"] = {key: text for key, text in events[index]["data"].items() if key != name}
        await database["events"].replace_one({"_id": commit["_id"]}, commit | {"events": events})
        is_found = await finds_something(database, "events", commit)
        await database["events"].replace_one({"_id": commit["_id"]}, commit)
        assert is_found, name
