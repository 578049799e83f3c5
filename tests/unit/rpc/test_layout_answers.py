"""Plans, layout jobs and outcomes as messages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.booking import Seat
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, LayoutProgress
from app.domain.layout.operations import RemoveCoach
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
from app.pb.seatline.v1 import layout_pb2, seat_pb2
from app.rpc.layouts import answers
from app.rpc.wire_values import money, timestamp
from tests.support.builders import NOW

USD20 = Money(2_000, "USD")
COUNTS = LayoutCounts(5, 4, 3, 2_000, 2, 1, "USD")
COUNTS_MESSAGE = layout_pb2.LayoutCounts(
    moved_passengers=5,
    waitlisted_passengers=4,
    cancelled_passengers=3,
    refunded=money(USD20),
    promoted_bookings=2,
    released_holds=1,
)
A1, B7 = Seat("A", "1", 1), Seat("B", "2", 7)
A1_MESSAGE = seat_pb2.Seat(section="A", coach="1", number=1, label="A-1")
B7_MESSAGE = seat_pb2.Seat(section="B", coach="2", number=7, label="B-7")


def test_a_plan_is_shown_with_all_its_parts() -> None:
    plan = LayoutPlan(
        plan_hash="ab",
        sections=(SectionChange("A", 4, 0, USD20, None), SectionChange("C", 0, 3, None, USD20)),
        moves=(SeatMove("ABC234", 2, A1, B7, PlacementStep.TOGETHER_BETTER),),
        waitlisted=(DisplacedWait("ABC235", (1, 3), (A1, B7)),),
        refunds=(LayoutRefund("ABC236", (1,), USD20, RefundCause.CANCELLED),),
        promoted=(LayoutPromotion("ABC237", (A1, B7)),),
        counts=COUNTS,
        reserve_expire_time=NOW,
        layout_etag="3",
    )
    assert answers.layout_plan(plan) == layout_pb2.LayoutPlan(
        plan_hash="ab",
        sections=[
            layout_pb2.SectionChange(section="A", seats_before=4, fare_before=money(USD20)),
            layout_pb2.SectionChange(section="C", seats_after=3, fare_after=money(USD20)),
        ],
        moves=[
            layout_pb2.SeatMove(
                reference="ABC234",
                passenger_number=2,
                before=A1_MESSAGE,
                after=B7_MESSAGE,
                step=layout_pb2.PLACEMENT_STEP_TOGETHER_BETTER,
            )
        ],
        waitlisted=[layout_pb2.DisplacedWait(reference="ABC235", passenger_numbers=[1, 3], before=[A1_MESSAGE, B7_MESSAGE])],
        refunds=[
            layout_pb2.LayoutRefund(
                reference="ABC236",
                passenger_numbers=[1],
                amount=money(USD20),
                cause=layout_pb2.LAYOUT_REFUND_CAUSE_CANCELLED,
            )
        ],
        promoted=[layout_pb2.LayoutPromotion(reference="ABC237", seats=[A1_MESSAGE, B7_MESSAGE])],
        counts=COUNTS_MESSAGE,
        validate_only=True,
        reserve_expire_time=timestamp(NOW),
        layout_etag="3",
    )


def test_the_plan_of_a_train_counts_its_runs() -> None:
    plan = LayoutPlan(run_count=9, planned_run_count=8, skipped_run_count=3, refused_run_count=2)
    assert answers.layout_plan(plan) == layout_pb2.LayoutPlan(
        run_count=9,
        planned_run_count=8,
        skipped_run_count=3,
        refused_run_count=2,
        counts=layout_pb2.LayoutCounts(),
        validate_only=True,
    )


def test_a_change_that_was_made_is_no_plan_and_names_its_job() -> None:
    answer = answers.layout_plan(LayoutPlan(is_applied=True, layout_job_id="es9014:2", run_count=3, planned_run_count=0))
    assert not answer.validate_only
    assert (answer.layout_job_id, answer.run_count) == ("es9014:2", 3)
    assert not answer.HasField("reserve_expire_time")
    assert not answer.counts.HasField("refunded"), "nothing is refunded, in no currency"


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_layout_job_is_shown_with_its_progress(is_complete: bool) -> None:
    complete_time = NOW + timedelta(minutes=1) if is_complete else None
    job = LayoutJob(
        "es9014:2", "es9014", 2, 1, "r", "f", (RemoveCoach("2"),), True, False, NOW, run_count=9, complete_time=complete_time
    )
    state = layout_pb2.LAYOUT_JOB_STATE_COMPLETE if is_complete else layout_pb2.LAYOUT_JOB_STATE_RUNNING
    assert answers.layout_job(job, LayoutProgress(5, 3, 1, COUNTS)) == layout_pb2.LayoutJob(
        layout_job_id="es9014:2",
        train_id="es9014",
        state=state,
        operations=[layout_pb2.LayoutOperation(remove_coach=layout_pb2.RemoveCoach(name="2"))],
        allow_lower=True,
        run_count=9,
        applied_count=5,
        skipped_count=3,
        refused_count=1,
        counts=COUNTS_MESSAGE,
        create_time=timestamp(NOW),
        complete_time=timestamp(complete_time) if complete_time else None,
    )


@pytest.mark.parametrize("state", LayoutOutcomeState)
def test_an_outcome_is_shown_with_its_state(state: LayoutOutcomeState) -> None:
    outcome = LayoutOutcome("es9014:2", "2026-09-01", state, "why", COUNTS, NOW)
    assert answers.layout_outcome(outcome) == layout_pb2.LayoutOutcome(
        travel_date="2026-09-01",
        state=layout_pb2.LayoutOutcomeState.Value(f"LAYOUT_OUTCOME_STATE_{state.value}"),
        reason="why",
        counts=COUNTS_MESSAGE,
        time=timestamp(NOW),
    )


def test_every_step_and_cause_has_the_name_of_the_contract() -> None:
    for step in PlacementStep:
        move = answers.layout_plan(LayoutPlan(moves=(SeatMove("ABC234", 1, A1, B7, step),))).moves[0]
        assert layout_pb2.PlacementStep.Name(move.step) == f"PLACEMENT_STEP_{step.value}"
    for cause in RefundCause:
        refund = answers.layout_plan(LayoutPlan(refunds=(LayoutRefund("ABC234", (1,), USD20, cause),))).refunds[0]
        assert layout_pb2.LayoutRefundCause.Name(refund.cause) == f"LAYOUT_REFUND_CAUSE_{cause.value}"
