"""Running servers for tests, with trains, runs and callers.

Belongs here: servers, trains, runs and waiting for a condition. Does not belong here: API clients (`clients.py`).

A layout is a word for each coach, its section and its number of seats: "A4 A4 B2" has coaches 1 and 2 in section A, 3 in B.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.type import money_pb2

from app.config import Settings
from app.pb.seatline.v1 import train_pb2
from app.process.bootstrap import start_server
from app.process.server import Server
from app.store.driver import Client, Database
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, ApiClient, Run
from tests.support.event_batches import events_of_batches

WAIT_SECONDS_MAX = 30.0  # on a busy machine; the condition usually holds at once
POLL_SECONDS = 0.02


def on_day(days: int) -> str:
    """Return the date that many days from today."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


FIRST_DAY = 30
TRAVEL_DATE, NEXT_DATE, THIRD_DATE = (on_day(FIRST_DAY + later) for later in range(3))


def usd(units: int, cents: int = 0) -> money_pb2.Money:
    """Return an amount in US dollars."""
    return money_pb2.Money(currency_code="USD", units=units, nanos=cents * 10**7)


def london_to_paris() -> list[train_pb2.TrainStop]:
    """Return the stops London, Ashford, Lille, Paris: three legs across a border."""
    britain, france = "Europe/London", "Europe/Paris"
    return [
        train_pb2.TrainStop(name=LONDON, code="STP", time_zone=britain, depart_time="10:24"),
        train_pb2.TrainStop(name=ASHFORD, code="AFK", time_zone=britain, arrive_time="10:55", depart_time="10:58"),
        train_pb2.TrainStop(name=LILLE, code="LIL", time_zone=france, arrive_time="12:48", depart_time="12:52"),
        train_pb2.TrainStop(name=PARIS, code="PNO", time_zone=france, arrive_time="13:56"),
    ]


def a_train(
    layout: str = "A4 B4",
    *,
    train_id: str = "es9014",
    empty_sections: Sequence[str] = (),
    stops: Sequence[train_pb2.TrainStop] = (),
    fares: dict[str, money_pb2.Money] | None = None,
    **terms: Any,
) -> train_pb2.Train:
    """Build a train with default sales terms. A seat costs USD 20.00 unless `fares` says otherwise."""
    coaches = [
        train_pb2.Coach(name=str(number), section=word[0], seat_count=int(word[1:]))
        for number, word in enumerate(layout.split(), 1)
    ]
    sections = [*dict.fromkeys(coach.section for coach in coaches), *empty_sections]
    return train_pb2.Train(
        train_id=train_id,
        number="ES 9014",
        stops=stops or london_to_paris(),
        sections=[train_pb2.Section(name=name, fare=(fares or {}).get(name, usd(20))) for name in sections],
        coaches=coaches,
        **terms,
    )


class Clock:
    """The clock of servers that are started from now on: `ahead` of the real time."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        moment = datetime.now(UTC) + self.ahead
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class World:
    """A running server, and a channel to it. `desk` is the API client of an operator."""

    def __init__(self, server: Server, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.channel = channel
        self.desk = ApiClient(channel, "desk", roles="operator")

    @property
    def database(self) -> Database:
        return self.server.database

    def api_client(self, name: str = "", roles: str = "") -> ApiClient:
        """Return an API client for a caller; without a name, it sends no identity."""
        return ApiClient(self.channel, name, roles)

    async def run(self, layout: str = "A4 B4", *, date: str = TRAVEL_DATE, **train: Any) -> Run:
        """Create a train and schedule one run of it."""
        (run,) = await self.runs(layout, date, **train)
        return run

    async def runs(self, layout: str, *dates: str, **train: Any) -> list[Run]:
        """Create a train and schedule runs of it on several dates."""
        made = await self.desk.create_train(a_train(layout, **train))
        for date in dates:
            await self.desk.schedule(made.train_id, date)
        return [Run(train_id=made.train_id, travel_date=date) for date in dates]

    async def wait_until_archived(self) -> None:
        """Return once all committed bookings and events are archived."""
        await self.server.bus.wait_idle()

    async def events(self, run: Run) -> list[dict[str, Any]]:
        """Return the archived events of a run, in order."""
        found = self.database["events"].find({"run_id": f"{run.train_id}:{run.travel_date}"}).sort("version", 1)
        return events_of_batches(await found.to_list(10_000))

    async def run_document(self, run: Run) -> dict[str, Any]:
        """Return the stored document of a run."""
        found = await self.database["train_runs"].find_one({"_id": f"{run.train_id}:{run.travel_date}"})
        assert found is not None
        return found


def settings_for(uri: str = "", database: str = "", **chosen: Any) -> Settings:
    """Return settings for a server on a free loopback port, with a new database unless one is named.

    The server waits for no client to leave: tests stop servers that still have open channels.
    """
    chosen = {"listen": "127.0.0.1:0", "drain_seconds": 2.0, "connection_seconds_max": 0.0, **chosen}
    return Settings(mongodb_uri=uri, mongodb_database=database or f"test_{uuid.uuid4().hex[:16]}", **chosen)


@asynccontextmanager
async def running_server(settings: Settings, client: Client | None = None) -> AsyncIterator[World]:
    """Run a server with these settings until the block ends. Its documents stay in the database."""
    server = await start_server(settings, client)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield World(server, channel)
    finally:
        await server.stop()


async def eventually(holds: Callable[[], Awaitable[bool]], seconds_max: float = WAIT_SECONDS_MAX) -> None:
    """Return once the condition holds. Fail if it does not in time."""
    deadline = time.monotonic() + seconds_max
    while not await holds():
        assert time.monotonic() < deadline, f"did not come true within {seconds_max:g} s"
        await asyncio.sleep(POLL_SECONDS)


async def outcomes(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    """Make calls at once. Return their answers, or the errors of those that were refused."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, grpc.aio.AioRpcError):
            raise outcome
    return list(found)


async def let_waitlist_close(clock: Clock, world: World, run: Run) -> None:
    """Set the clock to a second after the run's waitlist closed."""
    closes = (await world.api_client().run_of(run)).waitlist_close_time.ToDatetime(UTC)
    clock.ahead = closes - datetime.now(UTC) + timedelta(seconds=1)
