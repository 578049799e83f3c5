"""A passenger leaves a booking that another user made, and no longer sees it."""

from __future__ import annotations

from datetime import timedelta

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import Person, address, refusal
from tests.support.world import World, usd

CANCELLED, CONFIRMED = booking_pb2.BOOKING_STATE_CANCELLED, booking_pb2.BOOKING_STATE_CONFIRMED
NOT_YOURS = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


async def _sees(world: World, name: str, reference: str) -> bool:
    """Return whether this person sees the booking. Fail if two ways of reading it disagree."""
    api_client = world.api_client(name)
    is_listed = reference in await api_client.receipts()
    if not is_listed:
        assert (await refusal(api_client.booking(reference))).says == NOT_YOURS
        assert (await refusal(api_client.receipt(reference))).says == NOT_YOURS
        return False
    assert (await api_client.booking(reference)).reference == (await api_client.receipt(reference)).reference == reference
    return True


async def test_a_passenger_who_left_no_longer_sees_the_booking(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("bob").book(run, "ann", "ben")
    assert await _sees(world, "ann", booking.reference)
    answer = await world.api_client("ann").give_back(booking.reference, "ann")
    assert answer.refund == usd(20)
    assert [await _sees(world, who, booking.reference) for who in ("ann", "ben", "bob")] == [False, True, True]
    now = await world.api_client("bob").booking(booking.reference)
    assert [passenger.number for passenger in now.passengers] == [2]
    assert now.refunds[0].amount == usd(20)
    await world.wait_until_archived()
    assert not await _sees(world, "ann", booking.reference)


async def test_the_answer_to_a_passenger_who_left_does_not_name_others(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("bob").book(run, "ann", "ben")
    answer = (await world.api_client("ann").give_back(booking.reference, 1)).booking
    assert [passenger.email for passenger in answer.cancelled_passengers] == [address("ann")]
    assert (answer.reference, answer.state) == (booking.reference, CANCELLED)
    assert (answer.origin, answer.depart_time) == (booking.origin, booking.depart_time)
    assert not answer.passengers
    assert not (answer.HasField("user"))
    assert not (answer.HasField("payment"))
    assert not (answer.HasField("price"))
    assert not (answer.refunds)
    assert not (answer.etag)
    assert not (answer.HasField("update_time"))


async def test_leaving_again_gets_the_same_answer_whatever_happened_to_the_booking(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("bob").book(run, "ann", "ben")
    ann = world.api_client("ann")
    first = await ann.give_back(booking.reference, "ann")
    again = await ann.give_back(booking.reference, "ann")
    assert (again.booking, again.refund) == (first.booking, usd(0))
    await world.api_client("bob").cancel(booking.reference)
    await world.wait_until_archived()
    assert await ann.give_back(booking.reference, "ann") == again
    for named in ((), ("ben",), (2,), (7,)):
        assert (await refusal(ann.give_back(booking.reference, *named))).says == NOT_YOURS


async def test_a_passenger_booked_alone_by_another_user_may_leave_and_book(world: World) -> None:
    run = await world.run("A1")
    booking = await world.api_client("mallory").book(run, "ann")
    left = await world.api_client("ann").give_back(booking.reference, "ann")
    assert left.booking.state == CANCELLED
    assert [await _sees(world, who, booking.reference) for who in ("ann", "mallory")] == [False, True]
    assert (await world.api_client("mallory").booking(booking.reference)).state == CANCELLED
    mine = await world.api_client("ann").book(run)
    assert await world.api_client("ann").receipts() == [mine.reference]


async def test_a_passenger_can_neither_cancel_others_nor_change_the_booking(world: World) -> None:
    run = await world.run("A9")
    booking = await world.api_client("bob").book(run, "ann", "ben")
    ann = world.api_client("ann")
    for named in ((), ("ben",), (2,), (1, 2), ("ann", "ben")):
        assert (await refusal(ann.cancel(booking.reference, *named))).says == NOT_YOURS
    assert (await refusal(ann.move(booking.reference, number=1, seat_number=9))).says == NOT_YOURS
    renamed = Person(first_name="Eve", last_name="Doe", number=1)
    assert (await refusal(ann.update(booking.reference, renamed, mask=["passengers.first_name"]))).says == NOT_YOURS
    assert await world.api_client("bob").booking(booking.reference) == booking


async def test_a_quote_for_leaving_shows_the_refund_and_changes_nothing(world: World) -> None:
    run = await world.run()
    booking = await world.api_client("bob").book(run, "ann", "ben")
    quote = await world.api_client("ann").give_back(booking.reference, 1, validate_only=True)
    assert (quote.validate_only, quote.refund) == (True, usd(20))
    assert quote.current_booking.state == CONFIRMED
    assert await world.api_client("bob").booking(booking.reference) == booking


async def test_pages_of_receipts_are_full_although_bookings_in_between_were_left(world: World) -> None:
    run = await world.run("A20")
    ann = world.api_client("ann")
    bookings = []
    for number in range(6):
        traveller = Person(first_name=f"Ann {number}", last_name="Doe", email=address("ann"))
        bookings.append(await world.api_client(f"bob{number}").book(run, traveller))
    for booking in bookings[::2]:
        await ann.cancel(booking.reference, 1)
    remaining = sorted(booking.reference for booking in bookings[1::2])
    for _ in range(2):  # while they are recent, and archived
        page = await ann.receipts_page(page_size=2)
        assert [receipt.reference for receipt in page.receipts] == remaining[:2]
        assert await ann.receipts(page_size=1) == remaining
        await world.wait_until_archived()


async def test_leaving_a_waitlisted_booking_shrinks_its_waitlist_entry(world: World) -> None:
    run = await world.run("A1", waitlist_closes_before=timedelta(0))
    await world.api_client("eve").book(run)
    waiting = await world.api_client("bob").wait(run, "ann")
    left = await world.api_client("ann").give_back(waiting.reference, "ann")
    assert (left.refund, left.booking.state) == (usd(20), CANCELLED)
    assert not await _sees(world, "ann", waiting.reference)
