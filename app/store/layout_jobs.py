"""Layout jobs in MongoDB.

Belongs here: statements to the collections `layout_jobs` and `layout_outcomes`, to `new_layout_jobs` of trains, and the indexes
for them. Does not belong here: the documents (`layout_job_documents.py`), nor running layout jobs (`app/usecases`).

A layout job begins in the document of its train, in the statement that changes the train: no layout changes without its job.
It stays there until all its runs have their jobs for certain. A layout job is complete when each of its `travel_dates` has an
outcome; then it and its outcomes get the time at which MongoDB deletes them.
"""

from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, LayoutProgress
from app.domain.layout.plan import LayoutCounts
from app.store.driver import Collection, Database, Document, DuplicateKeyError, insert_absent, translate_outages
from app.store.layout_job_documents import (
    layout_job_document,
    layout_job_from,
    layout_outcome_document,
    layout_outcome_from,
)
from app.store.run_tombstones import NOT_DELETED
from app.store.unreadable import decode_all, decode_one, read_page

OUTCOMES_INDEX = "layout_outcomes_by_job_and_date"
REQUEST_INDEX = "layout_jobs_by_request"
UNFINISHED_INDEX = "layout_jobs_unfinished"
NEW_INDEX = "trains_with_new_layout_jobs"
PURGE_INDEX = "layout_jobs_purged"
OUTCOME_PURGE_INDEX = "layout_outcomes_purged"

# Long enough to look up what an earlier timetable period did.
_KEPT = timedelta(days=90)
# Trains of one statement; the next call goes on.
TRAINS_MAX = 100
# Travel dates of one statement: 20 kB. A train has one run a date.
_DATES_PER_STATEMENT = 1_000
_COUNT_FIELDS = tuple(field.name for field in fields(LayoutCounts) if field.type is int)  # those that are summed up
# Up to the last date on which a train may run, some 64,000 dates away.
_STATEMENTS_MAX = 100


async def make_layout_job_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        jobs, outcomes = database["layout_jobs"], database["layout_outcomes"]
        # A repeated request.
        await jobs.create_index([("train_id", 1), ("request_id", 1)], name=REQUEST_INDEX)
        # Statistics. A complete job has left it.
        unfinished = {"is_unfinished": True}
        await jobs.create_index("create_time", name=UNFINISHED_INDEX, partialFilterExpression=unfinished)
        await jobs.create_index("purge_time", name=PURGE_INDEX, expireAfterSeconds=0)
        # ListLayoutOutcomes, and counting them.
        await outcomes.create_index([("layout_job_id", 1), ("travel_date", 1)], name=OUTCOMES_INDEX)
        await outcomes.create_index("purge_time", name=OUTCOME_PURGE_INDEX, expireAfterSeconds=0)
        # Layout jobs that are to be started. Most trains have none.
        await database["trains"].create_index("new_layout_jobs._id", name=NEW_INDEX, sparse=True)


class LayoutJobs:
    """Layout jobs and their outcomes. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._trains: Collection = database["trains"]
        self._runs: Collection = database["train_runs"]
        self._jobs: Collection = database["layout_jobs"]
        self._outcomes: Collection = database["layout_outcomes"]

    # -- new layout jobs, in the documents of their trains

    async def list_new(self, train_id: str | None = None) -> list[LayoutJob]:
        """Return the layout jobs that trains, or this train, still have in their documents, the oldest versions first."""
        query: Document = {"new_layout_jobs._id": {"$exists": True}}
        if train_id is not None:
            query = {"_id": train_id}
        with translate_outages():
            found = await self._trains.find(query, {"new_layout_jobs": 1}).limit(TRAINS_MAX).to_list(TRAINS_MAX)
        documents = [job for train in found for job in train.get("new_layout_jobs", [])]
        return sorted(decode_all("layout_jobs", documents, layout_job_from).values, key=lambda job: job.train_version)

    async def remove_new(self, job: LayoutJob) -> None:
        """Remove a layout job from the document of its train."""
        with translate_outages():
            await self._trains.update_one({"_id": job.train_id}, {"$pull": {"new_layout_jobs": {"_id": job.layout_job_id}}})
            await self._trains.update_one({"_id": job.train_id, "new_layout_jobs": []}, {"$unset": {"new_layout_jobs": ""}})

    # -- layout jobs

    async def insert_if_absent(self, job: LayoutJob) -> None:
        """Store a new layout job, if it is not stored yet."""
        with suppress(DuplicateKeyError), translate_outages():
            await self._jobs.insert_one({**layout_job_document(job), "is_unfinished": True})

    async def get(self, layout_job_id: str) -> LayoutJob | None:
        """Return the layout job, also one that is not started yet; None if there is none. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._jobs.find_one({"_id": layout_job_id})
            if document is None:
                document = await self._find_new("_id", layout_job_id)
        return None if document is None else decode_one("layout_jobs", document, layout_job_from)

    async def find_by_request(self, train_id: str, request_id: str) -> LayoutJob | None:
        """Return the layout job that this request made for the train, if any. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._jobs.find_one({"train_id": train_id, "request_id": request_id})
            if document is None:
                document = await self._find_new("request_id", request_id, train_id)
        return None if document is None else decode_one("layout_jobs", document, layout_job_from)

    async def _find_new(self, field: str, value: str, train_id: str = "") -> Document | None:
        query: Document = {f"new_layout_jobs.{field}": value} | ({"_id": train_id} if train_id else {})
        train = await self._trains.find_one(query, {"new_layout_jobs": 1})
        return next((job for job in train["new_layout_jobs"] if job[field] == value), None) if train else None

    async def list_dates_behind(self, train_id: str, train_version: int, first_date: str) -> list[str]:
        """Return the travel dates, from `first_date` on, of the train's runs whose layout is older than `train_version`."""
        version = "layout.train_version"
        # Runs of the first version of the train, and of an earlier version of the service, have no such field.
        behind = {"$or": [{version: {"$lt": train_version}}, {version: {"$exists": False}}], **NOT_DELETED}
        dates: list[str] = []
        after = f"{train_id}:{first_date}"
        for _ in range(_STATEMENTS_MAX):
            query = {"_id": {"$gte" if not dates else "$gt": after, "$lt": f"{train_id};"}, **behind}
            with translate_outages():
                cursor = self._runs.find(query, {"_id": 1}).sort("_id", 1).limit(_DATES_PER_STATEMENT)
                found = [str(run["_id"]) for run in await cursor.to_list(_DATES_PER_STATEMENT)]
            dates += [run_id.removeprefix(f"{train_id}:") for run_id in found]
            if len(found) < _DATES_PER_STATEMENT:
                break
            after = found[-1]
        return dates

    async def add_dates(self, layout_job_id: str, travel_dates: list[str]) -> list[str]:
        """Add the travel dates of runs to a layout job. One that was complete is not any more, if a date is new.

        Return all its dates, none of a job that is complete.
        """
        new: Document = {"_id": layout_job_id, "travel_dates": {"$not": {"$all": travel_dates}}}
        if not travel_dates:
            new = {"_id": layout_job_id, "travel_dates": {"$exists": False}}
        added = {
            "$addToSet": {"travel_dates": {"$each": travel_dates}},
            "$set": {"is_unfinished": True},
            "$unset": {"complete_time": "", "purge_time": ""},
        }
        with translate_outages():
            await self._jobs.update_one(new, added)
            job = await self._jobs.find_one({"_id": layout_job_id, "is_unfinished": True}, {"travel_dates": 1})
        return sorted(job["travel_dates"]) if job is not None else []

    async def complete(self, layout_job_id: str, now: datetime) -> bool:
        """Note that a layout job is complete, if each of its runs has an outcome and this is not noted yet; return whether."""
        with translate_outages():
            job = await self._jobs.find_one({"_id": layout_job_id, "is_unfinished": True}, {"travel_dates": 1})
            dates = job.get("travel_dates") if job else None
            if dates is None:
                return False
            ended = {"layout_job_id": layout_job_id, "travel_date": {"$in": dates}}
            if await self._outcomes.count_documents(ended) < len(dates):
                return False
            purge_time = now + _KEPT
            # First the outcomes: after a crash in between, the job is not complete, and this is done again.
            await self._outcomes.update_many({"layout_job_id": layout_job_id}, {"$set": {"purge_time": purge_time}})
            guard = {"_id": layout_job_id, "is_unfinished": True, "travel_dates": {"$size": len(dates)}}
            fields = {"$set": {"complete_time": now, "purge_time": purge_time}, "$unset": {"is_unfinished": ""}}
            return (await self._jobs.update_one(guard, fields)).modified_count > 0

    # -- outcomes

    async def insert_outcome(self, outcome: LayoutOutcome) -> None:
        """Store the outcome of a layout job on one run. A stored one stays as it is."""
        with translate_outages():
            await insert_absent(self._outcomes, [layout_outcome_document(outcome)])

    async def has_outcome(self, run_job_id: str) -> bool:
        """Whether the run job with that id has its outcome."""
        with translate_outages():
            return await self._outcomes.find_one({"_id": run_job_id}, {"_id": 1}) is not None

    async def list_outcomes(self, layout_job_id: str, after: str, limit: int) -> list[LayoutOutcome]:
        """Return at most `limit` readable outcomes of a layout job by travel date, from behind `after`."""

        async def fetch(behind: str, count: int) -> list[Document]:
            query = {"layout_job_id": layout_job_id, "travel_date": {"$gt": behind}}
            with translate_outages():
                return await self._outcomes.find(query).sort("travel_date", 1).limit(count).to_list(count)

        return await read_page(
            "layout_outcomes", fetch, lambda document: str(document["travel_date"]), layout_outcome_from, after, limit
        )

    async def progress(self, layout_job_id: str) -> LayoutProgress:
        """Return how many runs have which outcome, and the sum of what was done."""
        sums: dict[str, Any] = {field: {"$sum": f"$counts.{field}"} for field in _COUNT_FIELDS}
        group = {"_id": "$state", "runs": {"$sum": 1}, "currency": {"$max": "$counts.currency"}, **sums}
        with translate_outages():
            found = await self._outcomes.aggregate([{"$match": {"layout_job_id": layout_job_id}}, {"$group": group}]).to_list(
                len(LayoutOutcomeState)
            )
        runs = {row["_id"]: row["runs"] for row in found}
        counts = LayoutCounts()
        for row in found:
            counts += LayoutCounts(**{field: row[field] for field in _COUNT_FIELDS}, currency=row["currency"])
        return LayoutProgress(
            applied=runs.get(LayoutOutcomeState.APPLIED.value, 0),
            skipped=runs.get(LayoutOutcomeState.SKIPPED.value, 0),
            refused=runs.get(LayoutOutcomeState.REFUSED.value, 0),
            counts=counts,
        )
