"""Refusals: why a rule says no.

Belongs here: the reasons and the exception that carries them. Does not belong here: status codes (`app/rpc/refusals.py` has the
table).

    Refusal                  a rule says no; `reason` is for programs, the text for people
    └── InvalidField         a field of the request is wrong; `field` is its path
"""

from collections.abc import Mapping
from enum import StrEnum

# Texts repeat what was sent, and are sent in a response's trailers, where more than 8 kB end the client's whole connection.
_TEXT_LENGTH_MAX = 300  # characters


class Reason(StrEnum):
    """The documented reasons. `seatline.v1.ErrorReason` has the same names and explains each."""

    INVALID_FIELD = "INVALID_FIELD"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    NOT_PERMITTED = "NOT_PERMITTED"
    TRAIN_NOT_FOUND = "TRAIN_NOT_FOUND"
    TRAIN_RUN_NOT_FOUND = "TRAIN_RUN_NOT_FOUND"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    BOOKING_NOT_FOUND = "BOOKING_NOT_FOUND"
    WEBHOOK_NOT_FOUND = "WEBHOOK_NOT_FOUND"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    PASSENGER_ALREADY_BOOKED = "PASSENGER_ALREADY_BOOKED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    TRAIN_ALREADY_EXISTS = "TRAIN_ALREADY_EXISTS"
    USER_ALREADY_EXISTS = "USER_ALREADY_EXISTS"
    SEAT_TAKEN = "SEAT_TAKEN"
    SECTION_FULL = "SECTION_FULL"
    RUN_DEPARTED = "RUN_DEPARTED"
    BOOKING_WAITLISTED = "BOOKING_WAITLISTED"
    WAITLIST_CLOSED = "WAITLIST_CLOSED"
    WAITLIST_FULL = "WAITLIST_FULL"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    HOLDS_FULL = "HOLDS_FULL"
    HOLD_TOO_SOON = "HOLD_TOO_SOON"
    BOOKER_LIMIT = "BOOKER_LIMIT"
    FARE_HIGHER = "FARE_HIGHER"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENT_INSUFFICIENT = "PAYMENT_INSUFFICIENT"
    PAYMENT_STALE = "PAYMENT_STALE"
    PAYMENT_UNAVAILABLE = "PAYMENT_UNAVAILABLE"
    PAYMENT_REJECTED = "PAYMENT_REJECTED"
    TOO_MANY_REFUSALS = "TOO_MANY_REFUSALS"
    PLAN_CHANGED = "PLAN_CHANGED"
    DISPLACED_TOO_MANY = "DISPLACED_TOO_MANY"
    RUN_NOT_EMPTY = "RUN_NOT_EMPTY"
    LAYOUT_JOB_NOT_FOUND = "LAYOUT_JOB_NOT_FOUND"
    RUN_CANCELLED = "RUN_CANCELLED"
    SALES_NOT_OPEN = "SALES_NOT_OPEN"
    SALES_CLOSED = "SALES_CLOSED"
    REPORT_STALE = "REPORT_STALE"
    TICKETS_UNAVAILABLE = "TICKETS_UNAVAILABLE"
    TOO_MANY_RESENDS = "TOO_MANY_RESENDS"
    NOTICES_OFF = "NOTICES_OFF"
    BOOKING_CANCELLED = "BOOKING_CANCELLED"
    TIMETABLE_IMPOSSIBLE = "TIMETABLE_IMPOSSIBLE"
    WEBHOOKS_FULL = "WEBHOOKS_FULL"
    RUN_BUSY = "RUN_BUSY"
    TOO_MANY_CALLS = "TOO_MANY_CALLS"
    SERVER_STOPPING = "SERVER_STOPPING"
    ETAG_STALE = "ETAG_STALE"
    COMMIT_ATTEMPTS_SPENT = "COMMIT_ATTEMPTS_SPENT"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    INTERNAL = "INTERNAL"
    RECORD_UNREADABLE = "RECORD_UNREADABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    MESSAGE_MALFORMED = "MESSAGE_MALFORMED"
    MESSAGE_INCOMPLETE = "MESSAGE_INCOMPLETE"


class Refusal(Exception):
    """A rule says no.

    Programs branch on `reason`. `message` is for people and names no internals. `resource` is the (type, name) of what is
    missing or in the way, where there is one. `retry_seconds` is when the same request may succeed, where more is known than
    from the reason. `details` are what programs may want to know besides, by name; the contract lists them at the reason.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        resource: tuple[str, str] | None = None,
        retry_seconds: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        message = _shortened(message)
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.resource = resource
        self.retry_seconds = retry_seconds
        self.details = details or {}


class InvalidField(Refusal):
    """A field of the request is missing, malformed or out of its limits. `field` is its path, such as `passengers[2].email`."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(Reason.INVALID_FIELD, f"{field}: {description}")
        self.field = field
        self.description = _shortened(description)


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_LENGTH_MAX else f"{text[: _TEXT_LENGTH_MAX - 1]}…"
