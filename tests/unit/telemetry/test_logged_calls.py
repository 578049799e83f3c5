"""Log lines about calls: one for each refused or failed call, up to a limit a second, and the rest counted."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import pytest

from app.domain.refusals import Reason
from app.telemetry.logs.calls import CallLogger, LineBudget, record_incident

METHOD = "/seatline.v1.BookingService/CreateBooking"
ENDS = [
    (grpc.StatusCode.NOT_FOUND, Reason.TRAIN_RUN_NOT_FOUND, "INFO", "call refused"),
    (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD, "INFO", "call refused"),
    (grpc.StatusCode.CANCELLED, None, "INFO", "call cancelled by its client"),
    (grpc.StatusCode.UNAVAILABLE, Reason.DATABASE_UNAVAILABLE, "WARNING", "call failed"),
    (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "WARNING", "call failed"),
    (grpc.StatusCode.INTERNAL, Reason.INTERNAL, "ERROR", "call failed"),
]


def _end(calls: CallLogger, code: grpc.StatusCode, reason: Reason | None, method: str = METHOD) -> None:
    context: Any = None  # the caller is not logged
    calls.call_ended(calls.call_started(method, context), method, code, reason)


def _told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [{"event": record.getMessage(), "level": record.levelname, **vars(record)} for record in caplog.records]


@pytest.mark.parametrize(("code", "reason", "level", "event"), ENDS)
def test_a_call_without_an_answer_has_a_line(
    code: grpc.StatusCode, reason: Reason | None, level: str, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _end(CallLogger(10), code, reason)
    (told,) = _told(caplog)
    assert (told["event"], told["level"], told["method"], told["code"]) == (event, level, METHOD[1:], code.name)
    assert told.get("reason") == (reason.value if reason else None)
    assert 0 <= told["milliseconds"] < 1_000


def test_an_answered_call_has_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _end(CallLogger(10), grpc.StatusCode.OK, None)
    assert caplog.records == []


async def test_an_internal_error_has_one_line_with_its_incident_number_and_places(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("jane@example.com")
    record_incident("abc123", error)
    _end(CallLogger(10), grpc.StatusCode.INTERNAL, Reason.INTERNAL)
    (told,) = _told(caplog)
    assert (told["event"], told["incident"]) == ("call failed, incident abc123", "abc123")
    assert told["exc_info"][1] is error


async def test_a_burst_has_a_few_lines_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    calls = CallLogger(3)
    for _ in range(500):
        _end(calls, grpc.StatusCode.FAILED_PRECONDITION, Reason.SEAT_TAKEN)
    _end(calls, grpc.StatusCode.INTERNAL, Reason.INTERNAL)
    _end(calls, grpc.StatusCode.FAILED_PRECONDITION, Reason.SEAT_TAKEN, "/seatline.v1.BookingService/ChangeSeat")
    assert len(caplog.records) == 5, "a fault and another method have lines of their own"
    calls.log_suppressed()
    told = _told(caplog)[-1]
    assert (told["event"], told["calls"], told["code"]) == ("497 more calls of this kind", 497, "FAILED_PRECONDITION")
    calls.log_suppressed()
    assert len(caplog.records) == 6, "a reported count is not reported again"


def test_each_second_has_its_own_limit() -> None:
    budget = LineBudget(2)
    assert [budget.admits(now, "ABORTED") for now in (5.0, 5.1, 5.2, 5.99)] == [True, True, False, False]
    assert [budget.admits(now, "NOT_FOUND") for now in (6.0, 6.5, 6.9)] == [True, True, False]
    assert budget.take_suppressed() == {"ABORTED": 2, "NOT_FOUND": 1}
    assert budget.take_suppressed() == {}


async def test_suppressed_lines_are_counted_in_a_line_a_second_later(caplog: pytest.LogCaptureFixture) -> None:
    calls = CallLogger(1)
    for _ in range(3):
        _end(calls, grpc.StatusCode.UNAVAILABLE, Reason.DATABASE_UNAVAILABLE)
    timer = calls._timer
    assert timer is not None
    assert not timer.cancelled()
    timer._run()  # as the loop does a second later
    assert _told(caplog)[-1]["event"] == "2 more calls of this kind"
    assert calls._timer is None
