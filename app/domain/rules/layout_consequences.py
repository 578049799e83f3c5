"""What a layout change has done to the passengers of a run, collected while it is done, and the plan that says so.

Belongs here: the lists and counts of a plan, its hash, and its promises to each passenger. Does not belong here: making the
change (`update_layout.py`), the plan as a value (`app/domain/layout/plan.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.domain.booking import Booking
from app.domain.layout.plan import (
    DisplacedWait,
    LayoutCounts,
    LayoutPlan,
    LayoutPromotion,
    LayoutRefund,
    PlannedOutcome,
    RefundCause,
    SeatMove,
    SectionChange,
    hash_of,
)
from app.domain.money import Money
from app.domain.run.layout_record import ReservedPlace
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun

# What a plan's hash says of a section: name, fare in minor units, and its seats (coach, number).
_HashedSection = tuple[str, int, list[tuple[str, int]]]


@dataclass(slots=True)
class Consequences:
    """The consequences of a change, in the order in which they were decided. `promises` are those for each passenger."""

    moves: list[SeatMove] = field(default_factory=list)
    waitlisted: list[DisplacedWait] = field(default_factory=list)
    refunds: list[LayoutRefund] = field(default_factory=list)
    promoted: list[LayoutPromotion] = field(default_factory=list)
    promises: list[ReservedPlace] = field(default_factory=list)
    released_holds: int = 0

    def note_moves(self, moves: tuple[SeatMove, ...], refund: LayoutRefund | None) -> None:
        """Note that a unit moved, and its refund if there was one."""
        self.moves += moves
        for move in moves:
            outcome, seat = PlannedOutcome(move.step.value), move.after
            self.promises.append(ReservedPlace(move.reference, move.passenger_number, seat.section, seat.number, outcome))
        if refund is not None:
            self.refunds.append(refund)

    def note_wait(self, wait: DisplacedWait) -> None:
        """Note that a unit waits."""
        self.waitlisted.append(wait)
        self._promise_no_seat(wait.reference, wait.passenger_numbers, PlannedOutcome.WAITLISTED)

    def note_cancellation(self, refund: LayoutRefund) -> None:
        """Note that passengers were cancelled and refunded."""
        self.refunds.append(refund)
        self._promise_no_seat(refund.reference, refund.passenger_numbers, PlannedOutcome.CANCELLED)

    def note_promotion(self, before: Booking, after: Booking) -> None:
        """Note that a waitlisted booking got seats, and what it gets back where it paid for a dearer section."""
        waited = {passenger.number for passenger in before.passengers if passenger.seat is None}
        seated = [passenger for passenger in after.passengers if passenger.seat is not None and passenger.number in waited]
        reference = after.reference
        self.promoted.append(LayoutPromotion(reference, tuple(passenger.assigned_seat for passenger in seated)))
        for passenger in seated:
            seat = passenger.assigned_seat
            place = ReservedPlace(reference, passenger.number, seat.section, seat.number, PlannedOutcome.PROMOTED)
            self.promises.append(place)
        back_minor = before.price.minor - after.price.minor
        if back_minor:
            numbers = tuple(passenger.number for passenger in seated)
            self.refunds.append(LayoutRefund(reference, numbers, Money(back_minor, after.currency), RefundCause.PROMOTED))

    def booking_count(self) -> int:
        """Return how many bookings have changed."""
        return len({promise.reference for promise in self.promises})

    def counts(self) -> LayoutCounts:
        """Return the consequences in numbers."""
        cancelled = [refund for refund in self.refunds if refund.cause is RefundCause.CANCELLED]
        return LayoutCounts(
            moved_passengers=len(self.moves),
            waitlisted_passengers=sum(len(wait.passenger_numbers) for wait in self.waitlisted),
            cancelled_passengers=sum(len(refund.passenger_numbers) for refund in cancelled),
            refunded_minor=sum(refund.amount.minor for refund in self.refunds),
            promoted_bookings=len(self.promoted),
            released_holds=self.released_holds,
            currency=self.refunds[0].amount.currency if self.refunds else "",
        )

    def plan(self, run: TrainRun, changes: tuple[SectionChange, ...], plan_hash: str = "") -> LayoutPlan:
        """Return the plan. The run has the new layout. Without a `plan_hash` it is that of what was done.

        The hash is over the new layout and each move, place on the waitlist, refund and promotion. Holds that end do not count,
        since they come and go while an operator reads the plan.
        """
        sections = list(_hashed_sections(run.sections))
        return LayoutPlan(
            plan_hash=plan_hash or hash_of(sections, self.moves, self.waitlisted, self.refunds, self.promoted),
            sections=changes,
            moves=tuple(self.moves),
            waitlisted=tuple(self.waitlisted),
            refunds=tuple(self.refunds),
            promoted=tuple(self.promoted),
            counts=self.counts(),
            layout_etag=run.layout.etag,
        )

    def _promise_no_seat(self, reference: str, numbers: tuple[int, ...], outcome: PlannedOutcome) -> None:
        self.promises += [ReservedPlace(reference, number, "", 0, outcome) for number in numbers]


def note_promotions(
    consequences: Consequences, run: TrainRun, waitlisted_before: Mapping[str, Booking], references: list[str]
) -> None:
    """Note that these bookings were promoted. `waitlisted_before` has them as they waited."""
    for reference in references:
        consequences.note_promotion(waitlisted_before[reference], run.bookings[reference])


def _hashed_sections(sections: list[SectionSeats]) -> Iterator[_HashedSection]:
    for section in sections:
        live = [number for number in range(1, section.size + 1) if not section.is_retired(number)]
        yield section.name, section.fare.minor, [(section.coach_of(number), number) for number in live]
