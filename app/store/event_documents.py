"""Events as documents: one document for all events of one commit.

Belongs here: encoding and decoding an event batch. Does not belong here: statements (`events.py`).

events      {_id: "<run>:<version>", run_id, version, time, event_count, events: [{type, subject, data, trace_parent}], is_new}

The document is the same in the run's `outbox` and in `events`.
"""

from collections.abc import Sequence
from typing import Any

from app.domain.events import Event, EventType, commit_id, event_id, sequence_of, version_of
from app.store.driver import Document
from app.store.sales_shapes import COMMIT, EARLIER_REPORT_TIME, EVENT

_WITH_REPORT_TIME = frozenset((EventType.RUN_DELAYED, EventType.RUN_ARRIVED))


def event_batch_document(events: Sequence[Event]) -> Document:
    """Encode the events of one commit, which all have the same time.

    A batch of sales makes hundreds of events, and a document for each would cost as much as a booking. The ids and sequences
    of the events follow from the commit and their indexes.
    """
    first = events[0]
    if any(event.time != first.time for event in events):
        raise ValueError("the events of one commit have one time")
    version = version_of(first.sequence)
    return {
        "_id": commit_id(first.run_id, version),
        "run_id": first.run_id,
        "version": version,
        "time": first.time.replace(tzinfo=None),
        "event_count": len(events),
        "events": [
            {"type": event.event_type.value, "subject": event.subject, "data": event.data, "trace_parent": event.trace_parent}
            for event in events
        ],
        "is_new": True,  # until the outbox has processed them
    }


def events_from(document: Document) -> list[Event]:
    """Decode the events of one commit. Raises UnreadableError."""
    COMMIT.check(document)
    return [event_from(document, index) for index in range(len(document["events"]))]


def event_from(commit: Document, index: int) -> Event:
    """Decode the event at `index` of a commit whose shape was checked. Raises UnreadableError."""
    document = commit["events"][index]
    EVENT.check(document, f"events.{index}")
    run_key, version, event_type = commit["run_id"], commit["version"], EventType(document["type"])
    return Event(
        event_id(run_key, version, index),
        event_type,
        run_key,
        sequence_of(version, index),
        commit["time"],
        document["subject"],
        _with_report_time(document["data"]) if event_type in _WITH_REPORT_TIME else document["data"],
        document["trace_parent"],
    )


def _with_report_time(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a report with its time under the present name. Subscribers know no other."""
    if "report_time" in data or EARLIER_REPORT_TIME not in data:
        return data
    return {("report_time" if name == EARLIER_REPORT_TIME else name): found for name, found in data.items()}
