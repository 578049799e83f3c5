"""Reading bookings and receipts.

Belongs here: finding bookings by reference, person and section. Does not: changing them (`lane.py`).

A booking is found in its run's `recent` while it is new, and in `bookings` where it rests (`runs.py` says why). `recent` is
read first, and what is found there stands for what is found in `bookings`: what moves in between is found twice rather than
missed. Both hold the same documents, so that the same question serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.booking import Booking, BookingState, Passenger
from app.store.documents import booking_from
from app.store.driver import Collection, Database, Document, durable, find_at_once, outage_refused, up_to_date

# Pages of bookings at rest that one list reads on through, past those that are recent. A run has at most some hundred of these.
_PAGES_MAX = 100

# Where a receipt stands in the order of the list: travel date, train, reference.
ReceiptKey = tuple[str, str, str]
# Where a row stands in the order of a section's list: seat number, reference.
RowKey = tuple[int, str]

_RECEIPT_ORDER = ("travel_date", "train_id", "_id")
_ROW_ORDER = ("passengers.number", "_id")


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Whose receipts, as the address is compared; each further filter may be left open. Stops are names as trains have them."""

    email_key: str
    travel_date: str = ""
    origins: tuple[str, ...] | None = None
    destinations: tuple[str, ...] | None = None


def receipt_key(booking: Booking) -> ReceiptKey:
    """Where a booking stands in a list of receipts."""
    return booking.journey.travel_date, booking.journey.train_id, booking.reference


class Bookings:
    """Bookings, in `recent` and at rest."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]
        self._durable_runs: Collection = durable(self._runs)
        self._database = database
        self._bookings: Collection = database["bookings"]

    async def find(self, reference: str) -> Booking | None:
        """The booking with that reference."""
        one = {"recent": {"$elemMatch": {"_id": reference}}}
        with outage_refused():
            runs = await find_at_once(self._runs, {"recent._id": reference}, most=1, projection=one)
            if runs:
                return booking_from(runs[0]["recent"][0])
            found = await find_at_once(self._bookings, {"_id": reference}, most=1)
        return booking_from(found[0]) if found else None

    async def find_settled(self, references: Sequence[str]) -> dict[str, Booking]:
        """The bookings at rest that have these references."""
        if not references:
            return {}
        with outage_refused():
            found = await find_at_once(self._bookings, {"_id": {"$in": list(references)}}, most=len(references))
        return {document["_id"]: booking_from(document) for document in found}

    async def find_many(self, references: Sequence[str]) -> dict[str, Booking]:
        """The bookings, recent or at rest, that have these references. Money moves on the strength of it."""
        pipeline = recent_pipeline({"_id": {"$in": list(references)}})
        with outage_refused():
            async with up_to_date(self._database) as session:
                recent = await self._durable_runs.aggregate(pipeline, session=session).to_list(len(references))
        return await self.find_settled(references) | {document["_id"]: booking_from(document) for document in recent}

    async def list_receipts(self, query: ReceiptQuery, after: ReceiptKey | None, limit: int) -> list[Booking]:
        """At most `limit` bookings of a person, in the order of `receipt_key`, behind `after`."""
        match = receipts_match(query)
        with outage_refused():
            pipeline = [*recent_pipeline(match), *_page(_RECEIPT_ORDER, after, limit)]
            found = await self._runs.aggregate(pipeline).to_list(limit)
            for _ in range(_PAGES_MAX):
                pipeline = [{"$match": match}, *_page(_RECEIPT_ORDER, after, limit)]
                settled = await self._bookings.aggregate(pipeline).to_list(limit)
                newer = await self._newer([document["_id"] for document in settled])
                found += [document for document in settled if document["_id"] not in newer]
                if len(settled) < limit or len(newer) == 0:
                    break
                after = tuple(settled[-1][path] for path in _RECEIPT_ORDER)
        return sorted(map(booking_from, found), key=receipt_key)[:limit]

    async def _newer(self, references: list[str]) -> set[str]:
        """Those of these bookings that are recent: what rests of them may be out of date."""
        if not references:
            return set()
        pipeline = [*recent_pipeline({"_id": {"$in": references}}), {"$project": {"_id": 1}}]
        return {document["_id"] for document in await self._runs.aggregate(pipeline).to_list(len(references))}

    async def knows(self, email_key: str) -> bool:
        """Whether anybody with that address ever booked or travelled."""
        with outage_refused():
            for collection, path in ((self._runs, "recent.emails"), (self._bookings, "emails")):
                if await collection.find_one({path: email_key}, {"_id": 1}) is not None:
                    return True
        return False

    async def list_section(
        self, run_id: str, section: str, after: RowKey | None, limit: int
    ) -> list[tuple[Booking, Passenger]]:
        """At most `limit` passengers with a seat in the section, by seat number and reference, behind `after`."""
        page = _page(_ROW_ORDER, after, limit)
        with outage_refused():
            run = await self._runs.find_one({"_id": run_id}, {"recent": 1}) or {"recent": []}
            newer = [document["_id"] for document in run["recent"]]
            confirmed = {"run_id": run_id, "state": BookingState.CONFIRMED.value, "_id": {"$nin": newer}}
            in_section: list[Document] = [{"$unwind": "$passengers"}, {"$match": {"passengers.section": section}}]
            settled = await self._bookings.aggregate([{"$match": confirmed}, *in_section, *page]).to_list(limit)
        for document in settled:
            document["passengers"] = [document["passengers"]]  # the pipeline leaves one in each row
        bookings = [*map(booking_from, settled), *map(booking_from, run["recent"])]
        rows = [
            (booking, passenger)
            for booking in bookings
            for passenger in booking.passengers
            if booking.is_live and passenger.seat is not None and passenger.seat.section == section
        ]
        behind = [row for row in rows if after is None or row_key(row) > after]
        return sorted(behind, key=row_key)[:limit]


def row_key(row: tuple[Booking, Passenger]) -> RowKey:
    """Where a passenger stands in a section's list."""
    booking, passenger = row
    return passenger.place.number, booking.reference


# From runs to the bookings in their `recent`, one a document. There are few of them, whatever was sold.
_RECENT_ALONE: list[Document] = [
    {"$project": {"recent": 1}},
    {"$unwind": "$recent"},
    {"$replaceRoot": {"newRoot": "$recent"}},
]


def recent_pipeline(match: Document) -> list[Document]:
    """The recent bookings that `match` asks for: by index to their runs, then to themselves."""
    return [{"$match": {"recent": {"$elemMatch": match}}}, *_RECENT_ALONE, {"$match": match}]


def receipts_match(query: ReceiptQuery) -> Document:
    """The question for a person's receipts; both indexes answer all of it."""
    match: Document = {"emails": query.email_key}
    if query.travel_date:
        match["travel_date"] = query.travel_date
    if query.origins is not None:
        match["origin"] = {"$in": list(query.origins)}
    if query.destinations is not None:
        match["destination"] = {"$in": list(query.destinations)}
    return match


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
