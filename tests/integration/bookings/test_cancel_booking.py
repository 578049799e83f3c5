"""CancelBooking: one passenger of a group or all, the seats that are freed, and that they are sold again."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ASHFORD, LONDON, people, refusal, seats_of
from tests.support.world import World, usd

CONFIRMED, CANCELLED = booking_pb2.BOOKING_STATE_CONFIRMED, booking_pb2.BOOKING_STATE_CANCELLED
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


async def test_one_passenger_of_a_group_frees_exactly_one_seat(world: World) -> None:
    run = await world.run("A4")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob", "cid")
    left = await agent.cancel(booking.reference, "bob")
    assert left.state == CONFIRMED
    assert [passenger.email for passenger in left.passengers] == ["ann@example.com", "cid@example.com"]
    assert [(passenger.email, passenger.seat.label) for passenger in left.cancelled_passengers] == [("bob@example.com", "A-2")]
    assert left.price == usd(40)
    assert await world.api_client().free(run) == {"A": 2}


async def test_the_seat_of_one_cancelled_passenger_is_sold_again(world: World) -> None:
    run = await world.run("A3")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob", "cid")
    await agent.cancel(booking.reference, "bob")
    assert seats_of(await world.api_client("joe").book(run)) == ["A-2"]
    assert seats_of(await agent.booking(booking.reference)) == ["A-1", "A-3"]


async def test_cancelling_all_passengers_frees_exactly_their_seats(world: World) -> None:
    run = await world.run("A5")
    await world.api_client("joe").book(run)
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob", "cid")
    cancelled = await agent.cancel(booking.reference)
    assert cancelled.state == CANCELLED
    assert seats_of(cancelled) == ["A-2", "A-3", "A-4"]
    assert await world.api_client().free(run) == {"A": 4}


async def test_all_seats_of_a_cancelled_booking_are_sold_again(world: World) -> None:
    run = await world.run("A3")
    agent = world.api_client("agent")
    booking = await agent.book(run, *people("g", 3))
    await agent.cancel(booking.reference)
    again = [await world.api_client(name).book(run) for name in people("p", 3)]
    assert sorted(seats_of(booking)[0] for booking in again) == ["A-1", "A-2", "A-3"]


async def test_naming_all_passengers_cancels_the_booking(world: World) -> None:
    run = await world.run("A3")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob")
    assert (await agent.cancel(booking.reference, "bob", "ann")).state == CANCELLED
    assert await world.api_client().free(run) == {"A": 3}


async def test_cancelling_the_last_passenger_cancels_the_booking(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run("A3"), "ann", "bob")
    await agent.cancel(booking.reference, "ann")
    last = await agent.cancel(booking.reference, "bob")
    assert last.state == CANCELLED
    assert ([passenger.email for passenger in last.passengers], len(last.cancelled_passengers)) == (["bob@example.com"], 1)


async def test_cancelling_again_changes_nothing_and_frees_nothing_more(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    cancelled = await jane.cancel(booking.reference)
    await world.api_client("joe").book(run)
    await world.api_client("jim").book(run)
    assert await jane.cancel(booking.reference) == cancelled
    assert await jane.cancel(booking.reference, "jane") == cancelled
    assert await jane.free(run) == {"A": 0}


async def test_cancelling_a_passenger_again_changes_nothing(world: World) -> None:
    run = await world.run("A4")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob")
    left = await agent.cancel(booking.reference, "ann")
    assert await agent.cancel(booking.reference, "ANN@example.com") == left
    assert await agent.free(run) == {"A": 3}


async def test_a_quote_answers_what_a_cancellation_would_do_and_changes_nothing(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    assert (await jane.cancel(booking.reference, validate_only=True)).state == CANCELLED
    assert await jane.booking(booking.reference) == booking
    assert await jane.free(run) == {"A": 1}


async def test_a_quote_is_marked_and_has_the_present_and_the_future_booking(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run("A3"), "ann", "bob")
    quote = await agent.give_back(booking.reference, "ann", validate_only=True)
    assert quote.validate_only
    assert quote.current_booking == booking
    assert [person.email for person in quote.booking.passengers] == ["bob@example.com"]
    assert quote.booking.etag == booking.etag
    done = await agent.give_back(booking.reference, "ann", etag=quote.booking.etag)
    assert (done.validate_only, done.HasField("current_booking")) == (False, False)
    assert (done.refund, done.booking.passengers) == (quote.refund, quote.booking.passengers)


async def test_a_quote_for_a_booking_that_was_cancelled_before_is_marked_too(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run("A2"))
    cancelled = await jane.cancel(booking.reference)
    quote = await jane.give_back(booking.reference, validate_only=True)
    assert (quote.validate_only, quote.refund.units) == (True, 0)
    assert quote.booking == quote.current_booking == cancelled


async def test_only_the_legs_of_the_booking_are_freed(world: World) -> None:
    run = await world.run("A1")
    early = await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    await world.api_client("late").book(run, origin=ASHFORD)
    await world.api_client("early").cancel(early.reference)
    assert await world.api_client().seat_map(run) == {"A-1": "PARTLY_SOLD"}
    assert await world.api_client().free(run, destination=ASHFORD) == {"A": 1}


async def test_a_person_who_is_no_passenger_cannot_be_cancelled(world: World) -> None:
    run = await world.run("A3")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob")
    refused = await refusal(agent.cancel(booking.reference, "ann", "joe"))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("passenger_emails[1]",))
    assert await agent.free(run) == {"A": 1}


async def test_a_stale_etag_is_refused(world: World) -> None:
    run = await world.run("A3")
    agent = world.api_client("agent")
    booking = await agent.book(run, "ann", "bob")
    await agent.cancel(booking.reference, "ann")
    refused = await refusal(agent.cancel(booking.reference, etag=booking.etag))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    assert await agent.free(run) == {"A": 2}


async def test_only_the_booker_and_operators_may_cancel(world: World) -> None:
    run = await world.run("A3")
    booking = await world.api_client("agent").book(run, "ann", "bob")
    for name in ("ann", "stranger"):
        assert (await refusal(world.api_client(name).cancel(booking.reference))).says == NOT_PERMITTED
    assert await world.api_client().free(run) == {"A": 1}
    assert (await world.desk.cancel(booking.reference)).state == CANCELLED
