"""Statistics from MongoDB: counts over the whole database.

Belongs here: statements that count, each over a range of an index and up to a bound. Does not belong here: the sums
(`app/domain/statistics.py`), or when they are made (`app/usecases/statistics.py`).

Every worker collects statistics every few seconds, so it must not read what has not changed. Of the runs that may not have
arrived it reads the versions, and seats only where the version is new. Finished records are never read: the travel date
excludes such runs, and the other indexes contain only what is still to be done.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.domain.jobs import PERIODIC_TASK_PREFIX, JobState
from app.domain.notices.notice import NoticeChannelName
from app.domain.payments import PaymentState, RefundState
from app.domain.statistics import Backlog, DueNotices, RunCounts
from app.domain.timetable import earliest_date_under_way
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.run_schedules import SCHEDULE_PARTS, SCHEDULE_PARTS_OPTIONAL, SCHEDULE_PROJECTION, schedule_from
from app.store.sales_shapes import COUNTED_SECTIONS
from app.store.shapes import ANYTHING, MapOf, Shape
from app.store.snapshots import Snapshot
from app.store.unreadable import decode_all

# Versions read at a time: a hundred trains for two hundred days, about a megabyte. Later runs beyond that are not counted.
RUNS_COUNTED_MAX = 20_000
# Events, jobs and payments that are counted: ten times the number at which an operator has to act.
COUNT_MAX = 10_000
# The events of a commit leave the run's document within milliseconds, or within some ten seconds after their server has ended.
# The time of the last commit stays there as long; an older one means that events were left behind.
_LEFT_AFTER = timedelta(seconds=60)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = {"version": 1, "sections.sold_legs": 1, "sections.retired": 1, "waiting": 1, **SCHEDULE_PROJECTION}
_COUNTED = Shape(
    SCHEDULE_PARTS | {"version": int, "sections": COUNTED_SECTIONS, "waiting": MapOf(ANYTHING)}, SCHEDULE_PARTS_OPTIONAL
)


class StatisticsQueries:
    """Counts records. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]
        self._events: Collection = database["events"]
        self._jobs: Collection = database["jobs"]
        self._payments: Collection = database["payments"]
        self._layout_jobs: Collection = database["layout_jobs"]
        self._notices: Collection = database["notices"]
        self._snapshots = adapter_of(database).snapshots(database)

    async def versions(self, now: datetime) -> dict[str, int | None]:
        """Return the versions of the runs that may not have arrived by now, by run id.

        They are at most `RUNS_COUNTED_MAX`, the earliest first. None stands for an unreadable run without a version.
        """
        with translate_outages():
            cursor = self._runs.find(current_runs_query(now), {"version": 1}).sort([("travel_date", 1), ("_id", 1)])
            return {run["_id"]: run.get("version") for run in await cursor.limit(RUNS_COUNTED_MAX).to_list(RUNS_COUNTED_MAX)}

    async def count_runs(self, run_ids: Sequence[str]) -> list[RunCounts]:
        """Count seats and waitlisted bookings of these runs. Unreadable runs are left out.

        A run has up to 5,000 seats: ask for few at a time.
        """
        with translate_outages():
            found = await self._runs.find({"_id": {"$in": list(run_ids)}}, _FIELDS).to_list(len(run_ids))
        return decode_all("train_runs", found, _count_of).values

    async def backlog(self, now: datetime) -> Backlog:
        """Count the work that is not done yet, as of one moment. Counts end at `COUNT_MAX`."""
        return await self._snapshots.read(lambda snapshot: self._backlog(snapshot, now))

    async def _backlog(self, snapshot: Snapshot, now: datetime) -> Backlog:
        events = await _first(snapshot, self._events, new_events_pipeline())
        layout_jobs = await _first(snapshot, self._layout_jobs, unfinished_layout_jobs_pipeline())
        cancellations = await _first(snapshot, self._runs, open_cancellations_pipeline(now))
        refunds = await _first(snapshot, self._payments, pending_refunds_pipeline())
        notices = await snapshot.aggregate(self._notices, due_notices_pipeline(now), most=len(NoticeChannelName))
        left = await snapshot.find(
            self._runs, _left_query(now), most=1, projection={"unsettled_since": 1}, sort=[("unsettled_since", 1)]
        )
        pending = await _count(snapshot, self._jobs, pending_jobs_query())
        running = await _count(snapshot, self._jobs, {**pending_jobs_query(), "lease_until": {"$gt": now}})
        moments = [run["unsettled_since"] for run in left] + [events["oldest"]] * (events["number"] > 0)
        return Backlog(
            outbox_events=events["number"],
            oldest_event_time=min(moments, default=None),
            jobs_waiting=max(0, pending - running),  # either count may have reached its bound
            jobs_running=running,
            jobs_dead=await _count(snapshot, self._jobs, {"state": JobState.DEAD.value}),
            refunds_pending=refunds["number"],
            oldest_refund_time=refunds["oldest"],
            captures_pending=await _count(snapshot, self._payments, pending_captures_query(now)),
            layout_jobs=layout_jobs["number"],
            oldest_layout_job_time=layout_jobs["oldest"],
            open_cancellations=cancellations["number"],
            oldest_cancellation_time=cancellations["oldest"],
            due_notices=tuple(
                DueNotices(group["_id"], group["number"], group["oldest"])
                for group in notices
                if group["_id"] in tuple(NoticeChannelName)
            ),
        )


def current_runs_query(now: datetime) -> Document:
    """Return the query for runs that may not have arrived."""
    return {"travel_date": {"$gte": earliest_date_under_way(now).isoformat()}}


def new_events_pipeline() -> list[Document]:
    """Return the pipeline for the number of unprocessed events and the time of the oldest. One index covers it."""
    # From the epoch on: an unreadable time would sort as the oldest.
    return [
        {"$match": {"is_new": True, "time": {"$gte": _EPOCH}}},
        {"$limit": COUNT_MAX},
        _number_and_oldest("$time", "$event_count"),
    ]


def unfinished_layout_jobs_pipeline() -> list[Document]:
    """Return the pipeline for the number of unfinished layout jobs and the time of the oldest. One index covers it."""
    unfinished = {"$match": {"is_unfinished": True, "create_time": {"$gte": _EPOCH}}}
    return [unfinished, {"$limit": COUNT_MAX}, _number_and_oldest("$create_time")]


def open_cancellations_pipeline(now: datetime) -> list[Document]:
    """Return the pipeline for the number of runs whose bookings are still being cancelled, and the time of the oldest.

    They are due, and few runs are due at a time: the index on that time leads to them.
    """
    is_open = {"cancellation.time": {"$gte": _EPOCH}, "cancellation.complete_time": None}
    return [{"$match": {"next_due": {"$lte": now}, **is_open}}, {"$limit": COUNT_MAX}, _number_and_oldest("$cancellation.time")]


def due_notices_pipeline(now: datetime) -> list[Document]:
    """Return the pipeline for the number of due notices by channel, and since when the oldest is due that was not tried yet.

    One index covers it. A mailbox that is full for a day is no backlog of ours, so its notice has no age.
    """
    untried = {"$cond": [{"$eq": ["$attempt_count", 0]}, "$due_time", None]}
    return [
        {"$match": {"is_open": True, "due_time": {"$gte": _EPOCH, "$lte": now}}},
        {"$limit": COUNT_MAX},
        {"$group": {"_id": "$channel", "number": {"$sum": 1}, "oldest": {"$min": untried}}},
    ]


def pending_refunds_pipeline() -> list[Document]:
    """Return the pipeline for the number of pending refunds and the time of the oldest."""
    pending = {"$match": {"refunds.state": RefundState.PENDING.value}}
    dated = {"$match": {"refunds.state": RefundState.PENDING.value, "refunds.create_time": {"$gte": _EPOCH}}}
    return [pending, {"$limit": COUNT_MAX}, {"$unwind": "$refunds"}, dated, _number_and_oldest("$refunds.create_time")]


def pending_jobs_query() -> Document:
    """Return the query for jobs that are to be done, without periodic tasks."""
    return {"state": JobState.PENDING.value, "kind": {"$not": {"$regex": f"^{PERIODIC_TASK_PREFIX}"}}}


def pending_captures_query(now: datetime) -> Document:
    """Return the query for payments that are authorized and not captured."""
    return {"open_since": {"$lte": now}, "state": PaymentState.AUTHORIZED.value}


def _left_query(now: datetime) -> Document:
    return {"unsettled_since": {"$lt": now - _LEFT_AFTER}}


def _number_and_oldest(moment: str, number: str | int = 1) -> Document:
    return {"$group": {"_id": None, "number": {"$sum": number}, "oldest": {"$min": moment}}}


async def _first(snapshot: Snapshot, collection: Collection, pipeline: list[Document]) -> Document:
    found = await snapshot.aggregate(collection, pipeline, most=1)
    return found[0] if found else {"number": 0, "oldest": None}


async def _count(snapshot: Snapshot, collection: Collection, query: Document) -> int:
    found = await snapshot.aggregate(collection, [{"$match": query}, {"$limit": COUNT_MAX}, {"$count": "number"}], most=1)
    return int(found[0]["number"]) if found else 0


def _count_of(document: Document) -> RunCounts:
    _COUNTED.check(document)
    seats = [section["sold_legs"] for section in document["sections"]]
    retired = sum(1 + last - first for section in document["sections"] for first, last in section.get("retired", ()))
    return RunCounts(
        run_id=document["_id"],
        version=document["version"],
        schedule=schedule_from(document),
        seats=sum(map(len, seats)) - retired,
        seats_sold=sum(len(section) - section.count(0) for section in seats) - retired,  # all legs of these count as sold
        waiting_bookings=len(document["waiting"]),
    )
