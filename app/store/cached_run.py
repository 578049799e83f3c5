"""A run in the memory of a server, with what its document carries for the archive.

Belongs here: the value, and which bookings and events are archived, by whom. Does not belong here: reading and writing runs
(`runs.py`), copying to the archive (`run_archive.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.domain.run.train_run import TrainRun
from app.store.driver import Document


class PendingBooking(NamedTuple):
    """A booking's document as it goes into statements, and its revision."""

    document: Document
    revision: int


class ClaimedTurn(NamedTuple):
    """A server's claim to the next commit on the run, after this version of it; `expire_time` ends the claim."""

    version: int
    server_id: str
    expire_time: datetime


@dataclass(slots=True)
class CachedRun:
    """A run in memory, and the bookings and events that its document carries because they are not archived yet.

    Bookings are by reference: `pending_bookings` are those that this server has to archive, `foreign_bookings` those that
    another server committed and archives itself. `archived_revisions` are those that this server has archived since its last
    commit; the next commit leaves them out of the document. The same holds for event batches, by commit id: `pending_events`,
    `foreign_events`, `archived_events`. `claimed_turn` is the claim that the document had when it was read last.
    """

    run: TrainRun
    pending_bookings: dict[str, PendingBooking] = field(default_factory=dict)
    foreign_bookings: dict[str, Document] = field(default_factory=dict)
    archived_revisions: dict[str, int] = field(default_factory=dict)
    pending_events: dict[str, Document] = field(default_factory=dict)
    foreign_events: dict[str, Document] = field(default_factory=dict)
    archived_events: set[str] = field(default_factory=set)
    claimed_turn: ClaimedTurn | None = None

    def adopt_foreign(self) -> None:
        """Take over the archiving of what another server has committed."""
        for reference, document in self.foreign_bookings.items():
            self.pending_bookings[reference] = PendingBooking(document, document["revision"])
        self.foreign_bookings.clear()
        self.pending_events.update(self.foreign_events)
        self.foreign_events.clear()

    def compare(self, recent: Mapping[str, Document], outbox: Mapping[str, Document]) -> None:
        """Compare with what the run's document carries now: keep what is this server's, and note what is another server's."""
        self.pending_bookings = {
            reference: booking
            for reference, booking in self.pending_bookings.items()
            if reference in recent and recent[reference]["revision"] == booking.revision
        }
        self.foreign_bookings = {
            reference: document
            for reference, document in recent.items()
            if reference not in self.pending_bookings and self.archived_revisions.get(reference) != document["revision"]
        }
        self.pending_events = {commit: batch for commit, batch in self.pending_events.items() if commit in outbox}
        self.foreign_events = {
            commit: batch
            for commit, batch in outbox.items()
            if commit not in self.pending_events and commit not in self.archived_events
        }

    def references_to_keep(self) -> Iterator[str]:
        """Yield the references of the newest bookings, which are not archived and so have to stay in memory."""
        yield from self.pending_bookings
        yield from self.foreign_bookings
