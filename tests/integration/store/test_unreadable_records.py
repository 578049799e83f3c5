"""One unreadable record affects no other: all others are listed, sold, processed, captured, refunded and delivered.

Each is broken in several ways: a field is missing, of another type, or of a value that a newer version may have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from app.domain.audit.check import Check
from app.pb.seatline.v1 import booking_pb2
from app.store.unreadable import unreadable_records
from tests.support.clients import Run, booking_request
from tests.support.verified_worlds import now, verify
from tests.support.world import THIRD_DATE, TRAVEL_DATE, World, eventually, on_day, outcomes

pytestmark = pytest.mark.asyncio(loop_scope="session")

Update = dict[str, Any]
WAIT = booking_pb2.IF_FULL_WAITLIST


async def reason_of(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Return status and reason of a refused call. Fail if the text names anything internal."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    metadata = dict(caught.value.trailing_metadata() or ())
    status.ParseFromString(bytes(metadata["grpc-status-details-bin"]))
    status.details[0].Unpack(info)
    assert "incident" not in status.message
    assert "Error" not in status.message
    return caught.value.code(), info.reason


UNREADABLE = (grpc.StatusCode.INTERNAL, "RECORD_UNREADABLE")

BROKEN_RUNS: list[Update] = [
    {"$unset": {"sections": ""}},
    {"$set": {"version": "two"}},
    {"$unset": {"version": ""}},
    {"$set": {"sections.0.sold_legs": [1, "x", 0, 0]}},
    {"$set": {"terms": None}},
    {"$set": {"holds": {"K": {"owner_key": 7}}}},
    {"$set": {"waiting": {"first": ["A", "B", 1, 1]}}},
    {"$set": {"stops": "London"}},
]


@pytest.mark.parametrize("update", BROKEN_RUNS, ids=str)
async def test_an_unreadable_run_is_left_out_of_lists_and_sells_nothing(world: World, update: Update) -> None:
    dates = [on_day(30 + later) for later in range(5)]
    runs = await world.runs("A4 B4", *dates)
    bad = f"es9014:{dates[1]}"
    await world.database["train_runs"].update_one({"_id": bad}, update)
    listed: list[str] = []
    token = ""
    while True:
        page = await world.api_client().list_runs(page_size=2, page_token=token)
        listed += [run.travel_date for run in page.train_runs]
        token = page.next_page_token
        if not token:
            break
    assert listed == [date for date in dates if date != dates[1]]
    assert len((await world.api_client().list_runs()).train_runs) == 4
    before = await world.database["train_runs"].find_one({"_id": bad})
    assert await reason_of(world.api_client().run_of(runs[1])) == UNREADABLE
    assert await reason_of(world.api_client("ann").book(runs[1])) == UNREADABLE
    assert await reason_of(world.api_client("ann").hold(runs[1], section="A")) == UNREADABLE
    assert (await world.api_client("ann").book(runs[2])).reference
    assert await world.database["train_runs"].find_one({"_id": bad}) == before


async def test_an_unreadable_booking_in_a_runs_document_stops_that_run_and_is_not_deleted(world: World) -> None:
    first, second = await world.runs("A4", TRAVEL_DATE, THIRD_DATE)
    booking = await world.api_client("ann").book(first)
    await world.wait_until_archived()
    world.server.bus._lanes.clear()  # as another server reads it
    run_id = f"es9014:{TRAVEL_DATE}"
    change = {"$set": {"recent.0.state": "TELEPORTED", "recent.0.revision": 2}}
    if not (await world.run_document(first))["recent"]:
        archived = await world.database["bookings"].find_one({"_id": booking.reference})
        await world.database["train_runs"].update_one({"_id": run_id}, {"$push": {"recent": archived}})
        await world.database["bookings"].delete_one({"_id": booking.reference})
    await world.database["bookings"].delete_many({})
    await world.database["train_runs"].update_one({"_id": run_id}, change)
    stored = (await world.run_document(first))["recent"]
    assert await reason_of(world.api_client("bob").book(first)) == UNREADABLE
    assert await reason_of(world.api_client("ann").booking(booking.reference)) == UNREADABLE
    assert (await world.api_client("bob").book(second)).reference
    assert (await world.api_client("ann").receipts()) == []
    await world.server.bus.wait_idle()
    assert (await world.run_document(first))["recent"] == stored


async def test_an_unreadable_archived_booking_fails_only_its_own_request(world: World) -> None:
    run = await world.run("A8")
    request = booking_request(run, "ann", request_id="11111111-1111-4111-8111-111111111111")
    booking = await world.api_client("ann").send(request)
    others = [await world.api_client(name).book(run) for name in ("bob", "cem", "dan")]
    await world.wait_until_archived()
    await world.server.store.runs.archive_leftovers(f"es9014:{TRAVEL_DATE}")
    world.server.bus._lanes.clear()
    by_reference = {"_id": booking.reference}
    await world.database["bookings"].update_one(by_reference, {"$unset": {"currency": ""}})
    stored = await world.database["bookings"].find_one(by_reference)
    found = await outcomes(
        [
            world.api_client("ann").send(request),
            world.api_client("ann").cancel(booking.reference),
            world.api_client("bob").move(others[0].reference, seat_number=8),
            world.api_client("eve").book(run),
            world.api_client("cem").cancel(others[1].reference),
        ]
    )
    assert [isinstance(error, grpc.aio.AioRpcError) for error in found] == [True, True, False, False, False]
    assert {error.code() for error in found[:2]} == {grpc.StatusCode.INTERNAL}
    assert await reason_of(world.api_client("ann").booking(booking.reference)) == UNREADABLE
    assert [seat for seat, _ in await world.desk.section(run, "A")] == ["A-4", "A-5", "A-8"]
    assert await world.database["bookings"].find_one(by_reference) == stored


BROKEN_COMMITS: list[Update] = [
    {"$set": {"events.0.type": "booking.teleported"}},
    {"$unset": {"events.0.trace_parent": ""}},
    {"$set": {"events": "none"}},
    {"$unset": {"events": ""}},
    {"$set": {"version": "7"}},
    {"$unset": {"time": ""}},
    {"$set": {"time": "yesterday"}},
]


@pytest.mark.parametrize("update", BROKEN_COMMITS, ids=str)
async def test_an_unreadable_event_is_quarantined_and_processed_once_it_is_repaired(real_world: World, update: Update) -> None:
    run = await real_world.run("A8")
    ann = await real_world.api_client("ann").book(run)
    bob = await real_world.api_client("bob").book(run)
    await real_world.api_client("bob").cancel(bob.reference)
    await real_world.wait_until_archived()
    events = real_world.database["events"]
    good = await events.find_one({"events.subject": ann.reference})
    assert good is not None
    await events.update_one({"_id": good["_id"]}, update)
    real_world.server.start_worker()
    await eventually(lambda: is_paid(real_world, "bob", refunds=1))
    await eventually(lambda: count_is(real_world, "events", {"is_new": True}, 0))
    assert await events.count_documents({"is_unreadable": True}) == 1
    assert not await is_paid(real_world, "ann")
    report = await verify(real_world.database, tolerance_seconds=60)
    assert Check.READABLE in {finding.check for finding in report.findings}
    flags = {"is_unreadable": True}
    await events.replace_one({"_id": good["_id"]}, {key: good[key] for key in good if key != "is_new"} | flags)
    await real_world.server.store.jobs.bring_forward("sweep look at unreadable events again", now() - timedelta(seconds=1))
    await eventually(lambda: is_paid(real_world, "ann"))
    assert await events.count_documents({"is_unreadable": True}) == 0


async def test_unreadable_payments_and_jobs_do_not_stop_other_captures(real_world: World) -> None:
    run = await real_world.run("A60")
    names = [f"p{number}" for number in range(12)]
    for name in names:
        await real_world.api_client(name).book(run)
    await real_world.wait_until_archived()
    jobs, payments = real_world.database["jobs"], real_world.database["payments"]
    await real_world.server.store.jobs.insert_if_absent([])
    moment = now() - timedelta(hours=1)
    base = {"kind": "settle payment", "state": "PENDING", "ready_time": moment, "due_time": moment, "create_time": moment}
    await jobs.insert_many(
        [{**base, "_id": f"bad {number}", "attempts": "none", "payload": number} for number in range(120)]
        + [{**base, "_id": "no time", "ready_time": None}, {**base, "_id": "odd time", "ready_time": "soon"}]
    )
    long_ago = now() - timedelta(days=2)
    await payments.insert_many([{"_id": f"pay_bad{number}", "open_since": long_ago} for number in range(120)])
    await payments.insert_one(
        {
            "_id": "pay_left",
            "version": 1,
            "user_key": "zoe@example.com",
            "request_id": "r",
            "provider": "ledger",
            "amount_minor": 2_000,
            "currency": "USD",
            "token": "",
            "state": "AUTHORIZING",
            "create_time": now() - timedelta(hours=1),
            "open_since": now() - timedelta(hours=1),
            "update_time": now() - timedelta(hours=1),
            "authorization_id": "",
            "captured_minor": 0,
            "attempts": [],
            "refunds": [],
        }
    )
    real_world.server.start_worker()
    for name in names:
        await eventually(lambda name=name: is_paid(real_world, name))  # type: ignore[misc]  # bound at once
    await eventually(lambda: count_is(real_world, "payments", {"_id": "pay_left", "state": "VOIDED"}, 1))
    assert await jobs.count_documents({"_id": {"$regex": "^bad"}, "attempts": "none", "payload": {"$type": "int"}}) == 120
    report = await verify(real_world.database, tolerance_seconds=60)
    unreadable = {finding.subject for finding in report.findings if finding.check is Check.READABLE}
    assert "payment pay_bad0" in unreadable


async def test_unreadable_runs_do_not_keep_due_runs_from_expiring(real_world: World) -> None:
    good = await real_world.run("A4", train_id="good")
    await real_world.api_client("ann").hold(good, section="A", seconds=30)
    await real_world.wait_until_archived()
    moment = now() - timedelta(hours=1)
    document = await real_world.run_document(good)
    bad = {**document, "version": "x", "next_due": moment, "unsettled_since": moment, "recent": [], "outbox": []}
    await real_world.database["train_runs"].insert_many(
        [{**bad, "_id": f"bad{number:03}:{TRAVEL_DATE}"} for number in range(230)]
    )
    past = {"$set": {"holds.$[].expire_time": moment}} if isinstance(document["holds"], list) else None
    assert past is None
    (key,) = document["holds"]
    ended = {f"holds.{key}.expire_time": moment, "next_due": now() - timedelta(seconds=1), "unsettled_since": moment}
    await real_world.database["train_runs"].update_one({"_id": document["_id"]}, {"$set": ended})
    real_world.server.bus._lanes.clear()
    real_world.server.start_worker()
    await eventually(lambda: count_is(real_world, "train_runs", {"_id": document["_id"], "holds": {}}, 1))
    await eventually(lambda: count_is(real_world, "train_runs", {"_id": document["_id"], "unsettled_since": None}, 1))


async def test_unreadable_trains_users_and_jobs_are_left_out_of_lists_and_refused_alone(world: World) -> None:
    for number in range(5):
        await world.run(train_id=f"t{number}")
        await world.api_client(f"u{number}").register("Una", "Li")
    trains, users = world.database["trains"], world.database["users"]
    await trains.update_one({"_id": "t1"}, {"$set": {"stops.0.depart": "soon"}})
    await trains.update_one({"_id": "t2"}, {"$unset": {"number": ""}})
    await users.update_one({"_id": "u1@example.com"}, {"$set": {"last_name": None}})
    first = await world.desk.list_trains(page_size=2)
    rest = await world.desk.list_trains(page_size=2, page_token=first.next_page_token)
    assert [train.train_id for train in (*first.trains, *rest.trains)] == ["t0", "t3", "t4"]
    assert await reason_of(world.desk.train("t1")) == UNREADABLE
    assert await reason_of(world.desk.schedule("t2", on_day(60))) == UNREADABLE
    assert await reason_of(world.api_client("u1").user()) == UNREADABLE
    assert (await world.api_client("u2").user()).last_name == "Li"
    run = Run(train_id="t3", travel_date=TRAVEL_DATE)
    assert (await world.api_client("u1").book(run)).reference
    assert len(await world.api_client("u1").receipts(origin="stp")) == 1


async def test_a_run_that_mongodb_cannot_update_fails_no_commit_that_shares_its_statement(real_world: World) -> None:
    dates = [on_day(30 + later) for later in range(4)]
    runs = await real_world.runs("A60", *dates)
    for run in runs:
        await real_world.api_client("ann").book(run)
    await real_world.wait_until_archived()
    await real_world.database["train_runs"].update_one({"_id": f"es9014:{dates[0]}"}, {"$set": {"sections": 7}})
    found = await outcomes([real_world.api_client(f"p{index}").book(runs[index % 4]) for index in range(40)])
    refused = [index for index, outcome in enumerate(found) if isinstance(outcome, grpc.aio.AioRpcError)]
    assert refused == [index for index in range(40) if index % 4 == 0]


async def test_unreadable_records_are_counted_by_collection(real_world: World) -> None:
    run = await real_world.run("A4")
    await real_world.database["train_runs"].update_one({}, {"$unset": {"terms": ""}})
    counted: list[str] = []
    unreadable_records.watch(counted.append)
    try:
        await real_world.api_client().list_runs()
        await asyncio.gather(*(reason_of(real_world.api_client("a").run_of(run)) for _ in range(3)))
    finally:
        unreadable_records.unwatch(counted.append)
    assert counted == ["train_runs"] * 4


async def is_paid(world: World, name: str, refunds: int = 0) -> bool:
    """Return whether the payment of a person's only booking is captured, with that many finished refunds."""
    query = {"user_key": f"{name}@example.com", "state": "CAPTURED", "refunds.state": {"$ne": "PENDING"}}
    found = await world.database["payments"].find_one(query)
    return found is not None and len(found["refunds"]) == refunds


async def count_is(world: World, collection: str, query: dict[str, Any], count: int) -> bool:
    return await world.database[collection].count_documents(query) == count
