"""A notice: one message to one recipient over one channel.

Belongs here: the value, its id, its states. Does not belong here: which notices follow from an event (`from_events.py`), when a
reminder is due (`reminders.py`), what the sender decides (`sending.py`), the properties of each kind (`kinds.py`).

    SCHEDULED ──due──> SENDING ──accepted──> SENT
        │                 │ ├──no longer wanted, or newer content was sent──> SKIPPED
        │                 │ └──refused for good, or given up──> FAILED
        └──superseded─────┴──> SKIPPED
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from app.domain.values import value


class NoticeKind(StrEnum):
    """What a notice says. `kinds.py` has a row for each."""

    TICKET = "TICKET"
    WAITLISTED = "WAITLISTED"
    PROMOTED = "PROMOTED"
    WAITLIST_EXPIRED = "WAITLIST_EXPIRED"
    SEAT_CHANGED = "SEAT_CHANGED"
    MOVED = "MOVED"
    BOOKING_UPDATED = "BOOKING_UPDATED"
    PASSENGERS_CANCELLED = "PASSENGERS_CANCELLED"
    BOOKING_CANCELLED = "BOOKING_CANCELLED"
    RUN_CANCELLED = "RUN_CANCELLED"
    REFUNDED = "REFUNDED"
    DELAYED = "DELAYED"
    DEPARTURE_REMINDER = "DEPARTURE_REMINDER"
    ARRIVAL_REMINDER = "ARRIVAL_REMINDER"


class NoticeThread(StrEnum):
    """Notices of one thread to one recipient of a booking replace each other: newer content supersedes older content."""

    BOOKING = "BOOKING"
    REFUND = "REFUND"
    DELAY = "DELAY"
    DEPARTURE = "DEPARTURE"
    ARRIVAL = "ARRIVAL"


class NoticeChannelName(StrEnum):
    """The channels of notices. LOG keeps each notice as a file, for trials."""

    EMAIL = "email"
    SMS = "sms"
    LOG = "log"


class NoticeState(StrEnum):
    """The state of a notice. SENT, SKIPPED and FAILED are final."""

    SCHEDULED = "SCHEDULED"
    SENDING = "SENDING"
    SENT = "SENT"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


class SkipReason(StrEnum):
    """Why a notice was not sent."""

    SUPERSEDED = "SUPERSEDED"  # newer content was or will be sent
    CANCELLED = "CANCELLED"  # the booking, or the recipient's part of it, is cancelled
    LATE = "LATE"  # it would arrive too late to be of use
    SHORT = "SHORT"  # the journey is too short for an arrival reminder
    UNSUBSCRIBED = "UNSUBSCRIBED"
    NO_CHANGE = "NO_CHANGE"  # a change was undone, or is too small to tell


# Every change of state of a notice, with its cause; from None, the notice is new. `docs/states.md` is drawn from it.
NOTICE_TRANSITIONS: Mapping[tuple[NoticeState | None, NoticeState], str] = {
    (None, NoticeState.SCHEDULED): "an event, a reminder that is due, or ResendTicket",
    (None, NoticeState.SKIPPED): "the recipient does not want it, or the journey is too short",
    (NoticeState.SCHEDULED, NoticeState.SENDING): "due, and a worker takes it",
    (NoticeState.SCHEDULED, NoticeState.SKIPPED): "newer content is being sent",
    (NoticeState.SENDING, NoticeState.SENDING): "the attempt failed, and another follows",
    (NoticeState.SENDING, NoticeState.SCHEDULED): "a reminder whose train got later",
    (NoticeState.SENDING, NoticeState.SENT): "the channel accepted it",
    (NoticeState.SENDING, NoticeState.SKIPPED): "superseded, unsubscribed, cancelled, or too late",
    (NoticeState.SENDING, NoticeState.FAILED): "refused for good, or given up",
}
FINAL_STATES = (NoticeState.SENT, NoticeState.SKIPPED, NoticeState.FAILED)

WHOLE_BOOKING = "-"  # in ids: the notice of the booker, about all passengers


@value(frozen=True, slots=True)
class NoticeAttempt:
    """One attempt to send. `status` is the channel's code, 0 without an answer; `detail` is for operators, without address."""

    time: datetime
    status: int
    detail: str


@value(frozen=True, slots=True)
class Notice:
    """One message to one recipient over one channel.

    `passenger_numbers` are the passengers that it is about; `addressee` is the passenger whose address it goes to, or
    WHOLE_BOOKING for the booker. `recipient_key` is that address as compared; the address itself is read from the booking when
    the notice is sent. `cause` is the event's id; of reminders the journey day; of a ticket that is sent again, its request.
    `revision` is the version of the run whose commit caused it, `content_revision` the version whose content was sent.
    `told_minutes` is the delay that a DELAYED notice told.
    """

    notice_id: str
    kind: NoticeKind
    channel: NoticeChannelName
    reference: str
    run_id: str
    addressee: str
    passenger_numbers: tuple[int, ...]
    recipient_key: str
    cause: str
    revision: int
    due_time: datetime
    create_time: datetime
    state: NoticeState = NoticeState.SCHEDULED
    skip_reason: SkipReason | None = None
    attempts: tuple[NoticeAttempt, ...] = ()
    attempt_count: int = 0
    content_revision: int = 0
    told_minutes: int | None = None
    final_time: datetime | None = None
    trace_parent: str = ""

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self.state in FINAL_STATES


def notice_id(kind: NoticeKind, reference: str, addressee: str, cause: str, channel: NoticeChannelName) -> str:
    """Return the id of a notice. The same id is the same notice: it is made, and sent, once."""
    return f"{kind.value} {reference} {addressee} {cause} {channel.value}"


def message_id(notice: str, domain: str) -> str:
    """Return the Message-ID of a notice's mail: the same for each attempt (RFC 5322 section 3.6.4)."""
    digest = hashlib.sha256(notice.encode()).hexdigest()[:40]
    return f"<{digest}@{domain}>"
