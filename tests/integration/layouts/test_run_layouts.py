"""The layout of a run changes over gRPC: what the operator, the passengers and the buyers see before and after."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from app.pb.seatline.v1 import booking_pb2, layout_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, people, refusal, seats_of
from tests.support.layout_client import (
    add_coach,
    add_section,
    layout_client,
    remove_coach,
    remove_seats,
    remove_section,
    set_fare,
    set_seat_count,
)
from tests.support.world import World, usd

CONFIRMED, WAITLISTED = booking_pb2.BOOKING_STATE_CONFIRMED, booking_pb2.BOOKING_STATE_WAITLISTED
FARES = {"A": usd(20), "B": usd(30), "C": usd(10)}


def moves(plan: layout_pb2.LayoutPlan) -> list[tuple[str, str, str]]:
    """Return (seat before, seat after, step) of each move."""
    steps = [layout_pb2.PlacementStep.Name(move.step).removeprefix("PLACEMENT_STEP_") for move in plan.moves]
    return [(move.before.label, move.after.label, step) for move, step in zip(plan.moves, steps, strict=True)]


async def test_a_plan_changes_nothing_and_the_change_does_what_the_plan_says(world: World) -> None:
    run, desk, ann = await world.run("A4 A4 B2", fares=FARES), layout_client(world), world.api_client("ann")
    family = await ann.book(run, "ann", "bob", seats=[5, 6], section="A")
    before = await desk.seat_map(run)
    plan = await desk.plan(run, remove_coach("2"), add_coach("7", "B", 1))
    assert (plan.validate_only, plan.layout_etag, plan.counts.moved_passengers) == (True, "layout-0", 2)
    assert moves(plan) == [("A-5", "A-1", "TOGETHER_SAME"), ("A-6", "A-2", "TOGETHER_SAME")]
    assert [(part.section, part.seats_before, part.seats_after) for part in plan.sections] == [("A", 8, 4), ("B", 2, 3)]
    assert (await desk.seat_map(run), (await desk.run_of(run)).layout_etag) == (before, "layout-0")
    assert seats_of(await ann.booking(family.reference)) == ["A-5", "A-6"]

    done = await desk.change(run, remove_coach("2"), add_coach("7", "B", 1), plan_hash=plan.plan_hash)
    assert (done.validate_only, done.layout_etag, done.plan_hash) == (False, "layout-1", plan.plan_hash)
    assert (done.moves, done.sections, done.counts) == (plan.moves, plan.sections, plan.counts)
    moved = await ann.booking(family.reference)
    assert (seats_of(moved), moved.seats_together, moved.price, moved.etag != family.etag) == (
        ["A-1", "A-2"],
        True,
        usd(40),
        True,
    )
    assert await desk.seat_map(run) == {"A-1": "SOLD", "A-2": "SOLD"} | dict.fromkeys(
        ["A-3", "A-4", "B-1", "B-2", "B-3"], "FREE"
    )
    assert {part.section: part.seat_count for part in (await desk.run_of(run)).sections} == {"A": 4, "B": 3}
    assert await desk.section(run, "A") == [("A-1", "ann@example.com"), ("A-2", "bob@example.com")]


async def test_passengers_without_a_seat_wait_at_the_front_and_get_the_next_seats(world: World) -> None:
    run, desk, ann = await world.run("A2 A1"), layout_client(world), world.api_client("ann")
    pair, other = await ann.book(run, "ann", "bob"), await world.api_client("eve").book(run)
    waiting = await world.api_client("joe").wait(run)
    plan = await desk.change(run, remove_seats("A", 2))
    assert [
        (wait.reference, list(wait.passenger_numbers), [seat.label for seat in wait.before]) for wait in plan.waitlisted
    ] == [(pair.reference, [2], ["A-2"])]
    assert plan.counts.waitlisted_passengers == 1
    found = await ann.booking(pair.reference)
    assert (found.state, found.waitlist_position, seats_of(found)) == (CONFIRMED, 1, ["A-1", ""])
    assert not found.seats_together
    assert seats_of(await ann.receipt(pair.reference)) == ["A-1", ""]
    assert (await world.api_client("joe").booking(waiting.reference)).waitlist_position == 2
    assert [part.waiting_count for part in (await desk.run_of(run)).sections] == [2]
    assert await desk.section(run, "A") == [("A-1", "ann@example.com"), ("A-3", "eve@example.com")]

    promoted = await desk.change(run, add_coach("9", "A", 1))
    assert [(item.reference, [seat.label for seat in item.seats]) for item in promoted.promoted] == [(pair.reference, ["A-4"])]
    found = await ann.booking(pair.reference)
    assert (found.waitlist_position, seats_of(found)) == (0, ["A-1", "A-4"])
    await world.api_client("eve").cancel(other.reference)
    assert seats_of(await world.api_client("joe").booking(waiting.reference)) == ["A-3"]


async def test_a_booking_all_of_whose_passengers_lose_their_seats_is_waitlisted(world: World) -> None:
    run, desk, ann = await world.run("A1 B1", fares={"A": usd(30), "B": usd(20)}), layout_client(world), world.api_client("ann")
    made = await ann.book(run, section="A")
    plan = await desk.change(run, remove_section("A"))
    assert plan.counts.waitlisted_passengers == 1, "the free seat of section B is cheaper"
    found = await ann.booking(made.reference)
    assert (found.state, found.waitlist_position, found.price) == (WAITLISTED, 1, usd(30))
    refused = await refusal(desk.section_page(run, "A"))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("section",))
    assert await desk.section(run, "B") == []


async def test_displaced_passengers_are_refunded_where_the_operator_says_so(world: World) -> None:
    run, desk, ann = await world.run("A2"), layout_client(world), world.api_client("ann")
    pair = await ann.book(run, "ann", "bob")
    plan = await desk.change(run, remove_seats("A", 2), refund_displaced=True)
    assert [(refund.reference, list(refund.passenger_numbers), refund.amount) for refund in plan.refunds] == [
        (pair.reference, [2], usd(20))
    ]
    assert plan.refunds[0].cause == layout_pb2.LAYOUT_REFUND_CAUSE_CANCELLED
    assert (plan.counts.cancelled_passengers, plan.counts.refunded) == (1, usd(20))
    found = await ann.booking(pair.reference)
    assert (seats_of(found), [passenger.email for passenger in found.cancelled_passengers]) == (["A-1"], ["bob@example.com"])
    assert [refund.amount for refund in found.refunds] == [usd(20)]


async def test_a_lower_section_refunds_the_difference_and_can_be_cancelled_free_of_charge(world: World) -> None:
    tiers = [{"hours_before": 0, "percent": 0}]
    run = await world.run("A1 C1", fares=FARES, refund_tiers=tiers)
    desk, ann = layout_client(world), world.api_client("ann")
    made = await ann.book(run, section="A")
    assert (await desk.plan(run, remove_seats("A", 1), add_coach("3", "C", 1))).counts.waitlisted_passengers == 1
    plan = await desk.change(run, remove_section("A"), allow_lower=True)
    assert moves(plan) == [("A-1", "C-1", "LOWER")]
    assert [(refund.amount, refund.cause) for refund in plan.refunds] == [
        (usd(10), layout_pb2.LAYOUT_REFUND_CAUSE_LOWER_SECTION)
    ]
    found = await ann.booking(made.reference)
    assert (found.free_cancellation, found.price, [refund.amount for refund in found.refunds]) == (True, usd(10), [usd(10)])
    assert (await ann.give_back(made.reference)).refund == usd(10)


async def test_a_better_section_costs_nothing_more(world: World) -> None:
    run = await world.run("A1 B1", fares=FARES)
    made = await world.api_client("ann").book(run, section="A")
    plan = await layout_client(world).change(run, remove_section("A"))
    assert moves(plan) == [("A-1", "B-1", "TOGETHER_BETTER")]
    assert (await world.api_client("ann").booking(made.reference)).price == usd(20)


async def test_removed_numbers_and_coach_names_never_return(world: World) -> None:
    run, desk = await world.run("A2 A2"), layout_client(world)
    await desk.change(run, set_seat_count("2", 1), remove_coach("1"))
    assert await desk.seat_map(run) == {"A-3": "FREE"}
    grown = await desk.change(run, set_seat_count("2", 3), add_coach("8", "A", 1))
    assert [(part.seats_before, part.seats_after) for part in grown.sections] == [(1, 4)]
    assert list(await desk.seat_map(run)) == ["A-3", "A-5", "A-6", "A-7"]
    refused = await refusal(desk.change(run, add_coach("1", "A", 1)))
    assert refused.fields == ("operations[0].add_coach.name",)
    await desk.change(run, add_section("B", 20), add_coach("9", "B", 2), remove_section("A"))
    await desk.change(run, add_section("A", 25), add_coach("10", "A", 1))
    assert list(await desk.seat_map(run)) == ["B-1", "B-2", "A-8"]


@pytest.mark.parametrize("number", [2, 3, 9])
async def test_a_removed_seat_cannot_be_named_by_anybody(world: World, number: int) -> None:
    run, desk, ann = await world.run("A4"), layout_client(world), world.api_client("ann")
    made = await ann.book(run)
    await desk.change(run, remove_seats("A", 2, 3))
    calls: list[Any] = [
        world.api_client("bob").book(run, seats=[number], section="A"),
        world.api_client("bob").hold(run, seats=[number], section="A"),
        ann.move(made.reference, section="A", seat_number=number),
    ]
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert f"has no seat {number}" in refused.message


async def test_a_hold_on_a_removed_seat_ends_and_another_stays(world: World) -> None:
    run, desk, ann = await world.run("A3"), layout_client(world), world.api_client("ann")
    held = await ann.hold(run, seats=[2], section="A")
    kept = await world.api_client("bob").hold(run, seats=[1], section="A")
    assert (await desk.change(run, remove_seats("A", 2))).counts.released_holds == 1
    refused = await refusal(ann.book(run, hold_id=held.hold_id))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "HOLD_EXPIRED")
    assert seats_of(await world.api_client("bob").book(run, hold_id=kept.hold_id)) == ["A-1"]


async def test_a_new_fare_is_for_later_sales_only(world: World) -> None:
    run, desk, ann = await world.run("A3"), layout_client(world), world.api_client("ann")
    held, booked = await ann.hold(run), await world.api_client("bob").book(run)
    plan = await desk.change(run, set_fare("A", 50))
    assert [(part.fare_before, part.fare_after) for part in plan.sections] == [(usd(20), usd(50))]
    assert (await ann.book(run, hold_id=held.hold_id)).price == usd(20)
    assert (await world.api_client("bob").booking(booked.reference)).price == usd(20)
    assert (await world.api_client("eve").book(run)).price == usd(50)


async def test_only_whose_seats_are_removed_moves_on_whatever_legs(world: World) -> None:
    run, desk = await world.run("A2 A2"), layout_client(world)
    first = await world.api_client("ann").book(run, seats=[3], section="A", origin=LONDON, destination=ASHFORD)
    second = await world.api_client("bob").book(run, seats=[3], section="A", origin=ASHFORD, destination=PARIS)
    stays = await world.api_client("eve").book(run, seats=[4], section="A", origin=LILLE, destination=PARIS)
    plan = await desk.change(run, remove_seats("A", 3))
    assert sorted(move.reference for move in plan.moves) == sorted([first.reference, second.reference])
    assert {move.after.label for move in plan.moves} == {"A-1"}, "both fit on one seat"
    assert seats_of(await world.api_client("eve").booking(stays.reference)) == ["A-4"]


async def test_a_repeated_request_changes_the_layout_once(world: World) -> None:
    run, desk = await world.run("A2 A2"), layout_client(world)
    await world.api_client("ann").book(run, seats=[3], section="A")
    done = await desk.change(run, remove_coach("2"), request_id="again")
    again = await desk.change(run, remove_coach("2"), request_id="again")
    assert (again.plan_hash, again.layout_etag, again.counts, again.validate_only) == (
        done.plan_hash,
        "layout-1",
        done.counts,
        False,
    )
    assert (len(done.moves), len(again.moves)) == (1, 0)
    refused = await refusal(desk.change(run, remove_seats("A", 1), request_id="again"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_events_tell_the_counts_and_each_move(real_world: World) -> None:
    run, desk = await real_world.run("A1 A1"), layout_client(real_world)
    (reference,) = [(await real_world.api_client(name).book(run)).reference for name in people("g", 1)]
    await desk.change(run, add_coach("3", "A", 1), remove_coach("1"), remove_coach("2"))
    await real_world.wait_until_archived()
    changed = {event["type"]: event for event in await real_world.events(run)}
    assert changed["booking.changed"]["subject"] == reference
    data = changed["booking.changed"]["data"]
    assert (data["cause"], data["moves"]) == ("layout", [{"passenger_number": 1, "from": "A-1", "to": "A-3"}])
    assert changed["layout.changed"]["subject"] == f"{run.train_id}:{run.travel_date}"
    assert changed["layout.changed"]["data"]["moved_passengers"] == 1
    assert "example.com" not in str(changed)
