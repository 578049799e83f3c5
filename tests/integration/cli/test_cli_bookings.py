"""The command line against a gRPC server on a loopback port whose answers each test writes down.

Here belongs what needs a connection: which calls a command makes, with which metadata, what it prints and how it exits. Not
here: the pure parts (`tests/unit/test_cli_*.py`) and the real service.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from google.type import money_pb2
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2, train_run_pb2, user_pb2
from tests.support.scripted_service import JOURNEY, Refusal, ScriptedService, ann, booking_of, receipt_of, scripted_service


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as scripted:
        yield scripted


@pytest.fixture
def seatline(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command line against the scripted service."""
    for name in ("SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, ["--target", service.target, *arguments], env=environment)

    return run


BOOK = ("book", "es9014", "2030-07-01", "--from", "STP", "--to", "PNO", "--passenger", "Ann Lee <ann@example.com>")


def test_book_sends_what_was_typed_and_shows_the_booking_in_local_time(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann(17))
    result = seatline(*BOOK, "--seat", "A-17", "--request-id", "r1", "--user", "ann@example.com", "--role", "operator")
    assert result.exit_code == 0, result.stderr
    request = service.requests("CreateBooking")[0]
    assert (request.request_id, request.origin, request.destination) == ("r1", "STP", "PNO")
    assert (request.section, list(request.seat_numbers)) == ("A", [17])
    assert request.passengers[0].last_name == "Lee"
    assert service.metadata["x-seatline-user"] == "ann@example.com"
    assert service.metadata["x-seatline-roles"] == "operator"
    assert "7K2M9Q" in result.stdout
    assert "USD 20.00" in result.stdout
    assert "A-17, coach 1: Ann Lee" in result.stdout
    assert "10:24 BST" in result.stdout
    assert "13:56 CEST" in result.stdout


def test_every_booking_without_a_request_id_gets_one_of_its_own(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    seatline(*BOOK)
    seatline(*BOOK)
    first, second = (request.request_id for request in service.requests("CreateBooking"))
    assert first
    assert second
    assert first != second


def test_json_is_one_document_with_the_names_of_the_contract(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    for arguments in ((*BOOK, "--json"), ("--json", *BOOK)):
        result = seatline(*arguments)
        document = json.loads(result.stdout)
        assert document["reference"] == "7K2M9Q"
        assert document["passengers"][0]["first_name"] == "Ann"
        assert document["cancelled_passengers"] == []


def test_options_near_the_command_beat_those_before_it_and_the_environment(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetReceipt"] = receipt_of(ann())
    seatline("receipt", "7K2M9Q", SEATLINE_USER="env@example.com")
    assert service.metadata["x-seatline-user"] == "env@example.com"
    seatline("--user", "before@example.com", "receipt", "7K2M9Q", SEATLINE_USER="env@example.com")
    assert service.metadata["x-seatline-user"] == "before@example.com"
    seatline(
        "--user", "before@example.com", "receipt", "7K2M9Q", "--user", "after@example.com", SEATLINE_USER="env@example.com"
    )
    assert service.metadata["x-seatline-user"] == "after@example.com"


def test_a_refusal_is_one_line_with_its_reason_and_exit_code_1(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN", message="seat A-17 is taken")
    result = seatline(*BOOK)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: seat A-17 is taken (SEAT_TAKEN)\n"


def test_a_refused_field_is_named_also_in_json(service: ScriptedService, seatline: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="passengers[0].email", description="is no address")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    assert seatline(*BOOK).stderr == "Error: passengers[0].email: is no address (INVALID_FIELD)\n"
    result = seatline(*BOOK, "--json")
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["code"], error["reason"]) == (1, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert error["field_violations"] == [{"field": "passengers[0].email", "description": "is no address"}]


def test_a_doubtful_booking_says_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=500_000_000))
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", retry, message="away")
    result = seatline(*BOOK, "--request-id", "r-7")
    assert result.exit_code == 3
    assert "try again in 0.5 s" in result.stderr
    assert "--request-id r-7" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_user_and_a_missing_role_say_which_option_helps(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetReceipt"] = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert "--user you@example.com" in seatline("receipt", "7K2M9Q").stderr
    service.answers["ListTrains"] = Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    assert "--role operator" in seatline("train", "list").stderr
    assert "--role operator" not in seatline("train", "list", "--role", "operator").stderr


def test_a_service_that_is_not_there_is_one_line_and_exit_code_3() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connecting is refused, and nobody else takes the port
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(app, ["runs", "--target", target, "--timeout", "10"])
    assert result.exit_code == 3
    assert (
        result.stderr
        == f"Error: No server answers at {target}. Start a server with 'seatline serve', or give its address with --target.\n"
    )


def test_what_cannot_be_read_is_a_usage_problem_before_any_call(service: ScriptedService, seatline: Any) -> None:
    for arguments in (
        ("book", "es9014"),
        ("receipts", "ann@example.com", "--nonsense"),
        (*BOOK, "--passenger", "Ann"),
        ("receipt", "7K2M9Q", "--user", "zoë\x07@example.com"),
        ("receipt", "7K2M9Q", "--target", "http://127.0.0.1"),
        ("receipt", "\udcff"),
        ("update", "7K2M9Q", "--passenger", "ann@example.com"),
    ):
        result = seatline(*arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), arguments
        assert json.loads(seatline(*arguments, "--json").stderr)["error"]["code"] == "USAGE"
    assert service.asked == []


def test_lists_go_through_all_pages_unless_one_is_asked_for(service: ScriptedService, seatline: Any) -> None:
    def page(request: Any) -> Any:
        start = int(request.page_token or 0)
        following = str(start + 1) if start < 2 else ""
        return booking_pb2.ListReceiptsResponse(
            receipts=[receipt_of(ann(), reference=f"PAGE{start}")], next_page_token=following
        )

    service.answers["ListReceipts"] = page
    merged = json.loads(seatline("receipts", "ann@example.com", "--from", "STP", "--json").stdout)
    assert [entry["reference"] for entry in merged["receipts"]] == ["PAGE0", "PAGE1", "PAGE2"]
    assert merged["next_page_token"] == ""
    assert service.requests("ListReceipts")[2].origin == "STP"
    one = json.loads(seatline("receipts", "ann@example.com", "--page-size", "1", "--page-token", "1", "--json").stdout)
    assert [entry["reference"] for entry in one["receipts"]] == ["PAGE1"]
    assert one["next_page_token"] == str(2)
    shown = seatline("receipts", "ann@example.com", "--page-size", "1")
    assert "1 receipt." in shown.stdout
    assert "--page-token 1" in shown.stderr


def test_a_list_whose_pages_never_end_stops(service: ScriptedService, seatline: Any) -> None:
    service.answers["ListTrains"] = train_pb2.ListTrainsResponse(next_page_token="again")
    result = seatline("train", "list")
    assert result.exit_code == 0
    assert "--page-token again" in result.stderr
    assert len(service.requests("ListTrains")) == 50


def test_update_sends_one_change_with_its_mask_and_etag(service: ScriptedService, seatline: Any) -> None:
    bob = passenger_pb2.Passenger(first_name="Bob", last_name="Ray", email="Bob@example.com", seat=ann(2).seat)
    service.answers.update(GetBooking=booking_of(ann(), bob), UpdateBooking=booking_of(ann(), bob))
    result = seatline("update", "7k2m9q", "--passenger", "bob@EXAMPLE.com", "--email", "rob@example.com", "--last-name", "Roy")
    assert result.exit_code == 0, result.stderr
    request = service.requests("UpdateBooking")[0]
    assert [person.email for person in request.passengers] == ["ann@example.com", "rob@example.com"]
    assert list(request.update_mask.paths) == ["passengers.last_name", "passengers.email"]
    assert request.etag == "e1"
    assert not request.passengers[0].HasField("seat")
    missing = seatline("update", "7K2M9Q", "--passenger", "eve@example.com", "--email", "x@example.com")
    assert missing.exit_code == 1
    assert "ann@example.com, Bob@example.com" in missing.stderr


def test_change_seat_and_cancel_send_what_was_typed(service: ScriptedService, seatline: Any) -> None:
    service.answers.update(
        ChangeSeat=booking_of(ann(17, "B")), CancelBooking=booking_pb2.CancelBookingResponse(booking=booking_of(ann()))
    )
    seatline("change-seat", "7K2M9Q", "--passenger", "ann@example.com", "--seat", "b-17")
    moved = service.requests("ChangeSeat")[0]
    assert (moved.passenger_email, moved.section, moved.seat_number) == ("ann@example.com", "B", 17)
    shown = seatline("cancel", "7K2M9Q", "--passenger", "ann@example.com", "--quote")
    cancelled = service.requests("CancelBooking")[0]
    assert list(cancelled.passenger_emails) == ["ann@example.com"]
    assert cancelled.validate_only
    assert "nothing was changed" in shown.stdout


def _family() -> booking_pb2.Booking:
    """Ann, Tom, who has no address, and Ben, who has another than Ann, who booked."""
    tom = passenger_pb2.Passenger(first_name="Tom", last_name="Lee", number=2, seat=ann(2).seat)
    ben = passenger_pb2.Passenger(first_name="Ben", last_name="Lee", email="ben@example.com", number=3, seat=ann(3).seat)
    first = ann(1)
    first.number = 1
    return booking_of(first, tom, ben)


def test_passengers_are_shown_with_their_numbers_and_named_by_them(service: ScriptedService, seatline: Any) -> None:
    family = _family()
    service.answers.update(
        GetBooking=family,
        UpdateBooking=family,
        ChangeSeat=family,
        CancelBooking=booking_pb2.CancelBookingResponse(booking=family),
    )
    shown = seatline("change-seat", "7K2M9Q", "--passenger", "2", "--seat", "9").stdout
    moved = service.requests("ChangeSeat")[0]
    assert (moved.passenger_number, moved.passenger_email, moved.seat_number) == (2, "", 9)
    assert "2. A-2" in shown
    seatline("cancel", "7K2M9Q", "--passenger", "2", "--passenger", "3")
    assert list(service.requests("CancelBooking")[0].passenger_numbers) == [2, 3]
    seatline("update", "7K2M9Q", "--passenger", "2", "--first-name", "Tim")
    request = service.requests("UpdateBooking")[0]
    assert [(person.number, person.first_name) for person in request.passengers] == [(2, "Tim")]
    mixed = seatline("cancel", "7K2M9Q", "--passenger", "2", "--passenger", "ben@example.com")
    assert (mixed.exit_code, "addresses only" in mixed.stderr) == (2, True)


def test_an_address_that_several_have_is_not_enough_for_an_update(service: ScriptedService, seatline: Any) -> None:
    service.answers.update(GetBooking=_family(), UpdateBooking=_family())
    refused = seatline("update", "7K2M9Q", "--passenger", "ann@example.com", "--first-name", "Tim")
    assert (refused.exit_code, "passengers 1, 2 share the address" in refused.stderr) == (1, True)
    assert seatline("update", "7K2M9Q", "--passenger", "ben@example.com", "--first-name", "Tim").exit_code == 0
    assert [person.number for person in service.requests("UpdateBooking")[0].passengers] == [3]


def test_who_has_left_is_shown_what_was_its_own_and_no_price(service: ScriptedService, seatline: Any) -> None:
    left = ann(1)
    left.number = 1
    own = booking_pb2.Booking(
        reference="7K2M9Q", state=booking_pb2.BOOKING_STATE_CANCELLED, cancelled_passengers=[left], **JOURNEY
    )
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=own, refund=money_pb2.Money(currency_code="USD", units=20)
    )
    shown = seatline("cancel", "7K2M9Q", "--passenger", "1").stdout
    assert "1. A-1" in shown
    assert "The refund is USD 20.00." in shown
    assert not [word for word in ("Price", "Booked by") if word in shown]
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=own, validate_only=True, current_booking=_family()
    )
    quote = seatline("cancel", "7K2M9Q", "--passenger", "1", "--quote").stdout
    assert "Would cancel" in quote
    assert "1. A-1" in quote


def test_map_marks_the_callers_own_seats_on_the_drawn_journey_only(service: ScriptedService, seatline: Any) -> None:
    entries = [
        train_run_pb2.SeatMapEntry(
            seat=ann(number).seat, state=train_run_pb2.SEAT_STATE_SOLD if number < 3 else train_run_pb2.SEAT_STATE_FREE
        )
        for number in range(1, 9)
    ]
    whole_way = {key: JOURNEY[key] for key in ("train_id", "travel_date", "origin", "destination")}
    service.answers["GetSeatMap"] = train_run_pb2.SeatMap(seats=entries, **whole_way)
    elsewhere = receipt_of(ann(2))
    elsewhere.train_id = "es9999"
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt_of(ann(1)), elsewhere])
    result = seatline("map", "es9014", "2030-07-01", "--user", "ann@example.com")
    assert "1★" in result.stdout
    assert "2●" in result.stdout
    assert "3○" in result.stdout
    assert "\x1b" not in result.stdout
    anonymous = seatline("map", "es9014", "2030-07-01")
    assert "1●" in anonymous.stdout
    assert len(service.requests("ListReceipts")) == 1
    service.answers["ListReceipts"] = Refusal(grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert seatline("map", "es9014", "2030-07-01", "--user", "new@example.com").exit_code == 0


def test_a_caller_outside_ascii_is_named_in_bytes(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetReceipt"] = receipt_of(ann())
    assert seatline("receipt", "7K2M9Q", "--user", "zoë@bücher.example").exit_code == 0
    assert service.metadata["x-seatline-user-bin"] == "zoë@bücher.example".encode()
    assert "x-seatline-user" not in service.metadata


def test_a_caller_that_nobody_could_type_is_refused_before_the_call(seatline: Any) -> None:
    assert "--user" in seatline("receipt", "7K2M9Q", "--user", "a\x1b@example.com").stderr
    assert "--role" in seatline("receipt", "7K2M9Q", "--role", "opérateur").stderr


def test_a_name_is_corrected_in_the_fields_that_were_given(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateUser"] = user_pb2.User(first_name="Ann", last_name="Lee", email="ann@example.com", etag="2")
    result = seatline("rename", "--last-name", "Lee", "--user", "ann@example.com", "--etag", "1")
    assert (result.exit_code, result.stdout) == (0, "Registered as Ann Lee <ann@example.com>.\n")
    request = service.requests("UpdateUser")[0]
    assert (request.email, request.user.last_name, list(request.update_mask.paths)) == ("ann@example.com", "Lee", ["last_name"])
    assert request.etag == "1"
    assert json.loads(seatline("rename", "--first-name", "Ann", "--json").stdout)["etag"] == "2"
    assert seatline("rename", "--user", "ann@example.com").exit_code == 2
