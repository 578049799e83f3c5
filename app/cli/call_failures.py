"""Failures of calls, read from gRPC errors.

Belongs here: reading the `google.rpc.Status` that every refusal of the service carries, and gRPC's own messages if no service
answered. Does not belong here: printing a failure, and its exit code (`app.cli.failures`).
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from app.cli.failures import Failure, FieldProblem

ADVICE_WHEN_AWAY = "Start a server with 'seatline serve', or give its address with --target."

_DETAILS_KEY = "grpc-status-details-bin"
# Prefixes of gRPC's messages for a call that never reached a server.
_NEVER_CONNECTED = ("failed to connect", "errors resolving", "DNS resolution failed")

_ADVICE_BY_REASON = {
    "HOLD_EXPIRED": "Hold the seats again with 'seatline hold'.",
    "PAYMENT_DECLINED": "Give another --payment-token.",
    "PLAN_CHANGED": "Look at the new plan with 'seatline layout plan'.",
    "REPORT_STALE": "See 'seatline run status' for what is known.",
    "RUN_NOT_EMPTY": "Hide it with 'seatline run hide'.",
}


def failure_of_call(error: grpc.RpcError, target: str, timeout_seconds: float) -> Failure:
    """Return the failure of a call to `target`, from its `google.rpc.Status` if it has one, otherwise from its bare status."""
    if not isinstance(error, grpc.Call):
        return Failure("UNKNOWN", str(error))
    code, message = error.code().name, error.details() or ""
    status = _status_of(error)
    if status is not None:
        return _failure_of_status(code, message, status)
    if code == "UNAVAILABLE":
        return _failure_of_connection(message, target)
    if code == "DEADLINE_EXCEEDED":
        return Failure(code, f"No answer from {target} within {timeout_seconds:g} s", advice="Raise --timeout to wait longer.")
    if code == "UNIMPLEMENTED":
        return Failure(code, f"The server at {target} does not implement this call: {message}", was_sent=False)
    return Failure(code, message, advice=_advice_for(code, ""))


def _failure_of_connection(message: str, target: str) -> Failure:
    """Tell apart the two causes of UNAVAILABLE without a rich status: never connected, or connection broken."""
    if not message.startswith(_NEVER_CONNECTED):
        return Failure("UNAVAILABLE", f"The connection to {target} broke: {message}")
    cause = "" if "Connection refused" in message else f" ({message.rpartition('last error: ')[2]})"
    return Failure("UNAVAILABLE", f"No server answers at {target}{cause}", advice=ADVICE_WHEN_AWAY, was_sent=False)


def _advice_for(code: str, reason: str) -> str:
    if code == "UNAUTHENTICATED" or reason == "CREDENTIALS_MISSING":
        return "Give --user you@example.com, or set SEATLINE_USER."
    return _ADVICE_BY_REASON.get(reason, "")


def _status_of(error: grpc.Call) -> status_pb2.Status | None:
    """Return the rich status of a failed call, or None if it is missing or unreadable."""
    trailers: Any = error.trailing_metadata()  # its published type is one entry, but it is a sequence of entries
    for key, value in trailers or ():
        if key == _DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _failure_of_status(code: str, message: str, status: status_pb2.Status) -> Failure:
    reason, fields, metadata = "", [], {}
    retry_after_seconds: float | None = None
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        # Unpack returns False for another type and leaves the message unchanged.
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = [FieldProblem(violation.field, violation.description) for violation in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return Failure(
        code=code,
        message=status.message or message,
        reason=reason,
        fields=tuple(fields),
        retry_after_seconds=retry_after_seconds,
        metadata=metadata,
        advice=_advice_for(code, reason),
    )
