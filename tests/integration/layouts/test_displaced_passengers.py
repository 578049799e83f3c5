"""Passengers who lost their seats to a layout change: what their bookings show and take until there are seats again."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import Run, booking_request, refusal, seats_of
from tests.support.layout_client import add_coach, layout_client, remove_coach, remove_seats, remove_section
from tests.support.world import Clock, World, let_waitlist_close, usd

CONFIRMED, WAITLISTED = booking_pb2.BOOKING_STATE_CONFIRMED, booking_pb2.BOOKING_STATE_WAITLISTED
NO_REFUND = [{"hours_before": 0, "percent": 0}]


async def with_bob_waiting(world: World) -> tuple[Run, str]:
    """Have Ann book A-1 and A-2 for herself and Bob, and remove Bob's seat. Return the run and the reference."""
    run = await world.run("A2", refund_tiers=NO_REFUND)
    reference = (await world.api_client("ann").book(run, "ann", "bob")).reference
    await layout_client(world).change(run, remove_seats("A", 2))
    return run, reference


async def test_a_waiting_passenger_takes_no_other_seat_and_the_others_may(world: World) -> None:
    run, reference = await with_bob_waiting(world)
    ann = world.api_client("ann")
    await layout_client(world).change(run, add_coach("2", "A", 2))
    assert seats_of(await ann.booking(reference)) == ["A-1", "A-3"], "Bob is promoted at once"
    await layout_client(world).change(run, remove_seats("A", 3, 4))
    refused = await refusal(ann.move(reference, number=2, section="A", seat_number=1))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_WAITLISTED")
    refused = await refusal(ann.move(reference, number=1, section="A", seat_number=3))
    assert refused.fields == ("seat_number",)


async def test_a_waiting_passenger_who_cancels_gets_everything_back(world: World) -> None:
    run, reference = await with_bob_waiting(world)
    ann = world.api_client("ann")
    quote = await ann.give_back(reference, 2, validate_only=True)
    assert (quote.refund, quote.current_booking.waitlist_position) == (usd(20), 1)
    done = await ann.give_back(reference, 2)
    assert (done.refund, seats_of(done.booking), done.booking.waitlist_position) == (usd(20), ["A-1"], 0)
    assert [part.waiting_count for part in (await ann.run_of(run)).sections] == [0]
    assert (await ann.give_back(reference)).refund == usd(0), "the seated passenger's terms are those of the train"


async def test_the_seat_of_a_passenger_who_cancels_goes_to_the_waiting_one_of_the_same_booking(world: World) -> None:
    run, reference = await with_bob_waiting(world)
    ann, joe = world.api_client("ann"), world.api_client("joe")
    waiting = await joe.wait(run)
    await ann.cancel(reference, 1)
    found = await ann.booking(reference)
    assert (found.state, found.waitlist_position, seats_of(found)) == (CONFIRMED, 0, ["A-1"])
    assert [passenger.email for passenger in found.passengers] == ["bob@example.com"]
    assert (await joe.booking(waiting.reference)).waitlist_position == 1


async def test_a_repeated_request_of_a_displaced_booking_shows_its_position(world: World) -> None:
    run, ann = await world.run("A2"), world.api_client("ann")
    request = booking_request(run, "ann", "bob", request_id="first")
    made = await ann.send(request)
    await layout_client(world).change(run, remove_seats("A", 2))
    again = await ann.send(request)
    assert (again.reference, again.waitlist_position, seats_of(again)) == (made.reference, 1, ["A-1", ""])


async def test_displaced_passengers_stand_before_others_in_the_order_of_their_loss(world: World) -> None:
    run, desk = await world.run("A3", waitlist_max=1), layout_client(world)
    names = ("ann", "bob", "eve")
    references = {name: (await world.api_client(name).book(run)).reference for name in names}
    references["joe"] = (await world.api_client("joe").wait(run)).reference
    for number in (3, 1, 2):
        if number == 2:
            await desk.change(run, add_coach("9", "A", 1), remove_seats("A", 2))
        else:
            await desk.change(run, remove_seats("A", number))
    positions = {
        name: (await world.api_client(name).booking(reference)).waitlist_position for name, reference in references.items()
    }
    assert positions == {"eve": 1, "ann": 2, "bob": 0, "joe": 3}, "Bob got the new seat: he was displaced in that change"
    await world.api_client("bob").cancel(references["bob"])
    assert seats_of(await world.api_client("eve").booking(references["eve"])) == ["A-4"]


async def test_when_the_waitlist_closes_waiting_passengers_are_refunded_and_the_others_travel(
    clock: Clock, world: World
) -> None:
    run, reference = await with_bob_waiting(world)
    ann = world.api_client("ann")
    await let_waitlist_close(clock, world, run)
    await world.desk.promote(run)
    found = await ann.booking(reference)
    assert (found.state, seats_of(found), found.waitlist_position) == (CONFIRMED, ["A-1"], 0)
    assert [passenger.email for passenger in found.cancelled_passengers] == ["bob@example.com"]
    assert [refund.amount for refund in found.refunds] == [usd(20)]


async def test_a_displaced_booking_without_any_seat_expires_with_a_full_refund(clock: Clock, world: World) -> None:
    run, desk, ann = await world.run("A1 B1", fares={"B": usd(10)}), layout_client(world), world.api_client("ann")
    made = await ann.book(run, section="A")
    await desk.change(run, remove_section("A"))
    assert (await ann.booking(made.reference)).state == WAITLISTED
    await let_waitlist_close(clock, world, run)
    await world.desk.promote(run)
    found = await ann.booking(made.reference)
    assert (found.state, [refund.amount for refund in found.refunds]) == (booking_pb2.BOOKING_STATE_EXPIRED, [usd(20)])


async def test_after_the_waitlist_closed_displaced_passengers_are_refunded_at_once(clock: Clock, world: World) -> None:
    run, desk, ann = await world.run("A2 A1"), layout_client(world), world.api_client("ann")
    made = await ann.book(run, seats=[3], section="A")
    await world.api_client("bob").book(run, "bob", "eve")
    await let_waitlist_close(clock, world, run)
    plan = await desk.plan(run, remove_coach("2"))
    assert (plan.counts.cancelled_passengers, plan.counts.waitlisted_passengers) == (1, 0)
    done = await desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash)
    assert done.refunds == plan.refunds
    found = await ann.booking(made.reference)
    assert (found.state, [refund.amount for refund in found.refunds]) == (booking_pb2.BOOKING_STATE_CANCELLED, [usd(20)])


async def test_a_booking_on_the_waitlist_for_a_removed_section_gets_a_better_seat_or_its_money_back(world: World) -> None:
    run = await world.run("A1 B1", fares={"A": usd(20), "B": usd(30)})
    desk, joe = layout_client(world), world.api_client("joe")
    for name, section in (("ann", "A"), ("bob", "B")):
        await world.api_client(name).book(run, section=section)
    made = await joe.wait(run, section="A")
    refunding = await desk.plan(run, remove_section("A"), refund_displaced=True)
    assert made.reference in [refund.reference for refund in refunding.refunds]
    await desk.change(run, remove_section("A"))
    assert (await joe.booking(made.reference)).waitlist_position == 2, "Ann stands before"
    await desk.change(run, add_coach("9", "B", 2))
    promoted = await joe.booking(made.reference)
    assert (promoted.state, seats_of(promoted), promoted.price) == (CONFIRMED, ["B-3"], usd(20))
