"""Layout plans and layout jobs as messages, for tests of the command line.

Belongs here: messages that look like those of the service. Does not belong here: any rule of the service.
"""

from __future__ import annotations

from app.pb.seatline.v1 import layout_pb2, seat_pb2
from tests.support.scripted_service import at
from tests.support.world import usd

PLAN_HASH = "0f3a5c8d9e7b21640f3a5c8d9e7b2164"


def a_seat(section: str, number: int, coach: str) -> seat_pb2.Seat:
    """Build a seat."""
    return seat_pb2.Seat(section=section, coach=coach, number=number, label=f"{section}-{number}")


def a_plan(*, validate_only: bool = True) -> layout_pb2.LayoutPlan:
    """Build the plan of a run with something in each of its lists."""
    plan = layout_pb2.LayoutPlan(plan_hash=PLAN_HASH, validate_only=validate_only, layout_etag="3")
    plan.sections.add(section="A", seats_before=224, seats_after=168, fare_before=usd(20), fare_after=usd(25))
    plan.sections.add(section="B", seats_before=8, seats_after=8, fare_before=usd(20), fare_after=usd(20))
    plan.sections.add(section="C", seats_after=60, fare_after=usd(35))
    plan.sections.add(section="D", seats_before=12, fare_before=usd(10))
    moves = (
        ("7K2M9Q", 1, a_seat("A", 113, "3"), a_seat("A", 40, "1"), layout_pb2.PLACEMENT_STEP_TOGETHER_SAME),
        ("7K2M9Q", 2, a_seat("A", 114, "3"), a_seat("A", 41, "1"), layout_pb2.PLACEMENT_STEP_TOGETHER_SAME),
        ("AB3D5F", 1, a_seat("A", 116, "3"), a_seat("C", 43, "9"), layout_pb2.PLACEMENT_STEP_SPLIT_BETTER),
        ("AB3D5F", 2, a_seat("A", 117, "3"), a_seat("A", 44, "1"), layout_pb2.PLACEMENT_STEP_SPLIT_BETTER),
        ("M4N5P6", 1, a_seat("D", 1, "4"), a_seat("B", 2, "5"), layout_pb2.PLACEMENT_STEP_LOWER),
    )
    for reference, number, before, after, step in moves:
        plan.moves.add(reference=reference, passenger_number=number, before=before, after=after, step=step)
    plan.waitlisted.add(reference="W1W2W3", passenger_numbers=[1, 3], before=[a_seat("A", 130, "3"), a_seat("A", 131, "3")])
    plan.refunds.add(
        reference="M4N5P6", passenger_numbers=[1], amount=usd(5), cause=layout_pb2.LAYOUT_REFUND_CAUSE_LOWER_SECTION
    )
    plan.refunds.add(
        reference="C9C9C9", passenger_numbers=[1, 2], amount=usd(40), cause=layout_pb2.LAYOUT_REFUND_CAUSE_CANCELLED
    )
    plan.promoted.add(reference="Q7Q7Q7", seats=[a_seat("C", 1, "9"), a_seat("C", 2, "9")])
    plan.counts.CopyFrom(some_counts())
    return plan


def some_counts() -> layout_pb2.LayoutCounts:
    """Build the sum of `a_plan`."""
    return layout_pb2.LayoutCounts(
        moved_passengers=5,
        waitlisted_passengers=2,
        cancelled_passengers=2,
        refunded=usd(45),
        promoted_bookings=1,
        released_holds=1,
    )


def a_layout_job(applied: int, skipped: int = 0, refused: int = 0, *, run_count: int = 30) -> layout_pb2.LayoutJob:
    """Build a layout job. It is complete when all of its runs have an outcome."""
    is_complete = 0 < run_count == applied + skipped + refused
    job = layout_pb2.LayoutJob(
        layout_job_id="es9014:4",
        train_id="es9014",
        state=layout_pb2.LAYOUT_JOB_STATE_COMPLETE if is_complete else layout_pb2.LAYOUT_JOB_STATE_RUNNING,
        run_count=run_count,
        applied_count=applied,
        skipped_count=skipped,
        refused_count=refused,
        create_time=at("2030-06-01T08:00:00Z"),
        counts=some_counts(),
    )
    if is_complete:
        job.complete_time.CopyFrom(at("2030-06-01T08:01:10Z"))
    return job


def some_outcomes() -> layout_pb2.ListLayoutOutcomesResponse:
    """Build one outcome of each kind."""
    answer = layout_pb2.ListLayoutOutcomesResponse()
    answer.outcomes.add(
        travel_date="2030-07-02",
        state=layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED,
        counts=layout_pb2.LayoutCounts(moved_passengers=3, promoted_bookings=1),
    )
    answer.outcomes.add(
        travel_date="2030-07-03", state=layout_pb2.LAYOUT_OUTCOME_STATE_SKIPPED, reason="its own layout was changed"
    )
    answer.outcomes.add(
        travel_date="2030-07-04", state=layout_pb2.LAYOUT_OUTCOME_STATE_REFUSED, reason="displaces 612 passengers\x1b[31m"
    )
    return answer
