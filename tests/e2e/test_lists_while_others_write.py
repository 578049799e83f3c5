"""Lists read while others book, rename, change seats and cancel through two servers, and while bookings are archived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from app.store.driver import Database, connect
from app.usecases.verification.report import Report
from tests.e2e.histories import wrong
from tests.e2e.listed_agents import LAYOUT, ListedCrowd, Servers, read_receipts, read_section
from tests.support.clients import Run
from tests.support.long_mode import full
from tests.support.own_mongod import start_mongod
from tests.support.server_processes import server_process, some_runs
from tests.support.verified_worlds import verify

RECEIPT_ANSWERS = full(20_000, short=300)
SECTION_ANSWERS = full(10_000, short=150)
PEOPLE = full(1_000, short=40)
WRITERS = 4
SECONDS_MAX = full(3_600, short=120)
# Unfinished work younger than this is no finding: far longer than the worker takes.
PATIENCE_SECONDS = 120.0

pytestmark = pytest.mark.timeout(SECONDS_MAX)


@dataclass(frozen=True)
class Service:
    """Two servers on one database, one of them with a worker, and runs that they sell."""

    servers: Servers
    runs: list[Run]
    database: Database


@pytest_asyncio.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    home: Path = tmp_path_factory.mktemp("lists")
    mongod = await asyncio.to_thread(start_mongod, home / "mongod")
    settings = {"SEATLINE_MONGODB_URI": mongod.uri, "SEATLINE_MONGODB_DATABASE": "lists", "SEATLINE_TRUST_CALLER_METADATA": "1"}
    client = connect(mongod.uri, operation_seconds_max=10, selection_seconds_max=10, connections_max=4)
    async with AsyncExitStack() as stack:
        stack.callback(mongod.stop)
        stack.callback(client.close)
        channels = []
        for name, options in (("first", ["--with-worker"]), ("second", [])):
            server = await stack.enter_async_context(server_process(home / name, *options, **settings))
            channels.append(await stack.enter_async_context(grpc.aio.insecure_channel(server.target)))
        runs = await some_runs(channels[0], LAYOUT, 3 + WRITERS)
        yield Service(Servers(channels), runs, client["lists"])


async def test_each_page_of_receipts_has_every_booking_once_in_one_state(service: Service) -> None:
    crowd = ListedCrowd(service.servers, "agent", [service.runs[:3]] * WRITERS, RECEIPT_ANSWERS)
    await crowd.read_while_writing(read_receipts)
    assert wrong(crowd.answers) == []


async def test_each_page_of_a_section_has_every_passenger_once(service: Service) -> None:
    crowd = ListedCrowd(service.servers, "alone", [[run] for run in service.runs[3:]], SECTION_ANSWERS)
    await crowd.read_while_writing(read_section)
    assert wrong(crowd.answers) == []


async def test_a_new_booking_is_listed_at_either_server(service: Service) -> None:
    run = service.runs[0]

    async def book_and_list(name: str) -> None:
        booking = await service.servers.api_client(name).book(run)
        for _ in range(4):
            assert await service.servers.api_client(name).receipts() == [booking.reference]
            assert (await service.servers.api_client(name).booking(booking.reference)) is not None
        await service.servers.api_client(name).cancel(booking.reference)

    for start in range(0, PEOPLE, 20):
        await asyncio.gather(*(book_and_list(f"once{number}") for number in range(start, start + 20)))


async def test_verify_finds_nothing_wrong_while_others_write(service: Service) -> None:
    crowd = ListedCrowd(service.servers, "verified", [service.runs[:3]] * WRITERS, full(2_000, short=100))
    writing = asyncio.create_task(crowd.read_while_writing(read_receipts))
    reports: list[Report] = []
    while not writing.done() or not reports:
        reports.append(await verify(service.database, tolerance_seconds=PATIENCE_SECONDS))
    await writing
    assert [report.findings for report in reports] == [[]] * len(reports)
