"""Layout jobs and their outcomes as documents.

Belongs here: the shapes of these documents, encoding and decoding them. Does not belong here: statements (`layout_jobs.py`).

layout_jobs      {_id: layout_job_id, train_id, train_version, layout_version_before, request_id, fingerprint,
                  operations: [...], allow_lower, refund_displaced, create_time, is_unfinished?: true, travel_dates?: [...],
                  complete_time?, purge_time?}
layout_outcomes  {_id: run_job_id, layout_job_id, travel_date, state, reason, counts: {...}, time, purge_time?}

`travel_dates` are those of the runs that the job concerns, missing until they have been listed. `is_unfinished` is set until
the job is complete: an index has only such jobs. A new layout job is also in `new_layout_jobs` of its train's document.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, run_job_id
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.money import Money
from app.store.driver import Document
from app.store.layout_documents import counts_document, counts_from
from app.store.sales_shapes import LAYOUT_COUNTS
from app.store.shapes import Kind, ListOf, OneOf, Shape, UnreadableError

_FARE: dict[str, type] = {"fare_minor": int, "currency": str}


class _OperationCodec(NamedTuple):
    """How one kind of operation is stored: its `kind`, its other fields, and the two directions."""

    kind: str
    shape: Shape
    encode: Callable[[Any], Document]
    decode: Callable[[Document], LayoutOperation]


# A new operation is one more entry.
_CODECS: dict[type, _OperationCodec] = {
    AddSection: _OperationCodec(
        "add_section",
        Shape({"name": str, **_FARE}),
        lambda operation: {"name": operation.name, **_fare_document(operation.fare)},
        lambda document: AddSection(document["name"], _fare_from(document)),
    ),
    RemoveSection: _OperationCodec(
        "remove_section",
        Shape({"name": str}),
        lambda operation: {"name": operation.name},
        lambda document: RemoveSection(document["name"]),
    ),
    SetFare: _OperationCodec(
        "set_fare",
        Shape({"section": str, **_FARE}),
        lambda operation: {"section": operation.section, **_fare_document(operation.fare)},
        lambda document: SetFare(document["section"], _fare_from(document)),
    ),
    AddCoach: _OperationCodec(
        "add_coach",
        Shape({"name": str, "section": str, "seat_count": int}),
        lambda operation: {"name": operation.name, "section": operation.section, "seat_count": operation.seat_count},
        lambda document: AddCoach(document["name"], document["section"], document["seat_count"]),
    ),
    RemoveCoach: _OperationCodec(
        "remove_coach",
        Shape({"name": str}),
        lambda operation: {"name": operation.name},
        lambda document: RemoveCoach(document["name"]),
    ),
    SetSeatCount: _OperationCodec(
        "set_seat_count",
        Shape({"coach": str, "seat_count": int}),
        lambda operation: {"coach": operation.coach, "seat_count": operation.seat_count},
        lambda document: SetSeatCount(document["coach"], document["seat_count"]),
    ),
    RemoveSeats: _OperationCodec(
        "remove_seats",
        Shape({"section": str, "seat_numbers": ListOf(int)}),
        lambda operation: {"section": operation.section, "seat_numbers": list(operation.seat_numbers)},
        lambda document: RemoveSeats(document["section"], tuple(document["seat_numbers"])),
    ),
}
_CODECS_BY_KIND = {codec.kind: codec for codec in _CODECS.values()}


class _OperationShape(Kind):
    """An operation of a kind that this version knows."""

    def check(self, value: object, path: str) -> None:
        """Refuse an unknown kind of operation, and one with other fields."""
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in _CODECS_BY_KIND:
            raise UnreadableError(f"{path}.kind is no value that this version knows")
        _CODECS_BY_KIND[kind].shape.check(value, path)


LAYOUT_JOB = Shape(
    {
        "_id": str,
        "train_id": str,
        "train_version": int,
        "layout_version_before": int,
        "request_id": str,
        "fingerprint": str,
        "operations": ListOf(_OperationShape()),
        "allow_lower": bool,
        "refund_displaced": bool,
        "create_time": datetime,
    },
    {"is_unfinished": bool, "travel_dates": ListOf(str), "complete_time": datetime, "purge_time": datetime},
)
LAYOUT_OUTCOME = Shape(
    {
        "_id": str,
        "layout_job_id": str,
        "travel_date": str,
        "state": OneOf(LayoutOutcomeState),
        "reason": str,
        "counts": LAYOUT_COUNTS,
        "time": datetime,
    },
    {"purge_time": datetime},
)


def layout_job_document(job: LayoutJob) -> Document:
    """Encode a new layout job: its runs are not listed yet."""
    return {
        "_id": job.layout_job_id,
        "train_id": job.train_id,
        "train_version": job.train_version,
        "layout_version_before": job.layout_version_before,
        "request_id": job.request_id,
        "fingerprint": job.fingerprint,
        "operations": [_operation_document(operation) for operation in job.operations],
        "allow_lower": job.allow_lower,
        "refund_displaced": job.refund_displaced,
        "create_time": job.create_time,
    }


def layout_job_from(document: Document) -> LayoutJob:
    """Decode a layout job. Raises UnreadableError."""
    LAYOUT_JOB.check(document)
    return LayoutJob(
        layout_job_id=document["_id"],
        train_id=document["train_id"],
        train_version=document["train_version"],
        layout_version_before=document["layout_version_before"],
        request_id=document["request_id"],
        fingerprint=document["fingerprint"],
        operations=tuple(_CODECS_BY_KIND[operation["kind"]].decode(operation) for operation in document["operations"]),
        allow_lower=document["allow_lower"],
        refund_displaced=document["refund_displaced"],
        create_time=document["create_time"],
        run_count=len(document["travel_dates"]) if "travel_dates" in document else None,
        complete_time=document.get("complete_time"),
    )


def layout_outcome_document(outcome: LayoutOutcome) -> Document:
    """Encode an outcome."""
    return {
        "_id": run_job_id(outcome.layout_job_id, outcome.travel_date),
        "layout_job_id": outcome.layout_job_id,
        "travel_date": outcome.travel_date,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "counts": counts_document(outcome.counts),
        "time": outcome.time,
    }


def layout_outcome_from(document: Document) -> LayoutOutcome:
    """Decode an outcome. Raises UnreadableError."""
    LAYOUT_OUTCOME.check(document)
    return LayoutOutcome(
        layout_job_id=document["layout_job_id"],
        travel_date=document["travel_date"],
        state=LayoutOutcomeState(document["state"]),
        reason=document["reason"],
        counts=counts_from(document["counts"]),
        time=document["time"],
    )


def _operation_document(operation: LayoutOperation) -> Document:
    codec = _CODECS[type(operation)]
    return {"kind": codec.kind, **codec.encode(operation)}


def _fare_document(fare: Money) -> Document:
    return {"fare_minor": fare.minor, "currency": fare.currency}


def _fare_from(document: Document) -> Money:
    return Money(document["fare_minor"], document["currency"])
