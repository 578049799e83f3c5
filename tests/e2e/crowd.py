"""Buyers who book, wait and cancel, and retry every call that is not answered, as good clients do.

Belongs here: the calls, and their answers. Not here: what breaks meanwhile, and whether the answers are true.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ApiClient, Run, booking_request, decoded, seats_of
from tests.support.world import eventually

CALLERS = 24
CANCELS_EVERY = 4
# How long a call is retried: many times the length of an outage in these tests.
INSIST_SECONDS_MAX = 60.0
_PAUSE_SECONDS = 0.1
# The statuses that ask for a retry: the service is away, busy, lost to other servers, or did not answer in time.
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
Answer = TypeVar("Answer")


async def retry_until_answered(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Retry a call until it is answered."""
    deadline = time.monotonic() + INSIST_SECONDS_MAX
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refused = decoded(error)
            assert refused.code in _PASSING, refused
            assert time.monotonic() < deadline, f"asked for too long; the last answer was {refused}"
        await asyncio.sleep(_PAUSE_SECONDS)


class Crowd:
    """Buyers, each of whom books one place on the next of the runs, or waits for it; each fourth cancels it again.

    `targets` are the servers that they call, by chance, and may change meanwhile. `answered` are bookings as they were
    acknowledged, `cancelled` the callers whose cancellation was acknowledged.
    """

    def __init__(self, prefix: str, runs: Sequence[Run], buyers: int, targets: list[str]) -> None:
        self.names = [f"{prefix}{number}" for number in range(buyers)]
        self.targets = targets
        self.answered: dict[str, booking_pb2.Booking] = {}
        self.cancelled: set[str] = set()
        self._runs = runs
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def buy(self) -> None:
        """Have every buyer buy, some at a time; return when all have been answered."""
        queue = iter(list(enumerate(self.names)))
        try:
            await asyncio.gather(*(self._caller(queue) for _ in range(CALLERS)))
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def wait_for_bookings(self, count: int) -> None:
        """Return when that many buyers have been answered."""

        async def has() -> bool:
            return len(self.answered) >= count

        await eventually(has)

    def broken_promises(self, bookings: dict[str, dict[str, object]]) -> list[str]:
        """Describe every answer that the stored bookings, by reference, contradict."""
        wrong: list[str] = []
        for name in self.names:
            own = [booking for booking in bookings.values() if booking["request_id"] == name]
            references = [booking["_id"] for booking in own]
            if references != [self.answered[name].reference]:
                wrong.append(f"{name} was answered {self.answered[name].reference} and has {references}")
            elif (own[0]["state"] == "CANCELLED") != (name in self.cancelled):
                wrong.append(f"{name} has a booking that is {own[0]['state']}")
            elif seats_of(self.answered[name]) not in ([""], _labels(own[0])):
                wrong.append(f"{name} got the answer {seats_of(self.answered[name])} and has {_labels(own[0])}")
        return wrong

    async def _caller(self, queue: Iterator[tuple[int, str]]) -> None:
        for number, name in queue:  # all callers share one iterator
            run = self._runs[number % len(self._runs)]
            request = booking_request(run, name, request_id=name, if_full=booking_pb2.IF_FULL_WAITLIST)
            self.answered[name] = await retry_until_answered(partial(self._send, name, request))
            if number % CANCELS_EVERY == 0:
                await retry_until_answered(partial(self._cancel, name))
                self.cancelled.add(name)

    async def _send(self, name: str, request: booking_pb2.CreateBookingRequest) -> booking_pb2.Booking:
        return await ApiClient(self._any_channel(), name).send(request)

    async def _cancel(self, name: str) -> booking_pb2.Booking:
        return await ApiClient(self._any_channel(), name).cancel(self.answered[name].reference)

    def _any_channel(self) -> grpc.aio.Channel:
        target = random.choice(self.targets)  # noqa: S311 - no secret
        if target not in self._channels:
            # A server that comes back must be noticed soon.
            options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
            self._channels[target] = grpc.aio.insecure_channel(target, options=options)
        return self._channels[target]


def _labels(booking: dict[str, object]) -> list[str]:
    passengers = booking["passengers"]
    assert isinstance(passengers, list)
    return [f"{passenger['section']}-{passenger['number']}" if "number" in passenger else "" for passenger in passengers]
