"""Layout operations as typed: their forms, the errors that name the form, and the messages that they become."""

from __future__ import annotations

import pytest
from google.type.money_pb2 import Money

from app.cli.failures import FieldProblem, UsageError
from app.cli.layout_operations import OPERATION_OPTIONS, SEAT_NUMBERS_MAX, TypedOperation, naming_operations, parse_operation
from app.pb.seatline.v1 import layout_pb2

BY_FLAG = {option.flag: option for option in OPERATION_OPTIONS}


def parsed(flag: str, text: str) -> TypedOperation:
    return parse_operation(BY_FLAG[flag], text)


def usd(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="USD", units=units, nanos=nanos)


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("--add-section", "C=35.00", layout_pb2.LayoutOperation(add_section=layout_pb2.AddSection(name="C", fare=usd(35)))),
        ("--remove-section", "b", layout_pb2.LayoutOperation(remove_section=layout_pb2.RemoveSection(name="B"))),
        (
            "--fare",
            " a = 25.5",
            layout_pb2.LayoutOperation(set_fare=layout_pb2.SetFare(section="A", fare=usd(25, 500_000_000))),
        ),
        (
            "--add-coach",
            "9:A:60",
            layout_pb2.LayoutOperation(add_coach=layout_pb2.AddCoach(name="9", section="A", seat_count=60)),
        ),
        ("--remove-coach", "3", layout_pb2.LayoutOperation(remove_coach=layout_pb2.RemoveCoach(name="3"))),
        (
            "--seat-count",
            "2=48",
            layout_pb2.LayoutOperation(set_seat_count=layout_pb2.SetSeatCount(coach="2", seat_count=48)),
        ),
        (
            "--remove-seats",
            "A:17, 18,21-24",
            layout_pb2.LayoutOperation(remove_seats=layout_pb2.RemoveSeats(section="A", seat_numbers=[17, 18, 21, 22, 23, 24])),
        ),
    ],
)
def test_an_operation_becomes_the_message_of_its_kind(flag: str, text: str, message: layout_pb2.LayoutOperation) -> None:
    assert parsed(flag, text).message("USD") == message


def test_every_operation_of_the_contract_has_an_option() -> None:
    fields = layout_pb2.LayoutOperation.DESCRIPTOR.oneofs_by_name["operation"].fields
    assert [option.field for option in OPERATION_OPTIONS] == [field.name for field in fields]


def test_every_example_in_an_error_has_the_form_that_it_shows() -> None:
    assert [parse_operation(option, option.example).option for option in OPERATION_OPTIONS] == list(OPERATION_OPTIONS)


def test_a_fare_with_a_currency_keeps_it() -> None:
    operation = parsed("--fare", "A=eur 9.99")
    assert operation.needs_currency is False
    assert operation.message("USD").set_fare.fare == Money(currency_code="EUR", units=9, nanos=990_000_000)


def test_only_a_fare_without_a_currency_needs_the_trains() -> None:
    assert parsed("--fare", "A=9.99").needs_currency
    assert not parsed("--remove-coach", "3").needs_currency


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--add-section", "C"),
        ("--add-section", "C=-1"),
        ("--add-section", "C=1,50"),
        ("--fare", "25.00"),
        ("--fare", "A=1.0000000001"),
        ("--add-coach", "9-A-60"),
        ("--add-coach", "9:A"),
        ("--add-coach", "9:A:"),
        ("--add-coach", "9:A:sixty"),
        ("--add-coach", "123456789:A:60"),
        ("--seat-count", "2"),
        ("--seat-count", "2=-1"),
        ("--seat-count", "2=1234567890"),
        ("--seat-count", "2=\u0664"),
        ("--remove-coach", ""),
        ("--remove-section", "A B"),
        ("--remove-seats", "A"),
        ("--remove-seats", "A:"),
        ("--remove-seats", "A:1-"),
        ("--remove-seats", "A:1,,2"),
    ],
)
def test_an_operation_of_another_form_is_refused_with_the_form(flag: str, text: str) -> None:
    option = BY_FLAG[flag]
    with pytest.raises(UsageError, match="cannot parse") as refused:
        parse_operation(option, text)
    assert f"write {option.form}, such as {flag} {option.example}" in str(refused.value)


def test_a_range_of_seats_that_runs_backwards_or_never_ends_is_refused() -> None:
    with pytest.raises(UsageError, match="write 3-9"):
        parsed("--remove-seats", "A:9-3")
    with pytest.raises(UsageError, match="more than 5,000 seats"):
        parsed("--remove-seats", "A:1,1-999999999")
    assert len(parsed("--remove-seats", f"A:1-{SEAT_NUMBERS_MAX}").message("").remove_seats.seat_numbers) == SEAT_NUMBERS_MAX


def test_a_path_in_the_request_is_replaced_by_the_operation_as_typed() -> None:
    operations = [parsed("--remove-coach", "3"), parsed("--seat-count", "2=0")]
    problems = (
        FieldProblem("operations[1].set_seat_count.seat_count", "must be at least 1"),
        FieldProblem("operations[7].remove_coach.name", "is not typed"),
        FieldProblem("reserve", "must be at most 900 s"),
    )
    assert [problem.path for problem in naming_operations(problems, operations)] == [
        "--seat-count 2=0",
        "operations[7].remove_coach.name",
        "reserve",
    ]
