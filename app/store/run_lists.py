"""Lists of runs.

Belongs here: reading runs by date and station, without bookings, and the indexes for it. Does not belong here: one run
(`runs.py`).

A list without a date begins at yesterday (UTC), preceded by the runs of earlier dates that are still under way, by their
expected arrival. A run is under way for a week at most, and late by a day at most. So these are looked for among the dates of
ten days (`earliest_date_under_way`), by an index on the arrival. Runs of an earlier version have no `arrive_time`; their stops
are read instead until the last of them has arrived.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.domain.limits import TRAVEL_DATE_MAX
from app.domain.run.train_run import TrainRun
from app.domain.timetable import earliest_date_under_way
from app.store.driver import Collection, Database, Document, any_of, translate_outages
from app.store.run_documents import run_from
from app.store.unreadable import read_page

UNDER_WAY_INDEX = "runs_by_date_and_arrival"

# The sort key of a run in a list: travel date, key.
RunKey = tuple[str, str]

_ORDER = [("travel_date", 1), ("_id", 1)]


async def make_run_list_indexes(database: Database) -> None:
    """Make the missing indexes. May run at every start and from many servers at once."""
    with translate_outages():
        runs = database["train_runs"]
        # By station and date, and by date alone.
        await runs.create_index([("stop_forms", 1), *_ORDER], name="runs_by_station_and_date")
        await runs.create_index(_ORDER, name="runs_by_date")
        # Of a few dates, those runs that are still under way.
        await runs.create_index([("travel_date", 1), ("arrive_time", 1)], name=UNDER_WAY_INDEX)


class RunLists:
    """The collection `train_runs` as lists show it: without runs that are unreadable.

    All methods refuse DATABASE_UNAVAILABLE in an outage.
    """

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]

    async def list_on_date(
        self, travel_date: str, forms: Sequence[Sequence[str]], after: RunKey | None, limit: int, *, with_hidden: bool
    ) -> list[TrainRun]:
        """Return at most `limit` runs of a date that call at all these stations, by key, after `after`.

        `forms` has the forms under which each station may be stored. Hidden runs are among them only `with_hidden`.
        """
        return await self._read([{"travel_date": travel_date}, *_calling_at(forms), *_shown(with_hidden)], after, limit)

    async def list_current(
        self, now: datetime, forms: Sequence[Sequence[str]], after: RunKey | None, limit: int, *, with_hidden: bool
    ) -> list[TrainRun]:
        """Return at most `limit` runs that are under way or in the future, by date and key, after `after`; `forms` and
        `with_hidden` as for a date.

        Runs of today and yesterday (UTC) are among them, also after their arrival.
        """
        yesterday = (now - timedelta(days=1)).date().isoformat()
        clauses = [*_calling_at(forms), *_shown(with_hidden)]
        found: list[TrainRun] = []
        if after is None or after[0] < yesterday:
            found = await self._read([under_way_query(now, yesterday), *clauses], after, limit, index=UNDER_WAY_INDEX)
        if len(found) < limit:
            dates = {"travel_date": {"$gte": yesterday, "$lte": TRAVEL_DATE_MAX.isoformat()}}
            found += await self._read([dates, *clauses], after, limit - len(found))
        return found

    async def _read(self, clauses: list[Document], after: RunKey | None, limit: int, index: str = "") -> list[TrainRun]:
        """Read with this index, or with the one that MongoDB chooses."""

        async def fetch(behind: RunKey | None, count: int) -> list[Document]:
            query = {"$and": [*clauses, *_after_clause(behind)]}
            cursor = self._runs.find(query, {"recent": 0, "outbox": 0}).sort(_ORDER).limit(count)
            with translate_outages():
                return await (cursor.hint(index) if index else cursor).to_list(count)

        # A run with a long waiting list takes milliseconds.
        return await read_page("train_runs", fetch, _key_of, run_from, after, limit)


def _key_of(document: Mapping[str, Any]) -> RunKey:
    """Return the sort key of a run, as it is stored. The date is a text: other values match no range of dates."""
    return str(document["travel_date"]), str(document["_id"])


def run_key(run: TrainRun) -> RunKey:
    """Return the sort key of a run."""
    return run.travel_date, run.run_id


def under_way_query(now: datetime, before: str) -> Document:
    """Make the query for runs before a date whose last arrival is expected in the future. The index answers both parts."""
    dates = {"travel_date": {"$gte": earliest_date_under_way(now).isoformat(), "$lt": before}}
    return {"$or": [dates | {"arrive_time": {"$gt": now}}, dates | {"arrive_time": None, "stops.arrive": {"$gt": now}}]}


def _calling_at(forms: Sequence[Sequence[str]]) -> list[Document]:
    return [{"stop_forms": any_of(of_station)} for of_station in forms]


def _shown(with_hidden: bool) -> list[Document]:
    """Leave out hidden runs, of which there are few. A run that was never hidden has no such field."""
    return [] if with_hidden else [{"hidden": {"$ne": True}}]


def _after_clause(after: RunKey | None) -> list[Document]:
    if after is None:
        return []
    date, key = after
    return [{"$or": [{"travel_date": {"$gt": date}}, {"travel_date": date, "_id": {"$gt": key}}]}]
