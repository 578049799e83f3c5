"""A run that is sold before it is cancelled, and what its cancellation may leave.

Belongs here: selling a run with groups, holds, a waitlist and earlier cancellations, and the comparison of what is stored with
what everybody was answered. Not here: who is killed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.e2e.crowd import CALLERS, retry_until_answered
from tests.e2e.ledgers import LIVE, Books, Document
from tests.support.clients import LILLE, LONDON, PARIS, ApiClient, Run, booking_request

# Of each ten buyers: the whole journey, the part before Lille, the part after it.
JOURNEYS = [*[(LONDON, PARIS)] * 4, *[(LONDON, LILLE)] * 3, *[(LILLE, PARIS)] * 3]
GROUPS_EVERY = 5
CANCELS_EVERY = 16
HOLDERS = 20
LEGS_AFTER_LILLE = 0b100
ALL_LEGS = 0b111


def layout_for(buyers: int) -> str:
    """A layout in which about nine of ten buyers get seats: six seats for ten buyers, since two of them may share one."""
    coaches = max(1, buyers * 6 // 10 // 2 // 50)
    return " ".join([*["A50"] * coaches, *["B50"] * coaches])


class SoldRun:
    """A run that holders hold seats of, and buyers buy or wait for; some of these cancel again."""

    def __init__(self, channel: grpc.aio.Channel, run: Run) -> None:
        self.run = run
        self._channel = channel

    async def hold(self) -> None:
        """Have holders hold two seats each."""
        await asyncio.gather(*(self._hold(number) for number in range(HOLDERS)))

    async def sell(self, buyers: Iterable[int]) -> None:
        """Have these buyers buy."""
        queue = iter(buyers)
        await asyncio.gather(*(self._buy(queue) for _ in range(CALLERS)))

    async def _hold(self, number: int) -> None:
        origin, destination = JOURNEYS[number % len(JOURNEYS)]
        await self.client(f"h{number}").hold(self.run, 2, origin=origin, destination=destination, seconds=900)

    async def _buy(self, queue: Iterator[int]) -> None:
        for number in queue:  # all callers share one iterator
            name = f"p{number}"
            origin, destination = JOURNEYS[number % len(JOURNEYS)]
            who = (name, f"{name}b") if number % GROUPS_EVERY == 0 else (name,)
            if_full = booking_pb2.IF_FULL_WAITLIST
            request = booking_request(self.run, *who, origin=origin, destination=destination, request_id=name, if_full=if_full)
            client = self.client(name)
            booking = await retry_until_answered(partial(client.send, request))
            if number % CANCELS_EVERY == 0:
                await retry_until_answered(partial(client.cancel, booking.reference, len(who)))

    def client(self, name: str, roles: str = "") -> ApiClient:
        return ApiClient(self._channel, name, roles)


def buyers_of_other_legs(numbers: Iterable[int], legs: int) -> list[int]:
    """The buyers whose journey does not touch these legs: none of those of a whole run."""
    return [number for number in numbers if legs != ALL_LEGS and JOURNEYS[number % len(JOURNEYS)] == (LONDON, LILLE)]


def affected(books: Books, legs: int) -> dict[str, Document]:
    """The bookings whose journey touches these legs, by reference."""
    return {reference: booking for reference, booking in books.bookings.items() if booking["legs"] & legs}


def live(bookings: dict[str, Document]) -> dict[str, Document]:
    return {reference: booking for reference, booking in bookings.items() if booking["state"] in LIVE}


def wrong_refunds(before: Books, after: Books, legs: int) -> Iterator[str]:
    """Describe every booking that was live on cancelled legs, and is not cancelled and refunded in full, exactly once."""
    told = Counter(event["subject"] for event in after.events.values() if _is_by_cancellation(event))
    ended = live(affected(before, legs))
    if set(told) != set(ended):
        yield f"{len(ended)} bookings had to end, and {len(told)} have an event of it"
    for reference, booking in ended.items():
        now = after.bookings[reference]
        refunds = [refund for refund in now["refunds"] if refund.get("reason") == "RUN_CANCELLED"]
        price = sum(passenger["fare_minor"] for passenger in booking["passengers"])
        if (now["state"], [refund["minor"] for refund in refunds], told[reference]) != ("CANCELLED", [price], 1):
            yield f"{reference} is {now['state']} with refunds {refunds} of {price}, and {told[reference]} events"
        entry = after.ledger[after.payments[now["payment_id"]]["authorization_id"]]
        back = sum(refund["amount_minor"] for refund in entry["refunds"])
        if back != entry["captured_minor"]:
            yield f"{reference} paid {entry['captured_minor']} and got {back} back"


def wrong_others(before: Books, after: Books, legs: int) -> Iterator[str]:
    """Describe every booking on other legs that is not as it was, but for those who got a seat from the waitlist."""
    promoted = {event["subject"] for event in after.events.values() if event["type"] == "booking.promoted"}
    for reference, booking in before.bookings.items():
        if not booking["legs"] & legs and after.bookings[reference] != booking and reference not in promoted:
            yield f"{reference} was {booking} and is {after.bookings[reference]}"


def remains(run: Document, legs: int) -> Iterator[str]:
    """Describe what is left on these legs of a run: holds, places on the waitlist, sold seats."""
    yield from (f"hold {key}" for key, held in run["holds"].items() if held["legs"] & legs)
    yield from (f"place {number} on the waitlist" for number, place in run["waiting"].items() if place[2] & legs)
    for section in run["sections"]:
        yield from (f"seat {section['name']}-{number}" for number, sold in enumerate(section["sold_legs"], 1) if sold & legs)


def _is_by_cancellation(event: dict[str, Any]) -> bool:
    return (event["type"], event["data"].get("cause")) == ("booking.cancelled", "run_cancelled")
