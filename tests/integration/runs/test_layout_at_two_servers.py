"""The layout of a run changes at one server while another one sells, moves and cancels: nobody loses a seat."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from app.domain.booking import Booking
from app.domain.commands import CancelBooking, ChangeSeat, CreateBooking, IfFull
from app.domain.layout.operations import AddCoach, LayoutOperation, RemoveCoach, SetSeatCount
from app.domain.refusals import Reason, Refusal
from app.store.driver import Database
from tests.support.builders import (
    a_train,
    asks_for_another_seat,
    asks_for_seats,
    asks_to_cancel,
    seeded_random,
)
from tests.support.run_servers import RUN_ID, TRAVEL_DATE, RunServer, put_train
from tests.support.world import World

# What a busy run may refuse; everything else is a mistake.
EXPECTED = (
    Reason.SECTION_FULL,
    Reason.SEAT_TAKEN,
    Reason.COMMIT_ATTEMPTS_SPENT,
    Reason.BOOKING_CANCELLED,
    Reason.BOOKING_WAITLISTED,
    Reason.WAITLIST_FULL,
    Reason.PASSENGER_ALREADY_BOOKED,
    Reason.FARE_HIGHER,
)


@pytest_asyncio.fixture
async def pair(real_world: World) -> AsyncIterator[tuple[RunServer, RunServer]]:
    """Two servers, and a run of four coaches with ten seats each, two of them in section B at the same fare."""
    await put_train(real_world.database, a_train("A10 A10 B10 B10"))
    here, there = RunServer(real_world.database), RunServer(real_world.database)
    await here.schedule()
    yield here, there
    for server in (here, there):
        await server.bus.wait_idle()


@pytest.fixture
def database(real_world: World) -> Database:
    return real_world.database


def asks(who: str) -> CreateBooking:
    return asks_for_seats(who, travel_date=TRAVEL_DATE, if_full=IfFull.WAITLIST)


def of_run(command: ChangeSeat | CancelBooking) -> Any:
    return replace(command, run_id=RUN_ID)


async def live_bookings(server: RunServer) -> list[Booking]:
    """Return all live bookings of the run, from a server that has nothing in memory."""
    cached = await server.store.runs.load(RUN_ID)
    assert cached is not None
    references = set(cached.run.passenger_index.references.values())
    found = await server.store.bookings.find_many(sorted(references))
    assert not found.unreadable
    return list(found.values())


async def require_sound(server: RunServer) -> Counter[str]:
    """Require that each live passenger has a seat that there is, alone, or waits, and that no other leg is sold."""
    run, bookings = await server.stored_run(), await live_bookings(server)
    sections = {section.name: section for section in run.sections}
    sold: dict[str, list[int]] = {
        section.name: [section.all_legs if section.is_retired(number) else 0 for number in range(1, section.size + 1)]
        for section in run.sections
    }
    found: Counter[str] = Counter()
    for booking in bookings:
        assert booking.is_live
        for passenger in booking.passengers:
            if passenger.seat is None:
                assert booking.ticket_number in run.waitlist
                found["waiting"] += 1
                continue
            seat = passenger.seat
            assert not sections[seat.section].is_retired(seat.number), f"{seat.label} was removed"
            assert not sold[seat.section][seat.number - 1] & booking.journey.legs, f"{seat.label} is sold twice"
            sold[seat.section][seat.number - 1] |= booking.journey.legs
            found["seated"] += 1
    assert {name: section.sold_legs for name, section in sections.items()} == sold
    waiting = Counter(entry.reference for entry in run.waitlist.values())
    assert set(waiting) == {booking.reference for booking in bookings if booking.ticket_number}
    return found


async def test_a_coach_that_another_server_is_selling_is_removed_without_a_loss(pair: tuple[RunServer, RunServer]) -> None:
    here, there = pair
    await asyncio.gather(*(there.send_expecting(asks(f"p{number}"), EXPECTED) for number in range(15)))
    await here.change_layout(SetSeatCount("4", 12))  # so that this server has the run in memory
    sales = [there.send_expecting(asks(f"q{number}"), EXPECTED) for number in range(12)]
    plan, *_ = await asyncio.gather(here.change_layout(RemoveCoach("1")), *sales)
    assert plan.is_applied
    assert (await require_sound(there))["seated"] == 27
    assert {move.before.coach for move in plan.moves} == {"1"}
    assert plan.counts.moved_passengers >= 10


async def test_passengers_whose_bookings_were_archived_by_the_other_server_are_moved(
    pair: tuple[RunServer, RunServer],
) -> None:
    here, there = pair
    booked = await asyncio.gather(*(there.send_expecting(asks(f"p{number}"), EXPECTED) for number in range(10)))
    await there.bus.wait_idle()
    await there.store.runs.archive_leftovers(RUN_ID)
    await here.change_layout(SetSeatCount("4", 12))
    for result in booked[:3]:  # moved behind the back of this server, and archived at once
        await there.send(of_run(asks_for_another_seat(result.booking, section="B")))
    await there.bus.wait_idle()
    await there.store.runs.archive_leftovers(RUN_ID)
    plan = await here.change_layout(RemoveCoach("1"))
    assert plan.counts.moved_passengers == 7
    assert await require_sound(here) == Counter(seated=10)


async def test_displaced_passengers_who_wait_get_the_first_seat_that_comes_free_at_the_other_server(
    pair: tuple[RunServer, RunServer],
) -> None:
    here, there = pair
    bookings: list[Booking] = []
    for first in range(0, 42, 14):  # more at once than a lane's queue takes
        results = await asyncio.gather(*(there.send(asks(f"p{number}")) for number in range(first, first + 14)))
        bookings += [result.booking for result in results]
    plan = await here.change_layout(RemoveCoach("2"))
    assert plan.counts.waitlisted_passengers == 10
    assert await require_sound(there) == Counter(seated=30, waiting=12)
    displaced = [wait.reference for wait in plan.waitlisted]
    stays = next(b for b in bookings if b.reference not in displaced and b.passengers[0].seat is not None)
    await there.send(of_run(asks_to_cancel(stays)))
    found = {booking.reference: booking for booking in await live_bookings(here)}
    assert found[displaced[0]].passengers[0].seat == stays.passengers[0].seat, "the first displaced, before who waited already"
    await there.change_layout(AddCoach("NEW", "B", 11))
    assert await require_sound(here) == Counter(seated=41)


async def test_of_two_operators_who_act_on_one_plan_at_once_one_acts_and_the_other_gets_the_new_plan(
    pair: tuple[RunServer, RunServer],
) -> None:
    here, there = pair
    await asyncio.gather(*(there.send_expecting(asks(f"p{number}"), EXPECTED) for number in range(12)))
    plan = await here.change_layout(RemoveCoach("1"), validate_only=True)
    found = await asyncio.gather(
        *(server.change_layout(RemoveCoach("1"), plan_hash=plan.plan_hash) for server in pair), return_exceptions=True
    )
    refused = [error for error in found if isinstance(error, Refusal)]
    assert [refusal.reason for refusal in refused] == [Reason.PLAN_CHANGED]
    assert await require_sound(here) == Counter(seated=12)


class Crowd:
    """Buyers, passengers and an operator, each at one of the servers by chance."""

    def __init__(self, pair: tuple[RunServer, RunServer], seed: int) -> None:
        self._pair, self._chance = pair, seeded_random(seed)
        self._bookings: list[Booking] = []
        self.layout_changes = 0

    @property
    def _server(self) -> RunServer:
        return self._chance.choice(self._pair)

    async def sell(self, number: int) -> None:
        """Book, or join the waitlist."""
        result = await self._server.send_expecting(asks(f"p{number}"), EXPECTED)
        if result is not None:
            self._bookings.append(result.booking)

    async def change_booking(self) -> None:
        """Cancel a booking, or move it to another seat."""
        if not self._bookings:
            return
        booking = self._chance.choice(self._bookings)
        if self._chance.random() < 0.4:
            self._bookings.remove(booking)
            await self._server.send_expecting(of_run(asks_to_cancel(booking)), EXPECTED)
        else:
            move = asks_for_another_seat(booking, section=self._chance.choice("AB"))
            await self._server.send_expecting(of_run(move), EXPECTED)

    async def change_layout(self, step: int) -> None:
        """Add a coach, or add seats to one or remove some."""
        coaches = [coach.name for section in (await self._server.stored_run()).sections for coach in section.coaches]
        operation: LayoutOperation = SetSeatCount(self._chance.choice(coaches), self._chance.randint(4, 12))
        if step % 3 == 0:
            operation = AddCoach(f"N{step}", self._chance.choice("AB"), 6)
        try:
            await self._server.change_layout(operation)
            self.layout_changes += 1
        except Refusal as refusal:
            if refusal.reason is not Reason.COMMIT_ATTEMPTS_SPENT:
                raise


@pytest.mark.parametrize("seed", range(3))
async def test_changes_at_both_servers_among_sales_moves_and_cancellations_lose_nobody(
    pair: tuple[RunServer, RunServer], seed: int
) -> None:
    crowd = Crowd(pair, seed)
    for step in range(8):
        await asyncio.gather(
            *(crowd.sell(100 * step + number) for number in range(6)),
            *(crowd.change_booking() for _ in range(5)),
            crowd.change_layout(step),
            *(crowd.sell(100 * step + 50 + number) for number in range(3)),
        )
    for server in pair:
        await server.bus.wait_idle()
    found = await require_sound(pair[0])
    assert crowd.layout_changes >= 5
    assert found["seated"] >= 20
