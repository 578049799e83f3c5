"""Train runs in MongoDB.

Belongs here: loading a run, catching up with it, committing its change set by compare-and-swap, making runs. Does not belong
here: when to do which (`app/lanes/`), what changes (`app/domain/`), the archive (`run_archive.py`), lists of runs
(`run_lists.py`).

A commit is one `find_one_and_update`: `version` is the guard, so that it finds the document only if nobody else has committed
since it was read. It names only the paths that changed, and puts the bookings that changed into `recent`. They are archived
then: copied to the collection `bookings`; the next commit leaves them out. So the document does not grow with the sales, a
commit costs the same on every train, and yet a booking and its seats change in one step.

To sell, a server reads the document with majority read concern. The primary may still lose its last commit; a server that went
on from that would promise what never happened, and could meet another version with the same number.

A booking in `recent` is newer than the one in `bookings` and replaces it. Nothing leaves `recent` before its copy is
acknowledged. After a crash, whoever loads the run next finds it there, and so do all readers.
"""

import asyncio
from collections.abc import Collection as Collected
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from app.domain.booking import LIVE_STATES, Booking
from app.domain.limits import TRAVEL_DATE_MAX
from app.domain.passenger import identity_of
from app.domain.people import Person, email_key
from app.domain.rules.hidden_runs import run_not_found
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey, RunState, earliest_date_under_way
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_document_without_journey, booking_from, journey_document
from app.store.bookings import BOOKINGS_PER_RUN_MAX
from app.store.cached_run import CachedRun, ClaimedTurn, PendingBooking
from app.store.driver import (
    Collection,
    Database,
    Document,
    Swap,
    SwapOutcome,
    insert_absent,
    translate_outages,
)
from app.store.event_documents import event_batch_document
from app.store.run_archive import RunArchive
from app.store.run_documents import run_document, run_from
from app.store.run_tombstones import NOT_DELETED, replace_tombstones
from app.store.run_updates import run_update
from app.store.sales_shapes import RUN_QUEUES
from app.store.shapes import UnreadableError
from app.store.snapshots import Snapshot
from app.store.unreadable import decode_one, reading, unreadable_records

CLOCK_STATE_INDEX = "runs_by_clock_state"

# Runs of one insert: 100 documents of a large train are about 10 MB, well under the 48 MB of one message.
_INSERT_BATCH = 100
# Journeys whose part of a document is cached: all that are on sale at a time, with 300 bytes each.
_JOURNEYS_MAX = 4_096


class _PreparedCommit(NamedTuple):
    """A commit: the swap, the bookings and the event batch that it adds, and what it leaves out since it is archived."""

    swap: Swap
    changed: dict[str, PendingBooking]
    events: dict[str, Document]
    archived_references: list[str]
    archived_events: list[str]


class DueRun(NamedTuple):
    """A run on which something is due; `is_cancelling` where its bookings are not all cancelled yet."""

    run_id: str
    is_cancelling: bool


class TrainRuns:
    """The collections `train_runs` and `bookings`, as far as sales need them."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._runs: Collection = database["train_runs"]
        self._durable_runs = self._adapter.with_majority_reads(self._runs)
        # Read from the primary: only durable bookings are archived, and no archived one may be missed.
        self._bookings: Collection = database["bookings"]
        self._archive = RunArchive(database)
        self._packer = self._adapter.packer
        self._journeys: dict[Journey, Document | bytes] = {}
        self._empty_part = self._packer.part({})

    async def load(self, run_id: str) -> CachedRun | None:
        """Load a run with the index of all its passengers. Return None where there is no such run.

        The run is read before the bookings: a booking that leaves `recent` in between is found among them. Refuses
        RECORD_UNREADABLE where the run or one of these bookings cannot be read: such a run cannot be sold safely.
        """
        live = {"run_id": run_id, "state": {"$in": [state.value for state in LIVE_STATES]}}
        names = ("first_name", "last_name", "email")
        wanted = {"user.email": 1, "revision": 1, **{f"passengers.{name}": 1 for name in names}}
        waitlisted: list[Document] = []
        with translate_outages():
            query = {"_id": run_id, **NOT_DELETED}
            document = await self._durable_runs.find_one(query) or await self._runs.find_one(query)  # one just scheduled
            if document is None:
                return None
            with reading("train_runs", run_id):
                run = run_from(document)
                RUN_QUEUES.check(document)
            archived = await self._bookings.find(live, wanted).to_list(BOOKINGS_PER_RUN_MAX)
            if run.waitlist:
                references = [entry.reference for entry in run.waitlist.values()]
                waitlisted = await self._bookings.find({"_id": {"$in": references}}).to_list(len(references))
        with reading("train_runs", run_id):
            run.apply_newer(map(booking_from, waitlisted))
            recent = _newer(document["recent"], archived)
            # An older archived copy may have a passenger who has another live booking by now.
            run.passenger_index.load(_passenger_keys([booking for booking in archived if booking["_id"] not in recent]))
            run.apply_newer(map(booking_from, recent.values()))
        cached = CachedRun(run, foreign_bookings=recent, foreign_events=_by_id(document["outbox"]))
        cached.claimed_turn = _claimed_turn(document)
        cached.adopt_foreign()
        return cached

    async def catch_up(self, cached: CachedRun) -> CachedRun | None:
        """Bring a run in memory up to date. Read only what other servers changed. Return None where the run is gone, also
        where it was deleted and scheduled again.

        The bookings of the last commit are all in the document, until nobody has committed for a while (`archive_leftovers`).
        Only with more than one commit since may some have left it. What is read after an election may be older than what is
        in memory. Refuses RECORD_UNREADABLE; then `cached` must not be used any more.
        """
        run = cached.run
        archived: list[Document] = []
        with translate_outages():
            document = await self._durable_runs.find_one({"_id": run.run_id, **NOT_DELETED})
            if document is None:
                return None
            with reading("train_runs", run.run_id):
                cached.claimed_turn = _claimed_turn(document)
                if document["version"] <= run.version:
                    return cached
                newer = run_from(document)
                RUN_QUEUES.check(document)
            if not run.is_same_run(newer):
                return None
            # `archive_leftovers` empties a document without a new version.
            if document["version"] > run.version + 1 or not document["recent"]:
                since = {"run_id": run.run_id, "revision": {"$gt": run.version}}
                archived = await self._bookings.find(since).to_list(BOOKINGS_PER_RUN_MAX)
        with reading("train_runs", run.run_id):
            cached.compare(_newer(document["recent"], archived), _by_id(document["outbox"]))
            unknown = [
                booking for reference, booking in cached.foreign_bookings.items() if not _is_known(run.find(reference), booking)
            ]
            run.apply_newer(map(booking_from, (*archived, *unknown)))
        run.refresh_from(newer)
        return cached

    async def get(self, run_id: str) -> TrainRun:
        """Return a run without bookings, for its seats. Refuses TRAIN_RUN_NOT_FOUND, RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._runs.find_one({"_id": run_id, **NOT_DELETED}, {"recent": 0, "outbox": 0})
        if document is None:
            raise run_not_found(run_id)
        return decode_one("train_runs", document, run_from)

    async def find_waitlist_position(self, snapshot: Snapshot, run_id: str, ticket_number: int) -> int:
        """Return the position of a ticket number in the waitlist, from 1; 0 where it is not there any more."""
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"waiting": 1})
        with reading("train_runs", run_id):
            numbers = [int(number) for run in runs for number in run["waiting"]]
        return sum(1 for number in numbers if number <= ticket_number) if ticket_number in numbers else 0

    async def is_newest(self, run: TrainRun) -> bool:
        """Whether no other server has committed since. A swap that changes nothing proves it as a commit would."""
        guard = {"_id": run.run_id, "version": run.version}
        with translate_outages():
            return (await self._runs.update_one(guard, {"$set": {"version": run.version}})).matched_count > 0

    async def claim_turn(self, cached: CachedRun, server_id: str, expire_time: datetime) -> bool:
        """Claim the next commit on a run without changes. Return False where another server has committed first.

        The claim is a commit of its own, so that every other server reads it before its next commit.
        """
        run = cached.run
        claim = {"version": run.version + 1, "server_id": server_id, "expire_time": expire_time}
        update = {"$set": {"version": run.version + 1, "eventless_version": run.version + 1, "claimed_turn": claim}}
        with translate_outages():
            if not (await self._runs.update_one({"_id": run.run_id, "version": run.version}, update)).matched_count:
                return False
        run.committed_without_change()
        return True

    async def release_turn(self, run: TrainRun) -> None:
        """End a claim that no commit has followed, unless somebody has committed since."""
        with translate_outages():
            await self._runs.update_one({"_id": run.run_id, "version": run.version}, {"$unset": {"claimed_turn": ""}})

    async def commit_each(self, batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        """Write the change sets of these runs in one statement. Return the outcome of each run, in order.

        LOST where another server has committed first, DUPLICATE_KEY where a new booking's reference belongs to another run,
        IMPOSSIBLE where the stored run has another shape by now; then nothing of that run was written. After a refusal
        DATABASE_UNAVAILABLE it is unknown what was written.
        """
        prepared = [self._prepare(cached) for cached in batch]
        with translate_outages():
            outcomes = await self._adapter.swap_many(self._runs, [commit.swap for commit in prepared])
        for cached, commit, outcome in zip(batch, prepared, outcomes, strict=True):
            if outcome is SwapOutcome.DONE:
                _committed(cached, commit)
            elif outcome is SwapOutcome.IMPOSSIBLE:
                unreadable_records.report(
                    "train_runs", cached.run.run_id, UnreadableError("it cannot be changed as it is stored")
                )
        return outcomes

    def _prepare(self, cached: CachedRun) -> _PreparedCommit:
        run = cached.run
        changed = {reference: self._pending_booking(run.bookings[reference]) for reference in run.change_set.bookings}
        pending = {**cached.pending_bookings, **changed}
        recent = [document for reference, document in cached.foreign_bookings.items() if reference not in pending]
        recent += [booking.document for booking in pending.values()]
        events: dict[str, Document] = {}
        if run.change_set.events:
            document = event_batch_document(run.change_set.events)
            events[document["_id"]] = self._packer.join(document, self._empty_part)
        outbox = [*cached.foreign_events.values(), *cached.pending_events.values(), *events.values()]
        swap = Swap({"_id": run.run_id, "version": run.version}, run_update(run, recent, outbox))
        return _PreparedCommit(swap, changed, events, list(cached.archived_revisions), list(cached.archived_events))

    def _pending_booking(self, booking: Booking) -> PendingBooking:
        journey = booking.journey
        part = self._journeys.get(journey)
        if part is None:
            if len(self._journeys) >= _JOURNEYS_MAX:
                self._journeys.clear()
            part = self._journeys[journey] = self._packer.part(journey_document(journey))
        return PendingBooking(self._packer.join(booking_document_without_journey(booking), part), booking.revision)

    async def archive(self, batch: Sequence[CachedRun]) -> None:
        """Archive the pending bookings and events of these runs; see `RunArchive.archive`."""
        await self._archive.archive(batch)

    async def archive_leftovers(self, run_id: str) -> None:
        """Archive what a run's document still carries, and remove it there unless somebody commits meanwhile.

        The version stays: a server that has the run in memory knows all that is removed.
        """
        cached = await self.load(run_id)
        if cached is None:
            return
        await self.archive([cached])
        if cached.pending_bookings or cached.pending_events:
            return
        guard = {"_id": run_id, "version": cached.run.version}
        emptied: Document = {"$set": {"recent": [], "outbox": []}, "$unset": {"unsettled_since": ""}}
        with translate_outages():
            await self._runs.update_one(guard, emptied)

    async def list_due(self, now: datetime, limit: int, but_for: Collected[str] = ()) -> list[DueRun]:
        """Return the runs on which something is due (`next_due` in `run_fields.py`). Leave out those in `but_for`."""
        found = await self._list("next_due", {"$lte": now}, limit, but_for, {"cancellation": 1})
        return [DueRun(document["_id"], _has_open_cancellation(document)) for document in found]

    async def list_unarchived(self, before: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Return the runs whose documents carry unarchived bookings or events since before that time, but for some."""
        found = await self._list("unsettled_since", {"$lt": before}, limit, but_for, {"_id": 1})
        return [document["_id"] for document in found]

    async def list_behind_clock(self, now: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Return the runs that `list_due` misses, since a server of an earlier version made or changed them.

        These are the ones without a clock state that have not departed; and those that have by the timetable, and are due no
        more: such a server writes `next_due` without the clock. Leave out those in `but_for`.
        """
        first = earliest_date_under_way(now).isoformat()
        tomorrow = (now + timedelta(days=1)).date().isoformat()  # where the calendar is ahead of UTC
        not_adopted: Document = {
            "clock_state": None,
            "travel_date": {"$gte": first, "$lte": TRAVEL_DATE_MAX.isoformat()},
            "stops.0.depart": {"$gt": now},
        }
        not_due: Document = {
            "clock_state": {"$in": [RunState.SCHEDULED.value, RunState.DEPARTED.value]},
            "travel_date": {"$gte": first, "$lte": tomorrow},
            "next_due": None,
            "is_compacted": {"$ne": True},
            "stops.0.depart": {"$lte": now},
        }
        found: list[str] = []
        with translate_outages():
            for query in (not_adopted, not_due):
                query["_id"] = {"$nin": [*but_for, *found]}
                cursor = self._runs.find(query, {"_id": 1}).hint(CLOCK_STATE_INDEX).limit(limit)
                found += [document["_id"] for document in await cursor.to_list(limit)]
        return found

    async def _list(
        self, moment: str, times: Document, limit: int, but_for: Collected[str], projection: Document
    ) -> list[Document]:
        query: Document = {moment: times}
        if but_for:
            query["_id"] = {"$nin": list(but_for)}
        with translate_outages():
            return await self._runs.find(query, projection).sort(moment, 1).limit(limit).to_list(limit)

    async def insert_if_absent(self, runs: Sequence[TrainRun], now: datetime, *, replaces_deleted: bool = True) -> int:
        """Store the runs that are not stored yet. Return how many that were.

        Those that were deleted are among them where it `replaces_deleted` ones.
        """
        created = 0
        with translate_outages():
            for start in range(0, len(runs), _INSERT_BATCH):
                documents = []
                for run in runs[start : start + _INSERT_BATCH]:
                    documents.append(run_document(run, now))
                    await asyncio.sleep(0)  # a run of 5,000 seats takes milliseconds; other calls run in between
                present = await insert_absent(self._runs, documents)
                created += len(documents) - len(present)
                if replaces_deleted:
                    created += await replace_tombstones(self._runs, present)
        return created


def _committed(cached: CachedRun, commit: _PreparedCommit) -> None:
    """Note in memory what a commit has written."""
    cached.pending_bookings.update(commit.changed)
    for reference in commit.changed:
        cached.foreign_bookings.pop(reference, None)
    for reference in commit.archived_references:
        del cached.archived_revisions[reference]
    cached.pending_events.update(commit.events)
    cached.archived_events.difference_update(commit.archived_events)
    cached.run.committed()


def _has_open_cancellation(document: Document) -> bool:
    """Whether a run's document has a cancellation that is not complete. One that cannot be read has none."""
    cancellation = document.get("cancellation")
    return isinstance(cancellation, dict) and cancellation.get("complete_time") is None


def _claimed_turn(document: Document) -> ClaimedTurn | None:
    """Return the claim to the next commit; None where there is none, or a commit has followed it."""
    claim = document.get("claimed_turn")
    if not claim or claim["version"] != document["version"]:
        return None
    return ClaimedTurn(claim["version"], claim["server_id"], claim["expire_time"])


def _passenger_keys(bookings: list[Document]) -> Iterator[tuple[str, str, str]]:
    """Yield the key of each passenger of these bookings, with the reference and the booker's address as compared."""
    for booking in bookings:
        user_key = email_key(booking["user"]["email"])
        for passenger in booking["passengers"]:
            person = Person(passenger["first_name"], passenger["last_name"], passenger["email"])
            _, key = identity_of(person, user_key)
            yield key, booking["_id"], user_key


def _is_known(booking: Booking | None, document: Document) -> bool:
    return booking is not None and booking.revision == document["revision"]


def _by_id(documents: list[Document]) -> dict[str, Document]:
    return {document["_id"]: document for document in documents}


def _newer(recent: list[Document], archived: list[Document]) -> dict[str, Document]:
    """Return the recent bookings of a run that are not archived in the same or a newer revision, by reference."""
    revisions = {document["_id"]: document["revision"] for document in archived}
    return {document["_id"]: document for document in recent if document["revision"] > revisions.get(document["_id"], 0)}
