"""The echo: a bare call that the sale is compared with.

Belongs here: a `grpc.aio` method without interceptors that reads a CreateBookingRequest and answers with a Booking of ordinary
size. Does not belong here: anything that a sale needs.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from app.pb.seatline.v1 import booking_pb2, passenger_pb2, seat_pb2, user_pb2
from tests.bench.requests import ECHO


def ordinary_booking() -> booking_pb2.Booking:
    """Return a booking of one passenger with all fields that the service sets."""
    seat = seat_pb2.Seat(section="A", coach="12", number=1_234, label="A-1234")
    person: dict[str, Any] = {
        "first_name": "Passenger",
        "last_name": "Number-001234",
        "email": "passenger-001234@bench.example",
    }
    moment, timetabled = Timestamp(seconds=1_800_000_000, nanos=123_000_000), Timestamp(seconds=1_800_000_000)
    return booking_pb2.Booking(
        reference="K7M2QX",
        state=booking_pb2.BOOKING_STATE_CONFIRMED,
        train_id="bench-hot-001",
        travel_date="2031-05-01",
        origin="London St Pancras",
        destination="Paris Gare du Nord",
        depart_time=timetabled,
        arrive_time=timetabled,
        passengers=[passenger_pb2.Passenger(seat=seat, number=1, **person)],
        price=Money(currency_code="USD", units=20),
        seats_together=True,
        user=user_pb2.User(**person),
        create_time=moment,
        update_time=moment,
        etag="1234",
    )


async def start_echo() -> tuple[grpc.aio.Server, int]:
    """Start the echo on a free loopback port. Return the server and its port."""
    answer = ordinary_booking()

    async def echo(request: booking_pb2.CreateBookingRequest, context: object) -> booking_pb2.Booking:
        return answer

    method = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=booking_pb2.CreateBookingRequest.FromString,
        response_serializer=booking_pb2.Booking.SerializeToString,
    )
    return await start_method(ECHO, method)


async def start_method(
    path: str, method: grpc.RpcMethodHandler[booking_pb2.CreateBookingRequest, Message]
) -> tuple[grpc.aio.Server, int]:
    """Start a server with one method on a free loopback port. Return the server and its port."""
    service, name = path[1:].split("/")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port
