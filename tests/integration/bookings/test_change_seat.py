"""ChangeSeat: to a free seat, a taken one, another section, no seat, and one that is free for a part of the journey."""

from __future__ import annotations

import grpc

from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, refusal, seats_of
from tests.support.world import World, usd

TAKEN = (grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN")


async def test_to_a_free_seat(world: World) -> None:
    run = await world.run("A3")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    moved = await jane.move(booking.reference, seat_number=3)
    assert seats_of(moved) == ["A-3"]
    assert await jane.booking(booking.reference) == moved
    assert (await jane.receipt(booking.reference)).seats[0].label == "A-3"
    assert await jane.seat_map(run) == {"A-1": "FREE", "A-2": "FREE", "A-3": "SOLD"}


async def test_to_a_taken_seat_is_refused_and_nothing_changes(world: World) -> None:
    run = await world.run("A3")
    await world.api_client("joe").book(run)
    jane = world.api_client("jane")
    booking = await jane.book(run)
    before = await world.run_document(run)
    refused = await refusal(jane.move(booking.reference, seat_number=1))
    assert (refused.says, refused.resource) == (TAKEN, ("seat", "A-1"))
    assert await jane.booking(booking.reference) == booking
    assert await world.desk.section(run, "A") == [("A-1", "joe@example.com"), ("A-2", "jane@example.com")]
    assert await world.run_document(run) == before


async def test_to_a_cheaper_section_refunds_the_difference(world: World) -> None:
    run = await world.run("A2 B2", fares={"A": usd(35), "B": usd(20)})
    jane = world.api_client("jane")
    booking = await jane.book(run)
    moved = await jane.move(booking.reference, section="B")
    assert (seats_of(moved), moved.price) == (["B-1"], usd(20))
    assert [refund.amount for refund in moved.refunds] == [usd(15)]
    assert await jane.free(run) == {"A": 2, "B": 1}
    assert await world.desk.section(run, "A") == []


async def test_to_a_dearer_section_is_refused(world: World) -> None:
    run = await world.run("A2 B2", fares={"A": usd(20), "B": usd(35)})
    jane = world.api_client("jane")
    booking = await jane.book(run)
    refused = await refusal(jane.move(booking.reference, section="B"))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "FARE_HIGHER")
    assert await jane.free(run) == {"A": 1, "B": 2}


async def test_to_a_chosen_seat_of_another_section(world: World) -> None:
    run = await world.run("A2 B3")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    assert seats_of(await jane.move(booking.reference, section="B", seat_number=3)) == ["B-3"]


async def test_to_a_full_section_is_refused(world: World) -> None:
    run = await world.run("A2 B1")
    await world.api_client("joe").book(run, section="B")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    refused = await refusal(jane.move(booking.reference, section="B"))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "SECTION_FULL")
    assert await jane.booking(booking.reference) == booking


async def test_to_a_seat_that_does_not_exist_is_refused_under_its_field(world: World) -> None:
    run = await world.run("A2 B2")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    for asked, field in (
        ({"seat_number": 3}, "seat_number"),
        ({"section": "B", "seat_number": 99}, "seat_number"),
        ({"seat_number": -1}, "seat_number"),
        ({"section": "Z"}, "section"),
        ({"section": "Z", "seat_number": 1}, "section"),
    ):
        refused = await refusal(jane.move(booking.reference, **asked))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,)), asked
    assert await jane.booking(booking.reference) == booking


async def test_to_a_seat_that_is_free_only_for_a_part_of_the_journey_is_refused(world: World) -> None:
    run = await world.run("A3")
    await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    jane = world.api_client("jane")
    booking = await jane.book(run, origin=LONDON, destination=PARIS)
    assert (await refusal(jane.move(booking.reference, seat_number=1))).says == TAKEN
    assert await jane.booking(booking.reference) == booking


async def test_to_a_seat_that_is_free_for_just_the_journey(world: World) -> None:
    run = await world.run("A3")
    await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    jane = world.api_client("jane")
    booking = await jane.book(run, origin=LILLE, destination=PARIS)
    assert seats_of(await jane.move(booking.reference, seat_number=1)) == ["A-1"]


async def test_to_the_present_seat_changes_nothing(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run("A3"))
    assert await jane.move(booking.reference, seat_number=1) == booking


async def test_one_passenger_of_a_group_moves_and_the_others_stay(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run("A5"), "ann", "bob", "cid")
    moved = await agent.move(booking.reference, "BOB@example.com", seat_number=5)
    assert (seats_of(moved), moved.seats_together) == (["A-1", "A-5", "A-3"], False)


async def test_a_person_who_is_no_passenger_cannot_move(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run("A5"), "ann")
    refused = await refusal(agent.move(booking.reference, "agent", seat_number=5))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("passenger_email",))


async def test_a_stale_etag_is_refused(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run("A5"))
    await jane.move(booking.reference, seat_number=2, etag=booking.etag)
    refused = await refusal(jane.move(booking.reference, seat_number=3, etag=booking.etag))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")


async def test_a_cancelled_booking_does_not_move(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run("A5"))
    await jane.cancel(booking.reference)
    refused = await refusal(jane.move(booking.reference, seat_number=2))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_CANCELLED")


async def test_only_the_booker_and_operators_may_move_a_passenger(world: World) -> None:
    booking = await world.api_client("agent").book(await world.run("A5"), "ann")
    for name in ("ann", "stranger"):
        refused = await refusal(world.api_client(name).move(booking.reference, "ann", seat_number=2))
        assert refused.says == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    assert seats_of(await world.desk.move(booking.reference, "ann", seat_number=2)) == ["A-2"]
