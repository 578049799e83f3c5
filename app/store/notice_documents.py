"""The documents of notices.

Belongs here: encoding and decoding, and the shape. Does not belong here: statements (`notices.py`), what the fields mean
(`app/domain/notices/notice.py`).

notices  {_id: notice_id, kind, thread: unless it is a copy, channel, reference, run_id, addressee, passenger_numbers,
          recipient_key, cause, revision, due_time, create_time, state, is_open: true until it is final, skip_reason: while
          SKIPPED, attempts: [{time, status, detail}], attempt_count, content_revision, told_minutes, final_time, trace_parent}
"""

from datetime import datetime

from app.domain.notices.copies import thread_of
from app.domain.notices.notice import (
    Notice,
    NoticeAttempt,
    NoticeChannelName,
    NoticeKind,
    NoticeState,
    NoticeThread,
    SkipReason,
)
from app.store.driver import Document
from app.store.shapes import NULLABLE_TIME, ListOf, OneOf, Shape

NOTICE = Shape(
    {
        "_id": str,
        "kind": OneOf(NoticeKind),
        "channel": OneOf(NoticeChannelName),
        "reference": str,
        "run_id": str,
        "addressee": str,
        "passenger_numbers": ListOf(int),
        "recipient_key": str,
        "cause": str,
        "revision": int,
        "due_time": datetime,
        "create_time": datetime,
        "state": OneOf(NoticeState),
        "attempts": ListOf(Shape({"time": datetime, "status": int, "detail": str})),
        "attempt_count": int,
        "content_revision": int,
    },
    {
        "thread": OneOf(NoticeThread),
        "skip_reason": OneOf(SkipReason),
        "told_minutes": int,
        "final_time": NULLABLE_TIME,
        "trace_parent": str,
        "is_open": bool,
    },
)


def notice_document(notice: Notice) -> Document:
    """Encode a notice."""
    thread = thread_of(notice)
    document: Document = {
        "_id": notice.notice_id,
        "kind": notice.kind.value,
        "channel": notice.channel.value,
        "reference": notice.reference,
        "run_id": notice.run_id,
        "addressee": notice.addressee,
        "passenger_numbers": list(notice.passenger_numbers),
        "recipient_key": notice.recipient_key,
        "cause": notice.cause,
        "revision": notice.revision,
        "create_time": notice.create_time,
        **progress_of(notice),
    }
    if thread is not None:
        document["thread"] = thread.value
    if notice.trace_parent:
        document["trace_parent"] = notice.trace_parent
    if not notice.is_final:
        document["is_open"] = True
    return document


def progress_of(notice: Notice) -> Document:
    """Encode the fields that change while a notice is sent."""
    fields: Document = {
        "state": notice.state.value,
        "due_time": notice.due_time,
        "attempts": [{"time": attempt.time, "status": attempt.status, "detail": attempt.detail} for attempt in notice.attempts],
        "attempt_count": notice.attempt_count,
        "content_revision": notice.content_revision,
    }
    if notice.skip_reason is not None:
        fields["skip_reason"] = notice.skip_reason.value
    if notice.told_minutes is not None:
        fields["told_minutes"] = notice.told_minutes
    if notice.final_time is not None:
        fields["final_time"] = notice.final_time
    return fields


def notice_from(document: Document) -> Notice:
    """Decode a notice. Raises UnreadableError."""
    NOTICE.check(document)
    skip_reason = document.get("skip_reason")
    return Notice(
        notice_id=document["_id"],
        kind=NoticeKind(document["kind"]),
        channel=NoticeChannelName(document["channel"]),
        reference=document["reference"],
        run_id=document["run_id"],
        addressee=document["addressee"],
        passenger_numbers=tuple(document["passenger_numbers"]),
        recipient_key=document["recipient_key"],
        cause=document["cause"],
        revision=document["revision"],
        due_time=document["due_time"],
        create_time=document["create_time"],
        state=NoticeState(document["state"]),
        skip_reason=None if skip_reason is None else SkipReason(skip_reason),
        attempts=tuple(
            NoticeAttempt(attempt["time"], attempt["status"], attempt["detail"]) for attempt in document["attempts"]
        ),
        attempt_count=document["attempt_count"],
        content_revision=document["content_revision"],
        told_minutes=document.get("told_minutes"),
        final_time=document.get("final_time"),
        trace_parent=document.get("trace_parent", ""),
    )
