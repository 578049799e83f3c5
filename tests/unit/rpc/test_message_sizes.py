"""Sizes of requests: the largest that the contract allows fit into a message, and larger ones cost little to refuse."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.type.money_pb2 import Money

from app.config import Settings
from app.domain import limits
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import booking_pb2, layout_pb2, passenger_pb2, train_pb2
from app.rpc.bookings import requests as booking_requests
from app.rpc.messages import parse_request
from app.rpc.trains import requests as train_requests
from tests.support.processor_time import processor_time

BYTES_MAX = Settings.model_fields["message_bytes_max"].default
WIDEST = "\U0001f684"  # four bytes
NAME = WIDEST * limits.NAME_LENGTH_MAX
EMAIL = WIDEST * (limits.EMAIL_LENGTH_MAX // 4)
SHORT_NAME = "W" * limits.SHORT_NAME_LENGTH_MAX
REFUSED_SECONDS_MAX = 0.010


def _train() -> train_pb2.Train:
    stop = train_pb2.TrainStop(
        name=NAME,
        code=WIDEST * limits.STOP_CODE_LENGTH_MAX,
        time_zone="America/Argentina/ComodRivadavia",  # the longest
        arrive_time="23:58",
        arrive_day_offset=limits.DAY_OFFSET_MAX,
        depart_time="23:59",
        depart_day_offset=limits.DAY_OFFSET_MAX,
    )
    fare = Money(currency_code="USD", units=limits.FARE_MINOR_MAX // 100, nanos=990_000_000)
    return train_pb2.Train(
        train_id="t" * limits.TRAIN_ID_LENGTH_MAX,
        number=WIDEST * limits.TRAIN_NUMBER_LENGTH_MAX,
        stops=[stop] * limits.STOPS_PER_TRAIN_MAX,
        sections=[train_pb2.Section(name=SHORT_NAME, fare=fare)] * limits.SECTIONS_PER_TRAIN_MAX,
        coaches=[train_pb2.Coach(name=SHORT_NAME, section=SHORT_NAME, seat_count=400)] * limits.COACHES_PER_TRAIN_MAX,
        refund_tiers=[train_pb2.RefundTier(hours_before=8_784, percent=100)] * limits.REFUND_TIERS_MAX,
        waitlist_closes_before=Duration(seconds=limits.WAITLIST_CLOSES_MINUTES_MAX * 60),
        waitlist_max=limits.WAITLIST_MAX,
    )


def _booking() -> booking_pb2.CreateBookingRequest:
    return booking_pb2.CreateBookingRequest(
        request_id="r" * limits.REQUEST_ID_LENGTH_MAX,
        train_id="t" * limits.TRAIN_ID_LENGTH_MAX,
        travel_date="2030-07-01",
        origin=NAME,
        destination=NAME,
        section=SHORT_NAME,
        passengers=[passenger_pb2.Passenger(first_name=NAME, last_name=NAME, email=EMAIL)] * limits.PASSENGERS_PER_BOOKING_MAX,
        seat_numbers=[limits.SEATS_PER_TRAIN_MAX] * limits.PASSENGERS_PER_BOOKING_MAX,
        payment_token="t" * 255,
    )


def _layout() -> layout_pb2.UpdateLayoutRequest:
    """Return a change that removes all seats of a run but one by number. More numbers name seats that it does not have."""
    seats = layout_pb2.RemoveSeats(section=SHORT_NAME, seat_numbers=[limits.SEAT_NUMBERS_PER_RUN_MAX] * 4_999)
    fare = Money(currency_code="USD", units=limits.FARE_MINOR_MAX // 100, nanos=990_000_000)
    added = layout_pb2.LayoutOperation(add_section=layout_pb2.AddSection(name=SHORT_NAME, fare=fare))
    return layout_pb2.UpdateLayoutRequest(
        request_id="r" * limits.REQUEST_ID_LENGTH_MAX,
        train_id="t" * limits.TRAIN_ID_LENGTH_MAX,
        travel_date="2030-07-01",
        operations=[layout_pb2.LayoutOperation(remove_seats=seats)] + [added] * (limits.LAYOUT_OPERATIONS_MAX - 1),
        reserve=Duration(seconds=limits.LAYOUT_RESERVE_SECONDS_MAX),
        plan_hash="f" * 32,
        etag="1" * 10,
    )


@pytest.mark.parametrize(
    "request_",
    [train_pb2.CreateTrainRequest(train=_train(), request_id="r" * limits.REQUEST_ID_LENGTH_MAX), _booking(), _layout()],
    ids=["the largest train", "the largest booking", "the largest layout change"],
)
def test_the_largest_requests_of_the_contract_fit_into_a_message_with_room_to_spare(request_: Message) -> None:
    assert request_.ByteSize() * 1.25 < BYTES_MAX


def test_20_000_empty_stops_are_refused_within_10_milliseconds() -> None:
    request = train_pb2.CreateTrainRequest(request_id="r")
    for _ in range(20_000):
        request.train.stops.add()
    data = request.SerializeToString()
    assert len(data) < BYTES_MAX, "gRPC would refuse it before anybody counts"

    def seconds() -> float:
        with processor_time() as taken, pytest.raises(InvalidField) as refused:
            train_requests.train(parse_request(data, train_pb2.CreateTrainRequest.FromString).train)
        assert refused.value.field == "train.stops"
        return taken.seconds

    assert min(seconds() for _ in range(5)) < REFUSED_SECONDS_MAX


@pytest.mark.parametrize("count", [10, 30_000])
def test_elements_are_counted_however_many_there_are(count: int) -> None:
    request = booking_pb2.CreateBookingRequest(passengers=[passenger_pb2.Passenger()] * count)
    data, jane = request.SerializeToString(), "jane@example.com"
    with pytest.raises(InvalidField) as refused:
        booking_requests._passengers(parse_request(data, booking_pb2.CreateBookingRequest.FromString).passengers, jane)
    assert refused.value.field == "passengers"
