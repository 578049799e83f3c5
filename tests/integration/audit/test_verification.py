"""Verification of a real database: no finding for what the service leaves, and a finding for each thing broken by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio

from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_INVENTORY_RULES
from app.embedded.mongod import EmbeddedMongod
from app.store.audit_runs import AuditRuns
from app.store.driver import Database
from tests.support.clients import people
from tests.support.interrupted_snapshots import InterruptedSnapshots
from tests.support.job_databases import a_client
from tests.support.verified_worlds import FIRST, SECOND, Documents, everything_in, fill, hold, make_copy, now, verify
from tests.support.world import World, outcomes, running_server, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

Breakage = Callable[[Database], Awaitable[object]]


@pytest_asyncio.fixture(scope="module")
async def filled(mongod: EmbeddedMongod) -> Documents:
    """Return the documents of a database in which the service has done some of everything."""
    async with running_server(settings_for(mongod.uri)) as world:
        await fill(world)
        documents = await everything_in(world.database)
        await world.server.stop_worker()
        await world.database.client.drop_database(world.database.name)
    return documents


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod, filled: Documents) -> AsyncIterator[Database]:
    """Return a copy of that database."""
    client = a_client(mongod)
    copy = client["test_verifying"]
    await make_copy(filled, copy)
    yield copy
    client.close()


async def test_a_database_as_the_service_and_its_worker_leave_it_gives_no_finding(database: Database) -> None:
    report = await verify(database)
    assert report.findings == []
    assert (report.runs, report.bookings, report.payments, report.ledger_entries) == (2, 9, 9, 9)


async def test_an_empty_database_gives_no_finding(database: Database) -> None:
    await make_copy({}, database)
    report = await verify(database)
    assert (report.runs, report.findings) == (0, [])


# -- what may be broken by hand


def of(name: str, **more: Any) -> dict[str, Any]:
    """Return the query for the booking of a person; each has one."""
    return {"user.email": f"{name}@example.com", **more}


async def booking_of(database: Database, name: str) -> dict[str, Any]:
    found = await database["bookings"].find_one(of(name))
    assert found is not None
    return found


async def payment_id_of(database: Database, name: str) -> str:
    return str((await booking_of(database, name))["payment_id"])


async def change_run(database: Database, update: dict[str, Any]) -> None:
    await database["train_runs"].update_one({"_id": FIRST}, update)


async def change_payment(database: Database, name: str, update: dict[str, Any]) -> None:
    await database["payments"].update_one({"_id": await payment_id_of(database, name)}, update)


async def copy_booking(database: Database, name: str, **changed: Any) -> dict[str, Any]:
    """Return a copy of a person's booking with another passenger and without a payment."""
    copy = await booking_of(database, name)
    passengers = [{**copy["passengers"][0], "email": "eve@example.com"}]
    return {**copy, "_id": "EVE000", "passengers": passengers, "payment_id": "", "charged_minor": 0, **changed}


async def sell_fays_seat_again(database: Database) -> None:
    await database["bookings"].insert_one(await copy_booking(database, "fay"))


async def forget_that_fays_seat_is_sold(database: Database) -> None:
    await change_run(database, {"$set": {"sections.0.sold_legs.5": 0}})


async def drop_a_freed_seat(database: Database) -> None:
    await change_run(database, {"$unset": {"sections.0.freed.1": ""}})


async def put_gus_on_fays_booking_too(database: Database) -> None:
    await database["bookings"].update_one(
        of("fay"), {"$set": {"passengers.0.email": "GUS@example.com", "passengers.0.first_name": "GUS"}}
    )


async def number_fay_as_ten(database: Database) -> None:
    await database["bookings"].update_one(of("fay"), {"$set": {"passengers.0.passenger_number": 10}})


async def lose_dans_waitlist_entry(database: Database) -> None:
    await change_run(database, {"$set": {"waiting": {}}})


async def free_the_seat_that_dan_waits_for(database: Database) -> None:
    await database["bookings"].update_one(of("cem"), {"$set": {"state": "CANCELLED"}})
    freed = {"sections.1.sold_legs.0": 0, "sections.1.freed": {"1": [[1, 7]]}}
    await change_run(database, {"$set": freed})


async def change_fays_booking_without_a_commit(database: Database) -> None:
    await database["bookings"].update_one(of("fay"), {"$set": {"revision": 999}})


async def give_fays_reference_to_another_run(database: Database) -> None:
    fay = await booking_of(database, "fay")
    charge = {"_id": fay["_id"], "payment_id": fay["payment_id"], "charged_minor": fay["charged_minor"]}
    copy = await copy_booking(database, "fay", state="CANCELLED", run_id=SECOND, revision=1, **charge)
    await database["train_runs"].update_one({"_id": SECOND}, {"$push": {"recent": copy}})


async def store_a_recent_booking_twice(database: Database) -> None:
    await change_run(database, {"$push": {"recent": {"$each": [await booking_of(database, "fay")] * 2}}})


async def charge_fay_a_dollar_less(database: Database) -> None:
    await database["bookings"].update_one(of("fay"), {"$inc": {"charged_minor": -100}})


async def forget_anns_refund(database: Database) -> None:
    await database["bookings"].update_one(of("ann"), {"$set": {"refunds": []}})


async def lose_fays_payment(database: Database) -> None:
    payment_id = await payment_id_of(database, "fay")
    await database["payments"].delete_one({"_id": payment_id})
    await database["ledger"].delete_one({"_id": f"{payment_id}:authorize"})


async def never_capture_fays_payment(database: Database) -> None:
    await change_payment(database, "fay", {"$set": {"state": "AUTHORIZED", "captured_minor": 0}})
    entry = {"$set": {"state": "AUTHORIZED", "captured_minor": 0}}
    await database["ledger"].update_one({"_id": f"{await payment_id_of(database, 'fay')}:authorize"}, entry)


async def lose_the_booking_that_ann_cancelled(database: Database) -> None:
    await database["bookings"].delete_one(of("ann"))


async def another_payment(database: Database, **changed: Any) -> None:
    payment = await database["payments"].find_one({"_id": await payment_id_of(database, "fay")})
    assert payment is not None
    await database["payments"].insert_one({**payment, "_id": "pay_other", "provider": "stripe", **changed})


async def capture_fays_payment_twice(database: Database) -> None:
    await another_payment(database)


async def authorize_and_forget(database: Database) -> None:
    long_ago = now() - timedelta(hours=1)
    await another_payment(database, state="AUTHORIZED", captured_minor=0, create_time=long_ago, request_id="another")


async def refund_less_in_the_ledger(database: Database) -> None:
    await database["ledger"].update_one({"refunds.0.amount_minor": 2_000}, {"$set": {"refunds.0.amount_minor": 1_999}})


async def capture_without_a_payment(database: Database) -> None:
    entry = await database["ledger"].find_one({"state": "CAPTURED"})
    assert entry is not None
    await database["ledger"].insert_one({**entry, "_id": "pay_unknown:authorize"})


async def leave_an_event_unprocessed(database: Database) -> None:
    await database["events"].update_one({"version": {"$gt": 0}}, {"$set": {"is_new": True}})


async def leave_an_event_in_its_run(database: Database) -> None:
    await change_run(database, {"$push": {"outbox": await database["events"].find_one()}})


async def write_an_unreadable_run(database: Database) -> None:
    await change_run(database, {"$unset": {"sections": ""}})


async def lose_a_run(database: Database) -> None:
    await database["train_runs"].delete_one({"_id": SECOND})


BREAKAGES: list[tuple[Breakage, set[Check]]] = [
    (sell_fays_seat_again, {Check.SOLD_ONCE}),
    (forget_that_fays_seat_is_sold, {Check.SOLD_LEGS}),
    (drop_a_freed_seat, {Check.INVENTORY}),
    (put_gus_on_fays_booking_too, {Check.ONE_BOOKING}),
    (number_fay_as_ten, {Check.PASSENGER_NUMBERS}),
    (lose_dans_waitlist_entry, {Check.WAITLIST}),
    (free_the_seat_that_dan_waits_for, {Check.PROMOTIONS}),
    (change_fays_booking_without_a_commit, {Check.REVISIONS}),
    (give_fays_reference_to_another_run, {Check.REFERENCES}),
    (store_a_recent_booking_twice, {Check.REFERENCES}),
    (charge_fay_a_dollar_less, {Check.BALANCE}),
    (forget_anns_refund, {Check.BALANCE}),
    (lose_fays_payment, {Check.RECORDED}),
    (never_capture_fays_payment, {Check.BALANCE}),
    (lose_the_booking_that_ann_cancelled, {Check.CHARGED_FOR}),
    (capture_fays_payment_twice, {Check.CAPTURED_ONCE}),
    (authorize_and_forget, {Check.VOIDED}),
    (refund_less_in_the_ledger, {Check.LEDGER}),
    (capture_without_a_payment, {Check.LEDGER}),
    (leave_an_event_unprocessed, {Check.EVENTS}),
    (leave_an_event_in_its_run, {Check.EVENTS}),
    (write_an_unreadable_run, {Check.READABLE}),
    (lose_a_run, {Check.READABLE}),
]


@pytest.mark.parametrize(("breakage", "checks"), BREAKAGES, ids=[breakage.__name__ for breakage, _ in BREAKAGES])
async def test_each_thing_broken_by_hand_gives_the_finding_of_its_check(
    database: Database, breakage: Breakage, checks: set[Check]
) -> None:
    await breakage(database)
    report = await verify(database)
    assert checks <= {finding.check for finding in report.findings}, report.findings
    assert (report.wrong, report.warnings) == (len(report.findings), 0)


async def test_dead_jobs_give_warnings_only(database: Database) -> None:
    dead = {"$set": {"state": "DEAD", "last_error": "no answer", "done_time": None}, "$unset": {"purge_time": ""}}
    await database["jobs"].update_one({"state": "DONE"}, dead)
    report = await verify(database)
    assert [(finding.check, finding.is_warning) for finding in report.findings] == [(Check.JOBS, True)]
    assert report.findings[0].text.endswith("attempts: no answer")
    assert (report.wrong, report.warnings) == (0, 1)


async def test_recent_differences_are_not_wrong_within_the_tolerance(database: Database) -> None:
    await lose_fays_payment(database)
    await leave_an_event_unprocessed(database)
    assert (await verify(database, tolerance_seconds=600)).findings == []


async def test_a_run_that_changes_while_it_is_read_is_checked_as_of_one_moment(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A60")
    first = await real_world.api_client("p0").book(run)

    async def sell_and_cancel(number: int) -> None:
        sold = await real_world.api_client(f"p{number}").book(run)
        await real_world.api_client("p0").move(first.reference, seat_number=60 - number)
        if number % 2:
            await real_world.api_client(f"p{number}").cancel(sold.reference)
        await real_world.server.bus.wait_idle()  # everything is archived

    audit_runs = AuditRuns(real_world.database)
    interrupted = InterruptedSnapshots(real_world.database, sell_and_cancel)
    monkeypatch.setattr(audit_runs, "_snapshots", interrupted)
    for _ in range(3):
        changes_before = interrupted.reads
        (snapshot,) = await audit_runs.read_run_snapshots([FIRST], now())
        assert snapshot.run is not None
        assert interrupted.reads - changes_before > 2
        assert run_rules(RUN_INVENTORY_RULES, "run", snapshot.audited_run(snapshot.run, now(), timedelta(0))) == []
        assert len(snapshot.bookings) == changes_before + 1


async def test_verification_while_64_callers_book_gives_no_finding(real_world: World) -> None:
    real_world.server.start_worker()
    runs = await real_world.runs("A60 B20", FIRST.partition(":")[2], SECOND.partition(":")[2])
    callers = people("p", 64)

    async def book_and_cancel(number: int, name: str) -> None:
        api_client, run = real_world.api_client(name), runs[number % 2]
        for turn in range(6):
            if (number + turn) % 5 == 0:
                with suppress(grpc.aio.AioRpcError):  # the share of seats that may be on hold is used up
                    await hold(real_world, run, f"{name}-{turn}")
            booking = await api_client.book(run)
            if (number + turn) % 3 == 0:
                await api_client.move(booking.reference, section="B" if booking.passengers[0].seat.section == "A" else "A")
            await api_client.cancel(booking.reference)
        await api_client.book(run)

    selling = asyncio.create_task(_run_all(book_and_cancel, callers))
    reports = []
    while not selling.done():
        reports.append(await verify(real_world.database, tolerance_seconds=60))
    await selling
    assert [report.findings for report in reports] == [[]] * len(reports)
    assert len(reports) > 1
    assert max(report.bookings for report in reports) > len(callers)
    assert (await verify(real_world.database, tolerance_seconds=60)).findings == []


async def _run_all(book_and_cancel: Callable[[int, str], Awaitable[None]], names: list[str]) -> None:
    await outcomes([book_and_cancel(number, name) for number, name in enumerate(names)])
