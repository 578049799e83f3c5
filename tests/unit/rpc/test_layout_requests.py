"""Requests to change a layout become commands, or are refused under the path of the invalid field."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money as MoneyMessage

from app.domain import limits
from app.domain.layout import operations
from app.domain.layout.commands import UpdateLayout
from app.domain.money import Money
from app.pb.seatline.v1 import layout_pb2
from app.rpc.layouts import answers, requests
from tests.support.builders import an_operator
from tests.support.run_snapshots import invalid

DATE = "2026-09-01"
HASH = "0123456789abcdef" * 2
FARE = MoneyMessage(currency_code="USD", units=12, nanos=340_000_000)
Operation: TypeAlias = layout_pb2.LayoutOperation
EACH_OPERATION: list[tuple[Operation, operations.LayoutOperation]] = [
    (Operation(add_section=layout_pb2.AddSection(name="C", fare=FARE)), operations.AddSection("C", Money(1_234, "USD"))),
    (Operation(remove_section=layout_pb2.RemoveSection(name="B")), operations.RemoveSection("B")),
    (Operation(set_fare=layout_pb2.SetFare(section="B", fare=FARE)), operations.SetFare("B", Money(1_234, "USD"))),
    (Operation(add_coach=layout_pb2.AddCoach(name="7", section="A", seat_count=40)), operations.AddCoach("7", "A", 40)),
    (Operation(remove_coach=layout_pb2.RemoveCoach(name="2")), operations.RemoveCoach("2")),
    (Operation(set_seat_count=layout_pb2.SetSeatCount(coach="2", seat_count=3)), operations.SetSeatCount("2", 3)),
    (Operation(remove_seats=layout_pb2.RemoveSeats(section="A", seat_numbers=[9, 7])), operations.RemoveSeats("A", (9, 7))),
]
REMOVE_COACH = EACH_OPERATION[4][0]


def a_request(*asked: Operation, **fields: object) -> layout_pb2.UpdateLayoutRequest:
    """Return a request that is accepted; `fields` replace some of its own, None leaves one out."""
    values = {"request_id": "r1", "train_id": "es9014", "travel_date": DATE, "operations": asked or [REMOVE_COACH]} | fields
    return layout_pb2.UpdateLayoutRequest(**{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]  # as each test has it


def command_of(request: layout_pb2.UpdateLayoutRequest) -> UpdateLayout:
    return requests.update_layout(an_operator(), request)


@pytest.mark.parametrize(("message", "operation"), EACH_OPERATION, ids=lambda part: type(part).__name__)
def test_each_operation_is_read_as_it_is_sent_and_shown_as_it_is_read(
    message: Operation, operation: operations.LayoutOperation
) -> None:
    assert command_of(a_request(message)).operations == (operation,)
    assert answers.layout_operation(operation) == message


def test_every_kind_of_operation_of_the_contract_can_be_read() -> None:
    sent = {message.WhichOneof("operation") for message, _ in EACH_OPERATION}
    assert sent == {field.name for field in Operation.DESCRIPTOR.oneofs_by_name["operation"].fields}


def test_a_request_is_read_with_all_its_fields() -> None:
    command = command_of(
        a_request(
            *(message for message, _ in EACH_OPERATION),
            allow_lower=True,
            refund_displaced=True,
            validate_only=True,
            reserve=Duration(seconds=limits.LAYOUT_RESERVE_SECONDS_MAX),
            plan_hash=HASH,
            etag="3",
        )
    )
    assert command == UpdateLayout(
        an_operator(),
        "r1",
        "es9014",
        DATE,
        tuple(operation for _, operation in EACH_OPERATION),
        allow_lower=True,
        refund_displaced=True,
        validate_only=True,
        reserve_seconds=900,
        plan_hash=HASH,
        etag="3",
    )


def test_a_plan_needs_no_request_id() -> None:
    assert command_of(a_request(request_id=None, validate_only=True)).request_id == ""
    with invalid("request_id"):
        command_of(a_request(request_id=None))
    with invalid("request_id"):
        command_of(a_request(request_id="with blanks", validate_only=True))


def test_a_train_needs_its_etag_and_a_run_does_not() -> None:
    assert command_of(a_request()).etag == ""
    assert command_of(a_request(travel_date=None, etag="2")).travel_date == ""
    with invalid("etag"):
        command_of(a_request(travel_date=None))


def test_names_are_read_in_any_case() -> None:
    message = Operation(add_coach=layout_pb2.AddCoach(name=" bar ", section="a", seat_count=1))
    assert command_of(a_request(message)).operations == (operations.AddCoach("BAR", "A", 1),)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"train_id": None}, "train_id"),
        ({"train_id": "ES 9014"}, "train_id"),
        ({"travel_date": "tomorrow"}, "travel_date"),
        ({"travel_date": "2026-02-30"}, "travel_date"),
        ({"operations": []}, "operations"),
        ({"operations": [REMOVE_COACH] * (limits.LAYOUT_OPERATIONS_MAX + 1)}, "operations"),
        ({"plan_hash": "0123"}, "plan_hash"),
        ({"plan_hash": HASH.upper()}, "plan_hash"),
        ({"reserve": Duration(seconds=60)}, "reserve"),
        ({"reserve": Duration(seconds=60), "validate_only": True, "travel_date": None, "etag": "1"}, "reserve"),
        ({"reserve": Duration(), "validate_only": True}, "reserve"),
        ({"reserve": Duration(seconds=-1), "validate_only": True}, "reserve"),
        ({"reserve": Duration(seconds=901), "validate_only": True}, "reserve"),
        ({"reserve": Duration(seconds=1, nanos=1), "validate_only": True}, "reserve"),
    ],
)
def test_a_request_with_an_impossible_field_is_refused_under_its_path(fields: dict[str, object], path: str) -> None:
    with invalid(path):
        command_of(a_request(**fields))


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (Operation(), ""),
        (Operation(add_section=layout_pb2.AddSection(fare=FARE)), ".add_section.name"),
        (Operation(add_section=layout_pb2.AddSection(name="C")), ".add_section.fare"),
        (Operation(add_section=layout_pb2.AddSection(name="C", fare=MoneyMessage(units=-1))), ".add_section.fare"),
        (Operation(remove_section=layout_pb2.RemoveSection()), ".remove_section.name"),
        (Operation(set_fare=layout_pb2.SetFare(fare=FARE)), ".set_fare.section"),
        (Operation(set_fare=layout_pb2.SetFare(section="A")), ".set_fare.fare"),
        (
            Operation(set_fare=layout_pb2.SetFare(section="A", fare=MoneyMessage(currency_code="JPY", nanos=1))),
            ".set_fare.fare.nanos",
        ),
        (Operation(add_coach=layout_pb2.AddCoach(section="A", seat_count=1)), ".add_coach.name"),
        (Operation(add_coach=layout_pb2.AddCoach(name="7", seat_count=1)), ".add_coach.section"),
        (Operation(remove_coach=layout_pb2.RemoveCoach(name="  ")), ".remove_coach.name"),
        (Operation(remove_coach=layout_pb2.RemoveCoach(name="x" * 9)), ".remove_coach.name"),
        (Operation(set_seat_count=layout_pb2.SetSeatCount(seat_count=1)), ".set_seat_count.coach"),
        (Operation(remove_seats=layout_pb2.RemoveSeats(section="A")), ".remove_seats.seat_numbers"),
        (Operation(remove_seats=layout_pb2.RemoveSeats(seat_numbers=[1])), ".remove_seats.section"),
        (
            Operation(remove_seats=layout_pb2.RemoveSeats(section="A", seat_numbers=[1, 0])),
            ".remove_seats.seat_numbers[1]",
        ),
        (
            Operation(remove_seats=layout_pb2.RemoveSeats(section="A", seat_numbers=[1, 2, 1])),
            ".remove_seats.seat_numbers[2]",
        ),
        (
            Operation(remove_seats=layout_pb2.RemoveSeats(section="A", seat_numbers=range(1, 5_002))),
            ".remove_seats.seat_numbers",
        ),
    ],
)
def test_an_impossible_operation_is_refused_under_its_path(message: Operation, path: str) -> None:
    with invalid(f"operations[1]{path}"):
        command_of(a_request(REMOVE_COACH, message))


@pytest.mark.parametrize("text", ["", "es9014", "es9014:0", "es9014:02", "ES:1", "es9014:1:2", "es9014:99999999999"])
def test_what_is_no_id_of_a_layout_job_is_refused(text: str) -> None:
    assert requests.layout_job_id("es9014:2") == "es9014:2"
    with invalid("layout_job_id"):
        requests.layout_job_id(text)
