"""Events as CloudEvents 1.0.

Belongs here: an event in JSON, all of it in the body ("structured mode"). Does not belong here: HTTP, signatures.

It is written by hand: the CloudEvents SDK does no more for a producer than these lines, brings two libraries with it, and
announces that every update may break its users.
"""

import json
from datetime import UTC
from urllib.parse import quote

from app.domain.events import Event, EventType

CONTENT_TYPE = "application/cloudevents+json"
# As wide as MongoDB's integers, since receivers compare sequences as text.
_SEQUENCE_DIGITS = 19


def type_name(event_type: EventType) -> str:
    """Return the type on the wire: who defines it, what happened, and the version of the shape of `data`."""
    return f"com.seatline.{event_type.value}.v1"


def source_of(run_id: str) -> str:
    """Return the source of an event: its run, within which sequences count."""
    return f"/seatline/runs/{quote(run_id, safe=':')}"


def encode(event: Event) -> bytes:
    """Encode an event in JSON. The same event always gives the same bytes.

    Raises ValueError for a time without a zone, a negative sequence, and data that JSON cannot hold.
    """
    if event.time.tzinfo is None or event.sequence < 0:
        raise ValueError(f"the event {event.event_id} has a time without a zone or a negative sequence")
    content = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": source_of(event.run_id),
        "type": type_name(event.event_type),
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": f"{event.sequence:0{_SEQUENCE_DIGITS}d}",
        "traceparent": event.trace_parent,
        "data": event.data,
    }
    # An attribute that is present must not be empty.
    present = {name: attribute for name, attribute in content.items() if name == "data" or attribute}
    return json.dumps(present, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
