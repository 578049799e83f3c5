"""Delays, cancellations and clock states of runs as documents.

Belongs here: encoding and decoding them. Does not belong here: which run fields they are (`run_fields.py`), shapes
(`sales_shapes.py`).
"""

from app.domain.disruption import DisruptionReason
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.timetable import RunState
from app.store.driver import Document
from app.store.sales_shapes import EARLIER_REPORT_TIME


def delay_document(record: DelayRecord) -> Document:
    """Encode what a run knows of its delay."""
    return {
        "minutes": list(record.minutes),
        "reason": record.reason.value if record.reason else None,
        "evidence": record.evidence,
        "report_time": record.report_time,
        "arrivals": [[arrival.stop, arrival.time, arrival.report_time] for arrival in record.arrivals],
    }


def delay_from(document: Document) -> DelayRecord:
    """Decode what a run knows of its delay. The caller has checked the shape."""
    return DelayRecord(
        minutes=tuple(document["minutes"]),
        reason=DisruptionReason(document["reason"]) if document["reason"] else None,
        evidence=document["evidence"],
        report_time=document["report_time" if "report_time" in document else EARLIER_REPORT_TIME],
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


def clock_state_document(state: RunState | None) -> str | None:
    """Encode the state of which the last event was emitted."""
    return state.value if state else None
