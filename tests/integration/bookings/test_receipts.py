"""Receipts of a person: unknown, known, all of them, by date, origin, destination, and page by page."""

from __future__ import annotations

import grpc
import pytest_asyncio

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, refusal
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World


@pytest_asyncio.fixture
async def travelled(world: World) -> dict[str, str]:
    """Jane's three bookings on two dates, as references by their difference. Joe has one as well."""
    first, second, third = await world.runs("A4", TRAVEL_DATE, NEXT_DATE, THIRD_DATE)
    jane = world.api_client("jane")
    await world.api_client("joe").book(first)
    return {
        "london to paris": (await jane.book(first)).reference,
        "london to lille, next day": (await jane.book(second, destination=LILLE)).reference,
        "ashford to lille, third day": (await jane.book(third, origin=ASHFORD, destination=LILLE)).reference,
    }


async def test_an_unknown_user_is_not_found(world: World) -> None:
    refused = await refusal(world.api_client("nobody").receipts_page())
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert refused.resource == ("user", "nobody@example.com")


async def test_an_unknown_user_is_not_found_for_operators_either(world: World) -> None:
    assert (await refusal(world.desk.receipts_page("nobody"))).says == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")


async def test_a_known_user_without_bookings_has_an_empty_list(world: World) -> None:
    await world.api_client("jane").register("Jane", "Doe")
    assert await world.api_client("jane").receipts_page() == booking_pb2.ListReceiptsResponse()


async def test_a_user_with_bookings_gets_all_of_them_by_date(world: World, travelled: dict[str, str]) -> None:
    assert await world.api_client("jane").receipts() == list(travelled.values())
    assert await world.desk.receipts("jane") == list(travelled.values())


async def test_receipts_of_one_date(world: World, travelled: dict[str, str]) -> None:
    found = await world.api_client("jane").receipts(travel_date=NEXT_DATE)
    assert found == [travelled["london to lille, next day"]]


async def test_receipts_of_one_origin(world: World, travelled: dict[str, str]) -> None:
    found = await world.api_client("jane").receipts(origin=LONDON)
    assert found == [travelled["london to paris"], travelled["london to lille, next day"]]


async def test_receipts_of_one_destination(world: World, travelled: dict[str, str]) -> None:
    found = await world.api_client("jane").receipts(destination=LILLE)
    assert found == [travelled["london to lille, next day"], travelled["ashford to lille, third day"]]


async def test_receipts_by_date_origin_and_destination(world: World, travelled: dict[str, str]) -> None:
    jane = world.api_client("jane")
    found = await jane.receipts(travel_date=TRAVEL_DATE, origin=LONDON, destination=PARIS)
    assert found == [travelled["london to paris"]]
    for other in (
        {"travel_date": NEXT_DATE, "origin": LONDON, "destination": PARIS},
        {"travel_date": TRAVEL_DATE, "origin": ASHFORD, "destination": PARIS},
        {"travel_date": TRAVEL_DATE, "origin": LONDON, "destination": LILLE},
    ):
        assert await jane.receipts(**other) == []


async def test_filters_take_codes_and_any_case_as_requests_do(world: World, travelled: dict[str, str]) -> None:
    found = await world.api_client("jane").receipts(origin="stp", destination="PARIS gare du nord")
    assert found == [travelled["london to paris"]]


async def test_a_stop_that_no_train_calls_at_has_no_receipts(world: World, travelled: dict[str, str]) -> None:
    assert travelled
    assert await world.api_client("jane").receipts(origin="Atlantis") == []


async def test_receipts_are_found_however_the_address_is_written(world: World, travelled: dict[str, str]) -> None:
    assert await world.api_client("JANE@example.com").receipts("Jane@EXAMPLE.com") == list(travelled.values())


async def test_passengers_of_a_group_and_its_booker_have_the_receipt(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("agent").book(run, "ann", "bob")
    for name in ("agent", "ann", "bob"):
        assert await world.api_client(name).receipts() == [booking.reference]
        assert (await world.api_client(name).receipt(booking.reference)).reference == booking.reference


async def test_a_cancelled_booking_keeps_its_receipt_and_says_so(world: World, travelled: dict[str, str]) -> None:
    jane = world.api_client("jane")
    await jane.cancel(travelled["london to paris"])
    page = await jane.receipts_page(travel_date=TRAVEL_DATE)
    assert [receipt.state for receipt in page.receipts] == [booking_pb2.BOOKING_STATE_CANCELLED]


async def test_receipts_come_page_by_page(world: World, travelled: dict[str, str]) -> None:
    jane = world.api_client("jane")
    assert await jane.receipts(page_size=1) == list(travelled.values())
    assert await jane.receipts(page_size=2) == list(travelled.values())
    page = await jane.receipts_page(page_size=3)
    assert (len(page.receipts), page.next_page_token) == (3, "")


async def test_the_next_page_of_filtered_receipts_stays_within_the_filter(world: World, travelled: dict[str, str]) -> None:
    found = await world.api_client("jane").receipts(destination=LILLE, page_size=1)
    assert found == [travelled["london to lille, next day"], travelled["ashford to lille, third day"]]


async def test_page_tokens_of_other_lists_and_invented_ones_are_refused(world: World, travelled: dict[str, str]) -> None:
    jane = world.api_client("jane")
    token = (await jane.receipts_page(page_size=1)).next_page_token
    foreign = (await world.api_client().list_runs(page_size=1)).next_page_token
    assert token
    assert foreign
    assert travelled
    for bad in ("garbage", token[:-2], token + "A", "x" * 5_000, "é", foreign):
        refused = await refusal(jane.receipts_page(page_token=bad))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("page_token",)), bad
    refused = await refusal(jane.receipts_page(page_token=token, origin=LONDON))
    assert refused.fields == ("page_token",)


async def test_a_negative_page_size_is_refused(world: World, travelled: dict[str, str]) -> None:
    assert travelled
    assert (await refusal(world.api_client("jane").receipts_page(page_size=-1))).fields == ("page_size",)


async def test_a_date_that_does_not_exist_is_refused_as_a_filter(world: World) -> None:
    assert (await refusal(world.api_client("jane").receipts_page(travel_date="2030-02-30"))).fields == ("travel_date",)
