"""Requests around trains become values of the domain, or are refused under the path of the invalid field."""

from datetime import time

import pytest
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.money import Money
from app.domain.timetable import Call
from app.domain.train import Coach, Section, check_train
from app.pb.seatline.v1 import train_pb2
from app.rpc.trains import requests
from tests.support.run_snapshots import invalid


def a_train_message() -> train_pb2.Train:
    return train_pb2.Train(
        train_id="es9014",
        number="ES 9014",
        stops=[
            train_pb2.TrainStop(name="London", code="STP", time_zone="Europe/London", depart_time="22:24"),
            train_pb2.TrainStop(name="Paris", time_zone="Europe/Paris", arrive_time="01:56", arrive_day_offset=1),
        ],
        sections=[train_pb2.Section(name="A", fare=MoneyMessage(currency_code="USD", units=20))],
        coaches=[train_pb2.Coach(name="1", section="A", seat_count=56)],
    )


def test_a_train_is_read_as_it_is_described() -> None:
    train = requests.train(a_train_message())
    check_train(train)
    london, paris = train.stops
    assert (london.name, london.code, london.arrive, london.depart) == ("London", "STP", None, Call(time(22, 24)))
    assert (paris.arrive, paris.depart) == (Call(time(1, 56), 1), None)
    assert train.sections == (Section("A", Money(2_000, "USD")),)
    assert train.coaches == (Coach("1", "A", 56),)


@pytest.mark.parametrize(
    "text", ["24:00", "10:60", "1:30", "+1:30", " 1:30", "10:3", "1030", "10:30:00", "10:30 ", "\uff11\uff10:30", "noon", ":"]
)
def test_an_invalid_local_time_is_refused_under_its_path(text: str) -> None:
    message = a_train_message()
    message.stops[1].arrive_time = text
    with invalid("train.stops[1].arrive_time"):
        requests.train(message)


def test_an_impossible_fare_is_refused_under_its_path() -> None:
    message = a_train_message()
    message.sections[0].fare.nanos = 1
    with invalid("train.sections[0].fare.nanos"):
        requests.train(message)


def test_an_empty_train_is_read_and_then_refused() -> None:
    with invalid("train.train_id"):
        check_train(requests.train(train_pb2.Train()))
