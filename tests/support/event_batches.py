"""Stored events, read without the service's code.

Belongs here: the single events of a commit's document. Does not belong here: making such
documents (`app/store/event_documents.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any


def events_of_batches(news: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of these documents, each with the fields that all events of its commit share."""
    return [event for batch in news for event in _events_of(batch)]


def _events_of(news: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    same = {key: news[key] for key in ("run_id", "time", "is_new") if key in news}
    for index, event in enumerate(news["events"]):
        yield {"_id": f"{news['_id']}:{index}", "sequence": news["version"] * 100_000 + index, **same, **event}
