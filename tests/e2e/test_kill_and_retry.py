"""`kill -9` under load: no acknowledged booking is lost, and none is doubled by clients that retry."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from pymongo import MongoClient

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ApiClient, Run, booking_request, seats_of
from tests.support.own_mongod import start_mongod
from tests.support.server_processes import ServerProcess, a_run, server_process

BOOKINGS, CALLERS, KILLED_AFTER = 300, 40, 100


class Load:
    """Callers who each send the next unsent request, and remember what was acknowledged."""

    def __init__(self, requests: list[booking_pb2.CreateBookingRequest]) -> None:
        self.requests = requests
        self.acknowledged: dict[str, booking_pb2.Booking] = {}
        self.enough = asyncio.Event()

    async def send_until_it_breaks(self, target: str) -> None:
        queue = iter(self.requests)
        async with grpc.aio.insecure_channel(target) as channel:
            await asyncio.gather(*(self._caller(channel, queue) for _ in range(CALLERS)))

    async def _caller(self, channel: grpc.aio.Channel, queue: Iterator[booking_pb2.CreateBookingRequest]) -> None:
        for request in queue:  # all callers share one iterator
            try:
                booking = await ApiClient(channel, request.request_id).send(request)
            except grpc.aio.AioRpcError:
                return
            self.acknowledged[request.request_id] = booking
            if len(self.acknowledged) >= KILLED_AFTER:
                self.enough.set()


async def _killed_in_the_middle(server: ServerProcess, load: Load) -> None:
    sending = asyncio.create_task(load.send_until_it_breaks(server.target))
    await load.enough.wait()
    server.kill()
    await sending


async def _everything_again(target: str, load: Load) -> dict[str, booking_pb2.Booking]:
    async with grpc.aio.insecure_channel(target) as channel:
        answers = await asyncio.gather(*(ApiClient(channel, request.request_id).send(request) for request in load.requests))
    return {request.request_id: answer for request, answer in zip(load.requests, answers, strict=True)}


def _kept_bookings(data_dir: Path, run: Run) -> list[dict[str, Any]]:
    """Return every booking in the database once, whether it is archived or not."""
    mongod = start_mongod(data_dir)
    try:
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            database = client["seatline"]
            kept = {booking["_id"]: booking for booking in database["bookings"].find()}
            document = database["train_runs"].find_one({"_id": f"{run.train_id}:{run.travel_date}"})
            assert document is not None
            kept.update({booking["_id"]: booking for booking in document["recent"]})
            return list(kept.values())
    finally:
        mongod.stop()


async def test_kill_9_under_load_loses_no_acknowledged_booking_and_doubles_none(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with server_process(data_dir) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            run = await a_run(channel, "A200 B200")
        names = [f"p{number}" for number in range(BOOKINGS)]
        load = Load([booking_request(run, name, request_id=name) for name in names])
        await _killed_in_the_middle(server, load)
    assert KILLED_AFTER <= len(load.acknowledged) < BOOKINGS, "it was killed in the middle"
    async with server_process(data_dir) as server:
        print(f"restart to ready: {server.ready_seconds:.2f} s")  # noqa: T201 - shown with -s
        answers = await _everything_again(server.target, load)
        for name, acknowledged in load.acknowledged.items():
            assert answers[name] == acknowledged
    kept = _kept_bookings(data_dir, run)
    seats: Counter[str] = Counter()
    for booking in kept:
        (passenger,) = booking["passengers"]
        seats[f"{passenger['section']}-{passenger['number']}"] += 1
    assert sorted(booking["request_id"] for booking in kept) == sorted(names)
    assert len(seats) == BOOKINGS
    assert set(seats) == {seats_of(answer)[0] for answer in answers.values()}
