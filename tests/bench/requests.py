"""The requests of the benchmark, serialized before the clock runs.

Belongs here: trains, passengers and calls. Does not belong here: sending them (`load/`), nor when to send which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

from google.type.money_pb2 import Money

from app.domain import limits
from app.domain.run.hold import hold_key
from app.pb.seatline.v1 import booking_pb2, hold_pb2, layout_pb2, passenger_pb2, train_pb2, train_run_pb2
from tests.bench.load.calls import Call
from tests.bench.load.headers import encode_headers, encode_request_headers

AUTHORITY = "127.0.0.1"
ORIGIN, DESTINATION = "London St Pancras", "Paris Gare du Nord"
COACH_SEATS_MAX = 100
OPERATOR = {"x-seatline-user": "operator@bench.example", "x-seatline-roles": "operator"}

ECHO = "/seatline.bench.Echo/CreateBooking"
NAIVE = "/seatline.bench.Naive/CreateBooking"
CREATE_BOOKING = "/seatline.v1.BookingService/CreateBooking"
HOLD_SEATS = "/seatline.v1.HoldService/HoldSeats"
CANCEL_BOOKING = "/seatline.v1.BookingService/CancelBooking"
GET_RECEIPT = "/seatline.v1.BookingService/GetReceipt"
GET_SEAT_MAP = "/seatline.v1.RunService/GetSeatMap"
UPDATE_LAYOUT = "/seatline.v1.RunService/UpdateLayout"
LIST_SECTION_BOOKINGS = "/seatline.v1.BookingService/ListSectionBookings"

RunKey = tuple[str, str]
"""Train and date."""

_passengers: Iterator[int] = count(1)
"""No passenger books twice in one run of the benchmark."""


def bench_train(train_id: str, seats: int) -> train_pb2.Train:
    """Return a train with that many seats in sections A and B."""
    stops = [
        train_pb2.TrainStop(name=ORIGIN, time_zone="Europe/London", depart_time="09:31"),
        train_pb2.TrainStop(name="Ashford", time_zone="Europe/London", arrive_time="10:02", depart_time="10:05"),
        train_pb2.TrainStop(name="Lille Europe", time_zone="Europe/Paris", arrive_time="12:01", depart_time="12:05"),
        train_pb2.TrainStop(name=DESTINATION, time_zone="Europe/Paris", arrive_time="13:05"),
    ]
    fare = Money(currency_code="USD", units=20)
    coaches: list[train_pb2.Coach] = []
    for section, section_seats in (("A", seats - seats // 2), ("B", seats // 2)):
        for first in range(0, section_seats, COACH_SEATS_MAX):
            name, size = str(len(coaches) + 1), min(COACH_SEATS_MAX, section_seats - first)
            coaches.append(train_pb2.Coach(name=name, section=section, seat_count=size))
    sections = [train_pb2.Section(name=name, fare=fare) for name in ("A", "B")]
    return train_pb2.Train(
        train_id=train_id,
        number=train_id.upper(),
        stops=stops,
        sections=sections,
        coaches=coaches,
        waitlist_max=limits.WAITLIST_MAX,
        hold_percent_max=100,
    )


def booking_calls(path: str, runs: Sequence[RunKey]) -> list[Call]:
    """Return a call for each element of `runs`, each from a new person who books for himself or herself."""
    shared = encode_request_headers(AUTHORITY, path, {})
    return [
        Call(shared + encode_headers([("x-seatline-user", _email(number))]), _booking_request(run, number).SerializeToString())
        for run, number in zip(runs, _passengers, strict=False)
    ]


def new_people(number: int) -> list[int]:
    """Return the numbers of passengers who have no booking yet."""
    return list(islice(_passengers, number))


def hold_calls(run: RunKey, people: Sequence[int]) -> list[Call]:
    """Return calls of HoldSeats for the next seat, by each of these people."""
    shared = encode_request_headers(AUTHORITY, HOLD_SEATS, {})
    return [
        Call(
            shared + encode_headers([("x-seatline-user", _email(number))]),
            hold_pb2.HoldSeatsRequest(
                request_id=f"hold-{number:07}",
                train_id=run[0],
                travel_date=run[1],
                origin=ORIGIN,
                destination=DESTINATION,
                seat_count=1,
            ).SerializeToString(),
        )
        for number in people
    ]


def held_booking_calls(run: RunKey, people: Sequence[int], hold_ids: Iterable[str]) -> list[Call]:
    """Return calls of CreateBooking, by each of these people with their own hold."""
    # The key of a hold follows from the caller and the request, so that answers need not be matched to callers.
    keys = {hold_key(_email(number), f"hold-{number:07}"): number for number in people}
    shared = encode_request_headers(AUTHORITY, CREATE_BOOKING, {})
    calls = []
    for hold_id in hold_ids:
        number = keys[hold_id.rpartition("_")[2]]
        request = _booking_request(run, number)
        request.hold_id = hold_id
        calls.append(Call(shared + encode_headers([("x-seatline-user", _email(number))]), request.SerializeToString()))
    return calls


def cancel_calls(references: Sequence[str]) -> list[Call]:
    """Return calls of CancelBooking for these bookings, by an operator."""
    block = encode_request_headers(AUTHORITY, CANCEL_BOOKING, OPERATOR)
    return [Call(block, booking_pb2.CancelBookingRequest(reference=reference).SerializeToString()) for reference in references]


def _email(number: int) -> str:
    return f"passenger-{number:07}@bench.example"


def _booking_request(run: RunKey, number: int) -> booking_pb2.CreateBookingRequest:
    return booking_pb2.CreateBookingRequest(
        request_id=f"6f1c0f7e-5a36-4d3c-9b1e-{number:012}",
        train_id=run[0],
        travel_date=run[1],
        origin=ORIGIN,
        destination=DESTINATION,
        passengers=[passenger_pb2.Passenger(first_name="Passenger", last_name=f"Number-{number:07}", email=_email(number))],
    )


def receipt_calls(references: Sequence[str]) -> list[Call]:
    """Return calls of GetReceipt for these bookings, by an operator."""
    block = encode_request_headers(AUTHORITY, GET_RECEIPT, OPERATOR)
    return [Call(block, booking_pb2.GetReceiptRequest(reference=reference).SerializeToString()) for reference in references]


def seat_map_calls(run: RunKey, calls_count: int) -> list[Call]:
    """Return repeated calls of GetSeatMap for one run."""
    request = train_run_pb2.GetSeatMapRequest(train_id=run[0], travel_date=run[1])
    return [Call(encode_request_headers(AUTHORITY, GET_SEAT_MAP, {}), request.SerializeToString())] * calls_count


def section_calls(run: RunKey, calls_count: int) -> list[Call]:
    """Return repeated calls of ListSectionBookings for the first 200 bookings of section A."""
    request = booking_pb2.ListSectionBookingsRequest(train_id=run[0], travel_date=run[1], section="A", page_size=200)
    block = encode_request_headers(AUTHORITY, LIST_SECTION_BOOKINGS, OPERATOR)
    return [Call(block, request.SerializeToString())] * calls_count


def remove_coaches_call(run: RunKey, coaches: Sequence[str], *, request_id: str = "") -> Call:
    """Return a call of UpdateLayout that removes these coaches, by an operator. Without a `request_id`, it only plans."""
    request = layout_pb2.UpdateLayoutRequest(
        request_id=request_id,
        train_id=run[0],
        travel_date=run[1],
        operations=[layout_pb2.LayoutOperation(remove_coach=layout_pb2.RemoveCoach(name=name)) for name in coaches],
        validate_only=not request_id,
    )
    return Call(encode_request_headers(AUTHORITY, UPDATE_LAYOUT, OPERATOR), request.SerializeToString())
