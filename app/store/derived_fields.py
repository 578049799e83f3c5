"""Derived fields: what a stored document says a second time, for indexes and statements.

Belongs here: comparing a document with what the service writes for the value that was decoded from it. Does not: shapes
(`shapes.py`), nor what has to hold of the values (`app/domain`).

Whatever is stored twice is written by one function. So a document is as it should be if encoding its value again gives the same
fields; a difference is in the field that somebody changed alone.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.people import email_keys
from app.domain.run.train_run import TrainRun
from app.domain.timetable import stop_form, stop_forms
from app.store.booking_documents import booking_document
from app.store.run_fields import next_due
from app.store.sales_shapes import SCHEMA_VERSION
from app.store.shapes import Shape

Document = Mapping[str, Any]


def differing_fields(stored: Document, written: Document, shape: Shape, but_for: Iterable[str] = ()) -> list[str]:
    """Name the fields in which a stored document is not what would be written.

    Fields that the shape does not know are let be; so are optional ones that are empty.
    """
    named = [
        name
        for name, wanted in written.items()
        if _plain(stored.get(name)) != _plain(wanted) and not (name not in stored and name not in shape.fields and not wanted)
    ]
    named += [name for name in shape.optional if stored.get(name) and name not in written]
    return sorted(set(named).difference(but_for))


def booking_differences(stored: Document, booking: Booking, shape: Shape) -> list[str]:
    """Name the fields in which a booking's document contradicts itself.

    Addresses may be stored in a form by which an earlier version compared them.
    """
    written = booking_document(booking)
    but_for = ["emails"]
    if "schema_version" not in stored:  # of the first version, whose passengers have no numbers
        but_for += ["schema_version", "passengers", "cancelled_passengers"]
    differing = differing_fields(stored, written, shape, but_for)
    forms = [frozenset(email_keys(key)) for key in written["emails"]]
    there = stored["emails"]
    if not all(forms_of.intersection(there) for forms_of in forms) or not frozenset().union(*forms).issuperset(there):
        differing.append("emails")
    return differing


def run_differences(stored: Document, run: TrainRun) -> list[str]:
    """Name the fields of a run's document that contradict the run: what it is found by, and when something is due on it."""
    differing = []
    forms = frozenset().union(*map(stop_forms, run.stops))
    if {stop_form(form) for form in stored["stop_forms"]} != forms:
        differing.append("stop_forms")
    if stored.get("next_due") != next_due(run):
        differing.append("next_due")
    if stored.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        differing.append("schema_version")
    if "arrive_time" in stored and stored["arrive_time"] != run.stops[-1].arrive:
        differing.append("arrive_time")
    return differing


def _plain(value: Any) -> Any:
    """A value whose times have no zone, as BSON has them."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
