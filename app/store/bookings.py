"""Reading bookings and receipts.

Belongs here: finding bookings by reference, person and section. Does not: changing them (`lane.py`).

A booking is found in its run's `recent` while it is new, and in `bookings` where it rests (`runs.py` says why). What is found
in `recent` stands for what is found in `bookings`. Both hold the same documents, so that the same question serves both.

Answers to callers read both in one snapshot (`snapshots.py`): a booking that moves in between would be listed twice or not at
all. Selling asks for single references without one: it reads `recent` first, where nothing leaves before its copy rests, and
each commit proves that the run has not changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.booking import Booking, BookingState, Passenger
from app.domain.people import email_keys
from app.store.documents import booking_from
from app.store.driver import Collection, Database, Document, any_of, durable, find_at_once, outage_refused, up_to_date
from app.store.snapshots import Snapshot

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
    """Whose receipts; each further filter may be left open. Stops are names as trains have them."""

    email: str
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

    async def find(self, snapshot: Snapshot, reference: str) -> Booking | None:
        """The booking with that reference."""
        projection = {"recent": {"$elemMatch": {"_id": reference}}}
        runs = await snapshot.find(self._runs, {"recent._id": reference}, most=1, projection=projection)
        if runs:
            return booking_from(runs[0]["recent"][0])
        found = await snapshot.find(self._bookings, {"_id": reference}, most=1)
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

    async def list_receipts(
        self, snapshot: Snapshot, query: ReceiptQuery, after: ReceiptKey | None, limit: int
    ) -> list[Booking]:
        """At most `limit` bookings of a person, in the order of `receipt_key`, behind `after`."""
        match = receipts_match(query)
        found: dict[str, Document] = {}
        for _ in range(_PAGES_MAX):
            page = _page(_RECEIPT_ORDER, after, limit)
            settled = await snapshot.aggregate(self._bookings, [{"$match": match}, *page], most=limit)
            references = [document["_id"] for document in settled]
            (recent,) = await snapshot.aggregate(self._runs, receipts_pipeline(match, page, references), most=1)
            newer = {document["_id"] for document in recent["newer"]}
            found |= {document["_id"]: document for document in settled if document["_id"] not in newer}
            found |= {document["_id"]: document for document in recent["asked_for"]}
            # Read on only where the newer form of one is not asked for any more: others take its place on the page.
            if len(settled) < limit or newer <= found.keys():
                break
            after = tuple(settled[-1][path] for path in _RECEIPT_ORDER)
        return sorted(map(booking_from, found.values()), key=receipt_key)[:limit]

    async def knows(self, snapshot: Snapshot, email: str) -> bool:
        """Whether anybody with that address ever booked or travelled."""
        wanted = any_of(email_keys(email))
        for collection, path in ((self._runs, "recent.emails"), (self._bookings, "emails")):
            if await snapshot.find(collection, {path: wanted}, most=1, projection={"_id": 1}):
                return True
        return False

    async def list_section(
        self, snapshot: Snapshot, run_id: str, section: str, after: RowKey | None, limit: int
    ) -> list[tuple[Booking, Passenger]]:
        """At most `limit` passengers with a seat in the section, by seat number and reference, behind `after`."""
        page = _page(_ROW_ORDER, after, limit)
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"recent": 1})
        recent: list[Document] = runs[0]["recent"] if runs else []
        newer = [document["_id"] for document in recent]
        confirmed = {"run_id": run_id, "state": BookingState.CONFIRMED.value, "_id": {"$nin": newer}}
        in_section: list[Document] = [{"$unwind": "$passengers"}, {"$match": {"passengers.section": section}}]
        settled = await snapshot.aggregate(self._bookings, [{"$match": confirmed}, *in_section, *page], most=limit)
        for document in settled:
            document["passengers"] = [document["passengers"]]  # the pipeline leaves one in each row
        rows = [
            (booking, passenger)
            for booking in map(booking_from, (*settled, *recent))
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


def receipts_pipeline(match: Document, page: list[Document], references: Sequence[str]) -> list[Document]:
    """One document: the page of recent bookings that `match` asks for, and which of the others have newer recent forms.

    `references` are bookings at rest. A recent form of one may no longer be what `match` asks for.
    """
    newer = {"_id": {"$in": list(references)}}
    of_runs: Document = {"recent": {"$elemMatch": match}}
    of_bookings = match
    if references:
        of_runs = {"$or": [of_runs, {"recent._id": newer["_id"]}]}
        of_bookings = {"$or": [match, newer]}
    parts = {"asked_for": [{"$match": match}, *page], "newer": [{"$match": newer}, {"$project": {"_id": 1}}]}
    return [{"$match": of_runs}, *_RECENT_ALONE, {"$match": of_bookings}, {"$facet": parts}]


def receipts_match(query: ReceiptQuery) -> Document:
    """The question for a person's receipts; both indexes answer all of it."""
    match: Document = {"emails": any_of(email_keys(query.email))}
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
