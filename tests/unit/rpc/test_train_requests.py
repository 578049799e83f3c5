"""Requests around trains become values of the domain, or are refused under the path of the invalid field."""

from datetime import time
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.money import Money
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.terms import DEFAULT_TERMS
from app.domain.timetable import Call
from app.domain.train import UPDATED_FIELDS, Coach, Section, check_train
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


def an_update(*masked: str, **fields: Any) -> train_pb2.UpdateTrainRequest:
    train = train_pb2.Train(train_id="es9014", number="ES 1", sections=[train_pb2.Section(name="?")], **fields)
    return train_pb2.UpdateTrainRequest(train=train, update_mask=FieldMask(paths=masked))


def test_an_update_reads_only_the_fields_of_its_mask() -> None:
    invalid_stop = train_pb2.TrainStop(arrive_time="never")
    train, masked = requests.train_update(an_update("waitlist_max", stops=[invalid_stop], waitlist_max=3, hold_percent_max=-1))
    assert masked == {"waitlist_max"}
    assert (train.train_id, train.terms.waitlist_max) == ("es9014", 3)
    assert (train.number, train.stops, train.terms.hold_percent_max) == ("", (), DEFAULT_TERMS.hold_percent_max)


def test_an_empty_mask_names_all_fields_that_an_update_can_change() -> None:
    train, masked = requests.train_update(an_update(hold_percent_max=7))
    assert masked == set(UPDATED_FIELDS)
    assert (train.number, train.terms.hold_percent_max, train.sections) == ("ES 1", 7, ())


def test_every_field_that_an_update_can_change_is_one_of_the_train() -> None:
    assert set(UPDATED_FIELDS) <= set(train_pb2.Train.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("path", ["sections", "coaches", "train_id", "etag", "", "terms", "stops.name", "number "])
def test_a_field_that_an_update_cannot_change_is_refused_under_its_path(path: str) -> None:
    with invalid("update_mask.paths[1]"):
        requests.train_update(an_update("number", path))


def test_a_section_has_a_window_of_its_own_only_where_it_states_one() -> None:
    message = a_train_message()
    message.sections.add(name="B").sales_window.closes_before.FromSeconds(0)
    message.sales_window.closes_before.FromSeconds(600)
    message.schedule_horizon_days = 30
    train = requests.train(message)
    assert train.terms.sales_window == SalesWindow(closes_minutes_before=10)
    assert train.terms.section_windows == (("B", ALWAYS_OPEN),)
    assert train.schedule_horizon_days == 30
    assert requests.train(a_train_message()).terms == DEFAULT_TERMS


@pytest.mark.parametrize("field", ["sales_window", "sections[0].sales_window"])
def test_an_impossible_window_of_a_train_is_refused_under_its_path(field: str) -> None:
    message = a_train_message()
    window = message.sales_window if field == "sales_window" else message.sections[0].sales_window
    window.opens_before.local_time = "25:00"
    with invalid(f"train.{field}.opens_before.local_time"):
        requests.train(message)


def test_an_update_of_section_windows_reads_the_sections_but_not_their_fares() -> None:
    request = an_update("sections.sales_window")
    request.train.sections[0].fare.nanos = 1
    request.train.sections[0].sales_window.closes_before.FromSeconds(60)
    train, masked = requests.train_update(request)
    assert masked == {"sections.sales_window"}
    assert [section.name for section in train.sections] == ["?"]
    assert train.terms.section_windows == (("?", SalesWindow(closes_minutes_before=1)),)
    assert requests.train_update(an_update())[1] == set(UPDATED_FIELDS)  # it has to be named


def test_an_update_of_other_fields_reads_no_window() -> None:
    request = an_update("number")
    request.train.sales_window.opens_before.local_time = "25:00"
    request.train.sections[0].sales_window.opens_before.local_time = "25:00"
    train, _ = requests.train_update(request)
    assert train.terms == DEFAULT_TERMS


def test_an_update_names_its_train() -> None:
    request = an_update()
    request.train.train_id = "ES 9014"
    with invalid("train.train_id"):
        requests.train_update(request)
