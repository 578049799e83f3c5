"""The schedules of runs, for answers about bookings.

Belongs here: reading what the schedules of many runs follow from, in one statement. Does not belong here: whole runs
(`runs.py`), lists of runs (`run_lists.py`), what follows from a schedule (`app/domain/run/run_schedule.py`).
"""

from collections.abc import Collection as Collected
from typing import NamedTuple

from app.domain.run.run_schedule import RunSchedule
from app.store.driver import Collection, Database, Document
from app.store.run_fields import RUN_FIELDS, stops_from
from app.store.sales_shapes import STOP
from app.store.shapes import Kind, ListOf, Shape
from app.store.snapshots import Snapshot
from app.store.unreadable import Records, decode_in_turns, decode_one

# The run fields that a schedule is made of besides the stops, by the names of its own attributes. All are optional.
_FIELDS = [stored for stored in RUN_FIELDS if stored.name in ("delay", "cancellation")]
# What `schedule_from` reads: the required parts of a run's document, and the optional ones.
SCHEDULE_PARTS: dict[str, Kind | type] = {"_id": str, "stops": ListOf(STOP)}
SCHEDULE_PARTS_OPTIONAL: dict[str, Kind | type] = {stored.path: stored.shape for stored in _FIELDS}
_SHAPE = Shape(SCHEDULE_PARTS, SCHEDULE_PARTS_OPTIONAL)
_VERSIONED = Shape(SCHEDULE_PARTS | {"version": int}, SCHEDULE_PARTS_OPTIONAL)
SCHEDULE_PROJECTION = {"stops": 1, **{stored.path: 1 for stored in _FIELDS}}

# Schedules of 60 stops that are decoded in 5 ms; a page of receipts may have those of 200 runs.
_TURN_SCHEDULES = 10


class VersionedSchedule(NamedTuple):
    """The schedule of a run, and the run's version that it is of."""

    schedule: RunSchedule
    version: int


class RunSchedules:
    """The collection `train_runs`, as far as answers about bookings need it."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]

    async def find(self, snapshot: Snapshot, run_ids: Collected[str]) -> Records[RunSchedule]:
        """Return the schedules of those of these runs that there are, by run id, in one statement."""
        if not run_ids:
            return Records()
        query = {"_id": {"$in": list(run_ids)}}
        found = await snapshot.find(self._runs, query, most=len(run_ids), projection=SCHEDULE_PROJECTION)
        return await decode_in_turns("train_runs", found, _checked_schedule, _TURN_SCHEDULES)

    async def find_versioned(self, snapshot: Snapshot, run_id: str) -> VersionedSchedule | None:
        """Return the schedule of a run with the run's version; None where there is no such run. Refuses RECORD_UNREADABLE."""
        projection = {"version": 1, **SCHEDULE_PROJECTION}
        found = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection=projection)
        return decode_one("train_runs", found[0], _versioned_schedule) if found else None


def schedule_from(document: Document) -> RunSchedule:
    """Decode the schedule of a run's document, whose shape was checked."""
    return RunSchedule(stops_from(document["stops"]), **{stored.name: stored.decode(document) for stored in _FIELDS})


def _checked_schedule(document: Document) -> RunSchedule:
    """Decode the schedule of a run. Raises UnreadableError."""
    _SHAPE.check(document)
    return schedule_from(document)


def _versioned_schedule(document: Document) -> VersionedSchedule:
    """Decode the schedule and the version of a run. Raises UnreadableError."""
    _VERSIONED.check(document)
    return VersionedSchedule(schedule_from(document), document["version"])
