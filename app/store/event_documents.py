"""Events as documents: one document for all events of one commit.

Belongs here: encoding and decoding an event batch. Does not belong here: statements (`events.py`).

events      {_id: "<run>:<version>", run_id, version, time, event_count, events: [{type, subject, data, trace_parent}], is_new}

The document is the same in the run's `outbox` and in `events`.
"""

from collections.abc import Sequence

from app.domain.events import Event, EventType, commit_id, event_id, sequence_of, version_of
from app.store.driver import Document
from app.store.sales_shapes import COMMIT, EVENT


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
    run_key, version = commit["run_id"], commit["version"]
    return Event(
        event_id(run_key, version, index),
        EventType(document["type"]),
        run_key,
        sequence_of(version, index),
        commit["time"],
        document["subject"],
        document["data"],
        document["trace_parent"],
    )
