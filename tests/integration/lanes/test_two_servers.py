"""Two servers that sell one run on one database answer as one service."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import Run, booking_request, decoded, people, person, refusal, seats_of
from tests.support.world import World, outcomes, running_server, settings_for


@pytest_asyncio.fixture
async def pair(real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[tuple[World, World]]:
    async with running_server(settings_for(mongod.uri, real_world.database.name)) as other:
        yield real_world, other


def _clients_of_both(pair: tuple[World, World], names: list[str]) -> list[Any]:
    """Return a client for each name, half of them at each server."""
    return [pair[index % 2].api_client(name) for index, name in enumerate(names)]


async def test_all_seats_are_sold_and_none_twice(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A100")
    found = await outcomes([api_client.book(run) for api_client in _clients_of_both(pair, people("p", 130))])
    refused = [decoded(answer).says for answer in found if isinstance(answer, grpc.aio.AioRpcError)]
    sold = Counter(seats_of(answer)[0] for answer in found if not isinstance(answer, grpc.aio.AioRpcError))
    assert refused == [(grpc.StatusCode.FAILED_PRECONDITION, "SECTION_FULL")] * 30
    assert sold == Counter({f"A-{number}": 1 for number in range(1, 101)})
    listed = await pair[1].desk.section(run, "A")
    assert sorted(seat for seat, _ in listed) == sorted(sold)
    assert len({email for _, email in listed}) == 100


async def test_a_passenger_whom_both_servers_book_at_once_is_booked_once(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A20")
    found = await outcomes([api_client.book(run, "jane") for api_client in _clients_of_both(pair, people("agent", 10))])
    reasons = Counter(decoded(answer).reason for answer in found if isinstance(answer, grpc.aio.AioRpcError))
    assert reasons == Counter({"PASSENGER_ALREADY_BOOKED": 9})
    assert len(await pair[0].desk.section(run, "A")) == 1


async def test_one_request_sent_to_both_at_once_makes_one_booking(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A20")
    request = booking_request(run, "jane")
    answers = await asyncio.gather(*(api_client.send(request) for api_client in _clients_of_both(pair, ["jane"] * 6)))
    assert len({answer.reference for answer in answers}) == 1
    assert await pair[0].api_client().free(run) == {"A": 19}


async def test_a_request_repeated_on_the_other_server_gives_the_same_booking(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A20")
    await second.api_client("joe").book(run)  # so that the other server has an older version of the run in memory
    request = booking_request(run, "jane")
    booking = await first.api_client("jane").send(request)
    assert await second.api_client("jane").send(request) == booking
    cancelled = await first.api_client("jane").cancel(booking.reference)
    assert await second.api_client("jane").send(request) == cancelled


async def test_a_refusal_is_decided_on_the_newest_version_of_the_run(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A1")
    booking = await first.api_client("joe").book(run)
    assert (await refusal(first.api_client("jane").book(run))).reason == "SECTION_FULL"
    await second.api_client("joe").cancel(booking.reference)
    assert seats_of(await first.api_client("jane").book(run)) == ["A-1"]


async def test_a_bookers_passengers_are_counted_over_both_servers(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A20", passengers_per_booker_max=4)
    bobs = [world.api_client("bob") for world in pair]
    first = await bobs[0].book(run, "ann", "ben")
    await bobs[1].book(run, "cem")
    assert (await refusal(bobs[0].book(run, "dan", "eve"))).reason == "BOOKER_LIMIT"
    found = await outcomes([bob.book(run, name) for bob, name in zip(bobs, ("dan", "eve"), strict=True)])
    assert [decoded(answer).reason for answer in found if isinstance(answer, grpc.aio.AioRpcError)] == ["BOOKER_LIMIT"]
    await bobs[1].cancel(first.reference, 2)
    assert len((await bobs[0].book(run, "fay")).passengers) == 1
    assert (await refusal(bobs[1].book(run, "gus"))).reason == "BOOKER_LIMIT"


async def test_two_servers_tell_relatives_apart(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A20")
    relatives = [person("jane", name) for name in ("Jane", "Tom", "Ann")]
    found = await outcomes([pair[number % 2].api_client(f"b{number}").book(run, relatives[number // 2]) for number in range(6)])
    refused = [decoded(answer).reason for answer in found if isinstance(answer, grpc.aio.AioRpcError)]
    assert refused == ["PASSENGER_ALREADY_BOOKED"] * 3


async def test_a_passenger_who_leaves_at_one_server_sees_the_booking_at_neither(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A20")
    booking = await pair[0].api_client("bob").book(run, "ann", "ben")
    await pair[1].api_client("ann").cancel(booking.reference, 1)
    for world in pair:
        assert (await refusal(world.api_client("ann").booking(booking.reference))).reason == "NOT_PERMITTED"
        assert await world.api_client("ann").receipts() == []
        assert [passenger.number for passenger in (await world.api_client("ben").booking(booking.reference)).passengers] == [2]


async def test_a_passenger_freed_on_the_other_server_may_book_here(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A3")
    booking = await first.api_client("agent").book(run, "jane")
    await second.api_client("agent").update(booking.reference, person("joe"))
    await first.api_client("jane").book(run)
    assert (await refusal(first.api_client("agent").book(run, "joe"))).reason == "PASSENGER_ALREADY_BOOKED"


async def test_changes_through_one_server_are_seen_by_the_other_at_once(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A3 B3")
    jane_here, jane_there = first.api_client("jane"), second.api_client("jane")
    booking = await jane_here.book(run)
    for change in (
        jane_there.update(booking.reference, person("jane", "Janet")),
        jane_here.move(booking.reference, section="B"),
        jane_there.move(booking.reference, seat_number=3),
        jane_here.cancel(booking.reference),
    ):
        changed = await change
        assert await jane_here.booking(booking.reference) == await jane_there.booking(booking.reference) == changed
        assert await first.desk.section(run, "B") == await second.desk.section(run, "B")
    assert await jane_there.free(run) == {"A": 3, "B": 3}


async def test_an_etag_that_the_other_server_has_made_stale_is_refused(pair: tuple[World, World]) -> None:
    first, second = pair
    run = await first.run("A3")
    booking = await first.api_client("jane").book(run)
    await second.api_client("jane").move(booking.reference, seat_number=2)
    refused = await refusal(first.api_client("jane").move(booking.reference, seat_number=3, etag=booking.etag))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")


async def test_a_crowd_that_books_moves_and_cancels_on_both_leaves_no_seat_twice(pair: tuple[World, World]) -> None:
    run = await pair[0].run("A40 B40")

    async def book_and_change(index: int) -> None:
        here, there = pair[index % 2].api_client(f"p{index}"), pair[(index + 1) % 2].api_client(f"p{index}")
        booking = await here.book(run)
        if index % 3 == 0:
            await there.cancel(booking.reference)
        elif index % 3 == 1:
            await there.move(booking.reference, section="B")

    await asyncio.gather(*(book_and_change(index) for index in range(36)))
    listed = [*await pair[0].desk.section(run, "A"), *await pair[1].desk.section(run, "B")]
    assert len({seat for seat, _ in listed}) == len(listed) == 24
    assert sum((await pair[1].api_client().free(run)).values()) == 80 - 24
    sold = [seat for seat, state in (await pair[0].api_client().seat_map(run)).items() if state == "SOLD"]
    assert sorted(sold) == sorted(seat for seat, _ in listed)


async def test_both_servers_sell_many_runs_at_once_and_each_seat_is_sold_once(pair: tuple[World, World]) -> None:
    runs = [await pair[0].run("A12", train_id=f"shared-{number}") for number in range(8)]
    found = await asyncio.gather(
        *(api_client.book(run) for run in runs for api_client in _clients_of_both(pair, people(f"of-{run.train_id}", 12))),
    )
    for run in runs:
        listed = await pair[0].desk.section(run, "A")
        assert sorted(seat for seat, _ in listed) == sorted(f"A-{number}" for number in range(1, 13))
    assert len({booking.reference for booking in found}) == 96


async def _archive_all(world: World, run: Run) -> None:
    """Archive what was sold and empty the run's document, as a worker does once nobody sells on the run."""
    await world.server.bus.wait_idle()
    await world.server.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")
    assert (await world.run_document(run))["recent"] == []


async def test_passengers_are_known_although_the_other_server_sold_last_and_all_is_archived_since(
    pair: tuple[World, World],
) -> None:
    first, second = pair
    run = await first.run("A9")
    await second.api_client("joe").book(run)
    await first.api_client("jane").book(run)
    await _archive_all(first, run)
    refused = await refusal(second.api_client("agent").book(run, "jane"))
    assert refused.reason == "PASSENGER_ALREADY_BOOKED"


async def test_the_waitlist_is_promoted_although_the_other_server_sold_last_and_all_is_archived_since(
    pair: tuple[World, World],
) -> None:
    first, second = pair
    run = await first.run("A1")
    booked = await second.api_client("joe").book(run)
    waiting = await first.api_client("jane").book(run, if_full=booking_pb2.IF_FULL_WAITLIST)
    await _archive_all(first, run)
    await second.api_client("joe").cancel(booked.reference)
    assert seats_of(await first.api_client("jane").booking(waiting.reference)) == ["A-1"]
