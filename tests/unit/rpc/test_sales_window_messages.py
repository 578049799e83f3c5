"""Sales windows are read from requests, and are the same in answers; impossible ones are refused under their paths."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TypeAlias

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.pb.seatline.v1 import sales_window_pb2
from app.rpc.sales_windows import sales_window, sales_window_message
from tests.support.run_snapshots import invalid

Message: TypeAlias = sales_window_pb2.SalesWindow
Opening: TypeAlias = sales_window_pb2.SalesOpening
OPEN_TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
WINDOWS = [
    ALWAYS_OPEN,
    SalesWindow(closes_minutes_before=30),
    SalesWindow(open_time=OPEN_TIME, closes_minutes_before=30),
    SalesWindow(open_days_before=0),
    SalesWindow(open_days_before=90, open_at=time(9, 30), closes_minutes_before=43_200),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_window_is_the_same_in_answers_and_in_requests(window: SalesWindow) -> None:
    sent = Message.FromString(sales_window_message(window).SerializeToString())
    assert sales_window(sent, "sales_window") == window


def test_an_empty_window_is_always_open() -> None:
    assert sales_window(Message(), "sales_window") == ALWAYS_OPEN


def test_an_opening_without_a_local_time_is_at_midnight() -> None:
    window = sales_window(Message(opens_before=Opening(days_before=3)), "sales_window")
    assert (window.open_days_before, window.open_at) == (3, time(0, 0))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("closes_before", Message(closes_before=Duration(seconds=90))),
        ("closes_before", Message(closes_before=Duration(seconds=60, nanos=1))),
        ("closes_before", Message(closes_before=Duration(seconds=-60))),
        ("closes_before", Message(closes_before=Duration(seconds=30 * 86_400 + 60))),
        ("opens_before.days_before", Message(opens_before=Opening(days_before=-1))),
        ("opens_before.days_before", Message(opens_before=Opening(days_before=367))),
        ("opens_before.local_time", Message(opens_before=Opening(local_time="24:00"))),
        ("opens_before.local_time", Message(opens_before=Opening(local_time="9:30"))),
        ("opens_before.local_time", Message(opens_before=Opening(local_time="09:30:15"))),
        ("open_time", Message(open_time=Timestamp(nanos=1))),
    ],
)
@pytest.mark.parametrize("path", ["sales_window", "train.sections[2].sales_window"])
def test_an_impossible_window_is_refused_under_its_path(path: str, field: str, message: Message) -> None:
    with invalid(f"{path}.{field}"):
        sales_window(message, path)
