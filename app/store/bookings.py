"""Reading bookings and receipts.

Belongs here: finding bookings by reference, person and section. Does not belong here: changing them (`app/lanes/lane.py`).

A booking is found in its run's `recent` while it is new, and in `bookings` once it is archived (`runs.py` says why). A booking
in `recent` replaces the one in `bookings`. Both have the same documents, so that the same query serves both.

Answers to callers read both in one snapshot (`snapshots.py`): a booking that is archived in between would be listed twice or
not at all. Lanes ask for single references without a snapshot: they read `recent` first, where nothing leaves before it is
archived, and each commit proves that the run has not changed.
"""

from collections.abc import Collection as Collected
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain import limits
from app.domain.booking import LIVE_STATES, Booking, BookingState, Passenger
from app.domain.people import email_key, email_keys
from app.domain.refusals import Reason, Refusal
from app.domain.rules.access import is_visible_to
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_from
from app.store.driver import (
    Collection,
    Database,
    Document,
    any_of,
    translate_outages,
)
from app.store.snapshots import Snapshot
from app.store.unreadable import Records, decode_all, decode_by_id, decode_in_turns, decode_one, read_page

# Live bookings of one run: more than a run can hold, 5,000 seats sold leg by leg.
BOOKINGS_PER_RUN_MAX = 400_000
# Pages of archived bookings that one list reads, past those that are recent. A run has at most some hundred recent ones.
_PAGES_MAX = 100
# Bookings of a further page, where the previous one left gaps.
_PAGE_PAST_GAPS = 200

# The sort key of a receipt: travel date, train, reference.
ReceiptKey = tuple[str, str, str]
# The sort key of a row in a section's list: seat number, reference.
RowKey = tuple[int, str]

_RECEIPT_ORDER = ("travel_date", "train_id", "_id")
_ROW_ORDER = ("passengers.number", "_id")


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Whose receipts to list. Filters that are not given match everything. Stops are names as trains have them."""

    email: str
    travel_date: str = ""
    origins: tuple[str, ...] | None = None
    destinations: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LiveBookings:
    """Some of the live bookings of a run. `after` is where the next ones begin, None where these are the last."""

    bookings: list[Booking]
    after: int | None


def receipt_key(booking: Booking) -> ReceiptKey:
    """Return the sort key of a booking in a list of receipts."""
    return booking.journey.travel_date, booking.journey.train_id, booking.reference


class Bookings:
    """Bookings, recent and archived."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._runs: Collection = database["train_runs"]
        self._durable_runs: Collection = self._adapter.with_majority_reads(self._runs)
        self._database = database
        self._bookings: Collection = database["bookings"]

    async def find(self, snapshot: Snapshot, reference: str) -> Booking | None:
        """Return the booking with that reference, None where there is none. Refuses RECORD_UNREADABLE."""
        projection = {"recent": {"$elemMatch": {"_id": reference}}}
        runs = await snapshot.find(self._runs, {"recent._id": reference}, most=1, projection=projection)
        if runs:
            return decode_one("bookings", runs[0]["recent"][0], booking_from)
        found = await snapshot.find(self._bookings, {"_id": reference}, most=1)
        return decode_one("bookings", found[0], booking_from) if found else None

    async def find_archived(self, references: Sequence[str]) -> Records[Booking]:
        """Return the archived bookings that have these references."""
        if not references:
            return Records()
        with translate_outages():
            found = await self._adapter.find_in_one_batch(
                self._bookings, {"_id": {"$in": list(references)}}, most=len(references)
            )
        return decode_by_id("bookings", found, booking_from)

    async def find_many(self, references: Sequence[str]) -> Records[Booking]:
        """Return the bookings, recent or archived, that have these references. Payments follow from the result."""
        pipeline = recent_pipeline({"_id": {"$in": list(references)}})
        with translate_outages():
            async with self._adapter.causal_session(self._database) as session:
                recent = await self._durable_runs.aggregate(pipeline, session=session).to_list(len(references))
        newer, archived = decode_by_id("bookings", recent, booking_from), await self.find_archived(references)
        readable = {reference: booking for reference, booking in archived.items() if reference not in newer.unreadable}
        return Records(readable | newer, (archived.unreadable - newer.keys()) | newer.unreadable)

    async def find_by_seats(self, run_id: str, seats: Collected[tuple[str, int]], version: int) -> Records[Booking] | None:
        """Return the archived live bookings that have one of these seats (section, number) of a run.

        Return None where a booking of the run was archived in a revision after `version`. Refuses DISPLACED_TOO_MANY for more
        than `BOOKINGS_ON_SEATS_MAX`. The event loop runs other calls while they are decoded.
        """
        if not seats:
            return Records()
        most = limits.BOOKINGS_ON_SEATS_MAX
        numbers: dict[str, list[int]] = {}
        for section, number in seats:
            numbers.setdefault(section, []).append(number)
        on_seats: list[Document] = [
            {"passengers": {"$elemMatch": {"section": section, "number": {"$in": of_section}}}}
            for section, of_section in numbers.items()
        ]
        query: Document = {"run_id": run_id, "state": {"$in": [state.value for state in LIVE_STATES]}, "$or": on_seats}
        found = await self._find_as_of(query, run_id, version, most + 1)
        if found is not None and len(found) > most:
            text = f"more than {most} bookings have seats that this may remove: remove fewer seats, in several steps"
            raise Refusal(Reason.DISPLACED_TOO_MANY, text)
        return None if found is None else await decode_in_turns("bookings", found, booking_from)

    async def find_as_of(self, run_id: str, references: Collected[str], version: int) -> Records[Booking] | None:
        """Return the archived bookings of a run with these references, as of its `version`; None as `find_by_seats` does."""
        if not references:
            return Records()
        query: Document = {"_id": {"$in": list(references)}, "run_id": run_id}
        found = await self._find_as_of(query, run_id, version, len(references))
        return None if found is None else await decode_in_turns("bookings", found, booking_from)

    async def _find_as_of(self, query: Document, run_id: str, version: int, most: int) -> list[Document] | None:
        """Return at most so many archived bookings; None where one of the run was archived in a revision after `version`.

        It is looked for afterwards: so what is returned is as of that version.
        """
        with translate_outages():
            found = await self._bookings.find(query).limit(most).to_list(most)
            newer = await self._bookings.find_one({"run_id": run_id, "revision": {"$gt": version}}, {"_id": 1})
        return found if newer is None else None

    async def list_receipts(
        self, snapshot: Snapshot, query: ReceiptQuery, after: ReceiptKey | None, limit: int
    ) -> list[Booking]:
        """Return at most `limit` bookings of a person, in the order of `receipt_key`, after `after`."""
        match, person_key = receipts_match(query), email_key(query.email)
        readable: dict[str, Booking] = {}
        count = limit
        for _ in range(_PAGES_MAX):
            page = _page(_RECEIPT_ORDER, after, count)
            archived = await snapshot.aggregate(self._bookings, [{"$match": match}, *page], most=count)
            references = [document["_id"] for document in archived]
            (recent,) = await snapshot.aggregate(self._runs, receipts_pipeline(match, page, references), most=1)
            newer = {document["_id"] for document in recent["newer"]}
            documents = [document for document in archived if document["_id"] not in newer] + recent["asked_for"]
            page_of = decode_by_id("bookings", documents, booking_from)
            readable |= {reference: found for reference, found in page_of.items() if is_visible_to(found, person_key)}
            # All up to the earlier of these keys are known. Read on only where some were dropped: the newer form does not
            # match, the person has left the booking, or it is unreadable.
            lasts = [_receipt_key(rows[-1]) for rows in (archived, recent["asked_for"]) if len(rows) == count]
            if not lasts or sum(receipt_key(found) <= min(lasts) for found in readable.values()) >= limit:
                break
            after, count = min(lasts), max(limit, _PAGE_PAST_GAPS)
        return sorted(readable.values(), key=receipt_key)[:limit]

    async def list_live(
        self, snapshot: Snapshot, run_id: str, after: int, limit: int, *, origin: str = "", destination: str = ""
    ) -> LiveBookings:
        """Return readable live bookings of a run, some `limit` at a time: all that exist at the first call with `after` 0.

        Stops, by name, narrow them to journeys that begin or end there. A booking that changes meanwhile may be returned again.
        The order is that of revisions, by which an index finds the bookings of a run.
        """
        stops = {name: stop for name, stop in (("origin", origin), ("destination", destination)) if stop}
        live = {"run_id": run_id, "state": {"$in": [state.value for state in LIVE_STATES]}, **stops}
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"recent": 1})
        newer: dict[str, Document] = {document["_id"]: document for document in (runs[0].get("recent", []) if runs else [])}
        query = {**live, "revision": {"$gt": after}}
        found = await snapshot.find(self._bookings, query, most=limit + 1, sort=[("revision", 1)])
        last = None
        if len(found) > limit:  # the last revision may have more
            last = found[-2]["revision"]
            found = [document for document in found if document["revision"] < last]
            found += await snapshot.find(self._bookings, {**live, "revision": last}, most=BOOKINGS_PER_RUN_MAX)
        documents = {document["_id"]: newer.get(document["_id"], document) for document in found}
        decoded = await decode_in_turns(
            "bookings", list((newer | documents if not after else documents).values()), booking_from
        )
        wanted = [booking for booking in decoded.values() if booking.is_live and _goes(booking, origin, destination)]
        return LiveBookings(wanted, last)

    async def list_all(self, snapshot: Snapshot, run_id: str) -> list[Booking]:
        """Return all bookings of a run, cancelled ones included, without unreadable ones."""
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"recent": 1})
        archived = await snapshot.find(self._bookings, {"run_id": run_id}, most=BOOKINGS_PER_RUN_MAX)
        recent: list[Document] = runs[0].get("recent", []) if runs else []
        documents = {document["_id"]: document for document in (*archived, *recent)}
        decoded = await decode_in_turns("bookings", list(documents.values()), booking_from)
        return list(decoded.values())

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
        """Return at most `limit` passengers with a seat in the section, by seat number and reference, after `after`."""
        runs = await snapshot.find(self._runs, {"_id": run_id}, most=1, projection={"recent": 1})
        recent: list[Document] = runs[0].get("recent", []) if runs else []
        newer = [document["_id"] for document in recent]
        confirmed = {"run_id": run_id, "state": BookingState.CONFIRMED.value, "_id": {"$nin": newer}}
        # A row needs none of these, and a booking may have hundreds of refunds.
        unseen = {"cancelled_passengers": 0, "refunds": 0}
        in_section: list[Document] = [
            {"$unwind": {"path": "$passengers", "includeArrayIndex": "passenger_index"}},
            {"$match": {"passengers.section": section}},
            {"$project": unseen},
        ]

        async def fetch(behind: RowKey | None, count: int) -> list[Document]:
            page = _page(_ROW_ORDER, behind, count)
            rows = await snapshot.aggregate(self._bookings, [{"$match": confirmed}, *in_section, *page], most=count)
            return [_row_of(document) for document in rows]

        archived = await read_page("bookings", fetch, _row_key, booking_from, after, limit)
        rows = [
            (booking, passenger)
            for booking in (*archived, *decode_all("bookings", recent, booking_from).values)
            for passenger in booking.passengers
            if booking.is_live and passenger.seat is not None and passenger.seat.section == section
        ]
        behind = [row for row in rows if after is None or row_key(row) > after]
        return sorted(behind, key=row_key)[:limit]


def _goes(booking: Booking, origin: str, destination: str) -> bool:
    """Whether a booking's journey begins and ends at these stops; an empty name stands for any."""
    journey = booking.journey
    return origin in ("", journey.origin) and destination in ("", journey.destination)


def row_key(row: tuple[Booking, Passenger]) -> RowKey:
    """Return the sort key of a passenger in a section's list."""
    booking, passenger = row
    return passenger.assigned_seat.number, booking.reference


def _row_of(document: Document) -> Document:
    """Return a booking with the one passenger of the row. A passenger without a number is numbered by position."""
    passenger = {"passenger_number": document["passenger_index"] + 1, **document["passengers"]}
    return {**document, "passengers": [passenger], "cancelled_passengers": []}


def _row_key(document: Mapping[str, Any]) -> RowKey:
    """Return the sort key of a row, as it is stored. Rows without a number come first."""
    number = document["passengers"][0].get("number")
    return (number if isinstance(number, int) else 0), document["_id"]


def _receipt_key(document: Document) -> ReceiptKey:
    """Return the sort key of a receipt, as it is stored."""
    return str(document.get("travel_date", "")), str(document.get("train_id", "")), str(document["_id"])


# From runs to their recent bookings, one a document. There are few of them, however much was sold.
_RECENT_ALONE: list[Document] = [
    {"$project": {"recent": 1}},
    {"$unwind": "$recent"},
    {"$match": {"recent._id": {"$exists": True}}},  # else a damaged entry would fail the statement for all who share it
    {"$replaceRoot": {"newRoot": "$recent"}},
]


def recent_pipeline(match: Document) -> list[Document]:
    """Make the pipeline to the recent bookings that `match` selects: by index to their runs, then to the bookings."""
    return [{"$match": {"recent": {"$elemMatch": match}}}, *_RECENT_ALONE, {"$match": match}]


def receipts_pipeline(match: Document, page: list[Document], references: Sequence[str]) -> list[Document]:
    """Make the pipeline to one document: a page of the recent bookings that `match` selects, and the newer ones of
    `references`.

    `references` are archived bookings. The recent form of one may not match any more.
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
    """Make the query for a person's receipts. Both indexes answer all of it."""
    match: Document = {"emails": any_of(email_keys(query.email))}
    if query.travel_date:
        match["travel_date"] = query.travel_date
    if query.origins is not None:
        match["origin"] = {"$in": list(query.origins)}
    if query.destinations is not None:
        match["destination"] = {"$in": list(query.destinations)}
    return match


def _page(paths: Sequence[str], after: Sequence[str | int] | None, limit: int) -> list[Document]:
    """Make the stages that sort by `paths` and return at most `limit` documents after `after`."""
    stages: list[Document] = []
    if after is not None:
        equal: Document = {}
        behind: list[Document] = []
        for path, value in zip(paths, after, strict=True):
            behind.append({**equal, path: {"$gt": value}})
            equal[path] = value
        stages.append({"$match": {"$or": behind}})
    return [*stages, {"$sort": dict.fromkeys(paths, 1)}, {"$limit": limit}]
