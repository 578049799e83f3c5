"""The census: every run with all its bookings, as they were at one moment, while the service sells.

Belongs here: which runs there are, and the consistent picture of one. Does not: what has to hold of it
(`app/domain/invariants.py`).

A run, its bookings at rest and their payments are read in one snapshot (`snapshots.py`): nothing of what is under way is seen
half done.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.domain.accounts import Resting
from app.domain.booking import Booking
from app.domain.events import Event
from app.domain.run import TrainRun
from app.store.bookings import recent_pipeline
from app.store.documents import booking_from, events_from, run_from
from app.store.driver import Collection, Database, Document, find_at_once, outage_refused
from app.store.payments import KeptPayment, Payments
from app.store.snapshots import Snapshot, Snapshots

# Bookings of one run: more than a run can hold, 5,000 seats sold leg by leg and given back as often.
_BOOKINGS_MAX = 1_000_000
# Payments of one statement: about a megabyte.
_PAYMENTS_MAX = 500

# What reading a document of another shape raises.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)

Value = TypeVar("Value")


class UnreadableError(Exception):
    """A document that the service cannot have written; the text says which one, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class RunPicture:
    """A run, its bookings by reference, and their payments by id, at one moment; the events that its document still carries.

    `twice` are references of several recent bookings, `elsewhere` leads from recent ones to other runs that have them as well.
    """

    run: TrainRun
    bookings: dict[str, Booking]
    payments: dict[str, KeptPayment]
    outbox: list[Event]
    twice: list[str]
    elsewhere: dict[str, str]


class Census:
    """Reads what no call shows, and changes nothing. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]
        self._payments = Payments(database)
        self._snapshots = Snapshots(database)

    async def list_run_ids(self, after: str, limit: int) -> list[str]:
        """At most `limit` runs, by id, behind `after`; those also that there are only bookings of."""
        with outage_refused():
            cursor = self._runs.find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1).limit(limit)
            known = [one["_id"] for one in await cursor.to_list(limit)]
            part: Document = {"$gt": after}
            if len(known) == limit:
                part["$lte"] = known[-1]
            # An index holds all of it.
            pipeline: list[Document] = [
                {"$match": {"run_id": part}},
                {"$group": {"_id": "$run_id"}},
                {"$sort": {"_id": 1}},
                {"$limit": limit},
            ]
            booked = [one["_id"] for one in await self._bookings.aggregate(pipeline).to_list(limit)]
        return sorted({*known, *booked})[:limit]

    async def list_documents(self, collection: str, after: str, limit: int) -> list[Document]:
        """At most `limit` documents of a collection as they are stored, by id, behind `after`."""
        with outage_refused():
            cursor = self._database[collection].find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return await cursor.to_list(limit)

    async def picture(self, run_id: str) -> RunPicture | None:
        """The run with all its bookings and their payments; None where there is no such run.

        Raises UnreadableError.
        """
        try:
            return await self._snapshots.read(lambda snapshot: self._picture(snapshot, run_id))
        except _UNREADABLE as error:
            raise UnreadableError(f"run {run_id}: {error!r}") from error

    async def _picture(self, snapshot: Snapshot, run_id: str) -> RunPicture | None:
        documents = await snapshot.find(self._runs, {"_id": run_id}, most=1)
        if not documents:
            return None
        (document,) = documents
        settled = await snapshot.find(self._bookings, {"run_id": run_id}, most=_BOOKINGS_MAX)
        newest = {booking["_id"]: booking for booking in settled}
        for booking in document["recent"]:
            if booking["_id"] not in newest or booking["revision"] > newest[booking["_id"]]["revision"]:
                newest[booking["_id"]] = booking
        references = [booking["_id"] for booking in document["recent"]]
        return RunPicture(
            _read(f"run {run_id}", run_from, document),
            {reference: _read(f"booking {reference}", booking_from, booking) for reference, booking in newest.items()},
            await self._payments_of(snapshot, newest.values()),
            [event for news in document["outbox"] for event in _read(f"events {news['_id']}", events_from, news)],
            sorted({reference for reference in references if references.count(reference) > 1}),
            await self._elsewhere(snapshot, run_id, references),
        )

    async def _payments_of(self, snapshot: Snapshot, bookings: Iterable[Document]) -> dict[str, KeptPayment]:
        wanted = [booking["payment_id"] for booking in bookings if booking.get("payment_id")]
        found: dict[str, KeptPayment] = {}
        for start in range(0, len(wanted), _PAYMENTS_MAX):
            found |= await self._payments.find(wanted[start : start + _PAYMENTS_MAX], snapshot)
        return found

    async def _elsewhere(self, snapshot: Snapshot, run_id: str, references: list[str]) -> dict[str, str]:
        """Other runs that have a booking under one of these references."""
        if not references:
            return {}
        wanted, most = {"$in": references}, len(references)
        others = {"_id": wanted, "run_id": {"$ne": run_id}}
        settled = await snapshot.find(self._bookings, others, most=most, projection={"run_id": 1})
        pipeline = [{"$match": {"_id": {"$ne": run_id}}}, *recent_pipeline({"_id": wanted}), {"$project": {"run_id": 1}}]
        recent = await snapshot.aggregate(self._runs, pipeline, most=most)
        return {booking["_id"]: booking["run_id"] for booking in (*settled, *recent)}

    async def resting_on_payments(self, references: Sequence[str]) -> dict[str, Resting]:
        """Those of these bookings that there are, recent or at rest, by reference."""
        if not references:
            return {}
        wanted, fields = {"_id": {"$in": list(references)}}, {"request_id": 1, "payment_id": 1}
        with outage_refused():
            pipeline = [*recent_pipeline(wanted), {"$project": fields}]
            recent = await self._runs.aggregate(pipeline).to_list(len(references))
            settled = await find_at_once(self._bookings, wanted, most=len(references), projection=fields)
        return {one["_id"]: Resting(one["_id"], one["request_id"], one.get("payment_id", "")) for one in (*settled, *recent)}


def _read(what: str, read: Callable[[Document], Value], document: Document) -> Value:
    try:
        return read(document)
    except _UNREADABLE as error:
        raise UnreadableError(f"{what}: {error!r}") from error
