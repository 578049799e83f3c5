"""Failures of calls: texts and exit codes."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from app.cli.call_failures import failure_of_call
from app.cli.failures import Failure, FieldProblem

TARGET = "127.0.0.1:50051"


class FailedCall(grpc.RpcError, grpc.Call):
    """A failed call, as the client library raises it."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailers: tuple[tuple[str, Any], ...] = ()) -> None:
        self._said = (code, details, trailers)

    def code(self) -> grpc.StatusCode:
        return self._said[0]

    def details(self) -> str:
        return self._said[1]

    def trailing_metadata(self) -> Any:
        return self._said[2]

    def initial_metadata(self) -> Any:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0.0

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Any) -> bool:
        return False


def failure_with(code: grpc.StatusCode, message: str, *details: Message) -> Failure:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    trailers = (("other", "x"), ("grpc-status-details-bin", status.SerializeToString()))
    return failure_of_call(FailedCall(code, message, trailers), TARGET, 10)


def test_reason_fields_and_delay_are_read_from_the_rich_status() -> None:
    failure = failure_with(
        grpc.StatusCode.INVALID_ARGUMENT,
        "bad",
        error_details_pb2.ErrorInfo(reason="INVALID_FIELD", metadata={"max": "9"}),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field="origin", description="is no stop"),
                error_details_pb2.BadRequest.FieldViolation(field="travel_date", description="is no date."),
            ]
        ),
        error_details_pb2.DebugInfo(detail="of an unknown type"),
    )
    assert failure.line() == "origin: is no stop; travel_date: is no date (INVALID_FIELD)"
    assert failure.exit_code == 1
    told = json.loads(failure.json_text())["error"]
    assert (told["code"], told["reason"], told["metadata"]) == ("INVALID_ARGUMENT", "INVALID_FIELD", {"max": "9"})
    assert told["field_violations"][0] == {"field": "origin", "description": "is no stop"}


def test_a_retryable_refusal_says_when_and_exits_with_3() -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000))
    reason = error_details_pb2.ErrorInfo(reason="RUN_BUSY")
    failure = failure_with(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many wait", reason, retry)
    assert failure.line() == "too many wait (RUN_BUSY); try again in 1.5 s"
    assert failure.exit_code == 3


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("HOLD_EXPIRED", "Hold the seats again with 'seatline hold'."),
        ("PAYMENT_DECLINED", "Give another --payment-token."),
        ("SEAT_TAKEN", ""),
    ],
)
def test_advice_depends_on_the_reason(reason: str, advice: str) -> None:
    info = error_details_pb2.ErrorInfo(reason=reason)
    assert failure_with(grpc.StatusCode.FAILED_PRECONDITION, "no", info).advice == advice


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (grpc.StatusCode.NOT_FOUND, 1),
        (grpc.StatusCode.ALREADY_EXISTS, 1),
        (grpc.StatusCode.ABORTED, 1),
        (grpc.StatusCode.UNAVAILABLE, 3),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 3),
        (grpc.StatusCode.INTERNAL, 4),
        (grpc.StatusCode.UNIMPLEMENTED, 4),
    ],
)
def test_each_status_has_its_exit_code(code: grpc.StatusCode, exit_code: int) -> None:
    assert failure_of_call(FailedCall(code, "no"), TARGET, 10).exit_code == exit_code


@pytest.mark.parametrize(
    "details", ["failed to connect to all addresses; last error: Connection refused", "errors resolving nowhere"]
)
def test_an_unreachable_service_comes_with_advice(details: str) -> None:
    failure = failure_of_call(FailedCall(grpc.StatusCode.UNAVAILABLE, details), TARGET, 10)
    assert failure.line().startswith(f"No server answers at {TARGET}")
    assert "seatline serve" in failure.line()
    assert not failure.is_outcome_unknown


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL])
def test_a_broken_call_has_an_unknown_outcome(code: grpc.StatusCode) -> None:
    assert failure_of_call(FailedCall(code, "Socket closed"), TARGET, 10).is_outcome_unknown


def test_unreadable_details_leave_the_bare_status() -> None:
    error = FailedCall(grpc.StatusCode.NOT_FOUND, "no such train", (("grpc-status-details-bin", b"\xff\xff"),))
    assert failure_of_call(error, TARGET, 10).line() == "no such train"


def test_a_failure_is_one_line_without_control_characters() -> None:
    failure = Failure("NOT_FOUND", "a\nb\x1b[2J", reason="R\n", fields=(FieldProblem("x\ny", "\x07"),))
    assert len(failure.line().splitlines()) == 1
    assert "\x1b" not in failure.line()


def test_a_long_list_of_fields_is_truncated() -> None:
    fields = tuple(FieldProblem(f"passengers[{index}]", "is bad") for index in range(1000))
    assert len(Failure("INVALID_ARGUMENT", "bad", fields=fields).line()) < 1000
