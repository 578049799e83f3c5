"""The census: every run with all its bookings, as they were at one moment, while the service sells.

Belongs here: which runs there are, and the consistent picture of one. Does not: what has to hold of it
(`app/domain/invariants.py`).

A run's document is one moment; its bookings at rest are read after it and may be of later ones. A booking that rests carries
the version of the commit that last changed it. So as long as none of them is newer than the document, all of them are as the
document knew them. Where some are, the document is read again, and of the bookings only those that changed since the one before
it: these are few, and copied a moment after their commit, so that the second or third look finds none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.domain.accounts import Resting
from app.domain.booking import Booking
from app.domain.events import Event
from app.domain.run import TrainRun
from app.store.bookings import recent_pipeline
from app.store.documents import booking_from, events_from, run_from
from app.store.driver import Collection, Database, Document, find_at_once, outage_refused

# Looks at one run before it is given up as changing too fast: each takes milliseconds, and two or three suffice.
_LOOKS_MAX = 20
# Bookings of one run: more than a run can hold, 5,000 seats sold leg by leg and given back as often.
_BOOKINGS_MAX = 1_000_000

# What reading a document of another shape raises.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)

Value = TypeVar("Value")


class UnreadableError(Exception):
    """A document that the service cannot have written; the text says which one, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class RunPicture:
    """A run and all its bookings, by reference, at one moment; the events that its document still carries.

    `twice` are references of several recent bookings, `elsewhere` leads from recent ones to other runs that have them as well.
    """

    run: TrainRun
    bookings: dict[str, Booking]
    outbox: list[Event]
    twice: list[str]
    elsewhere: dict[str, str]


class Census:
    """Reads what no call shows, and changes nothing. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._runs: Collection = database["train_runs"]
        self._bookings: Collection = database["bookings"]

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

    async def picture(self, run_id: str) -> RunPicture | None:
        """The run with all its bookings; None where it changes faster than it can be read, or where there is no such run.

        Raises UnreadableError.
        """
        try:
            return await self._picture(run_id)
        except _UNREADABLE as error:
            raise UnreadableError(f"run {run_id}: {error!r}") from error

    async def version(self, run_id: str) -> int | None:
        """The version of a run's last commit; None where there is no such run."""
        with outage_refused():
            document = await self._runs.find_one({"_id": run_id}, {"version": 1})
        return None if document is None else int(document["version"])

    async def _picture(self, run_id: str) -> RunPicture | None:
        settled: dict[str, Document] = {}
        since = -1
        for _ in range(_LOOKS_MAX):
            with outage_refused():
                document = await self._runs.find_one({"_id": run_id})
                if document is None:
                    return None
                changed = {"run_id": run_id, "revision": {"$gt": since}}
                latest = await self._bookings.find(changed).sort("revision", 1).to_list(_BOOKINGS_MAX)
            settled.update({one["_id"]: one for one in latest})  # of two revisions, the newer comes later
            newer = [one["revision"] for one in latest if one["revision"] > document["version"]]
            if not newer or min(newer) > (await self.version(run_id) or 0):  # no commit has made these: a finding
                return await self._developed(document, settled)
            since = document["version"]
        return None

    async def _developed(self, document: Document, settled: dict[str, Document]) -> RunPicture:
        run_id, recent = document["_id"], document["recent"]
        references = [one["_id"] for one in recent]
        newest = dict(settled)
        for one in recent:
            if one["_id"] not in newest or one["revision"] > newest[one["_id"]]["revision"]:
                newest[one["_id"]] = one
        return RunPicture(
            _read(f"run {run_id}", run_from, document),
            {reference: _read(f"booking {reference}", booking_from, one) for reference, one in newest.items()},
            [event for one in document["outbox"] for event in _read(f"events {one['_id']}", events_from, one)],
            sorted({one for one in references if references.count(one) > 1}),
            await self._elsewhere(run_id, references),
        )

    async def _elsewhere(self, run_id: str, references: list[str]) -> dict[str, str]:
        """Other runs that have a booking under one of these references."""
        if not references:
            return {}
        wanted = {"$in": references}
        with outage_refused():
            settled = await self._bookings.find({"_id": wanted, "run_id": {"$ne": run_id}}, {"run_id": 1}).to_list(
                len(references)
            )
            pipeline = [{"$match": {"_id": {"$ne": run_id}}}, *recent_pipeline({"_id": wanted}), {"$project": {"run_id": 1}}]
            recent = await self._runs.aggregate(pipeline).to_list(len(references))
        return {one["_id"]: one["run_id"] for one in (*settled, *recent)}

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
