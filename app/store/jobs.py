"""Jobs in MongoDB.

Belongs here: the collection `jobs`, its documents, indexes and statements. Does not: when a job is due or dead
(`app/domain/jobs.py`), nor doing it (`app/jobs/worker.py`).

jobs  {_id: job_id, kind, payload, state, due_time, ready_time, attempts, lease_owner, lease_until, last_error, runs_alone,
       create_time, done_time, purge_time}

`ready_time` is when a pending job may next be taken: its due time, or the end of its lease if that is later. So one range of
one index holds all that may be taken now, however much is leased, and a lease ends without anybody's doing.

Taking jobs is three statements, however many there are: look which may be taken, stamp those of them that still may, read back
those that carry the stamp. The stamp is new with every taking, so that of workers who look at the same jobs each gets its own,
and so that a worker which takes a job again is told from itself in an earlier attempt. Whatever it writes later has to find its
stamp: a lease that passed on is lost.
"""

import uuid
from collections.abc import Collection as Some
from collections.abc import Sequence
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
# Others may stamp all that was looked at first. So often in a row they hardly do; then the caller looks again in a moment.
_LOOKS_MAX = 3
# Kinds and states that counts may tell: each kind is a handler in the code.
_COUNTS_MAX = 1_000

# How long an unreadable job is left alone. It is tried again by itself once it was mended, or a newer version has started.
_UNREADABLE_PAUSE = timedelta(seconds=60)
# Where times begin; a ready time that is none is in no range of times.
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

# Where a job stands in a list: kind, job_id.
JobKey = tuple[str, str]


async def make_job_indexes(database: Database) -> None:
    """Makes the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        jobs = database["jobs"]
        # What may be taken now, and what may be taken next. Only pending jobs are in it, since the others pile up.
        pending = {"state": JobState.PENDING.value}
        await jobs.create_index([("kind", 1), ("ready_time", 1)], name=READY_INDEX, partialFilterExpression=pending)
        # Lists for operators, counts, and retrying all that is dead.
        await jobs.create_index([("state", 1), ("kind", 1), ("_id", 1)], name=STATE_INDEX)
        # What is done goes at the time it carries: were it an age in the index, another setting would need another index.
        await jobs.create_index("purge_time", name=PURGE_INDEX, expireAfterSeconds=0)


def job_key(job: Job) -> JobKey:
    """Where a job stands in a list."""
    return job.kind, job.job_id


class Jobs:
    """The collection `jobs`. What is done is kept for `retention_seconds`; the same job made again later would be done
    again."""

    def __init__(self, database: Database, retention_seconds: float) -> None:
        self._adapter = adapter_of(database)
        self._jobs: Collection = database["jobs"]
        self._kept = timedelta(seconds=retention_seconds)

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int:
        """Keeps the jobs that are not there yet, in whatever state; gives how many that were."""
        made = 0
        with translate_outages():
            for start in range(0, len(jobs), _INSERT_BATCH):
                documents = [job_document(job) for job in jobs[start : start + _INSERT_BATCH]]
                made += len(documents) - len(await insert_absent(self._jobs, documents))
        return made

    async def bring_forward(self, job_id: str, due_time: datetime) -> None:
        """Has a job that waits for a later time, and that nobody holds, come due then."""
        later = {"_id": job_id, "state": JobState.PENDING.value, "lease_until": None, "ready_time": {"$gt": due_time}}
        with translate_outages():
            await self._jobs.update_one(later, {"$set": {"due_time": due_time, "ready_time": due_time}})

    async def lease_due(self, kinds: Some[str], now: datetime, lease_seconds: float, owner: str, limit: int) -> list[Job]:
        """At most `limit` jobs of these kinds that are due, those first that were ready first, leased for `lease_seconds`.

        Each job is given to one taker, in whatever process. All carry the same `lease_owner`, which is new with each call and
        begins with `owner`. A job whose earlier lease ran out is to run alone. There may be more even where fewer are given.
        Unreadable jobs are set apart for a minute, with the attempts that they had.
        """
        lease_owner = f"{owner}/{uuid.uuid4().hex}"
        with translate_outages():
            for _ in range(_LOOKS_MAX):
                left_over = await self._find_due(kinds, now, limit)
                if not left_over:
                    return []
                lease_until = now + timedelta(seconds=lease_seconds)
                if not await self._lease_readable(list(left_over), now, lease_until, lease_owner):
                    continue
                stamped = {"_id": {"$in": list(left_over)}, "lease_owner": lease_owner}
                found = await self._adapter.find_in_one_batch(self._jobs, stamped, most=len(left_over))
                taken = decode_all("jobs", found, job_from)
                if taken.unreadable:
                    await self._postpone_unreadable(
                        {"_id": {"$in": taken.unreadable}, "lease_owner": lease_owner}, now, stamps=1
                    )
                if taken.values:
                    jobs = sorted(taken.values, key=lambda job: job.due_time)
                    return [replace(job, runs_alone=True) if left_over[job.job_id] else job for job in jobs]
        return []

    async def _lease_readable(self, job_ids: list[str], now: datetime, lease_until: datetime, lease_owner: str) -> bool:
        """Lease those of the jobs that may still be taken; whether there may be any.

        MongoDB refuses to count the attempts of a job where these are no number, and stamps none behind it. Then those that
        are unreadable are set apart first.
        """
        try:
            return await self._lease(job_ids, now, lease_until, lease_owner)
        except StatementRefusedError:
            found = await self._adapter.find_in_one_batch(self._jobs, {"_id": {"$in": job_ids}}, most=len(job_ids))
            unreadable = decode_all("jobs", found, job_from).unreadable
            if not unreadable:
                raise
            await self._postpone_unreadable({"_id": {"$in": unreadable}}, now, stamps=0)
            return await self._lease(job_ids, now, lease_until, lease_owner)

    async def _postpone_unreadable(self, query: Document, now: datetime, *, stamps: int) -> None:
        """Leave jobs alone for a while, and take back what `_lease` did to them."""
        update: Document = {"$set": {"lease_owner": "", "lease_until": None, "ready_time": now + _UNREADABLE_PAUSE}}
        if stamps:
            update["$inc"] = {"attempts": -stamps}
        await self._jobs.update_many(query, update)

    async def _find_due(self, kinds: Some[str], now: datetime, limit: int) -> dict[str, bool]:
        """Jobs that may be taken, and of each whether somebody has held it who did not say what came of it."""
        ready = {"kind": {"$in": list(kinds)}, "state": JobState.PENDING.value, "ready_time": {"$lte": now}}
        found = await self._jobs.find(ready, {"lease_until": 1}).sort("ready_time", 1).limit(limit).to_list(limit)
        return {document["_id"]: document.get("lease_until") is not None for document in found}

    async def _lease(self, job_ids: list[str], now: datetime, lease_until: datetime, lease_owner: str) -> bool:
        """Leases those of the jobs that may still be taken; whether there were any."""
        ready = {"_id": {"$in": job_ids}, "state": JobState.PENDING.value, "ready_time": {"$lte": now}}
        lease = {"lease_owner": lease_owner, "lease_until": lease_until, "ready_time": lease_until}
        return (await self._jobs.update_many(ready, {"$set": lease, "$inc": {"attempts": 1}})).modified_count > 0

    async def renew(self, job_ids: Sequence[str], lease_owner: str, lease_until: datetime) -> int:
        """Lets a lease run until then; gives how many of the jobs it still holds."""
        update = {"$set": {"lease_until": lease_until, "ready_time": lease_until}}
        with translate_outages():
            return (await self._jobs.update_many(_held(job_ids, lease_owner), update)).matched_count

    async def release(self, job_ids: Sequence[str], lease_owner: str, now: datetime) -> int:
        """Gives back jobs that were taken and not begun; gives how many of them the lease still held."""
        update = {"$set": {"lease_owner": "", "lease_until": None, "ready_time": now}, "$inc": {"attempts": -1}}
        with translate_outages():
            return (await self._jobs.update_many(_held(job_ids, lease_owner), update)).matched_count

    async def record_outcomes(self, jobs: Sequence[Job], lease_owner: str) -> int:
        """Writes what has become of jobs that this lease holds; gives how many it still held. The others stay as they are.

        What came out alike is one statement: all that were done, and all that failed for one reason.
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
            fields |= {"done_time": job.done_time, "purge_time": job.done_time + self._kept}
        if job.state is JobState.PENDING:
            fields |= {"due_time": job.due_time, "ready_time": job.due_time, "attempts": job.attempts}
            fields |= {"runs_alone": job.runs_alone}
        return fields

    async def next_ready_time(self, kinds: Some[str]) -> datetime | None:
        """When the first of the pending jobs of these kinds may be taken; None where there is none. It may have passed."""
        query = {"kind": {"$in": list(kinds)}, "state": JobState.PENDING.value, "ready_time": {"$gte": _EPOCH}}
        with translate_outages():
            found = await self._jobs.find(query, {"ready_time": 1}).sort("ready_time", 1).limit(1).to_list(1)
        return found[0]["ready_time"] if found else None

    async def get(self, job_id: str) -> Job | None:
        """The job with that id. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._jobs.find_one({"_id": job_id})
        return None if document is None else decode_one("jobs", document, job_from)

    async def list_page(self, state: JobState, kind: str | None, after: JobKey | None, limit: int) -> list[Job]:
        """At most `limit` jobs in that state, of one kind or of all, in the order of `job_key`, behind `after`.

        Those that are unreadable are left out.
        """

        async def fetch(behind: JobKey | None, count: int) -> list[Document]:
            with translate_outages():
                query = _jobs_query(state, kind, behind)
                return await self._jobs.find(query).sort([("kind", 1), ("_id", 1)]).limit(count).to_list(count)

        return await read_page("jobs", fetch, lambda one: (str(one.get("kind", "")), str(one["_id"])), job_from, after, limit)

    async def retry(self, job_id: str, now: datetime) -> Job | None:
        """Has a dead job tried again, with all its attempts; any other stays as it is. Gives the job as it is then, if any."""
        with translate_outages():
            await self._jobs.update_one({"_id": job_id, "state": JobState.DEAD.value}, _retry(now))
        return await self.get(job_id)

    async def retry_all(self, kind: str, now: datetime) -> int:
        """Has all dead jobs of a kind tried again; gives how many. After DATABASE_UNAVAILABLE, calling again does the rest."""
        with translate_outages():
            return (await self._jobs.update_many({"state": JobState.DEAD.value, "kind": kind}, _retry(now))).modified_count

    async def counts(self) -> dict[tuple[str, JobState], int]:
        """How many jobs there are of each kind in each state, where there are any. It reads an index from end to end."""
        by_kind = {"$group": {"_id": {"kind": "$kind", "state": "$state"}, "jobs": {"$sum": 1}}}
        # The sort has the index read that holds both fields, instead of every document.
        pipeline: list[Document] = [{"$sort": {"state": 1, "kind": 1, "_id": 1}}, by_kind]
        with translate_outages():
            found = await self._jobs.aggregate(pipeline).to_list(_COUNTS_MAX)
        known = {state.value: state for state in JobState}
        groups = [(one["_id"].get("kind"), known.get(one["_id"].get("state")), one["jobs"]) for one in found]
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
    """Those of the jobs that a lease holds. One that ran out holds them as long as nobody else has taken them."""
    return {"_id": {"$in": list(job_ids)}, "lease_owner": lease_owner}


def _retry(now: datetime) -> Document:
    """The update that does to dead jobs what `after_operator_retry` says, which is the same for all of them."""
    job = after_operator_retry(Job("", "", {}, now, now, JobState.DEAD), now)
    fields = {"state": job.state.value, "attempts": job.attempts, "runs_alone": job.runs_alone}
    return {"$set": {**fields, "due_time": job.due_time, "ready_time": job.ready_time}}


def job_document(job: Job) -> Document:
    """A job as it is kept."""
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
