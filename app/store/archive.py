"""The archive: bookings that are cancelled or over, out of their run's document.

Belongs here: moving them, finding them by reference. Does not: receipts, which are read from runs and archive alike
(`bookings.py`).

A booking moves in two steps: it is copied, then dropped from its run by compare-and-swap. A crash or a lost swap between them
leaves it in both places; readers take it once, and the next move goes over it again. What is moved can no longer change: it is
cancelled, or its train has arrived.
"""

from collections.abc import Sequence

from app.domain.booking import Booking
from app.domain.run import TrainRun
from app.store.documents import archive_document, archived_booking_from
from app.store.driver import Collection, Database, insert_those_missing, outage_refused
from app.store.runs import TrainRuns

# Cancelled bookings that may stay in a run's document. Enough that moving them is rare, few enough not to matter in it.
CANCELLED_KEPT_MAX = 64
# References of one look-up: a whole batch's, with every attempt.
_FIND_MAX = 4_096
# Bookings copied at a time: about a megabyte.
_COPY_BATCH = 1_000


class Archive:
    """The collection `booking_archive`."""

    def __init__(self, database: Database, runs: TrainRuns) -> None:
        self._archive: Collection = database["booking_archive"]
        self._runs = runs

    async def find_many(self, references: Sequence[str]) -> dict[str, Booking]:
        """The archived bookings with these references."""
        if not references:
            return {}
        with outage_refused():
            found = await self._archive.find({"_id": {"$in": list(references)}}).to_list(_FIND_MAX)
        return {document["_id"]: archived_booking_from(document) for document in found}

    async def tidy(self, run: TrainRun) -> None:
        """Moves cancelled bookings away once there are too many of them."""
        if run.cancelled_count > CANCELLED_KEPT_MAX:
            await self._move(run, [booking for booking in run.bookings if not booking.is_live])

    async def move_all(self, run: TrainRun) -> bool:
        """Moves all bookings of a run that is over. False when somebody else has committed on it first."""
        return await self._move(run, run.bookings)

    async def _move(self, run: TrainRun, bookings: Sequence[Booking]) -> bool:
        documents = [archive_document(booking, run.run_id) for booking in bookings]
        with outage_refused():
            for start in range(0, len(documents), _COPY_BATCH):
                # Those that an earlier move copied before it was cut off are there.
                await insert_those_missing(self._archive, documents[start : start + _COPY_BATCH])
        references = {booking.reference for booking in bookings}
        moved = await self._runs.drop_bookings(run, list(references))
        if moved:
            run.drop(references)
        return moved
