"""No answer is larger than the 4 MiB that gRPC clients accept by default, with every text and list at its limit.

Lists end a page by its size (`test_page_filling.py`); here every single item is shown to fit, and every answer that is no
list.
"""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from google.protobuf.message import Message

from app.domain import limits
from app.domain.timetable import RunState
from app.domain.train import StoredTrain
from app.domain.webhooks import URL_LENGTH_MAX, Webhook
from app.pb.seatline.v1 import train_run_pb2
from app.rpc.bookings import answers as booking_answers
from app.rpc.jobs import answers as job_answers
from app.rpc.page_filling import PAGE_BYTES_MAX
from app.rpc.train_runs import answers as train_run_answers
from app.rpc.trains import answers as train_answers
from app.rpc.webhooks import answers as webhook_answers
from app.usecases.train_runs import RunView
from tests.support.largest_values import (
    NOW,
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
    return RunView(run, run.journey("", ""), RunState.SCHEDULED)


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


@pytest.mark.parametrize(
    ("item", "kibibytes_max"),
    [
        (lambda: booking_answers.receipt(largest_booking()), 1_024),
        (lambda: train_run_answers.train_run(a_view()), 64),
        (lambda: train_answers.train(StoredTrain(largest_train(), "x" * 64, NOW, 2**31)), 64),
        (section_row, 16),
        (lambda: webhook_answers.webhook(largest_webhook()), 16),
        (lambda: webhook_answers.delivery(largest_delivery()), 64),
        (lambda: job_answers.job(largest_job()), 8),
    ],
    ids=["receipt", "train run", "train", "section row", "webhook", "delivery", "job"],
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
    ],
    ids=["booking", "seat map", "scheduled runs", "promoted references"],
)
def test_the_largest_answer_that_is_not_a_list_fits(answer: Callable[[], Message], kibibytes_max: int) -> None:
    assert answer().ByteSize() <= kibibytes_max * KIBIBYTE < ANSWER_BYTES_MAX
