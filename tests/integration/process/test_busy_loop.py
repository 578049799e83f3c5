"""The event loop: no request blocks it for long, and a blocked loop does not make the database count as away."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2, train_pb2, train_run_pb2
from tests.support.clients import Run, booking_request, people
from tests.support.health_checks import all_health
from tests.support.loop_turns import measured_turns
from tests.support.world import FIRST_DAY, World, on_day, running_server, settings_for

# The limit is 50 ms. The client of these tests runs on the same loop. A call that blocks it does so each time.
TURN_SECONDS_MAX, TRIES = 0.050, 3
SEATS, COACHES, STOPS = 5_000, 20, 60
DAYS = 366
PASSENGERS = 9
LARGE_LAYOUT = " ".join(["A250"] * COACHES)


def _stops() -> list[train_pb2.TrainStop]:
    """Return as many as a train may have, with the longest names."""

    def stop(number: int) -> train_pb2.TrainStop:
        hours, minutes = divmod(20 * number, 60)
        call: dict[str, Any] = {"time": f"{hours % 24:02}:{minutes:02}", "day_offset": hours // 24}
        arrive: dict[str, Any] = {f"arrive_{key}": value for key, value in call.items()} if number else {}
        depart: dict[str, Any] = {f"depart_{key}": value for key, value in call.items()} if number < STOPS - 1 else {}
        name = f"{number:03} ".ljust(100, "x")
        return train_pb2.TrainStop(name=name, code=f"S{number}", time_zone="Europe/Paris", **arrive, **depart)

    return [stop(number) for number in range(STOPS)]


@pytest_asyncio.fixture(scope="module")
async def large(mongod: EmbeddedMongod) -> AsyncIterator[tuple[World, Run]]:
    """A world with a train of 5,000 seats that runs for a year: the first run is sold to groups, and a caller has a booking on
    200 others.
    """
    async with running_server(settings_for(mongod.uri)) as world:
        first, *others = await world.runs(LARGE_LAYOUT, on_day(FIRST_DAY), stops=_stops())
        assert not others
        days = [(date.fromisoformat(first.travel_date) + timedelta(days=day)).isoformat() for day in range(DAYS)]
        await world.desk.schedule(first.train_id, days[0], days[-1])
        journey: dict[str, Any] = {"origin": "S0", "destination": f"S{STOPS - 1}"}
        for start in range(0, SEATS // PASSENGERS, 50):
            groups = [people(f"g{number}-", PASSENGERS) for number in range(start, min(start + 50, SEATS // PASSENGERS))]
            await asyncio.gather(*(world.api_client(group[0]).book(first, *group, **journey) for group in groups))
        for day in days[1:201]:
            run = Run(train_id=first.train_id, travel_date=day)
            await world.api_client("jane").book(run, *people("j", PASSENGERS - 1), "jane", **journey)
        await world.wait_until_archived()
        yield world, first
        await world.database.client.drop_database(world.database.name)


Call = Callable[[World, Run], Awaitable[Any]]
_unused_days = itertools.count(300)


def _operator(world: World) -> dict[str, Any]:
    return dict(world.desk._options)


CALLS: dict[str, Call] = {
    "a section of 5,000 seats": lambda world, run: world.desk.bookings.ListSectionBookings(
        booking_pb2.ListSectionBookingsRequest(
            train_id=run.train_id, travel_date=run.travel_date, section="A", page_size=1_000
        ),
        **_operator(world),
    ),
    "a map of 5,000 seats": lambda world, run: world.api_client().train_runs.GetSeatMap(
        train_run_pb2.GetSeatMapRequest(train_id=run.train_id, travel_date=run.travel_date), timeout=60
    ),
    "200 runs of 60 stops": lambda world, run: world.api_client().train_runs.ListTrainRuns(
        train_run_pb2.ListTrainRunsRequest(page_size=200), timeout=60
    ),
    "one run": lambda world, run: world.api_client().train_runs.GetTrainRun(
        train_run_pb2.GetTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date), timeout=60
    ),
    "200 receipts of 9 passengers": lambda world, run: world.api_client("jane").bookings.ListReceipts(
        booking_pb2.ListReceiptsRequest(email="jane@example.com", page_size=200),
        **_caller("jane"),
    ),
    "a year's runs again": lambda world, run: world.desk.schedule(
        run.train_id, on_day(FIRST_DAY), (date.fromisoformat(on_day(FIRST_DAY)) + timedelta(days=DAYS - 1)).isoformat()
    ),
    "a year's runs of another train": lambda world, run: _schedule_another(world),
    "the first booking of a run that nobody has used": lambda world, run: world.api_client("joe").send(
        booking_request(
            Run(
                train_id=run.train_id,
                travel_date=(date.fromisoformat(run.travel_date) + timedelta(days=next(_unused_days))).isoformat(),
            ),
            "joe",
            origin="S0",
            destination="S1",
        )
    ),
}


def _caller(name: str) -> dict[str, Any]:
    return {"metadata": (("x-seatline-user", f"{name}@example.com"),), "timeout": 60}


async def _schedule_another(world: World) -> Any:
    (run,) = await world.runs(LARGE_LAYOUT, on_day(FIRST_DAY), train_id=f"other{time.monotonic_ns()}", stops=_stops())
    last = date.fromisoformat(run.travel_date) + timedelta(days=DAYS - 1)
    return await world.desk.schedule(run.train_id, run.travel_date, last.isoformat())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_no_request_blocks_the_event_loop_for_50_milliseconds(
    large: tuple[World, Run], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, run = large
    longest: list[float] = []
    while len(longest) < TRIES and min(longest, default=TURN_SECONDS_MAX) >= TURN_SECONDS_MAX:
        with measured_turns(monkeypatch) as turns:
            await call(world, run)
        longest.append(turns.longest_seconds)
    assert min(longest) < TURN_SECONDS_MAX, (longest, turns.ran)


async def _is(world: World, statuses: set[str]) -> bool:
    return await all_health(world.channel) == statuses


async def test_a_blocked_event_loop_does_not_make_the_database_unavailable(mongod: EmbeddedMongod) -> None:
    settings = settings_for(mongod.uri, health_interval_seconds=0.1, mongodb_selection_seconds_max=0.3)
    async with running_server(settings) as world:
        run = await world.run("A9")
        waiting = [asyncio.ensure_future(world.api_client(name).book(run)) for name in people("p", 9)]
        for _ in range(20):
            await asyncio.sleep(0.02)
            time.sleep(0.5)  # noqa: ASYNC251 - blocks the loop for longer than a ping may take
        assert len({booking.reference for booking in await asyncio.gather(*waiting)}) == 9
        assert await all_health(world.channel) == {"SERVING"}
        await world.database.client.drop_database(world.database.name)
