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
from app.store.cached_run import KeptRun, Unsettled
from app.store.documents import (
    booking_from,
    journey_document,
    news_document,
    own_document,
    run_document,
    run_from,
)
from app.store.driver import (
    Collection,
    Database,
    Document,
    Packer,
    Swap,
    SwapOutcome,
    durable,
    insert_those_missing,
    outage_refused,
    replace_each,
    swap_each,
)
from app.store.run_updates import journal_update
from app.store.sales_shapes import RUN_QUEUES
from app.store.shapes import UnreadableError
from app.store.snapshots import Snapshot
from app.store.unreadable import decode_one, reading, unreadable_records

_log = logging.getLogger(__name__)

# Runs of one insert: 100 documents of a large train are about 10 MB, well under the 48 MB of one message.
_INSERT_BATCH = 100
# Bookings copied at a time: about a megabyte.
_SETTLE_BATCH = 1_000
# Commits whose events are copied at a time: of at most some hundred events each, and so about ten megabytes at the most.
_TELL_BATCH = 100
# Journeys whose part of a document is remembered: all that are on sale at a time, and 300 bytes each.
_JOURNEYS_MAX = 4_096
# Live bookings of one run: more than a run can hold, 5,000 seats sold leg by leg.
_BOOKINGS_MAX = 400_000


class _Prepared(NamedTuple):
    """A commit: the swap, what it changes and tells, and the references and news that it leaves out of the document."""

    swap: Swap
    changed: dict[str, Unsettled]
    news: dict[str, Document]
    left_out: list[str]
    told: list[str]


class TrainRuns:
    """The collections `train_runs` and `bookings`, as far as selling needs them."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]
        self._durable_runs = durable(self._runs)
        # As the primary has them: only what is durable is ever copied, and none that was copied may be missed.
        self._bookings: Collection = database["bookings"]
        self._events: Collection = database["events"]
        self._packer = Packer(database)
        self._journeys: dict[Journey, Document | bytes] = {}
        self._nothing = self._packer.part({})

    async def load(self, run_id: str) -> KeptRun | None:
        """A run with all who travel on it, or None where there is none.

        The run is read before the bookings: what leaves `recent` in between is found among them. Refuses RECORD_UNREADABLE
        where the run or one of these bookings cannot be read: such a run cannot be sold safely.
        """
        live = {"run_id": run_id, "state": {"$in": [state.value for state in LIVE_STATES]}}
        names = ("first_name", "last_name", "email")
        wanted = {"user.email": 1, "revision": 1, **{f"passengers.{name}": 1 for name in names}}
        waiting: list[Document] = []
        with outage_refused():
            query = {"_id": run_id}
            document = await self._durable_runs.find_one(query) or await self._runs.find_one(query)  # one just scheduled
            if document is None:
                return None
            with reading("train_runs", run_id):
                run = run_from(document)
                RUN_QUEUES.check(document)
            settled = await self._bookings.find(live, wanted).to_list(_BOOKINGS_MAX)
            if run.waiting:
                references = [place.reference for place in run.waiting.values()]
                waiting = await self._bookings.find({"_id": {"$in": references}}).to_list(len(references))
        with reading("train_runs", run_id):
            run.take_over(map(booking_from, waiting))
            recent = _newer(document["recent"], settled)
            # An older copy at rest may still have a passenger who has another live booking by now.
            run.travellers.load(_travellers([booking for booking in settled if booking["_id"] not in recent]))
            run.take_over(map(booking_from, recent.values()))
        kept = KeptRun(run, carried=recent, carried_news={one["_id"]: one for one in document["outbox"]})
        kept.adopt_carried()
        return kept

    async def catch_up(self, kept: KeptRun) -> KeptRun | None:
        """A run as it is now, of which only what others changed is read; None if it is gone.

        One commit's bookings are all in the document until nobody has sold for a while (`settle_left`). Only what more than one
        changed may have left it before. What is read after an election may be older than what is known. Refuses
        RECORD_UNREADABLE; then `kept` is not to be used any more.
        """
        run = kept.run
        settled: list[Document] = []
        with outage_refused():
            document = await self._durable_runs.find_one({"_id": run.run_id})
            if document is None:
                return None
            with reading("train_runs", run.run_id):
                if document["version"] <= run.version:
                    return kept
                newer = run_from(document)
                RUN_QUEUES.check(document)
            # `settle_left` empties a document without a new version.
            if document["version"] > run.version + 1 or not document["recent"]:
                since = {"run_id": run.run_id, "revision": {"$gt": run.version}}
                settled = await self._bookings.find(since).to_list(_BOOKINGS_MAX)
        with reading("train_runs", run.run_id):
            recent = _newer(document["recent"], settled)
        ours, done = kept.unsettled, kept.settled
        kept.unsettled = {one: mine for one, mine in ours.items() if one in recent and recent[one]["revision"] == mine.revision}
        kept.carried = {
            one: new for one, new in recent.items() if one not in kept.unsettled and done.get(one) != new["revision"]
        }
        outbox = {one["_id"]: one for one in document["outbox"]}
        kept.untold = {one: mine for one, mine in kept.untold.items() if one in outbox}
        kept.carried_news = {one: new for one, new in outbox.items() if one not in kept.untold and one not in kept.told}
        unknown = [one for key, one in kept.carried.items() if not _is_known(run.find(key), one)]
        with reading("train_runs", run.run_id):
            run.take_over(map(booking_from, (*settled, *unknown)))
        run.renew(newer)
        return kept

    async def get(self, run_id: str) -> TrainRun:
        """A run without bookings, for looking at seats. Refuses TRAIN_RUN_NOT_FOUND, RECORD_UNREADABLE."""
        with outage_refused():
            document = await self._runs.find_one({"_id": run_id}, {"recent": 0, "outbox": 0})
        if document is None:
            raise run_not_found(run_id)
        return decode_one("train_runs", document, run_from)

    async def waiting_position(self, snapshot: Snapshot, run_id: str, number: int) -> int:
        """The place in the line, from 1, of who has that number; 0 for who is not in it any more."""
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"waiting": 1})
        with reading("train_runs", run_id):
            numbers = [int(ticket) for run in runs for ticket in run["waiting"]]
        return sum(1 for one in numbers if one <= number) if number in numbers else 0

    async def is_newest(self, run: TrainRun) -> bool:
        """Whether a run's version is that of its last commit. A swap that changes nothing proves it as a commit would."""
        guard = {"_id": run.run_id, "version": run.version}
        with outage_refused():
            return (await self._runs.update_one(guard, {"$set": {"version": run.version}})).matched_count > 0

    async def commit_each(self, batch: Sequence[KeptRun]) -> list[SwapOutcome]:
        """Writes what is in the journals of these runs, in one statement; gives each run's own outcome, in order.

        LOST when another server has committed first, DUPLICATE_KEY when a new booking's reference belongs to another run,
        IMPOSSIBLE when the stored run has another shape by now; then nothing of that run was written. After a refusal
        DATABASE_UNAVAILABLE nobody knows what was.
        """
        prepared = [self._prepare(kept) for kept in batch]
        with outage_refused():
            outcomes = await swap_each(self._runs, [one.swap for one in prepared])
        for kept, one, outcome in zip(batch, prepared, outcomes, strict=True):
            if outcome is SwapOutcome.DONE:
                _committed(kept, one)
            elif outcome is SwapOutcome.IMPOSSIBLE:
                unreadable_records.report(
                    "train_runs", kept.run.run_id, UnreadableError("it cannot be changed as it is stored")
                )
        return outcomes

    def _prepare(self, kept: KeptRun) -> _Prepared:
        run = kept.run
        changed = {one: self._unsettled(run.bookings[one]) for one in run.journal.bookings}
        newest = {**kept.unsettled, **changed}
        recent = [document for one, document in kept.carried.items() if one not in newest]
        recent += [one.document for one in newest.values()]
        news: dict[str, Document] = {}
        if run.journal.events:
            document = news_document(run.journal.events)
            news[document["_id"]] = self._packer.join(document, self._nothing)
        outbox = [*kept.carried_news.values(), *kept.untold.values(), *news.values()]
        swap = Swap({"_id": run.run_id, "version": run.version}, journal_update(run, recent, outbox))
        return _Prepared(swap, changed, news, list(kept.settled), list(kept.told))

    def _unsettled(self, booking: Booking) -> Unsettled:
        journey = booking.journey
        part = self._journeys.get(journey)
        if part is None:
            if len(self._journeys) >= _JOURNEYS_MAX:
                self._journeys.clear()
            part = self._journeys[journey] = self._packer.part(journey_document(journey))
        return Unsettled(self._packer.join(own_document(booking), part), booking.revision)

    async def settle(self, batch: Sequence[KeptRun]) -> None:
        """Copies the unsettled bookings and untold events of these runs to where they rest; the next commit leaves them out.

        Doing it again, or in several servers at once, changes nothing: a copy only ever replaces an older revision.
        """
        news = [(kept, key, one) for kept in batch for key, one in kept.untold.items()]
        for start in range(0, len(news), _TELL_BATCH):
            await self._tell(news[start : start + _TELL_BATCH])
        todo = [(kept, reference, one) for kept in batch for reference, one in kept.unsettled.items()]
        for start in range(0, len(todo), _SETTLE_BATCH):
            await self._settle(todo[start : start + _SETTLE_BATCH])

    async def _tell(self, news: list[tuple[KeptRun, str, Document]]) -> None:
        with outage_refused():
            await insert_those_missing(self._events, [one for _, _, one in news])
        for kept, key, _ in news:
            if kept.untold.pop(key, None) is not None:
                kept.told.add(key)

    async def _settle(self, todo: list[tuple[KeptRun, str, Unsettled]]) -> None:
        with outage_refused():
            there = await insert_those_missing(self._bookings, [one.document for _, _, one in todo])
            foreign = await self._replace_older(there) if there else set()
        for kept, reference, one in todo:
            # What has changed in the meantime is unsettled in its new revision.
            if kept.unsettled.get(reference) is one and (reference, kept.run.run_id) not in foreign:
                del kept.unsettled[reference]
                kept.settled[reference] = one.revision

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
        await replace_each(self._bookings, older)
        foreign = {(one["_id"], one["run_id"]) for one in documents if runs.get(one["_id"]) != one["run_id"]}
        for reference, run_id in foreign:
            _log.error("run %s: the reference %s rests with another run", run_id, reference)
        return foreign

    async def list_due(self, now: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Runs on which something is due, whatever is asked: holds to end, a line to close. Without those in `but_for`."""
        return await self._list_ids("next_due", {"$lte": now}, limit, but_for)

    async def list_left(self, before: datetime, limit: int, but_for: Collected[str] = ()) -> list[str]:
        """Runs whose bookings and events of the last commits are still in the document, and were before then.

        Without those in `but_for`.
        """
        return await self._list_ids("unsettled_since", {"$lt": before}, limit, but_for)

    async def _list_ids(self, moment: str, times: Document, limit: int, but_for: Collected[str]) -> list[str]:
        query: Document = {moment: times}
        if but_for:
            query["_id"] = {"$nin": list(but_for)}
        with outage_refused():
            cursor = self._runs.find(query, {"_id": 1}).sort(moment, 1).limit(limit)
            return [one["_id"] for one in await cursor.to_list(limit)]

    async def settle_left(self, run_id: str) -> None:
        """Copies what a run's document still carries, and leaves it out, if nobody commits in the meantime.

        No new version: whoever has the run in memory finds nothing that it does not know.
        """
        kept = await self.load(run_id)
        if kept is None:
            return
        await self.settle([kept])
        if kept.unsettled or kept.untold:
            return
        guard = {"_id": run_id, "version": kept.run.version}
        emptied: Document = {"$set": {"recent": [], "outbox": []}, "$unset": {"unsettled_since": ""}}
        with outage_refused():
            await self._runs.update_one(guard, emptied)

    async def insert_missing(self, runs: Sequence[TrainRun], now: datetime) -> int:
        """Keeps the runs that are not there yet; gives how many that were."""
        created = 0
        with outage_refused():
            for start in range(0, len(runs), _INSERT_BATCH):
                documents = []
                for run in runs[start : start + _INSERT_BATCH]:
                    documents.append(run_document(run, now))
                    await asyncio.sleep(0)  # one of 5,000 seats takes milliseconds; other calls go on in between
                created += len(documents) - len(await insert_those_missing(self._runs, documents))
        return created


def _committed(kept: KeptRun, prepared: _Prepared) -> None:
    kept.unsettled.update(prepared.changed)
    for reference in prepared.changed:
        kept.carried.pop(reference, None)
    for reference in prepared.left_out:
        del kept.settled[reference]
    kept.untold.update(prepared.news)
    kept.told.difference_update(prepared.told)
    kept.run.committed()


def _travellers(bookings: list[Document]) -> Iterator[tuple[str, str, str]]:
    """The key of each passenger of these bookings, with the booking's reference and its booker's address as compared."""
    for booking in bookings:
        user_key = email_key(booking["user"]["email"])
        for passenger in booking["passengers"]:
            person = Person(passenger["first_name"], passenger["last_name"], passenger["email"])
            _, key = identity_of(person, user_key)
            yield key, booking["_id"], user_key


def _is_known(booking: Booking | None, document: Document) -> bool:
    return booking is not None and booking.revision == document["revision"]


def _newer(recent: list[Document], settled: list[Document]) -> dict[str, Document]:
    """Those of a run's recent bookings that do not rest in the same or a newer revision, by reference."""
    revisions = {one["_id"]: one["revision"] for one in settled}
    return {one["_id"]: one for one in recent if one["revision"] > revisions.get(one["_id"], 0)}


def run_not_found(run_id: str) -> Refusal:
    """The refusal for a run that is not there."""
    train_id, _, date = run_id.partition(":")
    return Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"train {train_id} does not run on {date}", resource=("train_run", run_id))
