"""Train runs in MongoDB.

Belongs here: loading a run, catching up with it, committing its journal by compare-and-swap, settling its bookings, making
runs. Does not: when to do which (`app/lanes/lane.py`), what a change is (`app/domain`), nor lists of runs (`run_lists.py`).

A commit is one `find_one_and_update`: `version` is the guard, so that it finds the document only if nobody else has committed
since it was read. It names only the paths that changed, and carries the bookings that changed in `recent`. Those are copied
then to the collection `bookings`, where they rest, and the next commit leaves them out. So the document never grows with what
is sold, a commit costs the same on every train, and yet a booking and its seats are made and changed in one step.

Whoever sells reads the document as most members of the replica set have it. The primary may yet lose its last commit; who went
on from that would promise what never was, and could meet another version of the same number.

What is in `recent` is newer than what is in `bookings` and stands for it. Nothing leaves `recent` before its copy is
acknowledged; after a crash, whoever loads the run next finds it there, and so do all readers.
"""

import asyncio
import logging
from collections.abc import Collection as Collected
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain.booking import LIVE_STATES, Booking
from app.domain.passenger import identity_of
from app.domain.people import Person, email_key
from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_document_without_journey, booking_from, journey_document
from app.store.cached_run import CachedRun, PendingBooking
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
from app.store.run_documents import run_document, run_from
from app.store.run_updates import run_update
from app.store.sales_shapes import RUN_QUEUES
from app.store.shapes import UnreadableError
from app.store.snapshots import Snapshot
from app.store.unreadable import decode_one, reading, unreadable_records

_log = logging.getLogger(__name__)

# Runs of one insert: 100 documents of a large train are about 10 MB, well under the 48 MB of one message.
_INSERT_BATCH = 100
# Bookings copied at a time: about a megabyte.
_BOOKINGS_BATCH = 1_000
# Commits whose events are copied at a time: of at most some hundred events each, and so about ten megabytes at the most.
_EVENT_BATCHES_MAX = 100
# Journeys whose part of a document is remembered: all that are on sale at a time, and 300 bytes each.
_JOURNEYS_MAX = 4_096
# Live bookings of one run: more than a run can hold, 5,000 seats sold leg by leg.
_BOOKINGS_MAX = 400_000


class _PreparedCommit(NamedTuple):
    """A commit: the swap, what it changes and tells, and the references and news that it leaves out of the document."""

    swap: Swap
    changed: dict[str, PendingBooking]
    news: dict[str, Document]
    left_out: list[str]
    archived_events: list[str]


class TrainRuns:
    """The collections `train_runs` and `bookings`, as far as selling needs them."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._runs: Collection = database["train_runs"]
        self._durable_runs = self._adapter.with_majority_reads(self._runs)
        # As the primary has them: only what is durable is ever copied, and none that was copied may be missed.
        self._bookings: Collection = database["bookings"]
        self._events: Collection = database["events"]
        self._packer = self._adapter.packer
        self._journeys: dict[Journey, Document | bytes] = {}
        self._empty_part = self._packer.part({})

    async def load(self, run_id: str) -> CachedRun | None:
        """A run with all who travel on it, or None where there is none.

        The run is read before the bookings: what leaves `recent` in between is found among them. Refuses RECORD_UNREADABLE
        where the run or one of these bookings cannot be read: such a run cannot be sold safely.
        """
        live = {"run_id": run_id, "state": {"$in": [state.value for state in LIVE_STATES]}}
        names = ("first_name", "last_name", "email")
        wanted = {"user.email": 1, "revision": 1, **{f"passengers.{name}": 1 for name in names}}
        waiting: list[Document] = []
        with translate_outages():
            query = {"_id": run_id}
            document = await self._durable_runs.find_one(query) or await self._runs.find_one(query)  # one just scheduled
            if document is None:
                return None
            with reading("train_runs", run_id):
                run = run_from(document)
                RUN_QUEUES.check(document)
            archived_revisions = await self._bookings.find(live, wanted).to_list(_BOOKINGS_MAX)
            if run.waitlist:
                references = [place.reference for place in run.waitlist.values()]
                waiting = await self._bookings.find({"_id": {"$in": references}}).to_list(len(references))
        with reading("train_runs", run_id):
            run.apply_newer(map(booking_from, waiting))
            recent = _newer(document["recent"], archived_revisions)
            # An older copy at rest may still have a passenger who has another live booking by now.
            run.passenger_index.load(
                _passenger_keys([booking for booking in archived_revisions if booking["_id"] not in recent])
            )
            run.apply_newer(map(booking_from, recent.values()))
        cached = CachedRun(run, foreign_bookings=recent, foreign_events={one["_id"]: one for one in document["outbox"]})
        cached.adopt_foreign()
        return cached

    async def catch_up(self, cached: CachedRun) -> CachedRun | None:
        """A run as it is now, of which only what others changed is read; None if it is gone.

        One commit's bookings are all in the document until nobody has sold for a while (`archive_leftovers`). Only what more
        than one
        changed may have left it before. What is read after an election may be older than what is known. Refuses
        RECORD_UNREADABLE; then `cached` is not to be used any more.
        """
        run = cached.run
        archived_revisions: list[Document] = []
        with translate_outages():
            document = await self._durable_runs.find_one({"_id": run.run_id})
            if document is None:
                return None
            with reading("train_runs", run.run_id):
                if document["version"] <= run.version:
                    return cached
                newer = run_from(document)
                RUN_QUEUES.check(document)
            # `archive_leftovers` empties a document without a new version.
            if document["version"] > run.version + 1 or not document["recent"]:
                since = {"run_id": run.run_id, "revision": {"$gt": run.version}}
                archived_revisions = await self._bookings.find(since).to_list(_BOOKINGS_MAX)
        with reading("train_runs", run.run_id):
            recent = _newer(document["recent"], archived_revisions)
        ours, done = cached.pending_bookings, cached.archived_revisions
        cached.pending_bookings = {
            one: mine for one, mine in ours.items() if one in recent and recent[one]["revision"] == mine.revision
        }
        cached.foreign_bookings = {
            one: new for one, new in recent.items() if one not in cached.pending_bookings and done.get(one) != new["revision"]
        }
        outbox = {one["_id"]: one for one in document["outbox"]}
        cached.pending_events = {one: mine for one, mine in cached.pending_events.items() if one in outbox}
        cached.foreign_events = {
            one: new for one, new in outbox.items() if one not in cached.pending_events and one not in cached.archived_events
        }
        unknown = [one for key, one in cached.foreign_bookings.items() if not _is_known(run.find(key), one)]
        with reading("train_runs", run.run_id):
            run.apply_newer(map(booking_from, (*archived_revisions, *unknown)))
        run.refresh_from(newer)
        return cached

    async def get(self, run_id: str) -> TrainRun:
        """A run without bookings, for looking at seats. Refuses TRAIN_RUN_NOT_FOUND, RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._runs.find_one({"_id": run_id}, {"recent": 0, "outbox": 0})
        if document is None:
            raise run_not_found(run_id)
        return decode_one("train_runs", document, run_from)

    async def find_waitlist_position(self, snapshot: Snapshot, run_id: str, number: int) -> int:
        """The place in the line, from 1, of who has that number; 0 for who is not in it any more."""
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"waiting": 1})
        with reading("train_runs", run_id):
            numbers = [int(ticket) for run in runs for ticket in run["waiting"]]
        return sum(1 for one in numbers if one <= number) if number in numbers else 0

    async def is_newest(self, run: TrainRun) -> bool:
        """Whether a run's version is that of its last commit. A swap that changes nothing proves it as a commit would."""
        guard = {"_id": run.run_id, "version": run.version}
        with translate_outages():
            return (await self._runs.update_one(guard, {"$set": {"version": run.version}})).matched_count > 0

    async def commit_each(self, batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        """Writes what is in the journals of these runs, in one statement; gives each run's own outcome, in order.

        LOST when another server has committed first, DUPLICATE_KEY when a new booking's reference belongs to another run,
        IMPOSSIBLE when the stored run has another shape by now; then nothing of that run was written. After a refusal
        DATABASE_UNAVAILABLE nobody knows what was.
        """
        prepared = [self._prepare(cached) for cached in batch]
        with translate_outages():
            outcomes = await self._adapter.swap_many(self._runs, [one.swap for one in prepared])
        for cached, one, outcome in zip(batch, prepared, outcomes, strict=True):
            if outcome is SwapOutcome.DONE:
                _committed(cached, one)
            elif outcome is SwapOutcome.IMPOSSIBLE:
                unreadable_records.report(
                    "train_runs", cached.run.run_id, UnreadableError("it cannot be changed as it is stored")
                )
        return outcomes

    def _prepare(self, cached: CachedRun) -> _PreparedCommit:
        run = cached.run
        changed = {one: self._pending_booking(run.bookings[one]) for one in run.change_set.bookings}
        newest = {**cached.pending_bookings, **changed}
        recent = [document for one, document in cached.foreign_bookings.items() if one not in newest]
        recent += [one.document for one in newest.values()]
        news: dict[str, Document] = {}
        if run.change_set.events:
            document = event_batch_document(run.change_set.events)
            news[document["_id"]] = self._packer.join(document, self._empty_part)
        outbox = [*cached.foreign_events.values(), *cached.pending_events.values(), *news.values()]
        swap = Swap({"_id": run.run_id, "version": run.version}, run_update(run, recent, outbox))
        return _PreparedCommit(swap, changed, news, list(cached.archived_revisions), list(cached.archived_events))

    def _pending_booking(self, booking: Booking) -> PendingBooking:
        journey = booking.journey
        part = self._journeys.get(journey)
        if part is None:
            if len(self._journeys) >= _JOURNEYS_MAX:
                self._journeys.clear()
            part = self._journeys[journey] = self._packer.part(journey_document(journey))
        return PendingBooking(self._packer.join(booking_document_without_journey(booking), part), booking.revision)

    async def settle(self, batch: Sequence[CachedRun]) -> None:
        """Copies the unsettled bookings and untold events of these runs to where they rest; the next commit leaves them out.

        Doing it again, or in several servers at once, changes nothing: a copy only ever replaces an older revision.
        """
        news = [(cached, key, one) for cached in batch for key, one in cached.pending_events.items()]
        for start in range(0, len(news), _EVENT_BATCHES_MAX):
            await self._archive_events(news[start : start + _EVENT_BATCHES_MAX])
        todo = [(cached, reference, one) for cached in batch for reference, one in cached.pending_bookings.items()]
        for start in range(0, len(todo), _BOOKINGS_BATCH):
            await self._archive_bookings(todo[start : start + _BOOKINGS_BATCH])

    async def _archive_events(self, news: list[tuple[CachedRun, str, Document]]) -> None:
        with translate_outages():
            await insert_absent(self._events, [one for _, _, one in news])
        for cached, key, _ in news:
            if cached.pending_events.pop(key, None) is not None:
                cached.archived_events.add(key)

    async def _archive_bookings(self, todo: list[tuple[CachedRun, str, PendingBooking]]) -> None:
        with translate_outages():
            there = await insert_absent(self._bookings, [one.document for _, _, one in todo])
            foreign = await self._replace_older(there) if there else set()
        for cached, reference, one in todo:
            # What has changed in the meantime is unsettled in its new revision.
            if cached.pending_bookings.get(reference) is one and (reference, cached.run.run_id) not in foreign:
                del cached.pending_bookings[reference]
                cached.archived_revisions[reference] = one.revision

    async def _replace_older(self, documents: list[Document]) -> set[tuple[str, str]]:
        """Replaces older revisions; gives (reference, run) of those under whose reference another run's booking rests.

        That takes two runs that sold under one reference within the same milliseconds, which is one in 10^9, or one client that
        sent one request_id for both at once. The booking then stays in `recent`, where it is found first.
        """
        references = [one["_id"] for one in documents]
        wanted = {"run_id": 1, "revision": 1}
        found = await self._bookings.find({"_id": {"$in": references}}, wanted).to_list(len(references))
        for unreadable in found:
            if not isinstance(unreadable.get("revision"), int):
                unreadable_records.report("bookings", unreadable["_id"], UnreadableError("revision is no whole number"))
        # Whatever rests there stays as it is, and the run's booking stays in `recent`.
        runs = {one["_id"]: one.get("run_id") if isinstance(one.get("revision"), int) else None for one in found}
        revisions = {one["_id"]: one["revision"] for one in found if runs[one["_id"]] is not None}
        older = [
            ({"_id": one["_id"], "run_id": one["run_id"], "revision": {"$lt": one["revision"]}}, one)
            for one in documents
            if one["_id"] in revisions and revisions[one["_id"]] < one["revision"]
        ]
        await self._adapter.replace_many(self._bookings, older)
        foreign = {(one["_id"], one["run_id"]) for one in documents if runs.get(one["_id"]) != one["run_id"]}
        for reference, run_id in foreign:
            _log.error("run %s: the reference %s rests with another run", run_id, reference)
        return foreign

    async def list_due(self, now: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Runs on which something is due, whatever is asked: holds to end, a line to close. Without those in `but_for`."""
        return await self._list_ids("next_due", {"$lte": now}, limit, but_for)

    async def list_unarchived(self, before: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Runs whose bookings and events of the last commits are still in the document, and were before then.

        Without those in `but_for`.
        """
        return await self._list_ids("unsettled_since", {"$lt": before}, limit, but_for)

    async def _list_ids(self, moment: str, times: Document, limit: int, but_for: Collected[str]) -> list[str]:
        query: Document = {moment: times}
        if but_for:
            query["_id"] = {"$nin": list(but_for)}
        with translate_outages():
            cursor = self._runs.find(query, {"_id": 1}).sort(moment, 1).limit(limit)
            return [one["_id"] for one in await cursor.to_list(limit)]

    async def archive_leftovers(self, run_id: str) -> None:
        """Copies what a run's document still carries, and leaves it out, if nobody commits in the meantime.

        No new version: whoever has the run in memory finds nothing that it does not know.
        """
        cached = await self.load(run_id)
        if cached is None:
            return
        await self.settle([cached])
        if cached.pending_bookings or cached.pending_events:
            return
        guard = {"_id": run_id, "version": cached.run.version}
        emptied: Document = {"$set": {"recent": [], "outbox": []}, "$unset": {"unsettled_since": ""}}
        with translate_outages():
            await self._runs.update_one(guard, emptied)

    async def insert_if_absent(self, runs: Sequence[TrainRun], now: datetime) -> int:
        """Keeps the runs that are not there yet; gives how many that were."""
        created = 0
        with translate_outages():
            for start in range(0, len(runs), _INSERT_BATCH):
                documents = []
                for run in runs[start : start + _INSERT_BATCH]:
                    documents.append(run_document(run, now))
                    await asyncio.sleep(0)  # one of 5,000 seats takes milliseconds; other calls go on in between
                created += len(documents) - len(await insert_absent(self._runs, documents))
        return created


def _committed(cached: CachedRun, prepared: _PreparedCommit) -> None:
    cached.pending_bookings.update(prepared.changed)
    for reference in prepared.changed:
        cached.foreign_bookings.pop(reference, None)
    for reference in prepared.left_out:
        del cached.archived_revisions[reference]
    cached.pending_events.update(prepared.news)
    cached.archived_events.difference_update(prepared.archived_events)
    cached.run.committed()


def _passenger_keys(bookings: list[Document]) -> Iterator[tuple[str, str, str]]:
    """The key of each passenger of these bookings, with the booking's reference and its booker's address as compared."""
    for booking in bookings:
        user_key = email_key(booking["user"]["email"])
        for passenger in booking["passengers"]:
            person = Person(passenger["first_name"], passenger["last_name"], passenger["email"])
            _, key = identity_of(person, user_key)
            yield key, booking["_id"], user_key


def _is_known(booking: Booking | None, document: Document) -> bool:
    return booking is not None and booking.revision == document["revision"]


def _newer(recent: list[Document], archived_revisions: list[Document]) -> dict[str, Document]:
    """Those of a run's recent bookings that do not rest in the same or a newer revision, by reference."""
    revisions = {one["_id"]: one["revision"] for one in archived_revisions}
    return {one["_id"]: one for one in recent if one["revision"] > revisions.get(one["_id"], 0)}


def run_not_found(run_id: str) -> Refusal:
    """The refusal for a run that is not there."""
    train_id, _, date = run_id.partition(":")
    return Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"train {train_id} does not run on {date}", resource=("train_run", run_id))
