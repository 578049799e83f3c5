"""Derived fields: what a stored document says twice, for indexes and statements.

Belongs here: comparing a document with what the service writes for the decoded value. Does not belong here: shapes
(`shapes.py`), which fields are derived (`run_fields.py`), the rules about values (`app/domain/`).

Whatever is stored twice is written by one function. So a document is right if encoding its value again gives the same fields. A
difference is in a field that somebody changed alone.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.people import email_keys
from app.domain.run.train_run import TrainRun
from app.store.booking_documents import booking_document
from app.store.run_fields import DERIVED_FIELDS
from app.store.sales_shapes import SCHEMA_VERSION
from app.store.shapes import Shape

Document = Mapping[str, Any]
# Values of these very types are compared as they are; nearly all values of a document are.
_PLAIN_TYPES = frozenset((str, int, bool, float, type(None)))


def differing_fields(stored: Document, written: Document, shape: Shape, but_for: Iterable[str] = ()) -> list[str]:
    """Return the names of the fields in which a stored document is not what would be written.

    Ignores fields that the shape does not know, and optional fields that are empty.
    """
    named = [
        name
        for name, wanted in written.items()
        if _plain(stored.get(name)) != _plain(wanted) and not (name not in stored and name not in shape.fields and not wanted)
    ]
    named += [name for name in shape.optional if stored.get(name) and name not in written]
    return sorted(set(named).difference(but_for))


def booking_differences(stored: Document, booking: Booking, shape: Shape) -> list[str]:
    """Return the names of the fields in which a booking's document contradicts itself.

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
    """Return the names of the fields of a run's document that contradict the run they are derived from."""
    differing = [derived.path for derived in DERIVED_FIELDS if not derived.is_right(stored, run)]
    if stored.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        differing.append("schema_version")
    return differing


def _plain(value: Any) -> Any:
    """Return a value whose times have no zone, as in BSON."""
    if type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
