"""What do the fast paths gain over their plain versions?

Belongs here: splicing BSON, splicing protobuf messages, and closing the listening socket before a stop, each by turns with the
plain version that stands next to it. Does not belong here: the service as a whole (`run.py`).

    python -m tests.bench.fast_paths

The docstring of each fast path names the figures measured here, the reason for keeping it.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import grpc
from bson import encode

from app.domain.booking import Booking
from app.pb.seatline.v1 import train_run_pb2, train_run_pb2_grpc
from app.process import server as server_module
from app.process.bootstrap import start_server
from app.rpc.bookings.answers import plain_beginning, spliced_beginning
from app.store.booking_documents import booking_document_without_journey, journey_document
from app.store.packing import BsonPacker, Packer, PlainPacker
from tests.support.builders import FARE_MINOR, a_run, book
from tests.support.own_mongod import start_mongod
from tests.support.world import settings_for

ROUNDS = 7
BOOKINGS = 256  # the largest batch
STOPS = 5
CALLERS = 64
CONNECTION_SECONDS = 1.0
CALLING_SECONDS = 0.5  # the callers are busy when the stop begins


def microseconds(work: Callable[[], object], times: int) -> float:
    """Return how long `work`, which handles `times` bookings, takes for each."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e6 / times


def compare(name: str, plain: Callable[[], object], fast: Callable[[], object], times: int) -> None:
    """Measure both by turns, and print the medians."""
    plain_times, fast_times = [], []
    for _ in range(ROUNDS):
        plain_times.append(microseconds(plain, times))
        fast_times.append(microseconds(fast, times))
    before, after = statistics.median(plain_times), statistics.median(fast_times)
    print(f"{name}: {before:.1f} us plain, {after:.1f} us fast, {before / after:.2f} times as fast")  # noqa: T201


def encode_commit(packer: Packer, bookings: list[Booking]) -> None:
    """Encode the bookings as a commit and the archive do: joined with their journey once, and encoded in two statements."""
    part = packer.part(journey_document(bookings[0].journey))
    documents = [packer.join(booking_document_without_journey(booking), part) for booking in bookings]
    encode({"$set": {f"recent.{number}": document for number, document in enumerate(documents)}})
    encode({"documents": documents})


def measure_splicing() -> None:
    """Measure BSON and protobuf splicing for one batch."""
    run = a_run(f"A{BOOKINGS}")
    bookings = [book(run, f"p{number}@example.com") for number in range(BOOKINGS)]
    compare(
        "BSON, a booking",
        lambda: encode_commit(PlainPacker(), bookings),
        lambda: encode_commit(BsonPacker(), bookings),
        BOOKINGS,
    )
    compare(
        "protobuf, a booking",
        lambda: [plain_beginning(booking, FARE_MINOR, FARE_MINOR) for booking in bookings],
        lambda: [spliced_beginning(booking, FARE_MINOR, FARE_MINOR) for booking in bookings],
        BOOKINGS,
    )


async def failed_calls(uri: str) -> tuple[int, int]:
    """Stop one of two servers under load; return how many calls failed, and how many there were."""
    settings = settings_for(uri, connection_seconds_max=CONNECTION_SECONDS)
    going, staying = await start_server(settings), await start_server(settings)
    target = f"ipv4:127.0.0.1:{going.port},127.0.0.1:{staying.port}"
    failed, calls, stopped = 0, 0, asyncio.Event()

    async def call_again_and_again(runs: Any) -> None:
        nonlocal failed, calls
        while not stopped.is_set():
            calls += 1
            try:
                await runs.ListTrainRuns(train_run_pb2.ListTrainRunsRequest(page_size=1))
            except grpc.aio.AioRpcError:
                failed += 1

    options = [("grpc.lb_policy_name", "round_robin"), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub: Any = train_run_pb2_grpc.RunServiceStub(channel)  # the generated stubs are typed for synchronous channels
        callers = [asyncio.create_task(call_again_and_again(stub)) for _ in range(CALLERS)]
        await asyncio.sleep(CALLING_SECONDS)
        await going.stop()
        stopped.set()
        await asyncio.gather(*callers)
    await staying.stop()
    return failed, calls


async def measure_stops() -> None:
    """Count the calls that fail while a server stops, with and without closing its listening socket first."""
    with tempfile.TemporaryDirectory() as home:
        mongod = await asyncio.to_thread(start_mongod, Path(home))
        try:
            for name, is_plain in (("plain", True), ("fast", False)):
                with mock.patch.object(server_module, "stop_accepting") if is_plain else nullcontext():
                    counts = [await failed_calls(mongod.uri) for _ in range(STOPS)]
                shown = ", ".join(f"{failed} of {calls}" for failed, calls in counts)
                print(f"stop of a server, {name}: failed calls: {shown}")  # noqa: T201
        finally:
            await asyncio.to_thread(mongod.stop)


if __name__ == "__main__":
    measure_splicing()
    asyncio.run(measure_stops())
