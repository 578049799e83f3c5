"""The plan of a layout change: moves, places on the waitlist, refunds and promotions.

Belongs here: the plan as a value, and its hash. Does not belong here: how it is made (`app/domain/rules/update_layout.py`).
"""

import hashlib
import json
from dataclasses import astuple, dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.booking import Seat
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.domain.values import value


class PlacementStep(StrEnum):
    """How a unit of displaced passengers was placed, in the order in which it is tried."""

    TOGETHER_SAME = "TOGETHER_SAME"  # neighbours in the same section
    TOGETHER_BETTER = "TOGETHER_BETTER"  # neighbours in a section whose fare is not lower, at no charge
    SPLIT_SAME = "SPLIT_SAME"  # any seats of the same section
    SPLIT_BETTER = "SPLIT_BETTER"  # any seats of the same section and of those whose fare is not lower, at no charge
    LOWER = "LOWER"  # a section whose fare is lower; the difference is refunded


class PlannedOutcome(StrEnum):
    """What a plan promises a passenger: the steps of a placement, a place on the waitlist, the money back, or a promotion."""

    TOGETHER_SAME = PlacementStep.TOGETHER_SAME.value
    TOGETHER_BETTER = PlacementStep.TOGETHER_BETTER.value
    SPLIT_SAME = PlacementStep.SPLIT_SAME.value
    SPLIT_BETTER = PlacementStep.SPLIT_BETTER.value
    LOWER = PlacementStep.LOWER.value
    WAITLISTED = "WAITLISTED"
    CANCELLED = "CANCELLED"
    PROMOTED = "PROMOTED"


class RefundCause(StrEnum):
    """Why a layout change refunds."""

    LOWER_SECTION = "LOWER_SECTION"
    CANCELLED = "CANCELLED"
    PROMOTED = "PROMOTED"  # a booking that would take any section is promoted to a cheaper one than it paid for


@value(frozen=True, slots=True)
class SectionChange:
    """The seats and the fare of a section before and after; a fare of None where there is no such section."""

    section: str
    seats_before: int
    seats_after: int
    fare_before: Money | None
    fare_after: Money | None


@value(frozen=True, slots=True)
class SeatMove:
    """A displaced passenger's move."""

    reference: str
    passenger_number: int
    before: Seat
    after: Seat
    step: PlacementStep


@value(frozen=True, slots=True)
class DisplacedWait:
    """Displaced passengers who join the front of the waitlist, and the seats that they lose."""

    reference: str
    passenger_numbers: tuple[int, ...]
    before: tuple[Seat, ...]


@value(frozen=True, slots=True)
class LayoutRefund:
    """A refund that the change makes for these passengers of a booking."""

    reference: str
    passenger_numbers: tuple[int, ...]
    amount: Money
    cause: RefundCause


@value(frozen=True, slots=True)
class LayoutPromotion:
    """A booking of the waitlist that gets seats in the same commit."""

    reference: str
    seats: tuple[Seat, ...]


@value(frozen=True, slots=True)
class LayoutCounts:
    """A plan in numbers; `currency` is that of `refunded_minor`."""

    moved_passengers: int = 0
    waitlisted_passengers: int = 0
    cancelled_passengers: int = 0
    refunded_minor: int = 0
    promoted_bookings: int = 0
    released_holds: int = 0
    currency: str = ""

    def __add__(self, other: "LayoutCounts") -> "LayoutCounts":
        return LayoutCounts(
            self.moved_passengers + other.moved_passengers,
            self.waitlisted_passengers + other.waitlisted_passengers,
            self.cancelled_passengers + other.cancelled_passengers,
            self.refunded_minor + other.refunded_minor,
            self.promoted_bookings + other.promoted_bookings,
            self.released_holds + other.released_holds,
            self.currency or other.currency,
        )


@dataclass(frozen=True, slots=True)
class LayoutPlan:
    """What a layout change does to a run or, summed over its runs, to a train.

    `is_applied` says whether it was done, or only planned. The lists of a repeated request, and of a train's change, are empty;
    their counts are not. `run_count` is how many future runs of a train the change concerns, `planned_run_count` how many of
    them were planned; of these, `skipped_run_count` would be left as they are, and `refused_run_count` refused. All are 0 for a
    run's own change.
    """

    plan_hash: str = ""
    sections: tuple[SectionChange, ...] = ()
    moves: tuple[SeatMove, ...] = ()
    waitlisted: tuple[DisplacedWait, ...] = ()
    refunds: tuple[LayoutRefund, ...] = ()
    promoted: tuple[LayoutPromotion, ...] = ()
    counts: LayoutCounts = field(default_factory=LayoutCounts)
    is_applied: bool = False
    reserve_expire_time: datetime | None = None
    layout_etag: str = ""
    layout_job_id: str = ""
    run_count: int = 0
    planned_run_count: int = 0
    skipped_run_count: int = 0
    refused_run_count: int = 0


class PlanChanged(Refusal):
    """The plan that an operator acts on is not true any more; `plan` is the new one."""

    def __init__(self, plan: LayoutPlan, detail: str = "") -> None:
        text = detail or "look at the new plan"
        super().__init__(Reason.PLAN_CHANGED, f"the consequences have changed since the plan was made; {text}")
        self.plan = plan


def hash_of(*parts: object) -> str:
    """Return a hash of 128 bits of what JSON can hold, and of values, whose fields count in their order."""
    text = json.dumps(parts, separators=(",", ":"), default=astuple, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
