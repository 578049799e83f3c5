"""Memory of a server under refused requests: it is released at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psutil
import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2
from tests.support.clients import refusal
from tests.support.long_mode import full
from tests.support.server_processes import ServerProcess, server_process
from tests.support.world import a_train

CALLS = full(1_000, short=400)
AT_ONCE = 10
# What the largest requests may take: those that are under way at a time, and what the allocators keep of it.
GROWTH_BYTES_MAX = 20_000_000
CREATE = "/seatline.v1.BookingService/CreateBooking"
TRAIN = "/seatline.v1.TrainService/CreateTrain"
BOOKING = booking_pb2.CreateBookingRequest


def _resident_bytes(server: ServerProcess) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def _filled(message: Any, repeated: str, bytes_max: int) -> bytes:
    """Return the message with as many empty elements as fit into that many bytes."""
    one = type(message)()
    getattr(one, repeated).add()
    count = (bytes_max - message.ByteSize()) // one.ByteSize()
    return bytes(message.SerializeToString() + one.SerializeToString() * count)


CALLER = (("x-seatline-user", "desk@example.com"), ("x-seatline-roles", "operator"))
KINDS = {
    "many passengers, and no caller": (CREATE, _filled(BOOKING(), "passengers", 64_000), (), "INVALID_FIELD"),
    "many passengers": (CREATE, _filled(BOOKING(request_id="r"), "passengers", 64_000), CALLER, "INVALID_FIELD"),
    "an unknown field, and no caller": (CREATE, b"\xfa\x7f\xff\xf0\x03" + bytes(63_615), (), "CREDENTIALS_MISSING"),
    "long names": (
        CREATE,
        BOOKING(request_id="r", passengers=[passenger_pb2.Passenger(first_name="x" * 64_000)]).SerializeToString(),
        CALLER,
        "INVALID_FIELD",
    ),
    "many stops": (
        TRAIN,
        train_pb2.CreateTrainRequest(
            train=train_pb2.Train.FromString(_filled(a_train(), "stops", 62_000)), request_id="r"
        ).SerializeToString(),
        CALLER,
        "INVALID_FIELD",
    ),
    "no message": (CREATE, b"\xff" * 64_000, CALLER, "MESSAGE_MALFORMED"),
    "more than a message may have": (CREATE, b"\0" * 200_000, (), ""),
}


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, mongod: EmbeddedMongod) -> AsyncIterator[ServerProcess]:
    """A server process, in which the garbage collector runs rarely."""
    settings = {"SEATLINE_MONGODB_URI": mongod.uri, "SEATLINE_MONGODB_DATABASE": f"test_{uuid.uuid4().hex[:16]}"}
    async with server_process(tmp_path_factory.mktemp("memory") / "server", **settings) as running:
        yield running


@pytest.mark.timeout(full(600, short=120))
@pytest.mark.parametrize("kind", KINDS)
async def test_refused_requests_leave_the_server_as_large_as_it_was(server: ServerProcess, kind: str) -> None:
    method, data, caller, reason = KINDS[kind]
    async with grpc.aio.insecure_channel(server.target) as channel:
        call: Any = channel.unary_unary(method)

        async def send(count: int) -> None:
            for _ in range(count):
                refused = await refusal(call(data, metadata=caller, timeout=60))
                assert refused.reason == reason, refused

        await send(AT_ONCE)
        before = _resident_bytes(server)
        await asyncio.gather(*(send(CALLS // AT_ONCE) for _ in range(AT_ONCE)))
        grown = _resident_bytes(server) - before
    assert grown < GROWTH_BYTES_MAX, f"{CALLS} calls took {grown / 1e6:.0f} MB"
