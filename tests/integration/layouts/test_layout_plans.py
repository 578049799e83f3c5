"""Plans over gRPC: reserved while selling goes on, refused once they are not true any more, and of two operators at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from app.pb.seatline.v1 import layout_pb2
from tests.support.clients import ASHFORD, LONDON, PARIS, Run, decoded, people, refusal, seats_of
from tests.support.layout_client import add_coach, layout_client, remove_coach, remove_seats, set_fare
from tests.support.world import Clock, World, outcomes

PLAN_CHANGED = (grpc.StatusCode.ABORTED, "PLAN_CHANGED")
RESERVE_SECONDS = 600


async def test_a_plan_without_a_reservation_changes_with_a_sale(world: World) -> None:
    run, desk = await world.run("A2 A3"), layout_client(world)
    ann = await world.api_client("ann").book(run, seats=[5], section="A")
    plan = await desk.plan(run, remove_coach("2"))
    assert [move.after.label for move in plan.moves] == ["A-1"]
    bob = await world.api_client("bob").book(run)
    assert seats_of(bob) == ["A-1"]
    refused = await refusal(desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash))
    assert (refused.says, refused.retry_seconds) == (PLAN_CHANGED, 0)
    assert refused.plan is not None
    assert [(move.reference, move.after.label) for move in refused.plan.moves] == [(ann.reference, "A-2")]
    assert refused.plan.validate_only
    assert seats_of(await world.api_client("ann").booking(ann.reference)) == ["A-5"], "nothing was done"
    done = await desk.change(run, remove_coach("2"), plan_hash=refused.plan.plan_hash)
    assert done.moves == refused.plan.moves


async def test_a_reserved_plan_stays_true_while_selling_goes_on(world: World) -> None:
    run, desk = await world.run("A3 A3"), layout_client(world)
    pair = await world.api_client("ann").book(run, "ann", "bob", seats=[4, 5], section="A")
    plan = await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    left = plan.reserve_expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(seconds=RESERVE_SECONDS - 30) < left <= timedelta(seconds=RESERVE_SECONDS)
    assert await desk.seat_map(run) == {
        "A-1": "HELD",
        "A-2": "HELD",
        "A-3": "FREE",
        "A-4": "SOLD",
        "A-5": "SOLD",
        "A-6": "HELD",
    }
    assert await desk.free(run) == {"A": 1}
    assert seats_of(await world.api_client("eve").book(run)) == ["A-3"]
    assert (await refusal(world.api_client("joe").book(run))).reason == "SECTION_FULL"
    assert (await refusal(world.api_client("joe").book(run, seats=[6], section="A"))).reason == "SEAT_TAKEN"
    done = await desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, done.moves) == (plan.plan_hash, plan.moves)
    assert seats_of(await world.api_client("ann").booking(pair.reference)) == ["A-1", "A-2"]
    assert set((await desk.seat_map(run)).values()) == {"SOLD"}


async def test_seats_of_a_reservation_are_free_again_when_it_expires(clock: Clock, world: World) -> None:
    run, desk = await world.run("A1 A1"), layout_client(world)
    await world.api_client("ann").book(run, seats=[2], section="A")
    plan = await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    assert (await refusal(world.api_client("bob").book(run))).reason == "SECTION_FULL"
    clock.ahead = timedelta(seconds=RESERVE_SECONDS + 1)
    assert await desk.seat_map(run) == {"A-1": "FREE", "A-2": "SOLD"}
    assert await desk.free(run) == {"A": 1}
    assert seats_of(await world.api_client("bob").book(run)) == ["A-1"]
    refused = await refusal(desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash))
    assert refused.says == PLAN_CHANGED
    assert refused.plan is not None
    assert refused.plan.counts.waitlisted_passengers == 1


async def test_a_later_reservation_and_a_change_end_an_earlier_one(world: World) -> None:
    run, desk = await world.run("A1 A1 A1"), layout_client(world)
    await desk.plan(run, remove_coach("3"), reserve=RESERVE_SECONDS)
    assert await desk.free(run) == {"A": 2}
    await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    assert await desk.seat_map(run) == {"A-1": "FREE", "A-2": "HELD", "A-3": "FREE"}
    await desk.change(run, set_fare("A", 30))
    assert await desk.seat_map(run) == dict.fromkeys(["A-1", "A-2", "A-3"], "FREE")


async def test_of_two_operators_with_the_same_plan_one_acts(real_world: World) -> None:
    run, first, second = await real_world.run("A2 A2"), layout_client(real_world, "one"), layout_client(real_world, "two")
    await real_world.api_client("ann").book(run, seats=[3], section="A")
    plans = [await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS) for desk in (first, second)]
    assert plans[0].plan_hash == plans[1].plan_hash
    found = await outcomes([desk.change(run, remove_coach("2"), plan_hash=plans[0].plan_hash) for desk in (first, second)])
    done = [answer for answer in found if isinstance(answer, layout_pb2.LayoutPlan)]
    (refused,) = [decoded(error) for error in found if isinstance(error, grpc.aio.AioRpcError)]
    assert [answer.layout_etag for answer in done] == ["layout-1"]
    assert refused.says == PLAN_CHANGED
    assert refused.plan is not None
    assert [(part.seats_before, part.seats_after) for part in refused.plan.sections] == [(2, 2)]
    assert "coach" in refused.message, "it says why the operations no longer fit"


async def test_of_two_operators_with_the_same_etag_one_acts(real_world: World) -> None:
    run, desk = await real_world.run("A2 A2"), layout_client(real_world)
    changes = [desk.change(run, set_fare("A", fare), etag="layout-0") for fare in (30, 40)]
    found = await outcomes(changes)
    done = [answer for answer in found if isinstance(answer, layout_pb2.LayoutPlan)]
    (refused,) = [decoded(error) for error in found if isinstance(error, grpc.aio.AioRpcError)]
    assert len(done) == 1
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")


async def test_the_seat_of_a_cancelled_booking_is_not_sold_again_while_it_is_withdrawn(world: World) -> None:
    run, desk, ann = await world.run("A1 A1"), layout_client(world), world.api_client("ann")
    made = await ann.book(run, seats=[2], section="A")
    plan = await desk.plan(run, remove_coach("2"), reserve=RESERVE_SECONDS)
    await ann.cancel(made.reference)
    assert await desk.seat_map(run) == {"A-1": "HELD", "A-2": "HELD"}
    done = await desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, len(done.moves)) == (plan.plan_hash, 0)
    assert await desk.seat_map(run) == {"A-1": "FREE"}


async def test_who_joins_the_waitlist_after_the_plan_is_not_part_of_it(world: World) -> None:
    run, desk = await world.run("A1"), layout_client(world)
    await world.api_client("ann").book(run)
    first = await world.api_client("bob").wait(run)
    plan = await desk.plan(run, add_coach("2", "A", 2), reserve=RESERVE_SECONDS)
    assert [item.reference for item in plan.promoted] == [first.reference]
    later = await world.api_client("eve").wait(run)
    done = await desk.change(run, add_coach("2", "A", 2), plan_hash=plan.plan_hash)
    assert done.plan_hash == plan.plan_hash
    assert {item.reference for item in done.promoted} == {first.reference, later.reference}


async def with_full_coach(world: World, count: int) -> Run:
    """Make a run whose coach 2 has `count` passengers, two on a seat; coach 1 is empty and has one seat more."""
    seats = count - count // 2
    run = await world.run(f"A{seats + 1} A{seats}")
    numbers = range(seats + 2, 2 * seats + 2)
    for origin, destination, taken in ((LONDON, ASHFORD, numbers), (ASHFORD, PARIS, numbers[: count // 2])):
        for first in range(0, len(taken), 9):
            group = taken[first : first + 9]
            names = people(f"{origin.lower()[0]}{first}n", len(group))
            await world.api_client(names[0]).book(run, *names, section="A", seats=group, origin=origin, destination=destination)
    return run


@pytest.mark.parametrize("count", [12, 500])
async def test_the_new_plan_reaches_the_client_however_many_move(real_world: World, count: int) -> None:
    """The trailers of a refusal hold some kilobytes; a client ends its connection where they are larger."""
    run, desk = await with_full_coach(real_world, count), layout_client(real_world)
    plan = await desk.plan(run, remove_coach("2"))
    assert len(plan.moves) == count
    await real_world.api_client("late").book(run)
    refused = await refusal(desk.change(run, remove_coach("2"), plan_hash=plan.plan_hash))
    assert refused.says == PLAN_CHANGED
    assert refused.plan is not None
    assert refused.plan.counts.moved_passengers == count
    assert len(refused.plan.moves) == (count if count == 12 else 0)
    done = await desk.change(run, remove_coach("2"), plan_hash=refused.plan.plan_hash)
    assert len({move.reference for move in done.moves}) == -(-(count // 2) // 9) * 2
    assert set((await desk.seat_map(run)).values()) == {"SOLD"}


async def test_more_displaced_passengers_than_one_commit_takes_are_refused_with_their_number(real_world: World) -> None:
    run, desk = await with_full_coach(real_world, 502), layout_client(real_world)
    before = await desk.seat_map(run)
    refused = await refusal(desk.change(run, remove_coach("2")))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "DISPLACED_TOO_MANY")
    assert "502" in refused.message
    assert await desk.seat_map(run) == before
    assert (await desk.change(run, remove_seats("A", 253))).counts.moved_passengers == 2
    assert (await desk.change(run, remove_coach("2"))).counts.moved_passengers == 500
