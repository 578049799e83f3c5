"""The requests of the benchmark, serialized before the clock runs.

Belongs here: trains, passengers and calls as they are sent. Does not: sending them (`load/`), nor when to send which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from google.type.money_pb2 import Money

from app.pb.seatline.v1 import booking_pb2, operator_pb2, seat_pb2, train_pb2
from tests.bench.load.calls import Call
from tests.bench.load.headers import encode_headers, encode_request_headers

AUTHORITY = "127.0.0.1"
ORIGIN, DESTINATION = "London St Pancras", "Paris Gare du Nord"
COACH_SEATS_MAX = 100
OPERATOR = {"x-seatline-user": "operator@bench.example", "x-seatline-roles": "operator"}

ECHO = "/seatline.bench.Echo/CreateBooking"
NAIVE = "/seatline.bench.Naive/CreateBooking"
CREATE_BOOKING = "/seatline.v1.BookingService/CreateBooking"
GET_RECEIPT = "/seatline.v1.BookingService/GetReceipt"
GET_SEAT_MAP = "/seatline.v1.TrainService/GetSeatMap"
LIST_SECTION_BOOKINGS = "/seatline.v1.OperatorService/ListSectionBookings"

RunKey = tuple[str, str]
"""Train and date."""

_passengers: Iterator[int] = count(1)
"""Nobody books twice in one run of the benchmark."""


def bench_train(train_id: str, seats: int) -> operator_pb2.Train:
    """A train with that many seats in sections A and B."""
    stops = [
        operator_pb2.TrainStop(name=ORIGIN, time_zone="Europe/London", depart_time="09:31"),
        operator_pb2.TrainStop(name="Ashford", time_zone="Europe/London", arrive_time="10:02", depart_time="10:05"),
        operator_pb2.TrainStop(name="Lille Europe", time_zone="Europe/Paris", arrive_time="12:01", depart_time="12:05"),
        operator_pb2.TrainStop(name=DESTINATION, time_zone="Europe/Paris", arrive_time="13:05"),
    ]
    fare = Money(currency_code="USD", units=20)
    coaches: list[operator_pb2.Coach] = []
    for section, section_seats in (("A", seats - seats // 2), ("B", seats // 2)):
        for first in range(0, section_seats, COACH_SEATS_MAX):
            name, size = str(len(coaches) + 1), min(COACH_SEATS_MAX, section_seats - first)
            coaches.append(operator_pb2.Coach(name=name, section=section, seat_count=size))
    sections = [operator_pb2.Section(name=name, fare=fare) for name in ("A", "B")]
    return operator_pb2.Train(train_id=train_id, number=train_id.upper(), stops=stops, sections=sections, coaches=coaches)


def booking_calls(path: str, runs: Sequence[RunKey]) -> list[Call]:
    """One call for each element of `runs`, each from a new person who books for itself."""
    shared = encode_request_headers(AUTHORITY, path, {})
    calls = []
    for (train_id, travel_date), number in zip(runs, _passengers, strict=False):
        email = f"passenger-{number:07}@bench.example"
        request = booking_pb2.CreateBookingRequest(
            request_id=f"6f1c0f7e-5a36-4d3c-9b1e-{number:012}",
            train_id=train_id,
            travel_date=travel_date,
            origin=ORIGIN,
            destination=DESTINATION,
            passengers=[seat_pb2.Passenger(first_name="Passenger", last_name=f"Number-{number:07}", email=email)],
        )
        calls.append(Call(shared + encode_headers([("x-seatline-user", email)]), request.SerializeToString()))
    return calls


def receipt_calls(references: Sequence[str]) -> list[Call]:
    """GetReceipt of these bookings, by an operator."""
    block = encode_request_headers(AUTHORITY, GET_RECEIPT, OPERATOR)
    return [Call(block, booking_pb2.GetReceiptRequest(reference=reference).SerializeToString()) for reference in references]


def seat_map_calls(run: RunKey, calls_count: int) -> list[Call]:
    """GetSeatMap of one run, again and again."""
    request = train_pb2.GetSeatMapRequest(train_id=run[0], travel_date=run[1])
    return [Call(encode_request_headers(AUTHORITY, GET_SEAT_MAP, {}), request.SerializeToString())] * calls_count


def section_calls(run: RunKey, calls_count: int) -> list[Call]:
    """ListSectionBookings of section A, first page of 200, again and again."""
    request = operator_pb2.ListSectionBookingsRequest(train_id=run[0], travel_date=run[1], section="A", page_size=200)
    block = encode_request_headers(AUTHORITY, LIST_SECTION_BOOKINGS, OPERATOR)
    return [Call(block, request.SerializeToString())] * calls_count
