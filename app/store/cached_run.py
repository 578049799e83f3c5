"""A run as a server keeps it in memory, with what its document has to carry.

Belongs here: the value, and what it owes to the archive. Does not: reading and writing runs (`runs.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.run.train_run import TrainRun
from app.store.driver import Document


class Unsettled(NamedTuple):
    """A booking's document, as it goes into statements, and its revision."""

    document: Document
    revision: int


@dataclass(slots=True)
class KeptRun:
    """A run as this server keeps it in memory, and what its document's `recent` has to carry, by reference.

    `unsettled` are bookings that this server has to copy to where they rest, `carried` those that a rival committed and will
    copy itself. `settled` are the revisions that this server has copied since its last commit, which the next one leaves out.
    The same holds for the news of commits, which are their events, by the commits' ids: `untold`, `carried_news`, `told`.
    """

    run: TrainRun
    unsettled: dict[str, Unsettled] = field(default_factory=dict)
    carried: dict[str, Document] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    untold: dict[str, Document] = field(default_factory=dict)
    carried_news: dict[str, Document] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def adopt_carried(self) -> None:
        """Takes it upon this server to copy what a rival has left."""
        self.unsettled.update({one: Unsettled(document, document["revision"]) for one, document in self.carried.items()})
        self.carried.clear()
        self.untold.update(self.carried_news)
        self.carried_news.clear()

    def references_at_hand(self) -> Iterator[str]:
        """The bookings that decisions may need without asking for them, besides those that wait: the newest."""
        yield from self.unsettled
        yield from self.carried
