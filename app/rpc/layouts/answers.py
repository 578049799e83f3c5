"""Answers around layouts: values of the domain to messages.

Belongs here: plans, layout jobs and their outcomes. Does not belong here: what decides anything.
"""

from collections.abc import Callable
from typing import TypeAlias

from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, LayoutProgress
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.layout.plan import (
    DisplacedWait,
    LayoutCounts,
    LayoutPlan,
    LayoutPromotion,
    LayoutRefund,
    PlacementStep,
    RefundCause,
    SeatMove,
    SectionChange,
)
from app.domain.money import Money
from app.pb.seatline.v1 import layout_pb2
from app.rpc.wire_values import money, seat, timestamp

_STEPS = {
    PlacementStep.TOGETHER_SAME: layout_pb2.PLACEMENT_STEP_TOGETHER_SAME,
    PlacementStep.TOGETHER_BETTER: layout_pb2.PLACEMENT_STEP_TOGETHER_BETTER,
    PlacementStep.SPLIT_SAME: layout_pb2.PLACEMENT_STEP_SPLIT_SAME,
    PlacementStep.SPLIT_BETTER: layout_pb2.PLACEMENT_STEP_SPLIT_BETTER,
    PlacementStep.LOWER: layout_pb2.PLACEMENT_STEP_LOWER,
}
_REFUND_CAUSES = {
    RefundCause.LOWER_SECTION: layout_pb2.LAYOUT_REFUND_CAUSE_LOWER_SECTION,
    RefundCause.CANCELLED: layout_pb2.LAYOUT_REFUND_CAUSE_CANCELLED,
    RefundCause.PROMOTED: layout_pb2.LAYOUT_REFUND_CAUSE_PROMOTED,
}
_OUTCOME_STATES = {
    LayoutOutcomeState.APPLIED: layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED,
    LayoutOutcomeState.SKIPPED: layout_pb2.LAYOUT_OUTCOME_STATE_SKIPPED,
    LayoutOutcomeState.REFUSED: layout_pb2.LAYOUT_OUTCOME_STATE_REFUSED,
}
_Operation: TypeAlias = layout_pb2.LayoutOperation


def layout_plan(value: LayoutPlan) -> layout_pb2.LayoutPlan:
    """Return a plan as a message."""
    expire_time = value.reserve_expire_time
    return layout_pb2.LayoutPlan(
        plan_hash=value.plan_hash,
        sections=[_section_change(change) for change in value.sections],
        moves=[_seat_move(move) for move in value.moves],
        waitlisted=[_displaced_wait(wait) for wait in value.waitlisted],
        refunds=[_layout_refund(refund) for refund in value.refunds],
        promoted=[_layout_promotion(promotion) for promotion in value.promoted],
        counts=layout_counts(value.counts),
        validate_only=not value.is_applied,
        reserve_expire_time=None if expire_time is None else timestamp(expire_time),
        layout_etag=value.layout_etag,
        layout_job_id=value.layout_job_id,
        run_count=value.run_count,
        planned_run_count=value.planned_run_count,
        skipped_run_count=value.skipped_run_count,
        refused_run_count=value.refused_run_count,
    )


def layout_counts(value: LayoutCounts) -> layout_pb2.LayoutCounts:
    """Return the numbers of a plan, of an outcome, or of a job."""
    return layout_pb2.LayoutCounts(
        moved_passengers=value.moved_passengers,
        waitlisted_passengers=value.waitlisted_passengers,
        cancelled_passengers=value.cancelled_passengers,
        refunded=money(Money(value.refunded_minor, value.currency)) if value.refunded_minor else None,
        promoted_bookings=value.promoted_bookings,
        released_holds=value.released_holds,
    )


def layout_job(job: LayoutJob, progress: LayoutProgress) -> layout_pb2.LayoutJob:
    """Return a layout job with how far it has come."""
    complete_time = job.complete_time
    running, complete = layout_pb2.LAYOUT_JOB_STATE_RUNNING, layout_pb2.LAYOUT_JOB_STATE_COMPLETE
    return layout_pb2.LayoutJob(
        layout_job_id=job.layout_job_id,
        train_id=job.train_id,
        state=running if complete_time is None else complete,
        operations=[layout_operation(operation) for operation in job.operations],
        allow_lower=job.allow_lower,
        refund_displaced=job.refund_displaced,
        run_count=job.run_count or 0,
        applied_count=progress.applied,
        skipped_count=progress.skipped,
        refused_count=progress.refused,
        counts=layout_counts(progress.counts),
        create_time=timestamp(job.create_time),
        complete_time=None if complete_time is None else timestamp(complete_time),
    )


def layout_outcome(value: LayoutOutcome) -> layout_pb2.LayoutOutcome:
    """Return the outcome of a layout job on one run."""
    return layout_pb2.LayoutOutcome(
        travel_date=value.travel_date,
        state=_OUTCOME_STATES[value.state],
        reason=value.reason,
        counts=layout_counts(value.counts),
        time=timestamp(value.time),
    )


def layout_operation(value: LayoutOperation) -> _Operation:
    """Return an operation as a message."""
    return _OPERATIONS[type(value)](value)


def _section_change(value: SectionChange) -> layout_pb2.SectionChange:
    before, after = value.fare_before, value.fare_after
    return layout_pb2.SectionChange(
        section=value.section,
        seats_before=value.seats_before,
        seats_after=value.seats_after,
        fare_before=None if before is None else money(before),
        fare_after=None if after is None else money(after),
    )


def _seat_move(value: SeatMove) -> layout_pb2.SeatMove:
    return layout_pb2.SeatMove(
        reference=value.reference,
        passenger_number=value.passenger_number,
        before=seat(value.before),
        after=seat(value.after),
        step=_STEPS[value.step],
    )


def _displaced_wait(value: DisplacedWait) -> layout_pb2.DisplacedWait:
    return layout_pb2.DisplacedWait(
        reference=value.reference,
        passenger_numbers=value.passenger_numbers,
        before=[seat(removed) for removed in value.before],
    )


def _layout_refund(value: LayoutRefund) -> layout_pb2.LayoutRefund:
    return layout_pb2.LayoutRefund(
        reference=value.reference,
        passenger_numbers=value.passenger_numbers,
        amount=money(value.amount),
        cause=_REFUND_CAUSES[value.cause],
    )


def _layout_promotion(value: LayoutPromotion) -> layout_pb2.LayoutPromotion:
    return layout_pb2.LayoutPromotion(reference=value.reference, seats=[seat(given) for given in value.seats])


def _add_section(value: AddSection) -> _Operation:
    return _Operation(add_section=layout_pb2.AddSection(name=value.name, fare=money(value.fare)))


def _remove_section(value: RemoveSection) -> _Operation:
    return _Operation(remove_section=layout_pb2.RemoveSection(name=value.name))


def _set_fare(value: SetFare) -> _Operation:
    return _Operation(set_fare=layout_pb2.SetFare(section=value.section, fare=money(value.fare)))


def _add_coach(value: AddCoach) -> _Operation:
    added = layout_pb2.AddCoach(name=value.name, section=value.section, seat_count=value.seat_count)
    return _Operation(add_coach=added)


def _remove_coach(value: RemoveCoach) -> _Operation:
    return _Operation(remove_coach=layout_pb2.RemoveCoach(name=value.name))


def _set_seat_count(value: SetSeatCount) -> _Operation:
    return _Operation(set_seat_count=layout_pb2.SetSeatCount(coach=value.coach, seat_count=value.seat_count))


def _remove_seats(value: RemoveSeats) -> _Operation:
    return _Operation(remove_seats=layout_pb2.RemoveSeats(section=value.section, seat_numbers=value.seat_numbers))


_OPERATIONS: dict[type, Callable[..., _Operation]] = {
    AddSection: _add_section,
    RemoveSection: _remove_section,
    SetFare: _set_fare,
    AddCoach: _add_coach,
    RemoveCoach: _remove_coach,
    SetSeatCount: _set_seat_count,
    RemoveSeats: _remove_seats,
}
