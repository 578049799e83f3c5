"""Several passengers with one address: they book together, are distinguished by name and selected by number."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import Person, decoded, refusal, seats_of
from tests.support.world import World, outcomes

JANE = "jane@example.com"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def relative(first_name: str, email: str = "", number: int = 0) -> Person:
    return Person(first_name=first_name, last_name="Doe", email=email, number=number)


def family() -> list[Person]:
    """Jane, Tom, who has no address, and Ann, who has Jane's address."""
    return [relative("Jane", JANE), relative("Tom"), relative("Ann", JANE)]


def numbers(booking: booking_pb2.Booking) -> list[int]:
    return [passenger.number for passenger in booking.passengers]


async def test_a_family_books_with_one_address_and_each_has_a_number(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("jane").book(run, *family())
    assert (numbers(booking), seats_of(booking)) == ([1, 2, 3], ["A-1", "A-2", "A-3"])
    assert [passenger.email for passenger in booking.passengers] == [JANE, "", JANE]


async def test_numbers_stay_and_are_in_bookings_receipts_section_lists_and_events(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    booking = await jane.book(run, *family())
    left = await jane.cancel(booking.reference, 2)
    assert (numbers(left), [passenger.number for passenger in left.cancelled_passengers]) == ([1, 3], [2])
    moved = await jane.move(booking.reference, number=3, seat_number=9)
    assert [(passenger.number, passenger.seat.label) for passenger in moved.passengers] == [(1, "A-1"), (3, "A-9")]
    receipt = await jane.receipt(booking.reference)
    assert [passenger.number for passenger in receipt.passengers] == [1, 3]
    await world.wait_until_archived()
    rows = (await world.desk.section_page(run, "A")).rows
    assert [(row.passenger.number, row.passenger.first_name, row.seat.label) for row in rows] == [
        (1, "Jane", "A-1"),
        (3, "Ann", "A-9"),
    ]
    numbers_in_events = [event["data"]["passenger_numbers"] for event in await world.events(run)]
    assert numbers_in_events == [[1, 2, 3], [1, 3], [1, 3]]


async def test_the_same_person_is_booked_once_and_relatives_each_once(world: World) -> None:
    run = await world.run("A9")
    await world.api_client("jane").book(run, relative("Jane", JANE))
    await world.api_client("jane").book(run, relative("Tom", JANE))
    again = await refusal(world.api_client("bob").book(run, relative("TOM", "Jane@Example.com")))
    assert again.says == (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")
    twice = await refusal(world.api_client("bob").book(run, relative("Eve", JANE), relative("eve", JANE)))
    assert (twice.code, twice.fields) == (INVALID, ("passengers[1].email",))


async def test_an_ambiguous_address_is_refused_with_the_numbers_of_its_passengers(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    booking = await jane.book(run, *family())
    cancelling = await refusal(jane.cancel(booking.reference, "jane"))
    assert (cancelling.code, cancelling.fields) == (INVALID, ("passenger_emails[0]",))
    moving = await refusal(jane.move(booking.reference, "jane", seat_number=9))
    assert (moving.code, moving.fields) == (INVALID, ("passenger_email",))
    assert all("passengers 1, 2, 3" in refused.message for refused in (cancelling, moving))


async def test_unknown_numbers_are_refused_under_their_path(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    reference = (await jane.book(run, *family())).reference
    for number in (-1, 4, 10):
        assert (await refusal(jane.move(reference, number=number))).fields == ("passenger_number",)
        assert (await refusal(jane.cancel(reference, 1, number))).fields == ("passenger_numbers[1]",)
        assert (await refusal(jane.update(reference, relative("Eve", number=number)))).fields == ("passengers[0].number",)


async def test_an_update_by_number_changes_only_that_passenger(world: World) -> None:
    run = await world.run("A9")
    jane = world.api_client("jane")
    booking = await jane.book(run, *family())
    changed = await jane.update(booking.reference, relative("Tim", number=2), mask=["passengers.first_name"])
    assert [passenger.first_name for passenger in changed.passengers] == ["Jane", "Tim", "Ann"]
    mixed = await refusal(jane.update(booking.reference, relative("Tim", number=2), relative("Eve")))
    assert (mixed.code, mixed.fields) == (INVALID, ("passengers[1].number",))
    twice = await refusal(jane.update(booking.reference, relative("Tim", number=2), relative("Eve", number=2)))
    assert (twice.code, twice.fields) == (INVALID, ("passengers[1].number",))


async def test_receipts_of_an_address_are_those_of_all_its_passengers(world: World) -> None:
    run = await world.run("A9")
    booking = await world.api_client("bob").book(run, relative("Ann", JANE), relative("Tom", JANE), relative("Cem"))
    assert await world.api_client("jane").receipts() == [booking.reference]
    assert await world.api_client("bob").receipts() == [booking.reference]
    await world.api_client("bob").cancel(booking.reference, 1)
    assert await world.api_client("jane").receipts() == [booking.reference]
    await world.api_client("bob").cancel(booking.reference, 2)
    assert await world.api_client("jane").receipts() == []
    assert await world.api_client("bob").receipts() == [booking.reference]


async def test_a_booker_has_at_most_as_many_passengers_as_the_train_allows(world: World) -> None:
    run = await world.run("A9", passengers_per_booker_max=3)
    jane = world.api_client("jane")
    booking = await jane.book(run, *family())
    refused = await refusal(jane.book(run, relative("Eve", JANE)))
    assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BOOKER_LIMIT")
    assert refused.retry_seconds > 0
    await world.desk.book(run, *(relative(name, JANE) for name in ("Kim", "Leo", "Max", "Ned")))
    await jane.cancel(booking.reference, 3)
    assert numbers(await jane.book(run, relative("Eve", JANE))) == [1]


async def test_nine_is_the_default_limit(world: World) -> None:
    run = await world.run("A20")
    jane = world.api_client("jane")
    await jane.book(run, *(relative(name, JANE) for name in "ABCDEFGHI"))
    assert (await refusal(jane.book(run, relative("K", JANE)))).reason == "BOOKER_LIMIT"
    made = await world.desk.train(run.train_id)
    assert made.passengers_per_booker_max == 9


async def test_concurrent_requests_do_not_exceed_the_limit(world: World) -> None:
    run = await world.run("A20", passengers_per_booker_max=2)
    jane = world.api_client("jane")
    found = await outcomes([jane.book(run, relative(name, JANE)) for name in "ABCDEF"])
    refused = [decoded(error).reason for error in found if isinstance(error, grpc.aio.AioRpcError)]
    assert (len(found), refused) == (6, ["BOOKER_LIMIT"] * 4)
