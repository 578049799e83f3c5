"""Requests that mean nothing: each is refused under the path of its field, and sells nothing. And odd ones that do mean
something.
"""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from tests.support.clients import (
    ASHFORD,
    LONDON,
    PARIS,
    Person,
    Run,
    address,
    booking_request,
    people,
    person,
    refusal,
    seats_of,
)
from tests.support.world import World, on_day

INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def _assert_refused(world: World, run: Run, field: str, *travellers: str | Person, **asked: Any) -> None:
    refused = await refusal(world.api_client("jane").book(run, *travellers, **asked))
    assert (refused.says, refused.domain, refused.fields) == (INVALID, "seatline", (field,))
    assert refused.message.startswith(field), "whoever reads only the text also learns which field it was"


async def test_an_origin_after_the_destination_is_refused(world: World) -> None:
    run = await world.run()
    await _assert_refused(world, run, "origin", origin=PARIS, destination=LONDON)
    assert await world.api_client().free(run) == {"A": 4, "B": 4}


async def test_an_origin_that_is_the_destination_is_refused(world: World) -> None:
    await _assert_refused(world, await world.run(), "origin", origin=ASHFORD, destination="AFK")


async def test_stops_that_the_train_does_not_call_at_are_refused(world: World) -> None:
    run = await world.run()
    await _assert_refused(world, run, "origin", origin="Brussels")
    await _assert_refused(world, run, "destination", destination="Brussels")


async def test_missing_stops_are_refused(world: World) -> None:
    run = await world.run()
    for missing in ("", "  "):
        await _assert_refused(world, run, "origin", origin=missing)
        await _assert_refused(world, run, "destination", destination=missing)


@pytest.mark.parametrize("date", ["2030-02-30", "2030-13-01", "2029-02-29", "0000-01-01"])
async def test_a_date_that_does_not_exist_is_refused(world: World, date: str) -> None:
    run = await world.run()
    await _assert_refused(world, Run(train_id=run.train_id, travel_date=date), "travel_date")


@pytest.mark.parametrize(
    "date", ["", "tomorrow", "1.7.2030", "20300701", "2030-7-1", "2030-07-01T00:00", "2030-W27-1", "٢٠٣٠-٠٧-٠١"]
)
async def test_a_date_in_another_form_is_refused(world: World, date: str) -> None:
    run = await world.run()
    await _assert_refused(world, Run(train_id=run.train_id, travel_date=date), "travel_date")


async def test_0_passengers_are_refused(world: World) -> None:
    request = booking_request(await world.run())
    refused = await refusal(world.api_client("jane").send(request))
    assert (refused.says, refused.fields) == (INVALID, ("passengers",))


async def test_10_passengers_are_refused_and_9_are_not(world: World) -> None:
    run = await world.run("A20")
    await _assert_refused(world, run, "passengers", *people("g", 10))
    assert await world.api_client().free(run) == {"A": 20}
    assert len(seats_of(await world.api_client("jane").book(run, *people("g", 9)))) == 9


async def test_the_same_address_twice_in_one_booking_is_refused(world: World) -> None:
    await _assert_refused(world, await world.run(), "passengers[2].email", "ann", "bob", person("ANN@Example.com"))


NO_ADDRESSES = [
    *("jane", "jane@", "@example.com", "ja ne@example.com", "jane@exa mple.com", "a@b@c.com", "jane\n@example.com"),
    *("jane@example..com", ".jane@example.com", "jane@-example.com", f"{'x' * 65}@example.com", f"jane@{'x' * 250}.com"),
]


@pytest.mark.parametrize("email", NO_ADDRESSES)
async def test_an_invalid_address_is_refused(world: World, email: str) -> None:
    run = await world.run()
    await _assert_refused(world, run, "passengers[1].email", "ann", Person(first_name="J", last_name="D", email=email))


async def test_the_first_passenger_needs_an_address(world: World) -> None:
    run = await world.run()
    await _assert_refused(world, run, "passengers[0].email", Person(first_name="J", last_name="D"), "ann")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "Ja\nne", "Ja\x00ne", "Ja\u2028ne"])
async def test_an_invalid_name_is_refused(world: World, name: str) -> None:
    run = await world.run()
    email = "jane@example.com"
    await _assert_refused(world, run, "passengers[0].first_name", Person(first_name=name, last_name="D", email=email))
    await _assert_refused(world, run, "passengers[0].last_name", Person(first_name="J", last_name=name, email=email))


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [
        ("Zoë", "Müller-Lüdenscheidt"),
        ("李", "小龙"),
        ("محمد", "الأمين"),
        ("Владимир", "Ким"),
        ("नेहा", "शर्मा"),
        ("Seán", "O’Brien"),
        ("Jose\u0301", "Nu\u0303ez"),
        ("می\u200cخواهم", "👩\u200d👩\u200d👧"),
        ("x" * 100, "$set.a.b"),
    ],
)
async def test_names_of_any_script_come_back_as_they_were_sent(world: World, first_name: str, last_name: str) -> None:
    run = await world.run()
    sent = Person(first_name=first_name, last_name=last_name, email="jane@example.com")
    booking = await world.api_client("jane").book(run, sent)
    kept = await world.api_client("jane").booking(booking.reference)
    for passenger in (*booking.passengers, *kept.passengers):
        assert (passenger.first_name, passenger.last_name) == (first_name, last_name)


@pytest.mark.parametrize(
    "email",
    ["Jane.Roe@Example.COM", "jane+trains@example.com", "JANE+A+B@example.co.uk", "jané@exämple.com", "o'hara@example.ie"],
)
async def test_addresses_with_upper_case_and_plus_come_back_as_they_were_sent(world: World, email: str) -> None:
    run = await world.run()
    booking = await world.api_client("agent").book(run, person(email, "Jane"))
    assert booking.passengers[0].email == email
    assert await world.desk.section(run, "A") == [("A-1", email)]
    assert await world.desk.receipts(email) == [booking.reference]
    assert (
        await refusal(world.api_client("agent").book(run, person(email.upper(), "Jane")))
    ).reason == "PASSENGER_ALREADY_BOOKED"


async def test_a_plus_makes_another_address(world: World) -> None:
    run = await world.run()
    for email in ("jane@example.com", "jane+1@example.com", "ja.ne@example.com"):
        await world.api_client(email).book(run, person(email, "Jane"))
    assert await world.api_client().free(run) == {"A": 1, "B": 4}


@pytest.mark.parametrize("request_id", ["", "x" * 65, "with blank", "ünï", "tab\t"])
async def test_an_invalid_request_id_is_refused(world: World, request_id: str) -> None:
    request = booking_request(await world.run(), "jane")
    request.request_id = request_id
    refused = await refusal(world.api_client("jane").send(request))
    assert (refused.says, refused.fields) == (INVALID, ("request_id",))


async def test_impossible_seat_numbers_are_refused(world: World) -> None:
    run = await world.run("A4 B4")
    await _assert_refused(world, run, "section", seats=[1])
    await _assert_refused(world, run, "seat_numbers", section="A", seats=[1, 2])
    await _assert_refused(world, run, "seat_numbers", "ann", "bob", section="A", seats=[1, 1])
    await _assert_refused(world, run, "seat_numbers[1]", "ann", "bob", section="A", seats=[1, 5])
    await _assert_refused(world, run, "seat_numbers[0]", section="A", seats=[0])
    await _assert_refused(world, run, "seat_numbers[0]", section="A", seats=[-1])
    await _assert_refused(world, run, "section", section="Z")
    await _assert_refused(world, run, "section", section="a.b$")
    assert await world.api_client().free(run) == {"A": 4, "B": 4}


@pytest.mark.parametrize("reference", ["", "12345", "1234567", "ILOU00", "../../"])
async def test_an_impossible_reference_is_refused(world: World, reference: str) -> None:
    jane = world.api_client("jane")
    for call in (jane.booking(reference), jane.receipt(reference), jane.cancel(reference), jane.move(reference)):
        refused = await refusal(call)
        assert (refused.says, refused.fields) == (INVALID, ("reference",))


async def test_a_run_in_the_past_sells_nothing(world: World) -> None:
    run = await world.run(date=on_day(-2))
    refused = await refusal(world.api_client("jane").book(run))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED")
    assert await world.api_client().free(run) == {"A": 4, "B": 4}


async def test_a_request_of_5_mb_is_refused_and_the_server_lives_on(world: World) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    request = booking_request(run, Person(first_name="x" * 5_000_000, last_name="D", email=address("jane")))
    assert (await refusal(jane.send(request))).code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert seats_of(await jane.book(run)) == ["A-1"]
