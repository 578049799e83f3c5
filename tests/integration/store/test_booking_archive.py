"""Bookings on their way from the run's document to where they rest: found once, and found as they are now, wherever a crash
has left them.
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
from app.store.driver import connect_mock
from app.store.runs import TrainRuns
from app.store.unreadable import Records
from tests.support.clients import booking_request, people, person, refusal, seats_of
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, serving, settings_for

CANCELLED = booking_pb2.BOOKING_STATE_CANCELLED


async def _away(_: object) -> None:
    raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")


@pytest_asyncio.fixture
async def unsettled(real_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A server whose bookings never get to rest, as if the database went away after each commit."""
    monkeypatch.setattr(real_world.server.store.runs, "settle", _away)
    return real_world


@pytest_asyncio.fixture
async def successor(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """Another server on the same database, which knows only what is kept there."""
    async with serving(settings_for(mongod.uri, real_world.database.name)) as made:
        yield made


async def test_a_booking_that_is_copied_but_not_dropped_is_found_once(real_world: World, successor: World) -> None:
    run = await real_world.run("A3")
    booking = await real_world.phone("jane").book(run)
    await real_world.server.store.lanes.join()
    assert [one["_id"] for one in (await real_world.kept_run(run))["recent"]] == [booking.reference]
    assert await real_world.database["bookings"].count_documents({"_id": booking.reference}) == 1
    for world in (real_world, successor):
        assert await world.phone("jane").receipts() == [booking.reference]
        assert await world.desk.section(run, "A") == [("A-1", "jane@example.com")]
        assert await world.phone("jane").booking(booking.reference) == booking


async def test_a_booking_that_was_never_copied_is_found_by_everybody(unsettled: World, successor: World) -> None:
    run = await unsettled.run("A9")
    booking = await unsettled.phone("agent").book(run, "ann", "bob")
    assert await unsettled.database["bookings"].count_documents({}) == 0
    for world in (unsettled, successor):
        assert await world.phone("agent").booking(booking.reference) == booking
        assert await world.phone("ann").receipts(travel_date=TRAVEL_DATE) == [booking.reference]
        assert await world.desk.section(run, "A") == [("A-1", "ann@example.com"), ("A-2", "bob@example.com")]


async def test_a_successor_goes_on_with_what_was_never_copied(unsettled: World, successor: World) -> None:
    run = await unsettled.run("A3")
    request = booking_request(run, "jane")
    booking = await unsettled.phone("jane").send(request)
    assert await successor.phone("jane").send(request) == booking
    assert (await refusal(successor.phone("agent").book(run, "jane"))).reason == "PASSENGER_ALREADY_BOOKED"
    assert seats_of(await successor.phone("joe").book(run)) == ["A-2"]
    await successor.server.store.lanes.join()
    assert await successor.database["bookings"].count_documents({"_id": booking.reference}) == 1


async def test_what_was_never_copied_can_be_changed_and_cancelled(unsettled: World, successor: World) -> None:
    run = await unsettled.run("A3")
    booking = await unsettled.phone("jane").book(run)
    moved = await successor.phone("jane").move(booking.reference, seat_number=3)
    assert await unsettled.phone("jane").booking(booking.reference) == moved
    await successor.phone("jane").cancel(booking.reference)
    assert await unsettled.phone("jane").free(run) == {"A": 3}
    assert (await unsettled.phone("jane").booking(booking.reference)).state == CANCELLED


async def test_an_older_copy_at_rest_is_not_what_readers_see(
    real_world: World, successor: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A3 B3")
    agent = real_world.phone("agent")
    booking = await agent.book(run, "ann")
    await real_world.server.store.lanes.join()

    monkeypatch.setattr(real_world.server.store.runs, "settle", _away)
    await agent.update(booking.reference, person("bob"))
    newest = await agent.move(booking.reference, "bob", section="B")
    for world in (real_world, successor):
        assert await world.phone("agent").booking(booking.reference) == newest
        assert await world.desk.section(run, "A") == []
        assert await world.desk.section(run, "B") == [("B-1", "bob@example.com")]
        assert await world.phone("bob").receipts() == [booking.reference]
        (receipt,) = (await world.phone("agent").receipts_page()).receipts
        assert seats_of(receipt) == ["B-1"]


@pytest.mark.parametrize("older_first", [True, False])
async def test_a_passenger_is_not_forgotten_for_an_older_copy_of_a_former_booking(
    older_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In memory, where documents are read in the order in which they were inserted.
    async with serving(settings_for(), connect_mock()) as world:
        monkeypatch.setattr(world.server.store.runs, "settle", _away)
        run = await world.run("A9")
        former = await world.phone("agent").book(run, "jane")
        (older,) = (await world.kept_run(run))["recent"]
        await world.phone("agent").cancel(former.reference)
        present = await world.phone("agent").book(run, "jane")
        newer = next(one for one in (await world.kept_run(run))["recent"] if one["_id"] == present.reference)
        for document in (older, newer) if older_first else (newer, older):
            await world.database["bookings"].insert_one(document)
        await world.database["train_runs"].update_one({}, {"$pull": {"recent": {"_id": present.reference}}})
        loaded = await TrainRuns(world.database).load(newer["run_id"])
    assert loaded is not None
    assert set(loaded.run.travellers.references.values()) == {present.reference}
    assert loaded.run.travellers.booked == {"agent@example.com": 1}


async def test_a_former_address_has_no_receipt_although_an_older_copy_rests_under_it(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A3")
    agent = real_world.phone("agent")
    booking = await agent.book(run, "ann")
    await real_world.phone("ann").register("Ann", "Doe")
    await real_world.server.store.lanes.join()
    monkeypatch.setattr(real_world.server.store.runs, "settle", _away)
    await agent.update(booking.reference, person("bob"))
    assert await real_world.phone("ann").receipts() == []
    assert (await refusal(real_world.phone("ann").booking(booking.reference))).reason == "NOT_PERMITTED"


async def test_cancelled_bookings_leave_the_runs_document_and_are_still_found(real_world: World) -> None:
    run = await real_world.run("A50")
    cancelled: dict[str, booking_pb2.CreateBookingRequest] = {}
    for name in people("p", 40):
        request = booking_request(run, name, request_id=name)
        reference = (await real_world.phone(name).send(request)).reference
        await real_world.phone(name).cancel(reference)
        cancelled[reference] = request
    await real_world.phone("last").book(run)
    await real_world.server.store.lanes.join()
    await real_world.phone("very-last").book(run)
    recent = {one["_id"] for one in (await real_world.kept_run(run))["recent"]}
    assert not recent & set(cancelled)
    for reference, request in cancelled.items():
        phone = real_world.phone(request.request_id)
        found = await phone.booking(reference)
        assert found.state == CANCELLED
        assert await phone.receipts() == [reference]
        assert await phone.send(request) == found
        assert await phone.cancel(reference) == found
    assert await real_world.phone().free(run) == {"A": 48}


async def test_a_cancelled_booking_at_rest_refuses_every_other_change(real_world: World, successor: World) -> None:
    run = await real_world.run("A5")
    jane = real_world.phone("jane")
    booking = await jane.book(run)
    await jane.cancel(booking.reference)
    await jane.book(run)
    for phone in (jane, successor.phone("jane"), successor.desk):
        for call in (phone.update(booking.reference, person("jane", "Janet")), phone.move(booking.reference, "jane")):
            assert (await refusal(call)).says == (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_CANCELLED")


async def test_receipts_and_section_lists_stay_complete_when_the_train_is_over(
    real_world: World, mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A5")
    jane = real_world.phone("jane")
    booking = await jane.book(run)
    cancelled = await real_world.phone("joe").book(run)
    await real_world.phone("joe").cancel(cancelled.reference)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    monkeypatch.setattr("app.process.server.present_moment", lambda: later)
    async with serving(settings_for(mongod.uri, real_world.database.name)) as after:
        assert await after.phone("jane").receipts() == [booking.reference]
        assert await after.phone("joe").receipts() == [cancelled.reference]
        assert await after.desk.section(run, "A") == [("A-1", "jane@example.com")]
        assert (await after.phone().list_runs()).train_runs == []
        phone = after.phone("jane")
        for call in (phone.cancel(booking.reference), phone.move(booking.reference), after.phone("jim").book(run)):
            assert (await refusal(call)).says == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED")


async def test_a_reference_that_rests_with_another_run_does_not_keep_the_lane_busy_for_ever(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await real_world.runs("A5", TRAVEL_DATE, NEXT_DATE)
    jane = real_world.phone("jane")
    await jane.book(first, request_id="r1")
    await real_world.server.store.lanes.join()
    await real_world.phone("joe").book(first)  # the first booking now rests, and only there

    async def too_early(_: object) -> Records[object]:
        return Records()

    with monkeypatch.context() as patched:  # the look-up came before the first booking was there
        patched.setattr(real_world.server.store.bookings, "find_settled", too_early)
        await jane.book(second, request_id="r1")
    async with asyncio.timeout(10):
        await real_world.server.store.lanes.join()
