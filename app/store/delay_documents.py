"""Delays, cancellations and sales windows of runs as documents.

Belongs here: encoding and decoding them. Does not belong here: which run fields they are (`run_fields.py`), shapes
(`sales_shapes.py`).
"""

from collections.abc import Iterable
from datetime import time
from typing import Any

from app.domain.disruption import DisruptionReason
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.sales_window import SalesWindow
from app.domain.timetable import RunState
from app.store.driver import Document


def delay_document(record: DelayRecord) -> Document:
    """Encode what a run knows of its delay."""
    return {
        "minutes": list(record.minutes),
        "reason": record.reason.value if record.reason else None,
        "evidence": record.evidence,
        "reported_time": record.reported_time,
        "arrivals": [[arrival.stop, arrival.time, arrival.reported_time] for arrival in record.arrivals],
    }


def delay_from(document: Document) -> DelayRecord:
    """Decode what a run knows of its delay. The caller has checked the shape."""
    return DelayRecord(
        minutes=tuple(document["minutes"]),
        reason=DisruptionReason(document["reason"]) if document["reason"] else None,
        evidence=document["evidence"],
        reported_time=document["reported_time"],
        arrivals=tuple(Arrival(stop, arrived, reported) for stop, arrived, reported in document["arrivals"]),
    )


def cancellation_document(cancellation: RunCancellation | None) -> Document | None:
    """Encode the cancellation of a run."""
    if cancellation is None:
        return None
    return {
        "time": cancellation.time,
        "reason": cancellation.reason.value,
        "evidence": cancellation.evidence,
        "from_stop": cancellation.from_stop,
        "cursor": cancellation.cursor,
        "complete_time": cancellation.complete_time,
        "booking_count": cancellation.booking_count,
        "passenger_count": cancellation.passenger_count,
        "refunded_minor": cancellation.refunded_minor,
    }


def cancellation_from(document: Document) -> RunCancellation:
    """Decode the cancellation of a run. The caller has checked the shape."""
    return RunCancellation(**(document | {"reason": DisruptionReason(document["reason"])}))


def sales_window_document(window: SalesWindow) -> Document:
    """Encode a sales window."""
    return {
        "open_time": window.open_time,
        "open_days_before": window.open_days_before,
        "open_at": window.open_at.isoformat("minutes"),
        "closes_minutes_before": window.closes_minutes_before,
    }


def sales_window_from(document: Document) -> SalesWindow:
    """Decode a sales window. The caller has checked the shape."""
    return SalesWindow(**(document | {"open_at": time.fromisoformat(document["open_at"])}))


def sales_windows_document(windows: Iterable[tuple[str, SalesWindow]]) -> list[list[Any]]:
    """Encode the sales windows of sections."""
    return [[section, sales_window_document(window)] for section, window in windows]


def sales_windows_from(stored: Iterable[list[Any]]) -> tuple[tuple[str, SalesWindow], ...]:
    """Decode the sales windows of sections."""
    return tuple((section, sales_window_from(window)) for section, window in stored)


def clock_state_document(state: RunState | None) -> str | None:
    """Encode the state of which the last event was emitted."""
    return state.value if state else None
