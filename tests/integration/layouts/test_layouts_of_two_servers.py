"""Layout changes through the command buses of two servers: lost swaps, reserved plans, and a server that ends."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from app.domain.booking import DEFERRED_AUTHORIZATION, Booking
from app.domain.commands import CancelBooking, CreateBooking, IfFull
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import AddCoach, LayoutOperation, RemoveCoach
from app.domain.layout.plan import LayoutPlan
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import decide
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from app.embedded.mongod import EmbeddedMongod
from app.process.clock import utc_now
from app.store.cached_run import CachedRun
from app.store.driver import Database
from tests.support.builders import a_run, asks_for_seats, asks_to_cancel, seeded_random
from tests.support.layout_changes import asks_for_layout
from tests.support.layout_requirements import occupied_legs, require_nobody_waits_while_a_seat_fits
from tests.support.trial_lanes import LaneServer
from tests.support.world import World, eventually

TRAVEL_DATE = (utc_now() + timedelta(days=30)).date()
TERMS = SalesTerms(passengers_per_booker_max=100)
OpenServer = Callable[[], LaneServer]


@pytest.fixture
def database(real_world: World, mongod: EmbeddedMongod) -> Database:
    return real_world.database


@pytest_asyncio.fixture
async def open_server(database: Database) -> AsyncIterator[OpenServer]:
    """Open servers over the database, and wait in the end until all of them are idle."""
    opened: list[LaneServer] = []

    def open_one() -> LaneServer:
        opened.append(LaneServer(database))
        return opened[-1]

    yield open_one
    for server in opened:
        await server.bus.wait_idle()


async def a_stored_run(server: LaneServer, layout: str) -> TrainRun:
    run = a_run(layout, travel_date=TRAVEL_DATE, terms=TERMS)
    await server.store.runs.insert_if_absent([run], utc_now())
    return run


def to_book(*names: str) -> CreateBooking:
    return asks_for_seats(*names, travel_date=TRAVEL_DATE, section="A", if_full=IfFull.WAITLIST, payment=DEFERRED_AUTHORIZATION)


def to_change(*operations: LayoutOperation, request_id: str = "", plan_hash: str = "", seconds: int = 0) -> UpdateLayout:
    command = asks_for_layout(*operations, request_id=request_id, plan_hash=plan_hash, reserve_seconds=seconds)
    return replace(command, travel_date=TRAVEL_DATE.isoformat())


def to_cancel(run: TrainRun, booking: Booking) -> CancelBooking:
    return replace(asks_to_cancel(booking), run_id=run.run_id)


async def all_of(server: LaneServer, run: TrainRun, database: Database) -> TrainRun:
    """Return the stored run with all its bookings."""
    await server.bus.wait_idle()
    await server.store.runs.archive_leftovers(run.run_id)
    stored = await server.store.runs.load(run.run_id)
    assert stored is not None
    references = [document["_id"] async for document in database["bookings"].find({}, {"_id": 1})]
    found = await server.store.bookings.find_many(references)
    stored.run.load(booking for reference, booking in found.items() if stored.run.find(reference) is None)
    return stored.run


async def require_sound(server: LaneServer, run: TrainRun, database: Database) -> TrainRun:
    """All sold legs are those of bookings, holds and a reservation, and nobody waits while a seat fits."""
    stored = await all_of(server, run, database)
    occupied = occupied_legs(stored)
    for section in stored.sections:
        for number in range(1, section.size + 1):
            sold = section.all_legs if section.is_retired(number) else occupied.get((section.name, number), 0)
            assert section.sold_legs[number - 1] == sold, f"{section.name}-{number}"
    require_nobody_waits_while_a_seat_fits(stored, utc_now())
    return stored


# -- two servers


async def sell_until(done: asyncio.Event, server: LaneServer, run: TrainRun, buyer: int, happened: Counter[str]) -> None:
    """Book and cancel without a pause until the changes are done. Count in `happened` how often which was done."""
    chance, own = seeded_random(buyer), list[Booking]()
    for number in itertools.count():
        if done.is_set():
            return
        try:
            if own and chance.random() < 0.45:
                await server.send(to_cancel(run, own.pop(chance.randrange(len(own)))))
                happened["cancelled"] += 1
            else:
                names = [f"b{buyer}-{number}-{place}" for place in range(chance.choice((1, 1, 2, 3)))]
                own.append((await server.send(to_book(*names))).booking)
                happened["booked"] += 1
        except Refusal as refusal:
            happened[refusal.reason.value] += 1


async def carry_out(server: LaneServer, *operations: LayoutOperation) -> LayoutPlan:
    """Reserve a plan, and carry it out. Both calls are repeated where the other server wins all swaps, as clients do."""
    plan = await insist(server, to_change(*operations, seconds=60))
    changed = await insist(server, to_change(*operations, plan_hash=plan.plan_hash))
    assert (changed.plan_hash, changed.is_applied) == (plan.plan_hash, True)
    return changed


async def insist(server: LaneServer, command: UpdateLayout) -> LayoutPlan:
    while True:
        try:
            return await server.send(command)
        except Refusal as refusal:
            if refusal.reason is not Reason.COMMIT_ATTEMPTS_SPENT:
                raise


async def test_reserved_plans_of_one_server_are_carried_out_while_the_other_one_sells(
    open_server: OpenServer, database: Database
) -> None:
    seller, operator = open_server(), open_server()
    run = await a_stored_run(seller, "A6 A6 A6")
    done, happened, coaches, plans = asyncio.Event(), Counter[str](), ["1", "2", "3"], list[LayoutPlan]()
    buyers = [asyncio.ensure_future(sell_until(done, seller, run, number, happened)) for number in range(6)]
    try:
        for number in range(10):

            async def have_sold_more(least: int = 6 * number) -> bool:
                return happened["booked"] >= least

            await eventually(have_sold_more)
            coaches.append(f"N{number}")
            plans.append(await carry_out(operator, RemoveCoach(coaches.pop(0)), AddCoach(coaches[-1], "A", 6)))
    finally:
        done.set()
        await asyncio.gather(*buyers)
    stored = await require_sound(seller, run, database)
    assert stored.layout.revision == 10
    assert sum(plan.counts.moved_passengers + plan.counts.waitlisted_passengers for plan in plans) > 10
    assert happened["cancelled"] > 10


async def test_who_buys_a_removed_seat_before_a_swap_is_lost_is_moved_too(open_server: OpenServer, database: Database) -> None:
    seller, operator = open_server(), open_server()
    run = await a_stored_run(seller, "A2 A2")
    plan = await operator.send(replace(to_change(RemoveCoach("1")), validate_only=True))  # so that it has the run in memory
    assert plan.counts.moved_passengers == 0
    booked = (await seller.send(to_book("ann", "ben"))).booking
    changed = await operator.send(to_change(RemoveCoach("1")))
    assert changed.counts.moved_passengers == 2
    stored = await require_sound(seller, run, database)
    assert [passenger.assigned_seat.number for passenger in stored.bookings[booked.reference].passengers] == [3, 4]


async def test_of_two_servers_with_the_same_plan_one_acts(open_server: OpenServer, database: Database) -> None:
    servers = [open_server(), open_server()]
    run = await a_stored_run(servers[0], "A2 A2 A2")
    plan = await servers[0].send(replace(to_change(RemoveCoach("1")), validate_only=True))
    found = await asyncio.gather(
        *(server.send(to_change(RemoveCoach("1"), plan_hash=plan.plan_hash)) for server in servers), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in found) == ["LayoutPlan", "PlanChanged"]
    assert (await require_sound(servers[0], run, database)).layout.revision == 1


async def test_a_plan_without_a_reservation_changes_by_a_sale_at_the_other_server(open_server: OpenServer) -> None:
    seller, operator = open_server(), open_server()
    await a_stored_run(seller, "A2 A2")
    plan = await operator.send(replace(to_change(RemoveCoach("1")), validate_only=True))
    await seller.send(to_book("ann"))
    with pytest.raises(Refusal) as raised:
        await operator.send(to_change(RemoveCoach("1"), plan_hash=plan.plan_hash))
    assert raised.value.reason is Reason.PLAN_CHANGED


async def test_the_bookings_of_removed_seats_are_read_where_they_are_archived(
    open_server: OpenServer, database: Database
) -> None:
    seller = open_server()
    run = await a_stored_run(seller, "A2 A2")
    await seller.send(to_book("ann", "ben"))
    await seller.bus.wait_idle()
    await seller.store.runs.archive_leftovers(run.run_id)
    changed = await open_server().send(to_change(RemoveCoach("1")))
    assert changed.counts.moved_passengers == 2
    await require_sound(seller, run, database)


async def test_a_plan_undoes_nothing_of_the_sales_that_wait_beside_it(open_server: OpenServer, database: Database) -> None:
    server = open_server()
    run = await a_stored_run(server, "A9 A9")
    calls = [server.send(to_book(f"p{number}")) for number in range(12)]
    calls.insert(6, server.send(replace(to_change(RemoveCoach("1")), validate_only=True)))  # type: ignore[arg-type]  # a mixture
    await asyncio.gather(*calls)
    stored = await require_sound(server, run, database)
    assert len(stored.bookings) == 12


# -- a server that ends


async def decided(server: LaneServer, run: TrainRun, command: UpdateLayout) -> CachedRun:
    """Decide a command on a run that was just read, as a server does that ends before its next step."""
    cached = await server.store.runs.load(run.run_id)
    assert cached is not None
    decide(cached.run, command, utc_now(), {})
    return cached


async def test_a_server_that_ends_before_its_commit_has_changed_nothing(open_server: OpenServer, database: Database) -> None:
    server = open_server()
    run = await a_stored_run(server, "A2 A2")
    await server.send(to_book("ann", "ben"))
    command = to_change(RemoveCoach("1"), request_id="change-1")
    await decided(server, run, command)
    assert (await require_sound(server, run, database)).layout.revision == 0
    assert (await open_server().send(command)).counts.moved_passengers == 2
    await require_sound(server, run, database)


async def test_after_the_end_of_a_server_another_one_answers_for_its_change(
    open_server: OpenServer, database: Database
) -> None:
    server = open_server()
    run = await a_stored_run(server, "A2 A2")
    booked = (await server.send(to_book("ann", "ben"))).booking
    command = to_change(RemoveCoach("1"), request_id="change-1")
    cached = await decided(server, run, command)
    await server.store.runs.commit_each([cached])  # and never archives what it has committed
    other = open_server()
    again = await other.send(command)
    assert (again.is_applied, again.counts.moved_passengers, again.layout_etag) == (True, 2, "layout-1")
    await other.send(to_cancel(run, booked))
    stored = await require_sound(other, run, database)
    assert stored.sections[0].free_count(0b111) == 2
    assert stored.layout.revision == 1


async def test_a_reservation_outlives_its_server(open_server: OpenServer, database: Database) -> None:
    server = open_server()
    run = await a_stored_run(server, "A2 A3")
    await server.send(to_book("ann"))
    planned = await decided(server, run, to_change(RemoveCoach("1"), seconds=60))
    reservation = planned.run.layout_reservation
    assert reservation is not None
    await server.store.runs.commit_each([planned])
    other = open_server()
    await asyncio.gather(*(other.send(to_book(name)) for name in ("ben", "cem", "dan")))
    changed = await other.send(to_change(RemoveCoach("1"), plan_hash=reservation.plan_hash))
    assert changed.plan_hash == reservation.plan_hash
    stored = await require_sound(other, run, database)
    assert len(stored.waitlist) == 1


async def test_a_change_whose_caller_gives_up_is_made_once(open_server: OpenServer, database: Database) -> None:
    server = open_server()
    run = await a_stored_run(server, "A2 A2")
    command = to_change(RemoveCoach("1"), request_id="change-1")
    for pauses in range(4):
        call = asyncio.ensure_future(server.send(command))
        for _ in range(pauses):
            await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
    assert (await open_server().send(command)).is_applied
    assert (await require_sound(server, run, database)).layout.revision == 1
