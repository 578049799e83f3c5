"""Turns a failed call into what is told about it.

Here belongs reading gRPC's errors: the `google.rpc.Status` that every refusal of the service carries, and gRPC's own words
where nobody answered. Not here: how a failure is written out, and its exit code (`app.cli.failures`).
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from app.cli.failures import Failure, FieldProblem

ADVICE_WHEN_AWAY = "Start one with 'seatline serve', or name another with --target."

_DETAILS_KEY = "grpc-status-details-bin"
# How gRPC begins the words for a call that found nobody to send it to.
_NEVER_CONNECTED = ("failed to connect", "errors resolving", "DNS resolution failed")

_ADVICE_BY_REASON = {
    "HOLD_EXPIRED": "Hold seats anew with 'seatline hold'.",
    "PAYMENT_DECLINED": "Give another --payment-token.",
}


def failure_of_call(error: grpc.RpcError, target: str, timeout_seconds: float) -> Failure:
    """What a failed call to `target` says: from its `google.rpc.Status` where it carries one, else from its bare status."""
    if not isinstance(error, grpc.Call):
        return Failure("UNKNOWN", str(error))
    code, message = error.code().name, error.details() or ""
    status = _status_of(error)
    if status is not None:
        return _failure_of_status(code, message, status)
    if code == "UNAVAILABLE":
        return _failure_of_connection(message, target)
    if code == "DEADLINE_EXCEEDED":
        return Failure(code, f"No answer from {target} within {timeout_seconds:g} s", advice="--timeout allows more.")
    if code == "UNIMPLEMENTED":
        return Failure(code, f"What answers at {target} does not know this call: {message}", was_sent=False)
    return Failure(code, message, advice=_advice_for(code, ""))


def _failure_of_connection(message: str, target: str) -> Failure:
    """Without a status of its own, UNAVAILABLE comes from gRPC here: never connected, or the connection broke."""
    if not message.startswith(_NEVER_CONNECTED):
        return Failure("UNAVAILABLE", f"The connection to {target} broke: {message}")
    seen = "" if "Connection refused" in message else f" ({message.rpartition('last error: ')[2]})"
    return Failure("UNAVAILABLE", f"No service answers at {target}{seen}", advice=ADVICE_WHEN_AWAY, was_sent=False)


def _advice_for(code: str, reason: str) -> str:
    if code == "UNAUTHENTICATED" or reason == "CREDENTIALS_MISSING":
        return "Give --user you@example.com, or set SEATLINE_USER."
    return _ADVICE_BY_REASON.get(reason, "")


def _status_of(error: grpc.Call) -> status_pb2.Status | None:
    """The rich status of a failed call, or None where there is none or it cannot be read."""
    trailers: Any = error.trailing_metadata()  # its published type says one entry where there is a sequence of them
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
        # Unpack answers False for another type and leaves the message alone.
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
