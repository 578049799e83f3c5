"""Stored events, read without the service's code.

Belongs here: the single events of a commit's document. Does not belong here: making such
documents (`app/store/event_documents.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any


def events_of_batches(batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of these documents, each with the fields that all events of its commit share."""
    return [event for batch in batches for event in _events_of(batch)]


def _events_of(batch: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    same = {key: batch[key] for key in ("run_id", "time", "is_new") if key in batch}
    for index, event in enumerate(batch["events"]):
        yield {"_id": f"{batch['_id']}:{index}", "sequence": batch["version"] * 100_000 + index, **same, **event}
