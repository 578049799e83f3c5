"""A run as a server keeps it in memory, with what its document has to carry.

Belongs here: the value, and what it owes to the archive. Does not: reading and writing runs (`runs.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.run.train_run import TrainRun
from app.store.driver import Document


class PendingBooking(NamedTuple):
    """A booking's document, as it goes into statements, and its revision."""

    document: Document
    revision: int


@dataclass(slots=True)
class CachedRun:
    """A run as this server keeps it in memory, and what its document's `recent` has to carry, by reference.

    `pending_bookings` are bookings that this server has to copy to where they rest, `foreign_bookings` those that a rival
    committed and will
    copy itself. `archived_revisions` are the revisions that this server has copied since its last commit, which the next one
    leaves out.
    The same holds for the news of commits, which are their events, by the commits' ids: `pending_events`, `foreign_events`,
    `archived_events`.
    """

    run: TrainRun
    pending_bookings: dict[str, PendingBooking] = field(default_factory=dict)
    foreign_bookings: dict[str, Document] = field(default_factory=dict)
    archived_revisions: dict[str, int] = field(default_factory=dict)
    pending_events: dict[str, Document] = field(default_factory=dict)
    foreign_events: dict[str, Document] = field(default_factory=dict)
    archived_events: set[str] = field(default_factory=set)

    def adopt_foreign(self) -> None:
        """Takes it upon this server to copy what a rival has left."""
        self.pending_bookings.update(
            {one: PendingBooking(document, document["revision"]) for one, document in self.foreign_bookings.items()}
        )
        self.foreign_bookings.clear()
        self.pending_events.update(self.foreign_events)
        self.foreign_events.clear()

    def references_to_keep(self) -> Iterator[str]:
        """The bookings that decisions may need without asking for them, besides those that wait: the newest."""
        yield from self.pending_bookings
        yield from self.foreign_bookings
