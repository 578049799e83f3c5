"""Bookings and receipts, read from runs and archive alike.

Belongs here: finding bookings by reference, person and section. Does not: changing them (`lane.py`).

Runs are read before the archive: a booking that moves in between is then found twice, and taken once, rather than missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.booking import Booking, BookingState, Passenger
from app.store.documents import archived_booking_from, booking_from, journey_from, stops_from
from app.store.driver import Collection, Database, Document, outage_refused

# References of one look-up: a whole batch's, with every attempt.
_FIND_MAX = 4_096
# What a booking of a run is made from, besides itself.
_RUN_FIELDS = ("train_id", "travel_date", "number", "stops")

# Where a receipt stands in the order of the list: travel date, train, reference.
ReceiptKey = tuple[str, str, str]
# Where a row stands in the order of a section's list: seat number, reference.
RowKey = tuple[int, str]


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Whose receipts, as the address is compared; each further filter may be empty. Stops are names as trains have them."""

    email_key: str
    travel_date: str = ""
    origins: tuple[str, ...] | None = None
    destinations: tuple[str, ...] | None = None


def receipt_key(booking: Booking) -> ReceiptKey:
    """Where a booking stands in a list of receipts."""
    return booking.journey.travel_date, booking.journey.train_id, booking.reference


class Bookings:
    """Bookings, wherever they are."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]
        self._archive: Collection = database["booking_archive"]

    async def find(self, reference: str) -> Booking | None:
        """The booking with that reference."""
        found = await self.find_many([reference])
        if reference in found:
            return found[reference]
        with outage_refused():
            document = await self._archive.find_one({"_id": reference})
        return None if document is None else archived_booking_from(document)

    async def find_many(self, references: Sequence[str]) -> dict[str, Booking]:
        """The bookings of runs, not of the archive, with these references."""
        wanted = {"$in": list(references)}
        pipeline: list[Document] = [
            {"$match": {"bookings.reference": wanted}},
            _project({"$in": ["$$booking.reference", list(references)]}),
            {"$unwind": "$bookings"},
        ]
        with outage_refused():
            found = await self._runs.aggregate(pipeline).to_list(_FIND_MAX)
        return {document["bookings"]["reference"]: _booking_of_run(document) for document in found}

    async def list_receipts(self, query: ReceiptQuery, after: ReceiptKey | None, limit: int) -> list[Booking]:
        """At most `limit` bookings of a person, in the order of `receipt_key`, behind `after`."""
        with outage_refused():
            live = await self._runs.aggregate(runs_pipeline(query, after, limit)).to_list(limit)
            archived = await self._archive.aggregate(archive_pipeline(query, after, limit)).to_list(limit)
        found = {document["_id"]: archived_booking_from(document) for document in archived}
        found.update((document["bookings"]["reference"], _booking_of_run(document)) for document in live)
        return sorted(found.values(), key=receipt_key)[:limit]

    async def knows(self, email_key: str) -> bool:
        """Whether anybody with that address ever booked or travelled."""
        with outage_refused():
            for collection, path in ((self._runs, "bookings.emails"), (self._archive, "emails")):
                if await collection.find_one({path: email_key}, {"_id": 1}) is not None:
                    return True
        return False

    async def list_section(
        self, run_id: str, section: str, after: RowKey | None, limit: int
    ) -> list[tuple[Booking, Passenger]]:
        """At most `limit` passengers with a seat in the section, by seat number and reference, behind `after`."""
        with outage_refused():
            live = await self._runs.aggregate(_section_pipeline(run_id, section, after, limit)).to_list(limit)
            archived = await self._archive.aggregate(_archived_section_pipeline(run_id, section, after, limit)).to_list(limit)
        rows = {}
        for booking in [*map(archived_booking_from, archived), *map(_booking_of_run, live)]:
            (passenger,) = booking.passengers  # the pipelines leave one in each row
            rows[passenger.seat.number, booking.reference] = (booking, passenger)
        return [rows[key] for key in sorted(rows)[:limit]]


def _booking_of_run(document: Document) -> Booking:
    return booking_from(document["bookings"], journey_from(document, stops_from(document)))


def _project(condition: Document) -> Document:
    """Keeps of a run only what its bookings are made from, and of its bookings only those that meet the condition."""
    wanted: Document = dict.fromkeys(_RUN_FIELDS, 1)
    wanted["bookings"] = {"$filter": {"input": "$bookings", "as": "booking", "cond": condition}}
    return {"$project": wanted}


def receipts_match(query: ReceiptQuery) -> Document:
    """The part of the question that the index of runs answers."""
    wanted: Document = {"emails": query.email_key}
    if query.origins is not None:
        wanted["origin"] = {"$in": list(query.origins)}
    if query.destinations is not None:
        wanted["destination"] = {"$in": list(query.destinations)}
    match: Document = {"bookings": {"$elemMatch": wanted}}
    if query.travel_date:
        match["travel_date"] = query.travel_date
    return match


def runs_pipeline(query: ReceiptQuery, after: ReceiptKey | None, limit: int) -> list[Document]:
    """Receipts from runs: by index to the runs, then to the bookings in them."""
    conditions: list[Document] = [{"$in": [query.email_key, "$$booking.emails"]}]
    if query.origins is not None:
        conditions.append({"$in": ["$$booking.origin", list(query.origins)]})
    if query.destinations is not None:
        conditions.append({"$in": ["$$booking.destination", list(query.destinations)]})
    pipeline = [{"$match": receipts_match(query)}, _project({"$and": conditions}), {"$unwind": "$bookings"}]
    return pipeline + _page(("travel_date", "train_id", "bookings.reference"), after, limit)


def archive_pipeline(query: ReceiptQuery, after: ReceiptKey | None, limit: int) -> list[Document]:
    """Receipts from the archive."""
    match: Document = {"emails": query.email_key}
    if query.travel_date:
        match["travel_date"] = query.travel_date
    if query.origins is not None:
        match["origin"] = {"$in": list(query.origins)}
    if query.destinations is not None:
        match["destination"] = {"$in": list(query.destinations)}
    return [{"$match": match}, *_page(("travel_date", "train_id", "_id"), after, limit)]


def _section_pipeline(run_id: str, section: str, after: RowKey | None, limit: int) -> list[Document]:
    confirmed = {"$eq": ["$$booking.state", BookingState.CONFIRMED.value]}
    return [
        {"$match": {"_id": run_id}},
        _project(confirmed),
        {"$unwind": "$bookings"},
        {"$unwind": "$bookings.passengers"},
        {"$match": {"bookings.passengers.section": section}},
        *_page(("bookings.passengers.number", "bookings.reference"), after, limit),
        {"$addFields": {"bookings.passengers": ["$bookings.passengers"]}},
    ]


def _archived_section_pipeline(run_id: str, section: str, after: RowKey | None, limit: int) -> list[Document]:
    return [
        {"$match": {"run_id": run_id, "state": BookingState.CONFIRMED.value}},
        {"$unwind": "$passengers"},
        {"$match": {"passengers.section": section}},
        *_page(("passengers.number", "_id"), after, limit),
        {"$addFields": {"passengers": ["$passengers"]}},
    ]


def _page(paths: Sequence[str], after: Sequence[str | int] | None, limit: int) -> list[Document]:
    """The stages that order by `paths` and keep at most `limit` behind `after`."""
    stages: list[Document] = []
    if after is not None:
        equal: Document = {}
        behind: list[Document] = []
        for path, value in zip(paths, after, strict=True):
            behind.append({**equal, path: {"$gt": value}})
            equal[path] = value
        stages.append({"$match": {"$or": behind}})
    return [*stages, {"$sort": dict.fromkeys(paths, 1)}, {"$limit": limit}]
