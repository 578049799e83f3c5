"""The naive sale, for reference.

Belongs here: reading the whole run, choosing a seat, `find_one_and_update` guarded by the version, and starting again after a
lost swap; over gRPC like the real sale. Does not belong here: anything that the service uses.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
from motor.motor_asyncio import AsyncIOMotorDatabase

from app.pb.seatline.v1 import booking_pb2, seat_pb2
from tests.bench.echo import start_method
from tests.bench.requests import NAIVE

COLLECTION = "bench_naive_runs"
ATTEMPTS_MAX = 10_000
Document = dict[str, Any]


class SoldOutError(Exception):
    """No seat is free."""


async def sell(database: AsyncIOMotorDatabase[Document], request: booking_pb2.CreateBookingRequest) -> booking_pb2.Booking:
    """Sell one seat to one passenger."""
    runs = database[COLLECTION]
    run_id = f"{request.train_id}:{request.travel_date}"
    for _ in range(ATTEMPTS_MAX):
        run = await runs.find_one({"_id": run_id})
        if run is None:
            raise LookupError(run_id)
        values, booking = sale(run, request)
        update = {"$set": values, "$push": {"bookings": booking}}
        before = await runs.find_one_and_update({"_id": run_id, "version": run["version"]}, update)
        if before is not None:
            return answer(request, booking)
    raise TimeoutError(f"{ATTEMPTS_MAX} attempts")


def choose_seat(run: Document) -> tuple[int, int]:
    """Return the first free seat: section and seat by index."""
    for section, seats in enumerate(run["sections"]):
        for index, legs in enumerate(seats["sold_legs"]):
            if not legs:
                return section, index
    raise SoldOutError(run["_id"])


def sale(run: Document, request: booking_pb2.CreateBookingRequest) -> tuple[Document, Document]:
    """Return what selling the next seat for the whole journey changes, by path, and the booking."""
    section, index = choose_seat(run)
    values = {
        "version": run["version"] + 1,
        f"sections.{section}.sold_legs.{index}": (1 << (len(run["stops"]) - 1)) - 1,
        f"sections.{section}.next_number": index + 2,
    }
    return values, booking_document(run, request, run["sections"][section]["name"], index + 1)


def booking_document(run: Document, request: booking_pb2.CreateBookingRequest, section: str, number: int) -> Document:
    """Return a booking document of the size of the service's."""
    passenger = request.passengers[0]
    person = {"first_name": passenger.first_name, "last_name": passenger.last_name, "email": passenger.email}
    now = datetime.now(UTC)
    return {
        "_id": request.request_id[-6:],
        "run_id": run["_id"],
        "request_id": request.request_id,
        "fingerprint": "0123456789abcdef",
        "state": "CONFIRMED",
        "user": person,
        "emails": [passenger.email],
        "passengers": [{**person, "section": section, "coach": "1", "number": number, "fare_minor": 2_000}],
        "cancelled_passengers": [],
        "currency": "USD",
        "revision": run["version"] + 1,
        "create_time": now,
        "update_time": now,
        "train_id": run["train_id"],
        "travel_date": run["travel_date"],
        "train_number": run["number"],
        "origin": request.origin,
        "destination": request.destination,
        "legs": 7,
        "depart_time": now,
        "arrive_time": now,
    }


def answer(request: booking_pb2.CreateBookingRequest, booking: Document) -> booking_pb2.Booking:
    """Return the caller's answer."""
    seat = seat_pb2.Seat(section=booking["passengers"][0]["section"], coach="1", number=booking["passengers"][0]["number"])
    sold = booking_pb2.Booking(
        reference=booking["_id"],
        state=booking_pb2.BOOKING_STATE_CONFIRMED,
        train_id=request.train_id,
        travel_date=request.travel_date,
        origin=request.origin,
        destination=request.destination,
        passengers=request.passengers,
    )
    sold.passengers[0].seat.CopyFrom(seat)
    return sold


async def start_naive(database: AsyncIOMotorDatabase[Document]) -> tuple[grpc.aio.Server, int]:
    """Start the naive sale on a free loopback port. Return the server and its port."""

    async def create_booking(request: booking_pb2.CreateBookingRequest, context: object) -> booking_pb2.Booking:
        return await sell(database, request)

    method = grpc.unary_unary_rpc_method_handler(
        create_booking,
        request_deserializer=booking_pb2.CreateBookingRequest.FromString,
        response_serializer=booking_pb2.Booking.SerializeToString,
    )
    return await start_method(NAIVE, method)
