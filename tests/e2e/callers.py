"""Callers who book and look over several channels while something is done to the servers.

Belongs here: their calls and results. Not here: what is done to the servers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ApiClient, Run, booking_request, decoded
from tests.support.long_mode import full
from tests.support.world import eventually

CALLERS = full(32, short=16)
LOOKS = 3  # calls for free seats after each booking
PAUSE_SECONDS = 0.5  # between the calls of one caller: some dozens of calls a second, and bookings that are soon paid


class Callers:
    """Callers who make one call after another until `leave`. `failed` has the errors."""

    def __init__(self, channels: list[grpc.aio.Channel], runs: list[Run]) -> None:
        self.answered: dict[str, booking_pb2.Booking] = {}
        self.failed: list[str] = []
        self.calls = 0
        self._channels, self._runs = channels, runs
        self._leaving = asyncio.Event()
        self._tasks = [asyncio.create_task(self._calls(number)) for number in range(CALLERS)]

    async def wait_for_calls(self, count: int) -> None:
        """Return when that many more calls have been answered."""
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
                await self._call(self._channels[caller % len(self._channels)], f"p{caller}n{number}", number)
            except grpc.aio.AioRpcError as error:
                self.failed.append(str(decoded(error)))
            self.calls += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), PAUSE_SECONDS)

    async def _call(self, channel: grpc.aio.Channel, name: str, number: int) -> None:
        run = self._runs[hash(name) % len(self._runs)]
        if number % (1 + LOOKS) != 1:
            await ApiClient(channel, name).free(run)
            return
        request = booking_request(run, name, request_id=name, if_full=booking_pb2.IF_FULL_WAITLIST)
        self.answered[name] = await ApiClient(channel, name).send(request)
