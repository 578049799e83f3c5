"""Bookings on their way from a run's document to the archive are found once and in their newest revision, wherever a crash has
left them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import pytest_asyncio

from app.domain.refusals import Reason, Refusal
from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from app.store.in_memory import connect_in_memory
from app.store.runs import TrainRuns
from app.store.unreadable import Records
from tests.support.clients import booking_request, people, person, refusal, seats_of
from tests.support.server_clocks import set_clock
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, running_server, settings_for

CANCELLED = booking_pb2.BOOKING_STATE_CANCELLED


async def _away(_: object) -> None:
    raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")


@pytest_asyncio.fixture
async def unarchiving(real_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A server that never archives its bookings, as if the database went away after each commit."""
    monkeypatch.setattr(real_world.server.store.runs, "archive", _away)
    return real_world


@pytest_asyncio.fixture
async def successor(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """Another server on the same database, with nothing in memory."""
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as made:
        yield made


async def test_a_booking_that_is_archived_and_still_in_the_document_is_found_once(real_world: World, successor: World) -> None:
    run = await real_world.run("A3")
    booking = await real_world.api_client("jane").book(run)
    await real_world.server.bus.wait_idle()
    assert [recent["_id"] for recent in (await real_world.run_document(run))["recent"]] == [booking.reference]
    assert await real_world.database["bookings"].count_documents({"_id": booking.reference}) == 1
    for world in (real_world, successor):
        assert await world.api_client("jane").receipts() == [booking.reference]
        assert await world.desk.section(run, "A") == [("A-1", "jane@example.com")]
        assert await world.api_client("jane").booking(booking.reference) == booking


async def test_a_booking_that_was_never_archived_is_found_by_every_server(unarchiving: World, successor: World) -> None:
    run = await unarchiving.run("A9")
    booking = await unarchiving.api_client("agent").book(run, "ann", "bob")
    assert await unarchiving.database["bookings"].count_documents({}) == 0
    for world in (unarchiving, successor):
        assert await world.api_client("agent").booking(booking.reference) == booking
        assert await world.api_client("ann").receipts(travel_date=TRAVEL_DATE) == [booking.reference]
        assert await world.desk.section(run, "A") == [("A-1", "ann@example.com"), ("A-2", "bob@example.com")]


async def test_another_server_sells_on_with_bookings_that_were_never_archived_and_archives_them(
    unarchiving: World, successor: World
) -> None:
    run = await unarchiving.run("A3")
    request = booking_request(run, "jane")
    booking = await unarchiving.api_client("jane").send(request)
    assert await successor.api_client("jane").send(request) == booking
    assert (await refusal(successor.api_client("agent").book(run, "jane"))).reason == "PASSENGER_ALREADY_BOOKED"
    assert seats_of(await successor.api_client("joe").book(run)) == ["A-2"]
    await successor.server.bus.wait_idle()
    assert await successor.database["bookings"].count_documents({"_id": booking.reference}) == 1


async def test_a_booking_that_was_never_archived_can_be_changed_and_cancelled(unarchiving: World, successor: World) -> None:
    run = await unarchiving.run("A3")
    booking = await unarchiving.api_client("jane").book(run)
    moved = await successor.api_client("jane").move(booking.reference, seat_number=3)
    assert await unarchiving.api_client("jane").booking(booking.reference) == moved
    await successor.api_client("jane").cancel(booking.reference)
    assert await unarchiving.api_client("jane").free(run) == {"A": 3}
    assert (await unarchiving.api_client("jane").booking(booking.reference)).state == CANCELLED


async def test_readers_do_not_see_an_older_revision_in_the_archive(
    real_world: World, successor: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A3 B3")
    agent = real_world.api_client("agent")
    booking = await agent.book(run, "ann")
    await real_world.server.bus.wait_idle()

    monkeypatch.setattr(real_world.server.store.runs, "archive", _away)
    await agent.update(booking.reference, person("bob"))
    newest = await agent.move(booking.reference, "bob", section="B")
    for world in (real_world, successor):
        assert await world.api_client("agent").booking(booking.reference) == newest
        assert await world.desk.section(run, "A") == []
        assert await world.desk.section(run, "B") == [("B-1", "bob@example.com")]
        assert await world.api_client("bob").receipts() == [booking.reference]
        (receipt,) = (await world.api_client("agent").receipts_page()).receipts
        assert seats_of(receipt) == ["B-1"]


@pytest.mark.parametrize("older_first", [True, False])
async def test_a_passenger_is_known_although_the_archive_has_an_older_revision_of_a_cancelled_booking(
    older_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The in-memory database reads documents in the order in which they were inserted.
    async with running_server(settings_for(), connect_in_memory()) as world:
        monkeypatch.setattr(world.server.store.runs, "archive", _away)
        run = await world.run("A9")
        former = await world.api_client("agent").book(run, "jane")
        (older,) = (await world.run_document(run))["recent"]
        await world.api_client("agent").cancel(former.reference)
        present = await world.api_client("agent").book(run, "jane")
        newer = next(recent for recent in (await world.run_document(run))["recent"] if recent["_id"] == present.reference)
        for document in (older, newer) if older_first else (newer, older):
            await world.database["bookings"].insert_one(document)
        await world.database["train_runs"].update_one({}, {"$pull": {"recent": {"_id": present.reference}}})
        loaded = await TrainRuns(world.database).load(newer["run_id"])
    assert loaded is not None
    assert set(loaded.run.passenger_index.references.values()) == {present.reference}
    assert loaded.run.passenger_index.passenger_counts == {"agent@example.com": 1}


async def test_a_former_address_has_no_receipt_although_the_archive_has_an_older_revision_with_it(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A3")
    agent = real_world.api_client("agent")
    booking = await agent.book(run, "ann")
    await real_world.api_client("ann").register("Ann", "Doe")
    await real_world.server.bus.wait_idle()
    monkeypatch.setattr(real_world.server.store.runs, "archive", _away)
    await agent.update(booking.reference, person("bob"))
    assert await real_world.api_client("ann").receipts() == []
    assert (await refusal(real_world.api_client("ann").booking(booking.reference))).reason == "NOT_PERMITTED"


async def test_cancelled_bookings_leave_the_runs_document_and_are_still_found(real_world: World) -> None:
    run = await real_world.run("A50")
    cancelled: dict[str, booking_pb2.CreateBookingRequest] = {}
    for name in people("p", 40):
        request = booking_request(run, name, request_id=name)
        reference = (await real_world.api_client(name).send(request)).reference
        await real_world.api_client(name).cancel(reference)
        cancelled[reference] = request
    await real_world.api_client("last").book(run)
    await real_world.server.bus.wait_idle()
    await real_world.api_client("very-last").book(run)
    recent = {booking["_id"] for booking in (await real_world.run_document(run))["recent"]}
    assert not recent & set(cancelled)
    for reference, request in cancelled.items():
        api_client = real_world.api_client(request.request_id)
        found = await api_client.booking(reference)
        assert found.state == CANCELLED
        assert await api_client.receipts() == [reference]
        assert await api_client.send(request) == found
        assert await api_client.cancel(reference) == found
    assert await real_world.api_client().free(run) == {"A": 48}


async def test_an_archived_cancelled_booking_refuses_every_other_change(real_world: World, successor: World) -> None:
    run = await real_world.run("A5")
    jane = real_world.api_client("jane")
    booking = await jane.book(run)
    await jane.cancel(booking.reference)
    await jane.book(run)
    for api_client in (jane, successor.api_client("jane"), successor.desk):
        for call in (api_client.update(booking.reference, person("jane", "Janet")), api_client.move(booking.reference, "jane")):
            assert (await refusal(call)).says == (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_CANCELLED")


async def test_receipts_and_section_lists_stay_complete_after_the_arrival(
    real_world: World, mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A5")
    jane = real_world.api_client("jane")
    booking = await jane.book(run)
    cancelled = await real_world.api_client("joe").book(run)
    await real_world.api_client("joe").cancel(cancelled.reference)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    set_clock(monkeypatch, lambda: later)
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as after:
        assert await after.api_client("jane").receipts() == [booking.reference]
        assert await after.api_client("joe").receipts() == [cancelled.reference]
        assert await after.desk.section(run, "A") == [("A-1", "jane@example.com")]
        assert (await after.api_client().list_runs()).train_runs == []
        api_client = after.api_client("jane")
        for call in (
            api_client.cancel(booking.reference),
            api_client.move(booking.reference),
            after.api_client("jim").book(run),
        ):
            assert (await refusal(call)).says == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED")


async def test_a_reference_that_the_archive_has_from_another_run_does_not_keep_the_archive_queue_busy_for_ever(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await real_world.runs("A5", TRAVEL_DATE, NEXT_DATE)
    jane = real_world.api_client("jane")
    await jane.book(first, request_id="r1")
    await real_world.server.bus.wait_idle()
    await real_world.api_client("joe").book(first)  # the first booking is in the archive only now

    async def find_nothing(_: object) -> Records[object]:
        return Records()

    with monkeypatch.context() as patched:  # as if the look-up came before the first booking was archived
        patched.setattr(real_world.server.store.bookings, "find_archived", find_nothing)
        await jane.book(second, request_id="r1")
    async with asyncio.timeout(10):
        await real_world.server.bus.wait_idle()
