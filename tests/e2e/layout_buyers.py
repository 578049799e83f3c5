"""Buyers who book, hold, wait and cancel on one run without a pause, while its layout changes.

Belongs here: their calls and answers. Not here: the changes, and whether the answers are true.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Self, TypeVar

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.e2e.crowd import retry_until_answered
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, ApiClient, Person, Run, address, decoded
from tests.support.world import eventually

JOURNEYS = ((LONDON, PARIS), (LONDON, LILLE), (LONDON, ASHFORD), (ASHFORD, PARIS), (LILLE, PARIS))
PASSENGERS_MAX = 4
# So that each buyer stays below the limits for one caller.
BOOKINGS_MAX = 2
# One booking of so many begins with a hold.
HOLDS_EVERY = 6
# The reasons for which held seats are not to be had: they are all taken, or a change of the layout has ended the hold.
_NO_HOLD = {"SECTION_FULL", "HOLDS_FULL", "HOLD_TOO_SOON", "HOLD_EXPIRED"}
Answer = TypeVar("Answer")


class Buyers:
    """Buyers who make one call after another until `leave`. Use it as a context manager, which ends them in any case.

    `live` are their bookings that they did not cancel, by reference, as they were answered first.
    """

    def __init__(self, channels: Sequence[grpc.aio.Channel], run: Run, count: int, seed: int) -> None:
        self.live: dict[str, booking_pb2.Booking] = {}
        self.calls = 0
        self._channels, self._run = channels, run
        self._leaving = asyncio.Event()
        chances = [random.Random(f"{seed}-{number}") for number in range(count)]  # noqa: S311 - no secret
        self._tasks = [asyncio.create_task(self._buy(number, chance)) for number, chance in enumerate(chances)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_for_calls(self, count: int) -> None:
        """Return when that many more calls have been answered. Fail if a buyer failed."""
        enough = self.calls + count

        async def have() -> bool:
            for task in self._tasks:
                if task.done():
                    await task  # raises what ended it
            return self.calls >= enough

        await eventually(have)

    async def leave(self) -> None:
        """End the buyers after their present calls. Fail if one of them failed."""
        self._leaving.set()
        await asyncio.gather(*self._tasks)

    async def _buy(self, buyer: int, chance: random.Random) -> None:
        client = ApiClient(self._channels[buyer % len(self._channels)], f"buyer{buyer}")
        own: list[str] = []
        number = 0
        while not self._leaving.is_set():
            number += 1
            if len(own) == BOOKINGS_MAX or (own and chance.random() < 0.5):
                await self._cancel(client, own.pop(chance.randrange(len(own))))
            else:
                own += await self._book(client, chance, f"{buyer}-{number}")
            self.calls += 1

    async def _book(self, client: ApiClient, chance: random.Random, name: str) -> list[str]:
        """Book or join the waitlist, sometimes with a hold. Return the reference; none where there were no held seats."""
        origin, destination = chance.choice(JOURNEYS)
        count = chance.randint(1, PASSENGERS_MAX)
        people = [Person(first_name=f"P{number}", last_name=f"N{name}") for number in range(count)]
        people[0].email = address(client.name)
        asked: dict[str, Any] = {"origin": origin, "destination": destination, "request_id": name}
        if chance.randrange(HOLDS_EVERY) == 0:
            hold = await _unless_gone(partial(client.hold, self._run, count, **asked))
            if hold is None:
                return []
            asked["hold_id"] = hold.hold_id
        booking = await _unless_gone(partial(client.wait, self._run, *people, **asked))
        if booking is None:
            return []
        self.live[booking.reference] = booking
        return [booking.reference]

    async def _cancel(self, client: ApiClient, reference: str) -> None:
        await retry_until_answered(partial(client.cancel, reference))
        del self.live[reference]


async def _unless_gone(call: Callable[[], Awaitable[Answer]]) -> Answer | None:
    """Retry a call until it is answered. Return None where there are no seats to hold, or none any more."""

    async def answer() -> Answer | None:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if decoded(error).reason in _NO_HOLD:
                return None
            raise

    return await retry_until_answered(answer)
