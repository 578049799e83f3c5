"""Collections other than runs for the audit: each from end to end, and the records that its documents refer to.

Belongs here: documents as they are stored, and look-ups of what they name. Does not belong here: runs with their bookings
(`audit_runs.py`), or the rules (`app/domain/audit`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from app.domain.audit.events import BookingOutline
from app.domain.audit.money import PaidBooking
from app.domain.booking import Booking
from app.domain.events import Event, commit_of
from app.store.adapter import adapter_of
from app.store.booking_documents import booking_from
from app.store.bookings import recent_pipeline
from app.store.driver import Collection, Database, Document, translate_outages
from app.store.event_documents import event_from
from app.store.sales_shapes import BOOKING_OUTLINE
from app.store.unreadable import READ_ERRORS

# Outcomes of one layout job: a run for each date on which a train may run.
_OUTCOMES_MAX = 100_000
_OUTLINE = {"run_id": 1, "payment_id": 1, "currency": 1, "create_time": 1, "update_time": 1, "request_id": 1}

Value = TypeVar("Value")


class AuditRecords:
    """Reads records for the audit, and changes nothing. All methods refuse DATABASE_UNAVAILABLE in an outage.

    Look-ups leave out records that cannot be read: these are reported where their own collection is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._adapter = adapter_of(database)
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]

    async def list_documents(self, collection: str, after: str, limit: int, match: Document | None = None) -> list[Document]:
        """List at most `limit` documents of a collection as they are stored, by id after `after`."""
        with translate_outages():
            query = {"_id": {"$gt": after}, **(match or {})}
            return await self._database[collection].find(query).sort("_id", 1).limit(limit).to_list(limit)

    async def find(self, collection: str, ids: Sequence[str], decode: Callable[[Any], Value]) -> dict[str, Value]:
        """Find the records with these ids that can be read, by id."""
        if not ids:
            return {}
        with translate_outages():
            query = {"_id": {"$in": list(ids)}}
            found = await self._adapter.find_in_one_batch(self._database[collection], query, most=len(ids))
        return _readable(found, decode)

    async def find_events(self, event_ids: Iterable[str]) -> dict[str, Event]:
        """Find the events with these ids that are stored and can be read, by id."""
        wanted = frozenset(event_ids)
        commits = list({commit_of(event_id) for event_id in wanted})
        if not commits:
            return {}
        with translate_outages():
            found = await self._adapter.find_in_one_batch(
                self._database["events"], {"_id": {"$in": commits}}, most=len(commits)
            )
        events: dict[str, Event] = {}
        for commit in found:
            for index in range(len(commit["events"]) if isinstance(commit.get("events"), list) else 0):
                name = f"{commit['_id']}:{index}"
                if name in wanted:
                    events |= _readable([{"_id": name, "commit": commit, "index": index}], _event_of)
        return events

    async def outcome_dates(self, layout_job_id: str) -> list[str]:
        """List the travel dates for which a layout job has an outcome."""
        query = {"layout_job_id": layout_job_id}
        with translate_outages():
            cursor = self._database["layout_outcomes"].find(query, {"travel_date": 1}).limit(_OUTCOMES_MAX)
            return [str(outcome.get("travel_date")) for outcome in await cursor.to_list(_OUTCOMES_MAX)]

    async def run_versions(self, run_ids: Iterable[str]) -> dict[str, int]:
        """Find the versions of these runs, by run id."""
        ids = sorted(set(run_ids))
        with translate_outages():
            found = await self._adapter.find_in_one_batch(
                self._runs, {"_id": {"$in": ids}}, most=len(ids), projection={"version": 1}
            )
        return {run["_id"]: run["version"] for run in found if isinstance(run.get("version"), int)}

    async def outlines(self, references: Iterable[str]) -> dict[str, BookingOutline | None]:
        """Find the outlines of these bookings, by reference; None for a booking that cannot be read."""
        found = await self._find_bookings(sorted(set(references)), _OUTLINE)
        return dict.fromkeys(found) | _readable(found.values(), _outline_of)

    async def bookings(self, references: Iterable[str]) -> dict[str, Booking | None]:
        """Find these bookings, recent or archived, by reference; None for a booking that cannot be read."""
        found = await self._find_bookings(sorted(set(references)))
        return dict.fromkeys(found) | _readable(found.values(), booking_from)

    async def find_paid_bookings(self, references: Sequence[str]) -> dict[str, PaidBooking]:
        """Find these bookings, recent or archived, by reference."""
        return _readable((await self._find_bookings(list(references), _OUTLINE)).values(), _paid_booking_of)

    async def _find_bookings(self, references: list[str], projection: Document | None = None) -> dict[str, Document]:
        """Find the newest documents of these bookings, recent or archived, by reference. Without a projection, all fields."""
        if not references:
            return {}
        wanted = {"_id": {"$in": references}}
        with translate_outages():
            pipeline = [*recent_pipeline(wanted), *([{"$project": projection}] if projection else [])]
            recent = await self._runs.aggregate(pipeline).to_list(len(references))
            archived = await self._adapter.find_in_one_batch(
                self._bookings, wanted, most=len(references), projection=projection
            )
        newest = {booking["_id"]: booking for booking in recent}
        for booking in archived:  # read later, and so perhaps newer
            known = newest.get(booking["_id"])
            if known is None or _is_later(booking, known):
                newest[booking["_id"]] = booking
        return newest


def _is_later(booking: Document, other: Document) -> bool:
    try:
        return bool(booking["update_time"] > other["update_time"])
    except READ_ERRORS:
        return False


def _readable(documents: Iterable[Document], decode: Callable[[Any], Value]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for document in documents:
        try:
            values[document["_id"]] = decode(document)
        except READ_ERRORS:
            continue
    return values


def _event_of(document: Document) -> Event:
    return event_from(document["commit"], document["index"])


def _outline_of(document: Document) -> BookingOutline:
    BOOKING_OUTLINE.check(document)
    payment_id = document.get("payment_id", "")
    return BookingOutline(
        document["run_id"], payment_id, document["currency"], document["create_time"], document["update_time"]
    )


def _paid_booking_of(document: Document) -> PaidBooking:
    return PaidBooking(document["_id"], document["request_id"], document.get("payment_id", ""))
