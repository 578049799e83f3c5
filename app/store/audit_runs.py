"""Consistent snapshots of runs for the audit.

Belongs here: which runs there are, and each of them with all its bookings, payments and last events as of one moment. Does not
belong here: the rules (`app/domain/audit`), or the other collections (`audit_records.py`).

Runs, their archived bookings, their payments and events are read in one snapshot (`snapshots.py`), so that no change is seen
half done while the service sells. Runs with few bookings share a snapshot and its statements: an empty run costs no statement
of its own. A record that cannot be read becomes a fault; everything else is read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from app.domain.audit.bookings import HISTORY_MAX
from app.domain.audit.run_events import RUN_GROUP
from app.domain.audit.run_record import AuditedRun, RunMoments, RunReferences
from app.domain.booking import Booking
from app.domain.events import Event, EventType, commit_id
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_from
from app.store.derived_fields import booking_differences, run_differences
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.event_documents import events_from
from app.store.payments import StoredPayment, payment_from
from app.store.run_documents import run_from
from app.store.sales_shapes import BOOKING, RUN_KEYS, RUN_QUEUES
from app.store.shapes import Shape
from app.store.snapshots import Snapshot
from app.store.train_documents import train_from, train_version_from, train_version_id
from app.store.unreadable import READ_ERRORS, what_is_wrong

# Bookings of one run: more than a run can have, with 5,000 seats sold leg by leg and freed as often.
_BOOKINGS_MAX = 1_000_000
# What is left of a run that an operator deleted.
_DELETED_RUN = Shape({"_id": str, "version": int, "deleted_time": datetime})
# The newest commits with events of a run itself: a day of reports every five minutes, and all stops of a long train.
_RUN_COMMITS_MAX = 500
# Keys of one statement: payments and commits come a megabyte at a time.
_KEYS_MAX = 500
# The types of events about a run itself.
_RUN_EVENTS = frozenset(event_type.value for event_type in EventType if event_type.group == RUN_GROUP)

Value = TypeVar("Value")


class RunSize(NamedTuple):
    """A run that is stored, or that stored bookings name, and the number of its archived bookings."""

    run_id: str
    bookings: int


class RecordFault(NamedTuple):
    """A record that cannot be read or contradicts itself, and what is wrong with it."""

    subject: str
    text: str


@dataclass(slots=True)
class RunSnapshot:
    """A run with its bookings by reference and their payments by id, as of one moment.

    `run` is None where it is missing, was deleted or cannot be read. `commits` are the last commits of its bookings, as far as
    their events are stored; `outbox` the events that the run's document still contains; `run_events` those about the run
    itself. `duplicated` are references of several recent bookings; `bookings_of_other_runs` maps references of recent bookings
    to other runs that have them as well.
    """

    run_id: str
    run: TrainRun | None = None
    train: StoredTrain | None = None
    made_from_train: Train | None = None
    layout_train: Train | None = None
    moments: RunMoments | None = None
    is_missing: bool = False
    is_deleted: bool = False
    has_last_commit: bool = True
    bookings: dict[str, Booking] = field(default_factory=dict)
    payments: dict[str, StoredPayment] = field(default_factory=dict)
    commits: dict[str, list[Event]] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)
    run_events: list[Event] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    bookings_of_other_runs: dict[str, str] = field(default_factory=dict)
    unreadable: list[RecordFault] = field(default_factory=list)
    contradicting: list[RecordFault] = field(default_factory=list)

    def read(self, subject: str, decode: Callable[[Any], Value], document: Any) -> Value | None:
        """Decode a document. Return None and record a fault where that fails."""
        try:
            return decode(document)
        except READ_ERRORS as error:
            self.unreadable.append(RecordFault(subject, f"cannot be read: {what_is_wrong(error)}"))
            return None

    def audited_run(self, run: TrainRun, now: datetime, tolerance: timedelta) -> AuditedRun:
        """Return the record that the rules about runs take."""
        return AuditedRun(
            run,
            self.bookings,
            now,
            tolerance,
            train=self.train,
            made_from_train=self.made_from_train,
            layout_train=self.layout_train,
            moments=self.moments,
            commits=self.commits,
            has_last_commit=self.has_last_commit,
            outbox=self.outbox,
            run_events=self.run_events,
        )

    @property
    def train_id(self) -> str:
        """The id of the run's train; empty where the run cannot be read."""
        return "" if self.run is None else self.run.train_id

    @property
    def train_versions(self) -> tuple[tuple[str, int], ...]:
        """Train id and version: what the run was made from, and whose layout it has."""
        if self.run is None:
            return ()
        return (self.train_id, self.run.made_from_version), (self.train_id, self.run.layout.train_version)

    @property
    def references(self) -> RunReferences:
        """The record that the rules about references take."""
        return RunReferences(self.duplicated, self.bookings_of_other_runs)


class AuditRuns:
    """Reads runs for the audit, and changes nothing. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]
        self._events: Collection = database["events"]
        self._snapshots = adapter_of(database).snapshots(database)

    async def list_runs(self, after: str, limit: int, first_date: str = "") -> list[RunSize]:
        """List at most `limit` runs by id after `after`, also those of which only bookings are stored.

        With a first date, list only runs from that travel date on.
        """
        dates: Document = {"travel_date": {"$gte": first_date}} if first_date else {}
        with translate_outages():
            cursor = self._runs.find({"_id": {"$gt": after}, **dates}, {"_id": 1}).sort("_id", 1).limit(limit)
            known = [run["_id"] for run in await cursor.to_list(limit)]
            part: Document = {"$gt": after}
            if len(known) == limit:
                part["$lte"] = known[-1]
            # An index covers it, except for the date.
            pipeline: list[Document] = [
                {"$match": {"run_id": part, **dates}},
                {"$group": {"_id": "$run_id", "bookings": {"$sum": 1}}},
                {"$sort": {"_id": 1}},
                {"$limit": limit},
            ]
            counts = await self._bookings.aggregate(pipeline).to_list(limit)
            booked = {count["_id"]: count["bookings"] for count in counts}
        return [RunSize(run_id, booked.get(run_id, 0)) for run_id in sorted({*known, *booked})[:limit]]

    async def list_stray_bookings(self, limit: int) -> list[str]:
        """List at most `limit` bookings that name no run, so that they are in no snapshot."""
        with translate_outages():
            found = await self._bookings.find({"run_id": {"$not": {"$gte": ""}}}, {"_id": 1}).limit(limit).to_list(limit)
        return [str(booking["_id"]) for booking in found]

    async def read_run_snapshots(self, run_ids: Sequence[str], now: datetime) -> list[RunSnapshot]:
        """Read the runs with all their bookings, payments and last events, all as of one moment."""
        return await self._snapshots.read(lambda snapshot: self._read_run_snapshots(snapshot, list(run_ids), now))

    async def _read_run_snapshots(self, snapshot: Snapshot, run_ids: list[str], now: datetime) -> list[RunSnapshot]:
        wanted: Document = {"$in": run_ids}
        found = await snapshot.find(self._runs, {"_id": wanted}, most=len(run_ids))
        documents = {document["_id"]: document for document in found}
        archived: dict[str, list[Document]] = defaultdict(list)
        for booking in await snapshot.find(self._bookings, {"run_id": wanted}, most=_BOOKINGS_MAX):
            archived[booking["run_id"]].append(booking)
        snapshots = [_decode_run_snapshot(run_id, documents.get(run_id), archived.get(run_id, [])) for run_id in run_ids]
        await self._add_trains(snapshot, snapshots)
        await self._add_payments(snapshot, snapshots)
        await self._add_commits(snapshot, snapshots, now)
        for run_snapshot in snapshots:
            await self._add_run_events(snapshot, run_snapshot)
        await self._add_bookings_of_other_runs(snapshot, snapshots, documents)
        return snapshots

    async def _add_trains(self, snapshot: Snapshot, snapshots: Iterable[RunSnapshot]) -> None:
        """Add the trains of the runs, and the earlier versions of them that runs were made from or have the layout of."""
        found = [run_snapshot for run_snapshot in snapshots if run_snapshot.run is not None]
        wanted = {run_snapshot.train_id for run_snapshot in found}
        trains: dict[str, StoredTrain] = {}
        for document in await self._find_by_id(snapshot, "trains", sorted(wanted)):
            stored = RunSnapshot("").read("", train_from, document)
            if stored is not None:
                trains[document["_id"]] = stored
        versions = {(name, stored.version): stored.train for name, stored in trains.items()}
        earlier = {version for run_snapshot in found for version in run_snapshot.train_versions} - versions.keys()
        ids = sorted(train_version_id(*version) for version in earlier)
        for document in await self._find_by_id(snapshot, "train_versions", ids):
            stored = RunSnapshot("").read("", train_version_from, document)
            if stored is not None:
                versions[stored.train.train_id, stored.version] = stored.train
        for run_snapshot in found:
            run_snapshot.train = trains.get(run_snapshot.train_id)
            run_snapshot.made_from_train, run_snapshot.layout_train = map(versions.get, run_snapshot.train_versions)

    async def _add_payments(self, snapshot: Snapshot, snapshots: Sequence[RunSnapshot]) -> None:
        owners: dict[str, list[RunSnapshot]] = defaultdict(list)
        for run_snapshot in snapshots:
            for booking in run_snapshot.bookings.values():
                if booking.payment_id:
                    owners[booking.payment_id].append(run_snapshot)
        for document in await self._find_by_id(snapshot, "payments", list(owners)):
            for run_snapshot in owners[document["_id"]]:
                stored = run_snapshot.read(f"payment {document['_id']}", payment_from, document)
                if stored is not None:
                    run_snapshot.payments[document["_id"]] = stored

    async def _add_commits(self, snapshot: Snapshot, snapshots: Sequence[RunSnapshot], now: datetime) -> None:
        """Add the last commits of bookings and runs, from `events` and the outbox."""
        owners: dict[str, RunSnapshot] = {}
        for run_snapshot in snapshots:
            if run_snapshot.run is None:
                continue
            recent = [booking for booking in run_snapshot.bookings.values() if now - booking.update_time < HISTORY_MAX]
            owners.update({commit_id(run_snapshot.run_id, booking.revision): run_snapshot for booking in recent})
            if recent or run_snapshot.run.holds:
                owners[commit_id(run_snapshot.run_id, run_snapshot.run.version)] = run_snapshot
                run_snapshot.has_last_commit = False
        for document in await self._find_by_id(snapshot, "events", list(owners)):
            run_snapshot = owners[document["_id"]]
            events = run_snapshot.read(f"event {document['_id']}", events_from, document)
            run_snapshot.commits[document["_id"]] = events or []
        for run_snapshot in snapshots:
            for event in run_snapshot.outbox:
                name = event.event_id.rpartition(":")[0]
                if event not in run_snapshot.commits.setdefault(name, []):
                    run_snapshot.commits[name].append(event)
            if (
                run_snapshot.run is not None
                and commit_id(run_snapshot.run_id, run_snapshot.run.version) in run_snapshot.commits
            ):
                run_snapshot.has_last_commit = True

    async def _add_run_events(self, snapshot: Snapshot, run_snapshot: RunSnapshot) -> None:
        """Add the newest events about the run itself. A run that was never delayed or cancelled costs no statement."""
        run, run_id = run_snapshot.run, run_snapshot.run_id
        if run is None or not (run.delay.is_reported or run.cancellation is not None):
            return
        commits: Document = {"_id": {"$gt": f"{run_id}:", "$lt": f"{run_id};"}, "events.type": {"$in": list(_RUN_EVENTS)}}
        found = await snapshot.find(self._events, commits, most=_RUN_COMMITS_MAX, sort=[("time", -1)])
        events = {event.event_id: event for event in run_snapshot.outbox}
        for document in found:
            read = run_snapshot.read(f"event {document['_id']}", events_from, document)
            events |= {event.event_id: event for event in read or ()}
        own = [event for event in events.values() if event.event_type.value in _RUN_EVENTS]
        run_snapshot.run_events = sorted(own, key=lambda event: event.sequence)

    async def _add_bookings_of_other_runs(
        self, snapshot: Snapshot, snapshots: Sequence[RunSnapshot], documents: dict[str, Document]
    ) -> None:
        """Add the other runs that have a booking under the reference of a recent one."""
        recent = {run_snapshot.run_id: _references(documents.get(run_snapshot.run_id)) for run_snapshot in snapshots}
        references = sorted({reference for of_run in recent.values() for reference in of_run})
        owners: dict[str, set[str]] = defaultdict(set)
        for start in range(0, len(references), _KEYS_MAX):
            part = {"$in": references[start : start + _KEYS_MAX]}
            for booking in await snapshot.find(self._bookings, {"_id": part}, most=_KEYS_MAX, projection={"run_id": 1}):
                owners[booking["_id"]].add(str(booking.get("run_id")))
            runs = await snapshot.find(self._runs, {"recent._id": part}, most=_KEYS_MAX, projection={"recent._id": 1})
            for run in runs:
                for reference in _references(run):
                    owners[reference].add(run["_id"])
        for run_snapshot in snapshots:
            for reference in recent[run_snapshot.run_id]:
                for other in owners[reference] - {run_snapshot.run_id}:
                    run_snapshot.bookings_of_other_runs[reference] = other

    async def _find_by_id(self, snapshot: Snapshot, collection: str, ids: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for start in range(0, len(ids), _KEYS_MAX):
            part = {"$in": list(ids[start : start + _KEYS_MAX])}
            found += await snapshot.find(self._database[collection], {"_id": part}, most=_KEYS_MAX)
        return found


def _references(run: Document | None) -> list[str]:
    recent = run.get("recent") if run is not None else None
    bookings = [booking for booking in recent if isinstance(booking, dict)] if isinstance(recent, list) else []
    references = [booking.get("_id") for booking in bookings]
    return [reference for reference in references if isinstance(reference, str)]


def _decode_run_snapshot(run_id: str, document: Document | None, archived: list[Document]) -> RunSnapshot:
    """Decode one run with its bookings, as far as they can be read."""
    is_deleted = document is not None and "deleted_time" in document
    run_snapshot = RunSnapshot(run_id, is_missing=document is None, is_deleted=is_deleted)
    newest = {booking["_id"]: booking for booking in archived}
    if is_deleted:
        run_snapshot.read(f"run {run_id}", _DELETED_RUN.check, document)
    elif document is not None:
        subject = f"run {run_id}"
        run_snapshot.run = run_snapshot.read(subject, run_from, document)
        if run_snapshot.run is not None and run_snapshot.read(subject, _check_keys, document) is None:
            run_snapshot.run = None
        if run_snapshot.run is not None:
            run_snapshot.contradicting += [
                RecordFault(subject, f"has a {name} that contradicts its other fields")
                for name in run_differences(document, run_snapshot.run)
            ]
            _add_queues(run_snapshot, document, newest)
    for reference, stored in newest.items():
        booking = run_snapshot.read(f"booking {reference}", booking_from, stored)
        if booking is not None:
            run_snapshot.bookings[reference] = booking
            run_snapshot.contradicting += [
                RecordFault(f"booking {reference}", f"has a {name} that contradicts its other fields")
                for name in booking_differences(stored, booking, BOOKING)
            ]
    return run_snapshot


def _check_keys(document: Document) -> bool:
    RUN_KEYS.check(document)
    RUN_QUEUES.check(document)
    return True


def _add_queues(run_snapshot: RunSnapshot, document: Document, newest: dict[str, Document]) -> None:
    """Add what the run's document contains: bookings that are newer than the archived ones, and events."""
    for booking in document["recent"]:
        archived = newest.get(booking["_id"])
        revision = 0 if archived is None else archived.get("revision")
        if not isinstance(revision, int) or booking["revision"] > revision:
            newest[booking["_id"]] = booking
    for commit in document["outbox"]:
        run_snapshot.outbox += run_snapshot.read(f"event {commit['_id']}", events_from, commit) or []
    references = _references(document)
    run_snapshot.duplicated = sorted({reference for reference in references if references.count(reference) > 1})
    last = max((event.time for event in run_snapshot.outbox), default=None)
    run_snapshot.moments = RunMoments(document["create_time"], document.get("unsettled_since"), last)
