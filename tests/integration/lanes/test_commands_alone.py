"""Commands that are alone in their batch, whose rules know the bookings that they require, by seat or by reference."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.domain.booking import Booking
from app.domain.commands import CancelBooking, ChangeSeat, Command
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from app.embedded.mongod import EmbeddedMongod
from app.process.clock import utc_now
from app.store.driver import Database
from tests.support.builders import a_run, asks_for_another_seat, asks_for_seats, asks_to_cancel, seeded_random
from tests.support.trial_lanes import AloneCommand, Change, LaneServer, register_trial_rule
from tests.support.world import World

TRAVEL_DATE = (utc_now() + timedelta(days=30)).date()


@pytest.fixture(autouse=True)
def _trial_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    register_trial_rule(monkeypatch)


@pytest.fixture
def database(real_world: World, mongod: EmbeddedMongod) -> Database:
    return real_world.database


OpenServer = Callable[[], LaneServer]


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


@pytest_asyncio.fixture
async def run(open_server: OpenServer) -> TrainRun:
    """A run with nine seats that is stored in version 1."""
    run = a_run("A9", travel_date=TRAVEL_DATE)
    await open_server().store.runs.insert_if_absent([run], utc_now())
    return run


async def book(server: LaneServer, *names: str) -> list[Booking]:
    """Book a seat for each of these people."""
    asked = [asks_for_seats(name, travel_date=TRAVEL_DATE) for name in names]
    return [result.booking for result in await asyncio.gather(*map(server.send, asked))]


def of_run(run: TrainRun, command: ChangeSeat | CancelBooking) -> Command[Any]:
    """Return a command about a booking with its run, which use cases add."""
    return replace(command, run_id=run.run_id)


def see(*numbers: int, into: list[dict[int, str]]) -> Change:
    """Note who has these seats according to the bookings in memory, each time that it is decided, and change the run."""

    def change(run: TrainRun, now: datetime) -> None:
        into.append(_who_has(numbers, run.bookings.values()))
        run.set_layout(replace(run.layout, revision=run.layout.revision + 1))

    return change


def _who_has(numbers: Iterable[int], bookings: Iterable[Booking]) -> dict[int, str]:
    return {
        passenger.seat.number: passenger.person.first_name
        for booking in bookings
        for passenger in booking.passengers
        if booking.is_live and passenger.seat is not None and passenger.seat.number in numbers
    }


async def archived(server: LaneServer, run: TrainRun) -> None:
    """Archive all bookings and empty the run's document."""
    await server.bus.wait_idle()
    await server.store.runs.archive_leftovers(run.run_id)


# -- batches


async def test_a_command_that_is_alone_shares_its_batch_with_no_other(open_server: OpenServer, run: TrainRun) -> None:
    server, batches = open_server(), []
    order: list[str] = []

    def note(name: str) -> Change:
        def change(run: TrainRun, now: datetime) -> None:
            order.append(name)
            batches.append((name, run.version, bool(run.change_set)))
            run.set_layout(replace(run.layout, revision=run.layout.revision + 1))

        return change

    await asyncio.gather(
        server.make(note("a"), run),
        server.make(note("b"), run),
        server.make_alone(note("alone"), run),
        server.make_alone(note("alone too"), run),
        server.make(note("c"), run),
        server.make(note("d"), run),
    )
    assert order == ["a", "b", "alone", "alone too", "c", "d"]
    versions = {name: version for name, version, _ in batches}
    assert versions == {"a": 1, "b": 1, "alone": 2, "alone too": 3, "c": 4, "d": 4}
    assert {name for name, _, has_changes in batches if has_changes} == {"b", "d"}


@pytest.mark.parametrize("seed", range(5))
async def test_any_queue_is_decided_in_its_order_and_each_command_that_is_alone_in_its_own_commit(
    open_server: OpenServer, run: TrainRun, seed: int
) -> None:
    chance, server = seeded_random(seed), open_server()
    decided: list[tuple[int, int]] = []

    def note(number: int) -> Change:
        def change(run: TrainRun, now: datetime) -> None:
            decided.append((number, run.version))
            run.set_layout(replace(run.layout, revision=run.layout.revision + 1))

        return change

    alone = [chance.random() < 0.4 for _ in range(15)]
    await asyncio.gather(
        *((server.make_alone if is_alone else server.make)(note(number), run) for number, is_alone in enumerate(alone))
    )
    assert [number for number, _ in decided] == list(range(15))
    in_version = Counter(version for _, version in decided)
    assert all(in_version[version] == 1 for number, version in decided if alone[number])
    stretches = sum(1 for number in range(15) if alone[number] or number == 0 or alone[number - 1])
    assert len(in_version) == stretches, "neighbours that are not alone share a commit"


async def test_a_command_that_is_alone_and_has_no_caller_any_more_is_left_out(open_server: OpenServer, run: TrainRun) -> None:
    server, seen = open_server(), list[dict[int, str]]()
    gone = asyncio.ensure_future(server.make_alone(see(1, into=seen), run))
    gone.cancel()
    assert await server.make(see(1, into=seen), run) == "done"
    assert len(seen) == 1


# -- bookings of required seats


async def test_the_bookings_of_required_seats_are_loaded_from_the_archive(open_server: OpenServer, run: TrainRun) -> None:
    await book(open_server(), "ann", "ben", "cem", "dan")
    await archived(open_server(), run)
    server, seen = open_server(), list[dict[int, str]]()
    assert await server.make_alone(see(2, 3, 9, into=seen), run, ("A", 2), ("A", 3), ("A", 9)) == "done"
    assert seen == [{2: "Ben", 3: "Cem"}]
    await server.make_alone(see(1, 2, 3, 4, into=seen), run)
    assert seen[1] == {}, "a command without required seats finds none of them in memory"


async def test_bookings_that_are_not_archived_are_seen_as_they_are_in_memory(open_server: OpenServer, run: TrainRun) -> None:
    server, seen = open_server(), list[dict[int, str]]()
    (ann,) = await book(server, "ann")
    await archived(server, run)
    await server.send(of_run(run, asks_for_another_seat(ann, number=5)))  # the archived copy still has seat 1
    await server.make_alone(see(1, 5, into=seen), run, ("A", 1), ("A", 5))
    assert seen == [{5: "Ann"}]


async def test_cancelled_bookings_are_not_loaded(open_server: OpenServer, run: TrainRun) -> None:
    server, seen = open_server(), list[dict[int, str]]()
    (ann,) = await book(server, "ann")
    await server.send(of_run(run, asks_to_cancel(ann)))
    await archived(server, run)
    there = open_server()

    def count(run: TrainRun, now: datetime) -> None:
        seen.append({len(run.bookings): "bookings"})

    await there.make_alone(count, run, ("A", 1))
    assert seen == [{0: "bookings"}]


async def test_after_a_lost_swap_the_bookings_are_loaded_again(open_server: OpenServer, run: TrainRun) -> None:
    here, there, seen = open_server(), open_server(), list[dict[int, str]]()
    bookings = await book(there, "ann", "ben")
    await archived(there, run)
    await here.make_alone(see(into=[]), run)  # so that this server has the run in memory, in an older version soon
    await there.send(of_run(run, asks_for_another_seat(bookings[0], number=7)))
    await there.send(of_run(run, asks_to_cancel(bookings[1])))
    await book(there, "cem")
    await here.make_alone(see(1, 2, 3, 7, into=seen), run, ("A", 1), ("A", 2), ("A", 3), ("A", 7))
    assert seen[-1] == {7: "Ann", 3: "Cem"}
    stored = await here.store.runs.get(run.run_id)
    assert [bool(sold) for sold in stored.sections[0].sold_legs[:7]] == [False, False, True, False, False, False, True]


async def test_a_command_that_requires_other_seats_after_a_lost_swap_gets_their_bookings(
    open_server: OpenServer, run: TrainRun
) -> None:
    here, there, seen = open_server(), open_server(), list[dict[int, str]]()
    await book(there, "ann", "ben")
    await archived(there, run)
    await here.make_alone(see(into=[]), run)  # so that this server has the run in memory
    await there.make(see(into=[]), run)

    def one_by_revision(run: TrainRun) -> list[tuple[str, int]]:
        return [("A", run.layout.revision)]

    await here.send(AloneCommand(Caller(), see(1, 2, into=seen), one_by_revision, run.run_id))
    assert seen == [{1: "Ann"}, {1: "Ann", 2: "Ben"}]


async def test_a_booking_that_is_archived_in_a_newer_version_leads_to_catching_up_before_it_is_decided(
    open_server: OpenServer, run: TrainRun
) -> None:
    here, there, seen = open_server(), open_server(), list[dict[int, str]]()
    bookings = await book(there, "ann", "ben")
    await archived(there, run)
    await here.make_alone(see(into=[]), run)
    await there.send(of_run(run, asks_for_another_seat(bookings[0], number=7)))
    await archived(there, run)
    await here.make_alone(see(1, 2, 7, into=seen), run, ("A", 1), ("A", 2), ("A", 7))
    assert seen == [{2: "Ben", 7: "Ann"}], "it is decided once, on the newest version"


async def test_bookings_archived_between_a_lost_swap_and_the_next_decision_are_seen_once_and_right(
    open_server: OpenServer, run: TrainRun
) -> None:
    here, there, seen = open_server(), open_server(), list[dict[int, str]]()
    await book(there, "ann", "ben", "cem", "dan")
    await here.make_alone(see(into=[]), run)
    for _ in range(5):
        names = [f"p{number}" for number in range(2)]
        moved = await book(there, *names)
        alone = asyncio.ensure_future(here.make_alone(see(*range(1, 10), into=seen), run, *(("A", n) for n in range(1, 10))))
        for booking in moved:
            await there.send(of_run(run, asks_to_cancel(booking)))
            await archived(there, run)
        await alone
    stored = await here.store.runs.get(run.run_id)
    await here.make_alone(see(*range(1, 10), into=seen), run, *(("A", number) for number in range(1, 10)))
    assert sorted(seen[-1]) == [number for number in range(1, 10) if stored.sections[0].sold_legs[number - 1]]
    assert sorted(seen[-1].values()) == ["Ann", "Ben", "Cem", "Dan"]


async def test_a_booking_of_a_required_seat_that_cannot_be_read_refuses_the_command(
    database: Database, open_server: OpenServer, run: TrainRun
) -> None:
    (ann, _) = await book(open_server(), "ann", "ben")
    await archived(open_server(), run)
    await database["bookings"].update_one({"_id": ann.reference}, {"$set": {"charged_minor": "much"}})
    server, seen = open_server(), list[dict[int, str]]()
    with pytest.raises(Refusal) as raised:
        await server.make_alone(see(1, into=seen), run, ("A", 1))
    assert raised.value.reason is Reason.RECORD_UNREADABLE
    assert await server.make_alone(see(2, into=seen), run, ("A", 2)) == "done"
    assert seen == [{2: "Ben"}]


async def test_more_bookings_than_a_change_may_look_at_are_refused(
    open_server: OpenServer, run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book(open_server(), "ann", "ben", "cem")
    await archived(open_server(), run)
    monkeypatch.setattr("app.domain.limits.BOOKINGS_ON_SEATS_MAX", 2)
    server, seen = open_server(), list[dict[int, str]]()
    with pytest.raises(Refusal) as raised:
        await server.make_alone(see(1, into=seen), run, ("A", 1), ("A", 2), ("A", 3))
    assert (raised.value.reason, seen) == (Reason.DISPLACED_TOO_MANY, [])
    assert await server.make_alone(see(1, 2, into=seen), run, ("A", 1), ("A", 2)) == "done"
    assert seen == [{1: "Ann", 2: "Ben"}]


# -- bookings that are required by reference


def live_references(run: TrainRun) -> list[str]:
    return sorted(set(run.passenger_index.references.values()))


def see_all(run: TrainRun, seen: list[dict[int, str]]) -> AloneCommand:
    """Note who has which seat, of all live bookings of the run."""
    return AloneCommand(Caller(), see(*range(1, 10), into=seen), lambda run: (), run.run_id, live_references)


async def test_the_bookings_with_required_references_are_loaded_from_the_archive(
    open_server: OpenServer, run: TrainRun
) -> None:
    await book(open_server(), "ann", "ben")
    await archived(open_server(), run)
    server, seen = open_server(), list[dict[int, str]]()
    await book(server, "cem")  # which this server still has in memory
    await server.send(see_all(run, seen))
    assert seen == [{1: "Ann", 2: "Ben", 3: "Cem"}]


async def test_after_a_lost_swap_other_bookings_are_required_and_loaded(open_server: OpenServer, run: TrainRun) -> None:
    here, there, seen = open_server(), open_server(), list[dict[int, str]]()
    ann, ben = await book(there, "ann", "ben")
    await archived(there, run)
    await here.send(see_all(run, []))  # so that this server has the run in memory, in an older version soon
    await there.send(of_run(run, asks_for_another_seat(ann, number=7)))
    await there.send(of_run(run, asks_to_cancel(ben)))
    await book(there, "cem")
    await archived(there, run)
    await here.send(see_all(run, seen))
    assert seen[-1] == {7: "Ann", 3: "Cem"}


async def test_a_required_booking_that_cannot_be_read_refuses_the_command(
    database: Database, open_server: OpenServer, run: TrainRun
) -> None:
    ann, _ = await book(open_server(), "ann", "ben")
    await archived(open_server(), run)
    await database["bookings"].update_one({"_id": ann.reference}, {"$set": {"charged_minor": "much"}})
    with pytest.raises(Refusal) as raised:
        await open_server().send(see_all(run, []))
    assert raised.value.reason is Reason.RECORD_UNREADABLE
