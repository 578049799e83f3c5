"""Errors on the wire.

Belongs here: the one table from a reason to a status code, and the details that travel along. Does not belong
here: when to refuse.
"""

import math

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from app.domain import limits
from app.domain.layout.plan import LayoutPlan, PlanChanged
from app.domain.refusals import InvalidField, Reason, Refusal
from app.pb.seatline.v1 import layout_pb2
from app.rpc.layouts.answers import layout_plan

DOMAIN = "seatline"
_DETAILS_METADATA = "grpc-status-details-bin"
# A client ends its connection for trailers above 8 kB. Details are sent as base64, and the text comes beside them once more.
PLAN_BYTES_MAX = 3_000

STATUS_CODES: dict[Reason, grpc.StatusCode] = {
    Reason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CREDENTIALS_MISSING: grpc.StatusCode.UNAUTHENTICATED,
    Reason.NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.TRAIN_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.TRAIN_RUN_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.USER_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.BOOKING_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.WEBHOOK_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.JOB_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.PASSENGER_ALREADY_BOOKED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.TRAIN_ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.USER_ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SEAT_TAKEN: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SECTION_FULL: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.RUN_DEPARTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.BOOKING_WAITLISTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WAITLIST_CLOSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WAITLIST_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.HOLD_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.HOLDS_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.HOLD_TOO_SOON: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.BOOKER_LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.FARE_HIGHER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PAYMENT_DECLINED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PAYMENT_INSUFFICIENT: grpc.StatusCode.ABORTED,
    Reason.PAYMENT_STALE: grpc.StatusCode.ABORTED,
    Reason.PAYMENT_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.PAYMENT_REJECTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.BOOKING_CANCELLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.TIMETABLE_IMPOSSIBLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WEBHOOKS_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.RUN_BUSY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_CALLS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.SERVER_STOPPING: grpc.StatusCode.UNAVAILABLE,
    Reason.TOO_MANY_REFUSALS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.PLAN_CHANGED: grpc.StatusCode.ABORTED,
    Reason.DISPLACED_TOO_MANY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.RUN_NOT_EMPTY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LAYOUT_JOB_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.RUN_CANCELLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SALES_NOT_OPEN: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SALES_CLOSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REPORT_STALE: grpc.StatusCode.ABORTED,
    Reason.TICKETS_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.TOO_MANY_RESENDS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.NOTICES_OFF: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ETAG_STALE: grpc.StatusCode.ABORTED,
    Reason.COMMIT_ATTEMPTS_SPENT: grpc.StatusCode.ABORTED,
    Reason.DATABASE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.RECORD_UNREADABLE: grpc.StatusCode.INTERNAL,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.MESSAGE_MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.MESSAGE_INCOMPLETE: grpc.StatusCode.INVALID_ARGUMENT,
}

# When the same call may succeed: a batch takes some ten milliseconds, an election of a primary some seconds, a person some
# minutes.
RETRY_SECONDS: dict[Reason, float] = {
    Reason.RUN_BUSY: 0.2,
    Reason.TOO_MANY_CALLS: 0.2,
    Reason.SERVER_STOPPING: 0.2,
    Reason.COMMIT_ATTEMPTS_SPENT: 0.2,
    Reason.DATABASE_UNAVAILABLE: 1.0,
    Reason.PAYMENT_UNAVAILABLE: 1.0,
    Reason.WAITLIST_FULL: 60.0,
    Reason.HOLDS_FULL: 60.0,
    Reason.HOLD_TOO_SOON: float(limits.HOLD_AGAIN_SECONDS),
    Reason.TOO_MANY_REFUSALS: 3600.0,
    Reason.BOOKER_LIMIT: 60.0,
    Reason.WEBHOOKS_FULL: 60.0,
    Reason.TOO_MANY_RESENDS: 3600.0,
}


def status_of(refusal: Refusal) -> Status:
    """Return the google.rpc.Status of a refusal, with ErrorInfo and the other details that its reason has."""
    status = Status(code=STATUS_CODES[refusal.reason].value[0], message=refusal.message)
    status.details.extend(_packed(detail) for detail in _details(refusal))
    return status


def abort_arguments(refusal: Refusal) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Return the arguments of `context.abort`: code, text and trailing metadata."""
    details = status_of(refusal).SerializeToString()
    return STATUS_CODES[refusal.reason], refusal.message, ((_DETAILS_METADATA, details),)


def _details(refusal: Refusal) -> list[Message]:
    details: list[Message] = [ErrorInfo(reason=refusal.reason.value, domain=DOMAIN, metadata=refusal.details)]
    if isinstance(refusal, InvalidField):
        violation = BadRequest.FieldViolation(field=refusal.field, description=refusal.description)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(refusal, PlanChanged):
        details.append(_bounded_plan(refusal.plan))
    if refusal.resource is not None:
        kind, name = refusal.resource
        details.append(ResourceInfo(resource_type=kind, resource_name=name, description=refusal.message))
    if refusal.reason in RETRY_SECONDS:
        seconds = RETRY_SECONDS[refusal.reason] if refusal.retry_seconds is None else refusal.retry_seconds
        delay = Duration()
        delay.FromMilliseconds(math.ceil(seconds * 1000))
        details.append(RetryInfo(retry_delay=delay))
    return details


def _bounded_plan(plan: LayoutPlan) -> layout_pb2.LayoutPlan:
    """Return a plan as far as trailers have room: all of it, else without its lists, else without its sections too."""
    answer = layout_plan(plan)
    for names in (("moves", "waitlisted", "refunds", "promoted"), ("sections",)):
        if answer.ByteSize() > PLAN_BYTES_MAX:
            for name in names:
                answer.ClearField(name)
    return answer


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed
