"""Commands that call the service: connection options, JSON, paging, refusals and usage errors.

Belongs here: what all such commands share, against the scripted service. Does not belong here: single commands (a file per
resource), and pure parts (`tests/unit/cli`).
"""

from __future__ import annotations

import json
import socket
from typing import Any

import grpc
from google.rpc import error_details_pb2
from typer.testing import CliRunner

from app.cli import app
from app.pb.seatline.v1 import booking_pb2, train_pb2
from tests.support.scripted_service import (
    Refusal,
    ScriptedService,
    ann,
    booking_of,
    receipt_of,
)

BOOK = ("book", "es9014", "2030-07-01", "--from", "STP", "--to", "PNO", "--passenger", "Ann Lee <ann@example.com>")


def test_json_output_is_one_document_with_the_contracts_field_names(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    for arguments in ((*BOOK, "--json"), ("--json", *BOOK)):
        result = seatline(*arguments)
        document = json.loads(result.stdout)
        assert document["reference"] == "7K2M9Q"
        assert document["passengers"][0]["first_name"] == "Ann"
        assert document["cancelled_passengers"] == []


def test_options_after_the_command_win_over_those_before_it_and_the_environment(
    service: ScriptedService, seatline: Any
) -> None:
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


def test_a_refused_field_is_named_in_text_and_in_json(service: ScriptedService, seatline: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="passengers[0].email", description="is no address")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    assert seatline(*BOOK).stderr == "Error: passengers[0].email: is no address (INVALID_FIELD)\n"
    result = seatline(*BOOK, "--json")
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["code"], error["reason"]) == (1, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert error["field_violations"] == [{"field": "passengers[0].email", "description": "is no address"}]


def test_a_missing_user_or_role_is_refused_with_the_option_to_add(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetReceipt"] = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert "--user you@example.com" in seatline("receipt", "7K2M9Q").stderr
    service.answers["ListTrains"] = Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    assert "--role operator" in seatline("train", "list").stderr
    assert "--role operator" not in seatline("train", "list", "--role", "operator").stderr


def test_an_unreachable_service_is_one_line_and_exit_code_3() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused, and no other process takes the port
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(app, ["runs", "--target", target, "--timeout", "10"])
    assert result.exit_code == 3
    assert (
        result.stderr
        == f"Error: No server answers at {target}. Start a server with 'seatline serve', or give its address with --target.\n"
    )


def test_invalid_arguments_are_a_usage_error_before_any_call(service: ScriptedService, seatline: Any) -> None:
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


def test_a_list_fetches_all_pages_unless_one_page_is_requested(service: ScriptedService, seatline: Any) -> None:
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


def test_a_list_whose_pages_never_end_stops_at_the_limit(service: ScriptedService, seatline: Any) -> None:
    service.answers["ListTrains"] = train_pb2.ListTrainsResponse(next_page_token="again")
    result = seatline("train", "list")
    assert result.exit_code == 0
    assert "--page-token again" in result.stderr
    assert len(service.requests("ListTrains")) == 50


def test_a_user_outside_ascii_is_sent_as_bytes(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetReceipt"] = receipt_of(ann())
    assert seatline("receipt", "7K2M9Q", "--user", "zoë@bücher.example").exit_code == 0
    assert service.metadata["x-seatline-user-bin"] == "zoë@bücher.example".encode()
    assert "x-seatline-user" not in service.metadata


def test_an_unprintable_user_or_role_is_refused_before_the_call(seatline: Any) -> None:
    assert "--user" in seatline("receipt", "7K2M9Q", "--user", "a\x1b@example.com").stderr
    assert "--role" in seatline("receipt", "7K2M9Q", "--role", "opérateur").stderr
