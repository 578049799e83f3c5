"""Servers and workers are replaced one after the other under a load, as Kubernetes does it: nobody notices."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import pytest

from app.connections import connections_to
from app.pb.seatline.v1 import booking_pb2
from tests.e2e.ledgers import read_books
from tests.e2e.outages import SETTINGS, settled
from tests.e2e.process import ServerProcess, WorkerProcess, running, some_runs
from tests.e2e.replica_set import LOOPBACK, database_of, free_ports, replica_set
from tests.integration.clients import Phone, Run, booking_request, decoded, seats_of
from tests.integration.world import eventually

CALLERS, REPLICAS, RESTARTS = 64, 2, 3
LOOKS = 3  # at what is free, after each booking
PAUSE_SECONDS = 0.5  # between the calls of one caller: some hundred calls a second, and as many bookings as are soon paid
CALLS_BETWEEN = CALLERS
# Nothing in it tries again: a call that fails, fails.
BALANCED = [
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.enable_retries", 1),  # as it is by default: what no server has begun with is sent elsewhere
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Callers:
    """People who book and look, each one call after another, until they are told to leave. `failed` is what went wrong."""

    def __init__(self, channel: grpc.aio.Channel, runs: list[Run]) -> None:
        self.answered: dict[str, booking_pb2.Booking] = {}
        self.failed: list[str] = []
        self.calls = 0
        self._channel, self._runs = channel, runs
        self._leaving = asyncio.Event()
        self._tasks = [asyncio.create_task(self._calls(number)) for number in range(CALLERS)]

    async def have_called(self, count: int) -> None:
        """Returns once so many calls more have been answered."""
        enough = self.calls + count

        async def have() -> bool:
            return self.calls >= enough

        await eventually(have)

    async def leave(self) -> None:
        self._leaving.set()
        await asyncio.gather(*self._tasks)

    async def _calls(self, caller: int) -> None:
        number = 0
        while not self._leaving.is_set():
            number += 1
            try:
                await self._call(f"p{caller}n{number}", is_booking=number % (1 + LOOKS) == 1)
            except grpc.aio.AioRpcError as error:
                self.failed.append(str(decoded(error)))
            self.calls += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), PAUSE_SECONDS)

    async def _call(self, name: str, *, is_booking: bool) -> None:
        run = self._runs[hash(name) % len(self._runs)]
        if not is_booking:
            await Phone(self._channel, name).free(run)
            return
        request = booking_request(run, name, request_id=name, if_full=booking_pb2.IF_FULL_WAITLIST)
        self.answered[name] = await Phone(self._channel, name).send(request)


async def _uses(port: int) -> None:
    """Returns once somebody is connected to the port. Kubernetes gives new pods that time by `minReadySeconds`."""

    async def is_used() -> bool:
        return bool(connections_to(port))

    await eventually(is_used)


async def _replaced(stack: AsyncExitStack, old: ServerProcess, home: Path, **settings: str) -> ServerProcess:
    """Ends a server by SIGTERM and starts another at its address. Nothing tells clients of it but the servers themselves."""
    old.terminate()
    assert await old.ended() == 0
    assert " ERROR " not in old.log.read_text()
    new = await stack.enter_async_context(running(ServerProcess(home, **settings, SEATLINE_LISTEN=old.target)))
    await _uses(new.port)
    return new


@pytest.mark.timeout(300)  # nine processes are started one after the other, and a busy machine takes seconds for each
async def test_no_call_fails_and_no_booking_is_lost_or_doubled_while_servers_and_workers_are_replaced(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_CONNECTION_SECONDS_MAX": "1", "SEATLINE_MONGODB_URI": members.uri}
        servers = [
            await stack.enter_async_context(
                running(ServerProcess(tmp_path / f"server{port}", **settings, SEATLINE_LISTEN=f"{LOOPBACK}:{port}"))
            )
            for port in free_ports(REPLICAS)
        ]
        worker = await stack.enter_async_context(running(WorkerProcess(tmp_path / "worker", **settings)))
        target = "ipv4:" + ",".join(server.target for server in servers)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(target, options=BALANCED))
        callers = Callers(channel, await some_runs(channel, "A200 B200", 10))
        for restart in range(RESTARTS):
            for replica in range(REPLICAS):
                await callers.have_called(CALLS_BETWEEN)
                home = tmp_path / f"server{replica}-{restart}"
                servers[replica] = await _replaced(stack, servers[replica], home, **settings)
            worker.terminate()
            assert await worker.ended() == 0
            worker = await stack.enter_async_context(running(WorkerProcess(tmp_path / f"worker{restart}", **settings)))
        await callers.have_called(CALLS_BETWEEN)
        await callers.leave()

        assert callers.failed == []
        await settled(members)
        kept = read_books(database).bookings
        assert {one["request_id"]: one["_id"] for one in kept.values()} == {
            name: booking.reference for name, booking in callers.answered.items()
        }
        assert len(kept) == len(callers.answered)
        assert all(seats_of(booking) != [""] for booking in callers.answered.values())
        print(f"{callers.calls} calls, {len(kept)} bookings")  # noqa: T201 - figures for whoever asks for them with -s
