"""No answer is larger than the 4 MiB that gRPC clients accept by default, with every text and list at its limit.

Lists end a page by its size (`test_page_filling.py`); here every single item is shown to fit, and every answer that is no
list.
"""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from google.protobuf.message import Message

from app.domain import limits
from app.domain.booking import Seat
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, LayoutProgress
from app.domain.layout.operations import AddSection
from app.domain.layout.plan import (
    LayoutCounts,
    LayoutPlan,
    LayoutPromotion,
    LayoutRefund,
    PlacementStep,
    RefundCause,
    SeatMove,
    SectionChange,
)
from app.domain.timetable import RunState
from app.domain.train import StoredTrain
from app.domain.webhooks import URL_LENGTH_MAX, Webhook
from app.pb.seatline.v1 import train_run_pb2
from app.rpc.bookings import answers as booking_answers
from app.rpc.jobs import answers as job_answers
from app.rpc.layouts import answers as layout_answers
from app.rpc.page_filling import PAGE_BYTES_MAX
from app.rpc.train_runs import answers as train_run_answers
from app.rpc.trains import answers as train_answers
from app.rpc.webhooks import answers as webhook_answers
from app.usecases.train_runs import RunView
from tests.support.builders import an_operator
from tests.support.largest_values import (
    FARE,
    LETTER,
    NOW,
    SECTIONS,
    largest_booking,
    largest_delivery,
    largest_job,
    largest_run,
    largest_train,
)

KIBIBYTE = 2**10
ANSWER_BYTES_MAX = 4 * 2**20  # https://grpc.io: GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, the default of all its clients


def a_view() -> RunView:
    run = largest_run()
    return RunView(run, run.journey("", ""), RunState.SCHEDULED, NOW)


def largest_webhook() -> Webhook:
    types = tuple(f"booking.{'x' * 40}{number}" for number in range(100))
    return Webhook("f" * 16, "x" * URL_LENGTH_MAX, types, "x" * 100, True, NOW, NOW, "", 1, "x" * 100, NOW)


def section_row() -> Message:
    booking = largest_booking().booking
    return booking_answers.section_booking((booking, booking.passengers[0]))


def scheduled_runs() -> Message:
    dates = [date(2199, 1, 1) + timedelta(days=days) for days in range(limits.SCHEDULE_DAYS_MAX)]
    keys = [train_run_pb2.TrainRunKey(train_id="z" * limits.TRAIN_ID_LENGTH_MAX, travel_date=str(day)) for day in dates]
    return train_run_pb2.ScheduleTrainRunsResponse(train_runs=keys, created_count=len(keys))


def promoted() -> Message:
    references = ["ZZZZZZZZ"] * limits.WAITLIST_MAX
    return train_run_pb2.PromoteWaitlistResponse(promoted_references=references, waiting_count=limits.WAITLIST_MAX)


def largest_layout_job() -> Message:
    """Return a layout job with as many operations as one change has. Removed seats are part of none (`train_layout.py`)."""
    name = SECTIONS[-1]
    job_id = f"{'z' * limits.TRAIN_ID_LENGTH_MAX}:{2**31}"
    operations = (AddSection(name, FARE),) * limits.LAYOUT_OPERATIONS_MAX
    job = LayoutJob(job_id, "z" * 32, 2**31, 2**31, "x" * 64, "f" * 32, operations, True, True, NOW, 10**4, NOW)
    return layout_answers.layout_job(job, LayoutProgress(10**4, 10**4, 10**4, largest_counts()))


def largest_outcome() -> LayoutOutcome:
    job_id = f"{'z' * limits.TRAIN_ID_LENGTH_MAX}:{2**31}"
    return LayoutOutcome(job_id, "2199-12-31", LayoutOutcomeState.REFUSED, LETTER * 300, largest_counts(), NOW)


def largest_counts() -> LayoutCounts:
    return LayoutCounts(10**7, 10**7, 10**7, FARE.minor * 10**4, 10**7, 10**7, "USD")


def largest_plan() -> Message:
    """Return a plan with as many moves and promotions as one commit takes: groups of nine, all to a cheaper section."""
    seat = Seat(SECTIONS[-1], "9" * 8, limits.SEAT_NUMBERS_PER_RUN_MAX)
    moved, promoted = limits.DISPLACED_PASSENGERS_MAX, limits.LAYOUT_BOOKINGS_MAX
    plan = LayoutPlan(
        plan_hash="f" * 32,
        sections=(SectionChange(SECTIONS[-1], 5_000, 5_000, FARE, FARE),) * (len(SECTIONS) + limits.LAYOUT_OPERATIONS_MAX),
        moves=(SeatMove("ZZZZZZ", 9, seat, seat, PlacementStep.LOWER),) * moved,
        refunds=(LayoutRefund("ZZZZZZ", (9,), FARE, RefundCause.PROMOTED),) * (moved + promoted),
        promoted=(LayoutPromotion("ZZZZZZ", (seat,) * limits.PASSENGERS_PER_BOOKING_MAX),) * promoted,
        counts=largest_counts(),
    )
    return layout_answers.layout_plan(plan)


@pytest.mark.parametrize(
    ("item", "kibibytes_max"),
    [
        (lambda: booking_answers.receipt(largest_booking()), 1_024),
        (lambda: train_run_answers.train_run(a_view(), an_operator()), 64),
        (lambda: train_answers.train(StoredTrain(largest_train(), "x" * 64, NOW, 2**31)), 64),
        (section_row, 16),
        (lambda: webhook_answers.webhook(largest_webhook()), 16),
        (lambda: webhook_answers.delivery(largest_delivery()), 64),
        (lambda: job_answers.job(largest_job()), 8),
        (lambda: layout_answers.layout_outcome(largest_outcome()), 2),
    ],
    ids=["receipt", "train run", "train", "section row", "webhook", "delivery", "job", "layout outcome"],
)
def test_the_largest_item_of_each_list_fits_many_times_into_a_page(item: Callable[[], Message], kibibytes_max: int) -> None:
    size = item().ByteSize()
    assert size <= kibibytes_max * KIBIBYTE
    assert 3 * size < PAGE_BYTES_MAX


@pytest.mark.parametrize(
    ("answer", "kibibytes_max"),
    [
        (lambda: booking_answers.booking(largest_booking()), 1_024),
        (lambda: train_run_answers.seat_map(a_view()), 256),
        (scheduled_runs, 32),
        (promoted, 128),
        (largest_plan, 512),
        (largest_layout_job, 4),
    ],
    ids=["booking", "seat map", "scheduled runs", "promoted references", "plan", "layout job"],
)
def test_the_largest_answer_that_is_not_a_list_fits(answer: Callable[[], Message], kibibytes_max: int) -> None:
    assert answer().ByteSize() <= kibibytes_max * KIBIBYTE < ANSWER_BYTES_MAX
