"""Tombstones: what stays of a deleted run, in its place.

Belongs here: the document, its lifetime, and the run that takes its place. Does not belong here: deleting (`run_deletions.py`).

train_runs  {_id: "<train_id>:<date>", version, deleted_time}

A server may still have the deleted run in memory. The version goes on: in the tombstone, and in a run that is scheduled for the
same date later. So no commit of that server finds the version that it knows, and no event id comes twice. A tombstone has no
date and no stops, so that no list finds it; who reads a run by its key leaves it out by `NOT_DELETED`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.store.driver import Collection, Database, Document, translate_outages

# Part of every query for a run by its key.
NOT_DELETED: Mapping[str, Any] = {"deleted_time": {"$exists": False}}
# Far longer than the run's events are kept, and than any server has a run in memory. As long as earlier versions of trains.
_LIFETIME_SECONDS = 400 * 24 * 3_600


async def make_tombstone_index(database: Database) -> None:
    """Make the index that removes tombstones. May run at every start and from many servers at once."""
    with translate_outages():
        await database["train_runs"].create_index(
            "deleted_time", name="tombstones_lifetime", sparse=True, expireAfterSeconds=_LIFETIME_SECONDS
        )


def tombstone_document(run_id: str, version: int, now: datetime) -> Document:
    """Make the tombstone of a run that was deleted in this version."""
    return {"_id": run_id, "version": version + 1, "deleted_time": now}


async def replace_tombstones(runs: Collection, documents: Sequence[Document]) -> int:
    """Store these new runs in place of tombstones, where there are any. Return how many that were."""
    query = {"_id": {"$in": [document["_id"] for document in documents]}, "deleted_time": {"$exists": True}}
    tombstones = await runs.find(query, {"version": 1}).to_list(len(documents)) if documents else []
    versions = {tombstone["_id"]: tombstone["version"] for tombstone in tombstones}
    replaced = 0
    for document in documents:
        version = versions.get(document["_id"])
        if version is not None:
            guard = {"_id": document["_id"], "version": version, "deleted_time": {"$exists": True}}
            replaced += (await runs.replace_one(guard, document | {"version": version + 1})).modified_count
    return replaced
