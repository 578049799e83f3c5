"""Jobs in MongoDB.

Belongs here: the collection `jobs`, its documents, indexes and statements. Does not belong here: when a job is due or dead
(`app/domain/jobs.py`), nor running it (`app/jobs`).

jobs  {_id: job_id, kind, payload, state, due_time, ready_time, attempts, lease_owner, lease_until, last_error, runs_alone,
       create_time, done_time, purge_time}

`ready_time` is when a pending job may next be taken: its due time, or the end of its lease if that is later. So one range of
one index holds all jobs that may be taken now, however many are leased, and a lease expires without any statement.

Taking jobs is three statements, however many jobs: find those that may be taken, lease those of them that still may, read back
those that carry the lease. `lease_owner` is new with every call, so that workers which find the same jobs get different ones,
and so that a worker which takes a job again differs from itself in an earlier attempt. Whatever a worker writes later must
match its `lease_owner`: a lease that another worker has taken over is lost.
"""

import uuid
from collections.abc import Collection as Values
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.jobs import Job, JobState, after_operator_retry
from app.store.adapter import adapter_of
from app.store.driver import (
    Collection,
    Database,
    Document,
    StatementRefusedError,
    insert_absent,
    translate_outages,
)
from app.store.shapes import ANYTHING, NULLABLE_TIME, MapOf, OneOf, Shape
from app.store.unreadable import decode_all, decode_one, read_page

READY_INDEX = "jobs_by_ready_time"
STATE_INDEX = "jobs_by_state"
PURGE_INDEX = "jobs_purged"

# Jobs of one insert; a job is some hundred bytes, and one message holds 48 MB.
_INSERT_BATCH = 1_000
# Other workers may lease first all that was found. Seldom so often in a row; then the caller tries again in a moment.
_LEASE_ATTEMPTS_MAX = 3
# Pairs of kind and state that are counted: each kind is a handler in the code.
_COUNTS_MAX = 1_000

# How long an unreadable job is postponed. It runs once it was repaired, or a newer version has started.
_UNREADABLE_PAUSE = timedelta(seconds=60)
# From here on: a value that is no time is in no range of times.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

JOB = Shape(
    {
        "_id": str,
        "kind": str,
        "due_time": datetime,
        "ready_time": datetime,
        "attempts": int,
        "lease_owner": str,
        "last_error": str,
        "runs_alone": bool,
        "create_time": datetime,
        "state": OneOf(JobState),
        "payload": MapOf(ANYTHING),
        "lease_until": NULLABLE_TIME,
        "done_time": NULLABLE_TIME,
    },
    {"purge_time": datetime},
)

# The place of a job in a list: kind, job_id.
JobKey = tuple[str, str]


async def make_job_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        jobs = database["jobs"]
        # What may be taken now, and what may be taken next. Only pending jobs are in it, since finished ones pile up.
        pending = {"state": JobState.PENDING.value}
        await jobs.create_index([("kind", 1), ("ready_time", 1)], name=READY_INDEX, partialFilterExpression=pending)
        # Lists for operators, counts, and retrying all dead jobs.
        await jobs.create_index([("state", 1), ("kind", 1), ("_id", 1)], name=STATE_INDEX)
        # Done jobs are deleted at the time they carry: with an age in the index, another setting would need another index.
        await jobs.create_index("purge_time", name=PURGE_INDEX, expireAfterSeconds=0)


def job_key(job: Job) -> JobKey:
    """Return the place of a job in a list."""
    return job.kind, job.job_id


class Jobs:
    """The collection `jobs`. Every method refuses DATABASE_UNAVAILABLE in an outage.

    Done jobs are kept for `retention_seconds`. The same job inserted after that would run again.
    """

    def __init__(self, database: Database, retention_seconds: float) -> None:
        self._adapter = adapter_of(database)
        self._jobs: Collection = database["jobs"]
        self._retention = timedelta(seconds=retention_seconds)

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int:
        """Insert the jobs whose ids are not stored yet, in whatever state; return their number."""
        inserted = 0
        with translate_outages():
            for start in range(0, len(jobs), _INSERT_BATCH):
                documents = [job_document(job) for job in jobs[start : start + _INSERT_BATCH]]
                inserted += len(documents) - len(await insert_absent(self._jobs, documents))
        return inserted

    async def bring_forward(self, job_id: str, due_time: datetime) -> None:
        """Make a job due at `due_time`, if it is due later and nobody holds it."""
        later = {"_id": job_id, "state": JobState.PENDING.value, "lease_until": None, "ready_time": {"$gt": due_time}}
        with translate_outages():
            await self._jobs.update_one(later, {"$set": {"due_time": due_time, "ready_time": due_time}})

    async def lease_due(self, kinds: Values[str], now: datetime, lease_seconds: float, owner: str, limit: int) -> list[Job]:
        """Lease at most `limit` due jobs of these kinds for `lease_seconds`, the earliest ready first, and return them.

        Each job goes to one caller, in whatever process. All carry the same `lease_owner`, which is new with each call and
        begins with `owner`. A job whose earlier lease expired runs alone. There may be more even if fewer
        than `limit` are returned. Unreadable jobs are postponed by a minute, and keep their attempts.
        """
        lease_owner = f"{owner}/{uuid.uuid4().hex}"
        with translate_outages():
            for _ in range(_LEASE_ATTEMPTS_MAX):
                had_lease = await self._find_due(kinds, now, limit)
                if not had_lease:
                    return []
                lease_until = now + timedelta(seconds=lease_seconds)
                if not await self._lease_readable(list(had_lease), now, lease_until, lease_owner):
                    continue
                leased = {"_id": {"$in": list(had_lease)}, "lease_owner": lease_owner}
                found = await self._adapter.find_in_one_batch(self._jobs, leased, most=len(had_lease))
                taken = decode_all("jobs", found, job_from)
                if taken.unreadable:
                    await self._postpone_unreadable(
                        {"_id": {"$in": taken.unreadable}, "lease_owner": lease_owner}, now, leases=1
                    )
                if taken.values:
                    jobs = sorted(taken.values, key=lambda job: job.due_time)
                    return [replace(job, runs_alone=True) if had_lease[job.job_id] else job for job in jobs]
        return []

    async def _lease_readable(self, job_ids: list[str], now: datetime, lease_until: datetime, lease_owner: str) -> bool:
        """Lease those of the jobs that may still be taken; return whether there may be any.

        MongoDB refuses to count attempts that are no number, and stops there. Then the unreadable jobs are postponed first.
        """
        try:
            return await self._lease(job_ids, now, lease_until, lease_owner)
        except StatementRefusedError:
            found = await self._adapter.find_in_one_batch(self._jobs, {"_id": {"$in": job_ids}}, most=len(job_ids))
            unreadable = decode_all("jobs", found, job_from).unreadable
            if not unreadable:
                raise
            await self._postpone_unreadable({"_id": {"$in": unreadable}}, now, leases=0)
            return await self._lease(job_ids, now, lease_until, lease_owner)

    async def _postpone_unreadable(self, query: Document, now: datetime, *, leases: int) -> None:
        """Postpone jobs, and undo so many leases on them."""
        update: Document = {"$set": {"lease_owner": "", "lease_until": None, "ready_time": now + _UNREADABLE_PAUSE}}
        if leases:
            update["$inc"] = {"attempts": -leases}
        await self._jobs.update_many(query, update)

    async def _find_due(self, kinds: Values[str], now: datetime, limit: int) -> dict[str, bool]:
        """Return the ids of jobs that may be taken, and of each whether a lease on it expired without an outcome."""
        ready = {"kind": {"$in": list(kinds)}, "state": JobState.PENDING.value, "ready_time": {"$lte": now}}
        found = await self._jobs.find(ready, {"lease_until": 1}).sort("ready_time", 1).limit(limit).to_list(limit)
        return {document["_id"]: document.get("lease_until") is not None for document in found}

    async def _lease(self, job_ids: list[str], now: datetime, lease_until: datetime, lease_owner: str) -> bool:
        """Lease those of the jobs that may still be taken; return whether there were any."""
        ready = {"_id": {"$in": job_ids}, "state": JobState.PENDING.value, "ready_time": {"$lte": now}}
        lease = {"lease_owner": lease_owner, "lease_until": lease_until, "ready_time": lease_until}
        return (await self._jobs.update_many(ready, {"$set": lease, "$inc": {"attempts": 1}})).modified_count > 0

    async def renew(self, job_ids: Sequence[str], lease_owner: str, lease_until: datetime) -> int:
        """Extend a lease; return how many of the jobs it still holds."""
        update = {"$set": {"lease_until": lease_until, "ready_time": lease_until}}
        with translate_outages():
            return (await self._jobs.update_many(_held(job_ids, lease_owner), update)).matched_count

    async def release(self, job_ids: Sequence[str], lease_owner: str, now: datetime) -> int:
        """Give back jobs that were taken and not started; return how many of them the lease still held."""
        update = {"$set": {"lease_owner": "", "lease_until": None, "ready_time": now}, "$inc": {"attempts": -1}}
        with translate_outages():
            return (await self._jobs.update_many(_held(job_ids, lease_owner), update)).matched_count

    async def record_outcomes(self, jobs: Sequence[Job], lease_owner: str) -> int:
        """Write the outcomes of the jobs that the lease still holds; return their number. The others stay as they are.

        Jobs with equal outcomes are one statement: all that are done, and all that failed for one reason.
        """
        alike: dict[tuple[Any, ...], tuple[Document, list[str]]] = {}
        for job in jobs:
            fields = self._outcome(job)
            alike.setdefault(tuple(fields.values()), (fields, []))[1].append(job.job_id)
        written = 0
        with translate_outages():
            for fields, job_ids in alike.values():
                written += (await self._jobs.update_many(_held(job_ids, lease_owner), {"$set": fields})).matched_count
        return written

    def _outcome(self, job: Job) -> Document:
        fields: Document = {"state": job.state.value, "lease_owner": "", "lease_until": None, "last_error": job.last_error}
        if job.state is JobState.DONE and job.done_time is not None:
            fields |= {"done_time": job.done_time, "purge_time": job.done_time + self._retention}
        if job.state is JobState.PENDING:
            fields |= {"due_time": job.due_time, "ready_time": job.due_time, "attempts": job.attempts}
            fields |= {"runs_alone": job.runs_alone}
        return fields

    async def next_ready_time(self, kinds: Values[str]) -> datetime | None:
        """Return when the first pending job of these kinds may be taken, which may have passed; None if there is none."""
        query = {"kind": {"$in": list(kinds)}, "state": JobState.PENDING.value, "ready_time": {"$gte": _EPOCH}}
        with translate_outages():
            found = await self._jobs.find(query, {"ready_time": 1}).sort("ready_time", 1).limit(1).to_list(1)
        return found[0]["ready_time"] if found else None

    async def get(self, job_id: str) -> Job | None:
        """Return the job with that id, if any. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._jobs.find_one({"_id": job_id})
        return None if document is None else decode_one("jobs", document, job_from)

    async def find_pending(self, job_ids: Values[str]) -> dict[str, bool]:
        """Return for those of these jobs that are pending, by id, whether a worker has taken them."""
        pending = {"_id": {"$in": list(job_ids)}, "state": JobState.PENDING.value}
        fields = {"_id": 1, "lease_until": 1}
        with translate_outages():
            found = await self._adapter.find_in_one_batch(self._jobs, pending, most=len(job_ids), projection=fields)
        return {document["_id"]: document.get("lease_until") is not None for document in found}

    async def list_page(self, state: JobState, kind: str | None, after: JobKey | None, limit: int) -> list[Job]:
        """Return at most `limit` readable jobs in that state, of one kind or of all, by `job_key`, from behind `after`."""

        async def fetch(behind: JobKey | None, count: int) -> list[Document]:
            with translate_outages():
                query = _jobs_query(state, kind, behind)
                return await self._jobs.find(query).sort([("kind", 1), ("_id", 1)]).limit(count).to_list(count)

        def key_of(document: Mapping[str, Any]) -> JobKey:
            return str(document.get("kind", "")), str(document["_id"])

        return await read_page("jobs", fetch, key_of, job_from, after, limit)

    async def retry(self, job_id: str, now: datetime) -> Job | None:
        """Make a dead job pending, with all its attempts left; any other stays as it is. Return the job then, if any."""
        with translate_outages():
            await self._jobs.update_one({"_id": job_id, "state": JobState.DEAD.value}, _retry(now))
        return await self.get(job_id)

    async def retry_all(self, kind: str, now: datetime) -> int:
        """Make all dead jobs of a kind pending; return their number. After an outage, another call does the rest."""
        with translate_outages():
            return (await self._jobs.update_many({"state": JobState.DEAD.value, "kind": kind}, _retry(now))).modified_count

    async def counts(self) -> dict[tuple[str, JobState], int]:
        """Return the number of jobs of each kind in each state, where there are any. It reads a whole index."""
        by_kind = {"$group": {"_id": {"kind": "$kind", "state": "$state"}, "jobs": {"$sum": 1}}}
        # Because of the sort MongoDB reads the index that holds both fields, instead of every document.
        pipeline: list[Document] = [{"$sort": {"state": 1, "kind": 1, "_id": 1}}, by_kind]
        with translate_outages():
            found = await self._jobs.aggregate(pipeline).to_list(_COUNTS_MAX)
        known = {state.value: state for state in JobState}
        groups = [(group["_id"].get("kind"), known.get(group["_id"].get("state")), group["jobs"]) for group in found]
        return {(kind, state): jobs for kind, state, jobs in groups if isinstance(kind, str) and state is not None}


def _jobs_query(state: JobState, kind: str | None, after: JobKey | None) -> Document:
    query: Document = {"state": state.value}
    if kind is not None:
        query["kind"] = kind
    if after is not None:
        after_kind, after_id = after
        query["$or"] = [{"kind": {"$gt": after_kind}}, {"kind": after_kind, "_id": {"$gt": after_id}}]
    return query


def _held(job_ids: Sequence[str], lease_owner: str) -> Document:
    """Return the query for those of the jobs that a lease holds: also an expired one, until another worker takes them."""
    return {"_id": {"$in": list(job_ids)}, "lease_owner": lease_owner}


def _retry(now: datetime) -> Document:
    """Return the update that makes dead jobs as `after_operator_retry` does; it is the same for all of them."""
    job = after_operator_retry(Job("", "", {}, now, now, JobState.DEAD), now)
    fields = {"state": job.state.value, "attempts": job.attempts, "runs_alone": job.runs_alone}
    return {"$set": {**fields, "due_time": job.due_time, "ready_time": job.ready_time}}


def job_document(job: Job) -> Document:
    """Encode a job."""
    return {
        "_id": job.job_id,
        "kind": job.kind,
        "payload": dict(job.payload),
        "state": job.state.value,
        "due_time": job.due_time,
        "ready_time": job.ready_time,
        "attempts": job.attempts,
        "lease_owner": job.lease_owner,
        "lease_until": job.lease_until,
        "last_error": job.last_error,
        "runs_alone": job.runs_alone,
        "create_time": job.create_time,
        "done_time": job.done_time,
    }


def job_from(document: Document) -> Job:
    """Decode a job. Raises UnreadableError."""
    JOB.check(document)
    return Job(
        job_id=document["_id"],
        kind=document["kind"],
        payload=document["payload"],
        due_time=document["due_time"],
        create_time=document["create_time"],
        state=JobState(document["state"]),
        attempts=document["attempts"],
        lease_owner=document["lease_owner"],
        lease_until=document["lease_until"],
        last_error=document["last_error"],
        runs_alone=document["runs_alone"],
        done_time=document["done_time"],
    )
