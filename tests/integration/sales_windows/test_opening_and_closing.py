"""Buyers at the moment at which sales open and close, at servers whose hosts' clocks differ: nobody before, nobody after."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import pytest_asyncio

from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.terms import SalesTerms
from app.embedded.mongod import EmbeddedMongod
from app.ports.clock import Clock
from app.process.clock import utc_now
from tests.support.builders import a_run
from tests.support.clients import ApiClient, Run, decoded
from tests.support.server_clocks import set_host_clock
from tests.support.world import World, running_server, settings_for

CLOCKS_AHEAD = [timedelta(seconds=-90), timedelta(0), timedelta(seconds=90)]  # of the hosts of the servers
BUYERS = 4  # at each server, one call after the other
BEFORE, ON_SALE, AFTER = timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=1)
# By which a server may misjudge the clock of the primary on a busy host, and the primary's whole millisecond.
ERROR_MAX = timedelta(milliseconds=25)


@dataclass(frozen=True)
class Attempt:
    """A call of a buyer: when it was sent and answered, and how: "SOLD" or the reason of the refusal."""

    server: int
    sent: datetime
    answered: datetime
    outcome: str


def a_clock(ahead: timedelta) -> Clock:
    return lambda: utc_now() + ahead


@pytest_asyncio.fixture
async def servers(mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[World]]:
    """Three servers of one database. The clocks of the second and the primary are alike; the others are far off."""
    database = settings_for().mongodb_database
    async with AsyncExitStack() as running:
        worlds = []
        for ahead in CLOCKS_AHEAD:
            set_host_clock(monkeypatch, a_clock(ahead))
            worlds.append(await running.enter_async_context(running_server(settings_for(mongod.uri, database))))
        yield worlds


def a_run_on_sale(opening: datetime, closing: datetime) -> TrainRun:
    """A run that is on sale between these instants, and leaves a minute after the second one."""
    terms = SalesTerms(sales_window=SalesWindow(open_time=opening, closes_minutes_before=1), passengers_per_booker_max=5_000)
    run = a_run("A400 A400 A400 A400 A400", travel_date=closing.date(), terms=terms)
    hours = [timedelta(minutes=1) + timedelta(hours=number) for number in range(len(run.stops))]
    return replace(
        run,
        stops=tuple(
            replace(stop, arrive=stop.arrive and closing + hour, depart=stop.depart and closing + hour)
            for stop, hour in zip(run.stops, hours, strict=True)
        ),
    )


def names(server: int, buyer: int) -> Iterator[str]:
    return (f"s{server}b{buyer}n{number}" for number in range(10_000))


async def buy(world: World, server: int, buyer: int, run: Run, until: datetime) -> list[Attempt]:
    """Ask for one seat after the other."""
    attempts: list[Attempt] = []
    for name in names(server, buyer):
        sent = datetime.now(UTC)
        if sent > until:
            break
        try:
            await ApiClient(world.channel, name).book(run)
            outcome = "SOLD"
        except grpc.aio.AioRpcError as error:
            outcome = decoded(error).reason
        attempts.append(Attempt(server, sent, datetime.now(UTC), outcome))
    return attempts


async def test_nobody_buys_before_the_opening_or_after_the_closing_at_servers_whose_clocks_differ(servers: list[World]) -> None:
    opening = utc_now() + BEFORE
    closing = opening + ON_SALE
    stored = a_run_on_sale(opening, closing)
    await servers[0].server.store.runs.insert_if_absent([stored], utc_now())
    run = Run(train_id=stored.train_id, travel_date=stored.travel_date)
    buyers = [(number, world, buyer) for number, world in enumerate(servers) for buyer in range(BUYERS)]
    attempts = [
        attempt
        for made in await asyncio.gather(*(buy(world, number, buyer, run, closing + AFTER) for number, world, buyer in buyers))
        for attempt in made
    ]
    # A server decides between the moments at which a call is sent and answered.
    for attempt in attempts:
        if attempt.outcome == "SALES_NOT_OPEN":
            assert attempt.sent < opening + ERROR_MAX
        elif attempt.outcome == "SALES_CLOSED":
            assert attempt.answered > closing - ERROR_MAX
        else:
            assert attempt.outcome == "SOLD"
            assert attempt.answered > opening - ERROR_MAX
            assert attempt.sent < closing + ERROR_MAX
    seen = Counter((attempt.server, attempt.outcome) for attempt in attempts)
    assert set(seen) == {(number, outcome) for number in range(3) for outcome in ("SALES_NOT_OPEN", "SOLD", "SALES_CLOSED")}
    await require_sold_in_the_window(servers, stored, opening, closing, sum(attempt.outcome == "SOLD" for attempt in attempts))


async def require_sold_in_the_window(
    servers: list[World], run: TrainRun, opening: datetime, closing: datetime, count: int
) -> None:
    """Every booking that is stored was made while the run was on sale, and was answered."""
    for world in servers:
        await world.wait_until_archived()
    stored = await servers[0].database["bookings"].find({"run_id": run.run_id}, {"create_time": 1}).to_list(10_000)
    assert len(stored) == count
    assert all(opening <= booking["create_time"] < closing for booking in stored)


async def test_a_server_tells_the_time_of_the_primary_whatever_its_host_says(servers: list[World]) -> None:
    assert all(abs(world.server.application.clock() - utc_now()) < ERROR_MAX for world in servers)
