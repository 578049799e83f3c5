"""Privacy of passengers: what a stranger learns about whether a person travels, and how often it may ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

from app.usecases.duplicate_refusals import REFUSALS_MAX
from tests.support.clients import Run, address, booking_request, person, refusal
from tests.support.world import Clock, World

TOO_OFTEN = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REFUSALS")
MADE_UP = "es9014_{date}_AAAAAAAAAAAAAAAA"


async def _asks_too_often(world: World, run: Run, name: str = "mallory") -> None:
    for _ in range(REFUSALS_MAX):
        assert (await refusal(world.api_client(name).book(run, "jane"))).reason == "PASSENGER_ALREADY_BOOKED"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"hold_id": MADE_UP}, "HOLD_EXPIRED"),
        ({"payment_token": "tok_decline"}, "PAYMENT_DECLINED"),
        ({"seats": [1], "section": "A"}, "SEAT_TAKEN"),
        ({"seats": [99], "section": "A"}, "INVALID_FIELD"),
    ],
    ids=["a made-up hold", "a card that is declined", "a seat that is taken", "a seat that there is not"],
)
async def test_a_request_that_cannot_be_sold_gets_the_same_refusal_whether_or_not_the_person_travels(
    world: World, asked: dict[str, Any], reason: str
) -> None:
    run = await world.run()
    await world.api_client("jane").book(run)
    asked = {name: value.format(date=run.travel_date) if name == "hold_id" else value for name, value in asked.items()}
    travels = await refusal(world.api_client("mallory").book(run, "jane", **asked))
    does_not = await refusal(world.api_client("mallory").book(run, "joe", **asked))
    assert travels.reason == reason
    assert travels == does_not


async def test_a_caller_that_asks_too_often_is_refused_for_any_passenger_with_a_retry_delay(clock: Clock, world: World) -> None:
    run = await world.run()
    mine = booking_request(run, "mallory")
    booking = await world.api_client("mallory").send(mine)
    await world.api_client("jane").book(run)
    await _asks_too_often(world, run)
    for who in ("jane", "nobody"):
        for token in ("", "tok_mallory"):
            refused = await refusal(world.api_client("mallory").book(run, who, payment_token=token))
            assert refused.says == TOO_OFTEN
            assert 0 < refused.retry_seconds <= 3_600
    assert await world.database["ledger"].count_documents({"token": "tok_mallory"}) == 0
    assert (await world.api_client("mallory").send(mine)).reference == booking.reference
    assert (await world.api_client("joe").book(run)).reference
    clock.ahead = timedelta(hours=1, seconds=1)
    assert (await world.api_client("mallory").book(run, "nobody")).reference


async def test_a_change_of_passengers_is_counted_and_refused_like_a_booking(world: World) -> None:
    run = await world.run()
    mallory = world.api_client("mallory")
    booking = await mallory.book(run)
    await world.api_client("jane").book(run)
    for _ in range(REFUSALS_MAX):
        refused = await refusal(mallory.update(booking.reference, person("jane")))
        assert refused.reason == "PASSENGER_ALREADY_BOOKED"
    for who in ("jane", "nobody"):
        assert (await refusal(mallory.update(booking.reference, person(who)))).says == TOO_OFTEN
        assert (await refusal(mallory.book(run, who))).says == TOO_OFTEN
    assert (await mallory.move(booking.reference, seat_number=4)).reference == booking.reference


async def test_operators_have_no_limit(world: World) -> None:
    run = await world.run()
    await world.api_client("jane").book(run)
    for _ in range(REFUSALS_MAX + 1):
        assert (await refusal(world.desk.book(run, "jane"))).reason == "PASSENGER_ALREADY_BOOKED"


async def test_the_refusal_does_not_reveal_the_other_booking(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("jane").book(run)
    refused = await refusal(world.api_client("mallory").book(run, "jane"))
    assert refused.resource == ("passenger", address("jane"))
    assert booking.reference not in refused.message
