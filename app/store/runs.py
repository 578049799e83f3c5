"""Train runs in MongoDB.

Belongs here: loading a run, catching up with it, committing its journal by compare-and-swap, making and listing runs. Does not:
when to do which (`lane.py`), nor what a change is (`app/domain`).

A commit names only the paths that changed, so its size follows the batch and not the train. `version` is the guard: the update
finds the document only if nobody else has committed since it was read.
"""

from collections.abc import Sequence
from datetime import datetime

from app.domain.booking import Booking
from app.domain.refusals import Reason, Refusal
from app.domain.run import TrainRun
from app.store.documents import (
    booking_document,
    bookings_from,
    freed_document,
    run_document,
    run_from,
    sections_from,
    stops_from,
)
from app.store.driver import Collection, Database, Document, DuplicateKeyError, insert_those_missing, outage_refused

# Runs of one insert: 100 documents of a large train are about 10 MB, well under the 48 MB of one message.
_INSERT_BATCH = 100


class ReferenceTaken(Exception):
    """A commit would have given a booking a reference that a booking of another run has."""


class TrainRuns:
    """The collection `train_runs`."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]

    async def load(self, run_id: str) -> TrainRun | None:
        """A run with all its bookings, or None."""
        with outage_refused():
            document = await self._runs.find_one({"_id": run_id})
        return None if document is None else run_from(document)

    async def get(self, run_id: str) -> TrainRun:
        """A run without its bookings, for looking at seats. Refuses TRAIN_RUN_NOT_FOUND."""
        with outage_refused():
            document = await self._runs.find_one({"_id": run_id}, {"bookings": 0})
        if document is None:
            raise run_not_found(run_id)
        return run_from(document)

    async def version(self, run_id: str) -> int | None:
        """The version of a run's last commit; None where there is no such run."""
        with outage_refused():
            document = await self._runs.find_one({"_id": run_id}, {"version": 1})
        return None if document is None else int(document["version"])

    async def catch_up(self, run: TrainRun) -> TrainRun | None:
        """`run` as it is now: only what other servers changed is read, unless bookings have moved. None if it is gone."""
        changed_since = {"$gt": ["$$booking.revision", run.version]}
        wanted: Document = dict.fromkeys(("version", "archived_count", "freed_sequence", "sections", "stops"), 1)
        wanted["booking_count"] = {"$size": "$bookings"}
        wanted["bookings"] = {"$filter": {"input": "$bookings", "as": "booking", "cond": changed_since}}
        with outage_refused():
            found = await self._runs.aggregate([{"$match": {"_id": run.run_id}}, {"$project": wanted}]).to_list(1)
        if not found:
            return None
        document = found[0]
        if document["archived_count"] != run.archived_count or stops_from(document) != run.stops:
            return await self.load(run.run_id)
        run.catch_up(
            version=document["version"],
            freed_sequence=document["freed_sequence"],
            sections=sections_from(document),
            changed=bookings_from(run, document["bookings"]),
        )
        return run if len(run.bookings) == document["booking_count"] else await self.load(run.run_id)

    async def commit(self, run: TrainRun) -> bool:
        """Writes what is in the run's journal. False when another server has committed first; then nothing was written.

        Raises ReferenceTaken when a new booking's reference belongs to another run. After a refusal DATABASE_UNAVAILABLE
        nobody knows whether it was written.
        """
        return await self._swap(run, journal_update(run))

    async def drop_bookings(self, run: TrainRun, references: Sequence[str]) -> bool:
        """Takes bookings out of the document. False when another server has committed first."""
        update = {
            "$set": {"version": run.version + 1},
            "$inc": {"archived_count": len(references)},
            "$pull": {"bookings": {"reference": {"$in": list(references)}}},
        }
        return await self._swap(run, update)

    async def _swap(self, run: TrainRun, update: Document) -> bool:
        guard = {"_id": run.run_id, "version": run.version}
        try:
            with outage_refused():
                before = await self._runs.find_one_and_update(guard, update, projection={"_id": 1})
        except DuplicateKeyError as error:
            raise ReferenceTaken from error
        return before is not None

    async def insert_missing(self, runs: Sequence[TrainRun], now: datetime) -> int:
        """Keeps the runs that are not there yet; gives how many that were."""
        created = 0
        with outage_refused():
            for start in range(0, len(runs), _INSERT_BATCH):
                documents = [run_document(run, now) for run in runs[start : start + _INSERT_BATCH]]
                created += await insert_those_missing(self._runs, documents)
        return created

    async def list_runs(
        self, forms: Sequence[str], *, first_date: str, last_date: str, after: tuple[str, str] | None, limit: int
    ) -> list[TrainRun]:
        """Runs that call at all these stations (forms as compared), by date and key, without bookings.

        `after` is the (date, key) behind which to begin.
        """
        dates: Document = {"$gte": first_date}
        if last_date:
            dates["$lte"] = last_date
        query: Document = {"travel_date": dates}
        if forms:
            query["stop_forms"] = {"$all": list(forms)}
        if after is not None:
            date, key = after
            query["$or"] = [{"travel_date": {"$gt": date}}, {"travel_date": date, "_id": {"$gt": key}}]
        with outage_refused():
            cursor = self._runs.find(query, {"bookings": 0}).sort([("travel_date", 1), ("_id", 1)]).limit(limit)
            return [run_from(document) for document in await cursor.to_list(limit)]

    async def list_over(self, arrived_before: datetime, limit: int) -> list[str]:
        """Keys of runs that arrived before a moment and still hold bookings."""
        query = {"arrive_time": {"$lt": arrived_before}, "bookings.0": {"$exists": True}}
        with outage_refused():
            found = await self._runs.find(query, {"_id": 1}).limit(limit).to_list(limit)
        return [str(document["_id"]) for document in found]


def run_not_found(run_id: str) -> Refusal:
    """The refusal for a run that is not there."""
    train_id, _, date = run_id.partition(":")
    return Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"train {train_id} does not run on {date}", resource=("train_run", run_id))


def journal_update(run: TrainRun) -> Document:
    """The update that writes what changed in `run` since its last commit, and nothing else."""
    journal = run.journal
    values: Document = {"version": run.version + 1}
    gone: Document = {}
    for section, number in journal.sold:
        values[f"sections.{section}.sold_legs.{number - 1}"] = run.sections[section].sold_legs[number - 1]
    for section in journal.counters:
        values[f"sections.{section}.next_number"] = run.sections[section].next_number
    for section, number in journal.freed:
        entries = run.sections[section].freed.get(number)
        path = f"sections.{section}.freed.{number}"
        if entries:
            values[path] = freed_document(entries)
        else:
            gone[path] = ""
    if journal.freed_sequence is not None:
        values["freed_sequence"] = run.freed_sequence
    update: Document = {"$set": values}
    if gone:
        update["$unset"] = gone
    _write_bookings(run.bookings, journal.bookings, update)
    return update


def _write_bookings(bookings: list[Booking], changed: dict[int, Booking | None], update: Document) -> None:
    # One update cannot both push to an array and set its elements. Appending by push is quicker: the server need not find
    # each position; but an index one behind the last appends as well.
    if all(before is None for before in changed.values()):
        added = [booking_document(bookings[position]) for position in sorted(changed)]
        update["$push"] = {"bookings": {"$each": added}}
    else:
        for position in sorted(changed):
            update["$set"][f"bookings.{position}"] = booking_document(bookings[position])
