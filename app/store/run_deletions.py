"""Deleting runs.

Belongs here: the statements that delete a run on which nothing was ever booked. Does not belong here: what stays of it
(`run_tombstones.py`).

A run is deleted in the version in which it was found empty. A sale that comes first has a newer version, and the deletion looks
again; a sale that comes later does not find its version any more, reads the run again, and finds none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.refusals import Reason, Refusal
from app.domain.rules.hidden_runs import run_not_found
from app.store.driver import Collection, Database, translate_outages
from app.store.run_tombstones import NOT_DELETED, tombstone_document
from app.store.runs import TrainRuns

# Another attempt follows when somebody commits on the run meanwhile, or its events have to be archived first.
_ATTEMPTS_MAX = 10


class RunDeletions:
    """The collection `train_runs`, as far as runs are deleted from it."""

    def __init__(self, database: Database, runs: TrainRuns) -> None:
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]
        self._archive_leftovers = runs.archive_leftovers

    async def delete(self, run_id: str, now: datetime) -> None:
        """Delete a run. Refuses TRAIN_RUN_NOT_FOUND; RUN_NOT_EMPTY where there is a hold, or a booking in whatever state.

        Refuses COMMIT_ATTEMPTS_SPENT where others keep changing the run, RECORD_UNREADABLE, DATABASE_UNAVAILABLE.
        """
        for _ in range(_ATTEMPTS_MAX):
            with translate_outages():
                found = await self._runs.find_one({"_id": run_id, **NOT_DELETED}, {"version": 1, "recent._id": 1, "holds": 1})
                if found is None:
                    raise run_not_found(run_id)
                await self._require_empty(found)
                guard = {"_id": run_id, "version": found["version"], "recent": [], "outbox": [], **NOT_DELETED}
                tombstone = tombstone_document(run_id, found["version"], now)
                if (await self._runs.replace_one(guard, tombstone)).modified_count:
                    return
            await self._archive_leftovers(run_id)
        raise Refusal(Reason.COMMIT_ATTEMPTS_SPENT, "other callers keep changing this run first; try again in a moment")

    async def _require_empty(self, found: Mapping[str, Any]) -> None:
        """Refuse a run with bookings or holds. Bookings that left the document before it was read are in the archive by now."""
        if found["recent"] or await self._bookings.find_one({"run_id": found["_id"]}, {"_id": 1}):
            text = "seats of this run were booked, so its bookings have to stay readable; hide it with UpdateTrainRun instead"
            raise Refusal(Reason.RUN_NOT_EMPTY, text)
        if found["holds"]:
            raise Refusal(
                Reason.RUN_NOT_EMPTY, "seats of this run are on hold; hide it with UpdateTrainRun, and try again later"
            )
