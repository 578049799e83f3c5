"""A worker is killed between a request to the payment provider and recording it: each booking is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.e2e.ledgers import read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import ApiClient, Run, booking_request, people
from tests.support.replica_set import SECONDS_MAX, MongoDatabase, ReplicaSet, database_of, hanging, replica_set
from tests.support.server_processes import a_run, server_process, worker_process
from tests.support.world import eventually

TRAVELLERS = 6


async def _booked(channel: grpc.aio.Channel, run: Run) -> list[booking_pb2.Booking]:
    """Make bookings; half of them have a payment before the worker sees them."""
    tokens = ["", "tok_visa"] * (TRAVELLERS // 2)
    requests = zip(people("p", TRAVELLERS), tokens, strict=True)
    return await asyncio.gather(
        *(ApiClient(channel, name).send(booking_request(run, name, payment_token=token)) for name, token in requests)
    )


@asynccontextmanager
async def _payments_cannot_be_written(members: ReplicaSet) -> AsyncIterator[None]:
    async with hanging(members.members[0], "seatline.payments", "insert", "update"):
        yield


def _given_back(database: MongoDatabase) -> int:
    return sum(len(entry["refunds"]) for entry in read_books(database).ledger.values())


async def test_each_payment_of_a_killed_worker_is_captured_and_refunded_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        database = stack.enter_context(database_of(members))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        server = await stack.enter_async_context(server_process(tmp_path / "server", **settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        run = await a_run(channel, "A9")
        booked = await _booked(channel, run)

        async def all_is_taken() -> bool:
            return [entry["state"] for entry in read_books(database).ledger.values()] == ["CAPTURED"] * TRAVELLERS

        async def all_is_given_back() -> bool:
            return _given_back(database) == TRAVELLERS

        async with _payments_cannot_be_written(members), worker_process(tmp_path / "first", **settings) as first:
            await eventually(all_is_taken, SECONDS_MAX)
            first.kill()
            assert [payment for payment in read_books(database).payments.values() if payment["state"] == "CAPTURED"] == []

        async with worker_process(tmp_path / "second", **settings) as second:
            await settled(members)
            assert len(read_books(database).ledger) == TRAVELLERS
            async with _payments_cannot_be_written(members):
                await asyncio.gather(*(ApiClient(channel, booking.user.email).cancel(booking.reference) for booking in booked))
                await eventually(all_is_given_back, SECONDS_MAX)
                second.kill()
                assert [payment["refunds"] for payment in read_books(database).payments.values()] == [[]] * TRAVELLERS

        async with worker_process(tmp_path / "third", **settings):
            await settled(members)
            assert _given_back(database) == TRAVELLERS
