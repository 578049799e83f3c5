"""The census: every run with all its bookings, as they were at one moment, while the service sells.

Belongs here: which runs there are, and the consistent picture of each. Does not: what has to hold of it
(`app/domain/audit/seats.py`), nor the other records (`audit_records.py`).

Runs, their bookings at rest, their payments and events are read in one snapshot (`snapshots.py`): nothing of what is under way
is seen half done. Many runs share a snapshot and its statements, as long as they have few bookings: an empty run costs no
statement of its own. What cannot be read is named, and all else is read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from app.domain.audit.bookings import HISTORY_MAX
from app.domain.audit.runs import RunMoments
from app.domain.booking import Booking
from app.domain.events import Event, commit_id
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_from
from app.store.derived_fields import booking_differences, run_differences
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.event_documents import events_from
from app.store.payments import StoredPayment, payment_from
from app.store.run_documents import run_from
from app.store.sales_shapes import BOOKING, RUN_KEYS, RUN_QUEUES
from app.store.snapshots import Snapshot
from app.store.train_documents import train_from
from app.store.unreadable import READ_ERRORS, what_is_wrong

# Bookings of one run: more than a run can hold, 5,000 seats sold leg by leg and given back as often.
_BOOKINGS_MAX = 1_000_000
# Keys of one statement: payments and commits come a megabyte at a time.
_KEYS_MAX = 500

Value = TypeVar("Value")


class RunSize(NamedTuple):
    """A run that there is, or that there are bookings of, and how many bookings of it rest."""

    run_id: str
    bookings: int


class RecordFault(NamedTuple):
    """A record that cannot be read or that contradicts itself, and what is wrong with it."""

    subject: str
    text: str


@dataclass(slots=True)
class RunSnapshot:
    """A run, its bookings by reference, and their payments by id, at one moment; the events that its document still carries.

    `run` is None where it is `missing` or cannot be read. `commits` are the last ones of its bookings, as far as they are kept.
    `duplicated` are references of several recent bookings, `bookings_of_other_runs` leads from recent ones to other runs that
    have them as well.
    """

    run_id: str
    run: TrainRun | None = None
    train: StoredTrain | None = None
    moments: RunMoments | None = None
    is_missing: bool = False
    has_last_commit: bool = True
    bookings: dict[str, Booking] = field(default_factory=dict)
    payments: dict[str, StoredPayment] = field(default_factory=dict)
    commits: dict[str, list[Event]] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    bookings_of_other_runs: dict[str, str] = field(default_factory=dict)
    unreadable: list[RecordFault] = field(default_factory=list)
    contradicting: list[RecordFault] = field(default_factory=list)

    def read(self, subject: str, decode: Callable[[Any], Value], document: Any) -> Value | None:
        """What is decoded; None for what cannot be read, which is named."""
        try:
            return decode(document)
        except READ_ERRORS as error:
            self.unreadable.append(RecordFault(subject, f"cannot be read: {what_is_wrong(error)}"))
            return None


class AuditRuns:
    """Reads what no call shows, and changes nothing. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]
        self._snapshots = adapter_of(database).snapshots(database)
        self._trains: dict[str, StoredTrain | None] = {}

    async def list_runs(self, after: str, limit: int, first_date: str = "") -> list[RunSize]:
        """At most `limit` runs, by id, behind `after`; those also that there are only bookings of.

        With a first date, only runs from that travel date on.
        """
        dates: Document = {"travel_date": {"$gte": first_date}} if first_date else {}
        with translate_outages():
            cursor = self._runs.find({"_id": {"$gt": after}, **dates}, {"_id": 1}).sort("_id", 1).limit(limit)
            known = [one["_id"] for one in await cursor.to_list(limit)]
            part: Document = {"$gt": after}
            if len(known) == limit:
                part["$lte"] = known[-1]
            # An index holds all of it, but for the date.
            pipeline: list[Document] = [
                {"$match": {"run_id": part, **dates}},
                {"$group": {"_id": "$run_id", "bookings": {"$sum": 1}}},
                {"$sort": {"_id": 1}},
                {"$limit": limit},
            ]
            booked = {one["_id"]: one["bookings"] for one in await self._bookings.aggregate(pipeline).to_list(limit)}
        return [RunSize(run_id, booked.get(run_id, 0)) for run_id in sorted({*known, *booked})[:limit]]

    async def list_stray_bookings(self, limit: int) -> list[str]:
        """At most `limit` bookings that name no run, so that no run's picture has them."""
        with translate_outages():
            found = await self._bookings.find({"run_id": {"$not": {"$gte": ""}}}, {"_id": 1}).limit(limit).to_list(limit)
        return [str(booking["_id"]) for booking in found]

    async def read_run_snapshots(self, run_ids: Sequence[str], now: datetime) -> list[RunSnapshot]:
        """The runs with all their bookings, payments and last events, all as of one moment."""
        return await self._snapshots.read(lambda snapshot: self._read_run_snapshots(snapshot, list(run_ids), now))

    async def _read_run_snapshots(self, snapshot: Snapshot, run_ids: list[str], now: datetime) -> list[RunSnapshot]:
        wanted: Document = {"$in": run_ids}
        found = await snapshot.find(self._runs, {"_id": wanted}, most=len(run_ids))
        documents = {document["_id"]: document for document in found}
        settled: dict[str, list[Document]] = defaultdict(list)
        for booking in await snapshot.find(self._bookings, {"run_id": wanted}, most=_BOOKINGS_MAX):
            settled[booking["run_id"]].append(booking)
        read_run_snapshots = [
            _decode_run_snapshot(run_id, documents.get(run_id), settled.get(run_id, [])) for run_id in run_ids
        ]
        await self._add_trains(snapshot, read_run_snapshots)
        await self._add_payments(snapshot, read_run_snapshots)
        await self._add_commits(snapshot, read_run_snapshots, now)
        await self._add_bookings_of_other_runs(snapshot, read_run_snapshots, documents)
        return read_run_snapshots

    async def _add_trains(self, snapshot: Snapshot, read_run_snapshots: Iterable[RunSnapshot]) -> None:
        """Trains never change, and there are few: each is read once."""
        trains = {picture.run.train_id for picture in read_run_snapshots if picture.run is not None}
        missing = sorted(trains.difference(self._trains))
        if missing:
            self._trains.update(dict.fromkeys(missing))
            for document in await snapshot.find(self._database["trains"], {"_id": {"$in": missing}}, most=len(missing)):
                self._trains[document["_id"]] = RunSnapshot("").read("", train_from, document)
        for picture in read_run_snapshots:
            if picture.run is not None:
                picture.train = self._trains[picture.run.train_id]

    async def _add_payments(self, snapshot: Snapshot, read_run_snapshots: Sequence[RunSnapshot]) -> None:
        owners: dict[str, list[RunSnapshot]] = defaultdict(list)
        for picture in read_run_snapshots:
            for booking in picture.bookings.values():
                if booking.payment_id:
                    owners[booking.payment_id].append(picture)
        for document in await self._find_by_id(snapshot, "payments", list(owners)):
            for picture in owners[document["_id"]]:
                kept = picture.read(f"payment {document['_id']}", payment_from, document)
                if kept is not None:
                    picture.payments[document["_id"]] = kept

    async def _add_commits(self, snapshot: Snapshot, read_run_snapshots: Sequence[RunSnapshot], now: datetime) -> None:
        """The commits that bookings and runs name as their last, from `events` and the outbox."""
        owners: dict[str, RunSnapshot] = {}
        for picture in read_run_snapshots:
            if picture.run is None:
                continue
            recent = [one for one in picture.bookings.values() if now - one.update_time < HISTORY_MAX]
            owners.update({commit_id(picture.run_id, booking.revision): picture for booking in recent})
            if recent or picture.run.holds:
                owners[commit_id(picture.run_id, picture.run.version)] = picture
                picture.has_last_commit = False
        for document in await self._find_by_id(snapshot, "events", list(owners)):
            picture = owners[document["_id"]]
            events = picture.read(f"event {document['_id']}", events_from, document)
            picture.commits[document["_id"]] = events or []
        for picture in read_run_snapshots:
            for event in picture.outbox:
                name = event.event_id.rpartition(":")[0]
                if event not in picture.commits.setdefault(name, []):
                    picture.commits[name].append(event)
            if picture.run is not None and commit_id(picture.run_id, picture.run.version) in picture.commits:
                picture.has_last_commit = True

    async def _add_bookings_of_other_runs(
        self, snapshot: Snapshot, read_run_snapshots: Sequence[RunSnapshot], documents: dict[str, Document]
    ) -> None:
        """Other runs that have a booking under the reference of a recent one."""
        recent = {picture.run_id: _references(documents.get(picture.run_id)) for picture in read_run_snapshots}
        references = sorted({reference for ones in recent.values() for reference in ones})
        owners: dict[str, set[str]] = defaultdict(set)
        for start in range(0, len(references), _KEYS_MAX):
            part = {"$in": references[start : start + _KEYS_MAX]}
            for booking in await snapshot.find(self._bookings, {"_id": part}, most=_KEYS_MAX, projection={"run_id": 1}):
                owners[booking["_id"]].add(str(booking.get("run_id")))
            runs = await snapshot.find(self._runs, {"recent._id": part}, most=_KEYS_MAX, projection={"recent._id": 1})
            for run in runs:
                for reference in _references(run):
                    owners[reference].add(run["_id"])
        for picture in read_run_snapshots:
            for reference in recent[picture.run_id]:
                for other in owners[reference] - {picture.run_id}:
                    picture.bookings_of_other_runs[reference] = other

    async def _find_by_id(self, snapshot: Snapshot, collection: str, ids: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for start in range(0, len(ids), _KEYS_MAX):
            part = {"$in": list(ids[start : start + _KEYS_MAX])}
            found += await snapshot.find(self._database[collection], {"_id": part}, most=_KEYS_MAX)
        return found


def _references(run: Document | None) -> list[str]:
    recent = run.get("recent") if run is not None else None
    found = [one.get("_id") for one in recent if isinstance(one, dict)] if isinstance(recent, list) else []
    return [one for one in found if isinstance(one, str)]


def _decode_run_snapshot(run_id: str, document: Document | None, settled: list[Document]) -> RunSnapshot:
    """One run with its bookings, as far as they can be read."""
    picture = RunSnapshot(run_id, is_missing=document is None)
    newest = {booking["_id"]: booking for booking in settled}
    if document is not None:
        subject = f"run {run_id}"
        picture.run = picture.read(subject, run_from, document)
        if picture.run is not None and picture.read(subject, _check_keys, document) is None:
            picture.run = None
        if picture.run is not None:
            picture.contradicting += [
                RecordFault(subject, f"has another {name} than follows from it")
                for name in run_differences(document, picture.run)
            ]
            _add_queues(picture, document, newest)
    for reference, stored in newest.items():
        booking = picture.read(f"booking {reference}", booking_from, stored)
        if booking is not None:
            picture.bookings[reference] = booking
            picture.contradicting += [
                RecordFault(f"booking {reference}", f"has another {name} than follows from it")
                for name in booking_differences(stored, booking, BOOKING)
            ]
    return picture


def _check_keys(document: Document) -> bool:
    RUN_KEYS.check(document)
    RUN_QUEUES.check(document)
    return True


def _add_queues(picture: RunSnapshot, document: Document, newest: dict[str, Document]) -> None:
    """What the run's document carries: bookings that are newer than those at rest, and events."""
    for booking in document["recent"]:
        there = newest.get(booking["_id"])
        revision = 0 if there is None else there.get("revision")
        if not isinstance(revision, int) or booking["revision"] > revision:
            newest[booking["_id"]] = booking
    for commit in document["outbox"]:
        picture.outbox += picture.read(f"event {commit['_id']}", events_from, commit) or []
    references = _references(document)
    picture.duplicated = sorted({reference for reference in references if references.count(reference) > 1})
    last = max((event.time for event in picture.outbox), default=None)
    picture.moments = RunMoments(document["create_time"], document.get("unsettled_since"), last)
