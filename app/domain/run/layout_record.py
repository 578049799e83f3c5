"""What a run remembers of the changes of its layout.

Belongs here: the record of changes, and the reservation of a plan's seats, as values. Does not belong here: the sections
themselves (`seats.py`), nor the rules (`app/domain/rules/`).
"""

from dataclasses import replace
from datetime import datetime

from app.domain.layout.plan import LayoutCounts, PlannedOutcome
from app.domain.values import value


@value(frozen=True, slots=True)
class LayoutRequest:
    """A layout change that was committed: who asked for it, and what came of it. A repeated request is answered from it."""

    request_id: str
    fingerprint: str
    plan_hash: str
    time: datetime
    counts: LayoutCounts


@value(frozen=True, slots=True)
class LayoutRecord:
    """The changes of a run's layout so far.

    `revision` counts them. `train_version` is the version of the train whose layout the run has. `is_own` says that an operator
    has changed the run's own layout since. `earlier_fares` are (section, fare in minor units) at which the run sold before. The
    section may never have had a seat: a waitlisted booking for any section pays the highest fare. `requests` are the last
    changes, the newest last.
    """

    revision: int = 0
    train_version: int = 1
    is_own: bool = False
    earlier_fares: tuple[tuple[str, int], ...] = ()
    requests: tuple[LayoutRequest, ...] = ()

    @property
    def etag(self) -> str:
        """The run's `layout_etag`. It is never the etag of a train, so that no change of a run reaches a train by mistake."""
        return f"layout-{self.revision}"


# That of a run whose layout was never changed, made from the first version of its train.
NEW_LAYOUT = LayoutRecord()


@value(frozen=True, slots=True)
class ReservedPlace:
    """What a plan promises a passenger of a booking: a seat (section, number), or the `outcome` of those who get none.

    A passenger who will wait or is refunded has section "" and number 0.
    """

    reference: str
    passenger_number: int
    section: str
    number: int
    outcome: PlannedOutcome


@value(frozen=True, slots=True)
class LayoutReservation:
    """The seats that are kept for a plan until `expire_time`.

    `withdrawn` are the seats (section, number) that it removes, `places` what it promises to each passenger whom it moves,
    lets wait, refunds or promotes. `claims` are the legs (section, number, legs) that were taken off sale: all free legs of the
    withdrawn seats, and the legs of the promised seats that exist already. One seat may have several claims, on other legs.
    """

    plan_hash: str
    fingerprint: str
    expire_time: datetime
    withdrawn: frozenset[tuple[str, int]]
    places: tuple[ReservedPlace, ...]
    claims: tuple[tuple[str, int, int], ...]

    def with_claim(self, section: str, number: int, legs: int) -> "LayoutReservation":
        """Return the reservation with one more claim: legs of a withdrawn seat that came free meanwhile."""
        return replace(self, claims=(*self.claims, (section, number, legs)))
