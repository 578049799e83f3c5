"""Repeated requests: one booking however often a request is sent, and a refusal of another body under its request_id."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from tests.support.clients import LILLE, booking_request, person, refusal, seats_of
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World

REUSED = (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_four_fast_clicks_with_one_request_id_make_one_booking(world: World) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    request = booking_request(run, "jane", request_id="click")
    answers = await asyncio.gather(*(jane.send(request) for _ in range(4)))
    assert {answer.reference for answer in answers} == {answers[0].reference}
    assert await jane.free(run) == {"A": 3, "B": 4}
    assert await jane.receipts() == [answers[0].reference]


async def test_a_later_repetition_gets_the_booking_as_it_is_now(world: World) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    request = booking_request(run, "jane")
    booking = await jane.send(request)
    moved = await jane.move(booking.reference, seat_number=4)
    assert await jane.send(request) == moved
    cancelled = await jane.cancel(booking.reference)
    assert await jane.send(request) == cancelled
    assert await jane.free(run) == {"A": 4, "B": 4}


async def test_a_repetition_on_a_run_that_is_full_by_now_still_gets_the_booking(world: World) -> None:
    run = await world.run("A1")
    request = booking_request(run, "jane")
    booking = await world.api_client("jane").send(request)
    assert (await refusal(world.api_client("joe").book(run))).reason == "SECTION_FULL"
    assert await world.api_client("jane").send(request) == booking


@pytest.mark.parametrize(
    "other",
    [
        {"section": "B"},
        {"origin": "Ashford"},
        {"destination": LILLE},
        {"section": "A", "seats": [3]},
        {"travellers": ["joe"]},
        {"travellers": ["jane", "joe"]},
        {"travellers": [person("jane", "Janet")]},
    ],
    ids=["section", "origin", "destination", "seat", "passenger", "one more passenger", "name"],
)
async def test_the_same_request_id_with_another_body_is_refused(world: World, other: dict[str, Any]) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    booking = await jane.book(run, request_id="r1")
    travellers = other.get("travellers", [])
    asked = {name: value for name, value in other.items() if name != "travellers"}
    refused = await refusal(jane.book(run, *travellers, request_id="r1", **asked))
    assert (refused.says, refused.resource) == (REUSED, ("booking", booking.reference))
    assert await jane.free(run) == {"A": 3, "B": 4}


async def test_the_same_request_id_on_another_date_is_refused(real_world: World) -> None:
    first, second = await real_world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    jane = real_world.api_client("jane")
    booking = await jane.book(first, request_id="r1")
    refused = await refusal(jane.book(second, request_id="r1"))
    assert (refused.says, refused.resource) == (REUSED, ("booking", booking.reference))
    assert await jane.free(second) == {"A": 4}


async def test_the_same_request_id_on_another_train_is_refused(real_world: World) -> None:
    first, second = await real_world.run("A4"), await real_world.run("A4", train_id="es9016")
    jane = real_world.api_client("jane")
    await jane.book(first, request_id="r1")
    assert (await refusal(jane.book(second, request_id="r1"))).says == REUSED
    assert await jane.free(second) == {"A": 4}


async def test_a_request_id_reused_across_runs_does_not_affect_concurrent_bookings(real_world: World) -> None:
    first, second = await real_world.runs("A40", TRAVEL_DATE, NEXT_DATE)
    jane = real_world.api_client("jane")
    await jane.book(first, request_id="r1")
    others = [real_world.api_client(f"p{number}").book(second) for number in range(30)]
    refused, booked = await asyncio.gather(refusal(jane.book(second, request_id="r1")), asyncio.gather(*others))
    assert refused.says == REUSED
    assert len({seats_of(booking)[0] for booking in booked}) == 30


async def test_one_request_id_on_two_runs_at_once_makes_one_booking(real_world: World) -> None:
    runs = await real_world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    jane = real_world.api_client("jane")
    answers = await asyncio.gather(*(jane.book(run, request_id="r1") for run in runs), return_exceptions=True)
    assert sum(isinstance(answer, grpc.aio.AioRpcError) for answer in answers) == 1
    assert len(await jane.receipts()) == 1


async def test_the_same_request_id_of_another_caller_is_another_request(world: World) -> None:
    run = await world.run()
    booked = [await world.api_client(name).book(run, request_id="r1") for name in ("jane", "joe")]
    assert [seats_of(booking) for booking in booked] == [["A-1"], ["A-2"]]


async def test_a_refused_request_may_be_sent_again_when_things_have_changed(world: World) -> None:
    run = await world.run("A1")
    first = await world.api_client("joe").book(run)
    request = booking_request(run, "jane")
    assert (await refusal(world.api_client("jane").send(request))).reason == "SECTION_FULL"
    await world.api_client("joe").cancel(first.reference)
    assert seats_of(await world.api_client("jane").send(request)) == ["A-1"]
