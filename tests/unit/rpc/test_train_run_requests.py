"""Requests about late and cancelled trains become commands, or are refused under the path of the invalid field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from app.domain import limits
from app.domain.disruption import DisruptionReason
from app.domain.run_commands import CancelTrainRun, RecordArrival, SetDelay, SetSalesWindow
from app.domain.sales_window import SalesWindow
from app.pb.seatline.v1 import disruption_pb2, sales_window_pb2, train_run_pb2
from app.rpc.disruptions import disruption_reason, reason_message
from app.rpc.train_runs import requests
from tests.support.builders import an_operator
from tests.support.run_snapshots import invalid

KEY: dict[str, Any] = {"train_id": "es9014", "travel_date": "2026-09-01"}
STAFF, WEATHER = disruption_pb2.DISRUPTION_REASON_STAFF, disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER
NOON = Timestamp(seconds=1_788_264_000, nanos=250_000_000)
NOON_INSTANT = datetime(2026, 9, 1, 12, 0, 0, 250_000, UTC)


def test_a_delay_is_read_as_it_was_reported() -> None:
    request = train_run_pb2.SetDelayRequest(
        **KEY, minutes=70, from_stop=" lil ", reason=WEATHER, evidence=" https://example.com/storm ", report_time=NOON
    )
    command = SetDelay(
        an_operator(),
        "es9014",
        "2026-09-01",
        70,
        "lil",
        DisruptionReason.EXTREME_WEATHER,
        "https://example.com/storm",
        NOON_INSTANT,
    )
    assert requests.set_delay(an_operator(), request) == command


def test_a_delay_of_0_minutes_is_its_end_and_needs_nothing_else() -> None:
    command = requests.set_delay(an_operator(), train_run_pb2.SetDelayRequest(**KEY, minutes=0))
    assert command == SetDelay(an_operator(), "es9014", "2026-09-01", 0, "", None, "", None)


def test_a_delay_without_minutes_is_refused_since_0_would_end_it() -> None:
    with invalid("minutes"):
        requests.set_delay(an_operator(), train_run_pb2.SetDelayRequest(**KEY, reason=STAFF))


def test_an_arrival_is_read_as_it_was_reported() -> None:
    request = train_run_pb2.RecordArrivalRequest(**KEY, stop="AFK", arrive_time=NOON)
    assert requests.record_arrival(an_operator(), request) == RecordArrival(
        an_operator(), "es9014", "2026-09-01", "AFK", NOON_INSTANT, None
    )


@pytest.mark.parametrize(("field", "given"), [("stop", {"arrive_time": NOON}), ("arrive_time", {"stop": "AFK"})])
def test_an_arrival_needs_a_stop_and_a_time(field: str, given: dict[str, Any]) -> None:
    with invalid(field):
        requests.record_arrival(an_operator(), train_run_pb2.RecordArrivalRequest(**KEY, **given))


def test_a_cancellation_is_read_as_it_was_asked_for() -> None:
    request = train_run_pb2.CancelTrainRunRequest(**KEY, reason=STAFF, evidence="roster", from_stop="LIL", validate_only=True)
    command = CancelTrainRun(an_operator(), "es9014", "2026-09-01", DisruptionReason.STAFF, "roster", "LIL", validate_only=True)
    assert requests.cancel_train_run(an_operator(), request) == command


def test_a_sales_window_is_of_the_whole_run_or_of_a_section_and_without_a_window_the_trains_counts_again() -> None:
    window = sales_window_pb2.SalesWindow(open_time=NOON)
    request = train_run_pb2.SetSalesWindowRequest(**KEY, section=" b ", sales_window=window)
    assert requests.set_sales_window(an_operator(), request) == SetSalesWindow(
        an_operator(), "es9014", "2026-09-01", "B", SalesWindow(open_time=NOON_INSTANT)
    )
    removal = requests.set_sales_window(an_operator(), train_run_pb2.SetSalesWindowRequest(**KEY))
    assert (removal.section, removal.sales_window) == ("", None)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("train_id", {"train_id": "ES 9014"}),
        ("travel_date", {"travel_date": "2026-9-1"}),
        ("from_stop", {"from_stop": "x" * (limits.NAME_LENGTH_MAX + 1)}),
        ("reason", {"reason": 99}),
        ("reason", {"reason": -1}),
        ("evidence", {"evidence": "x" * (limits.EVIDENCE_LENGTH_MAX + 1)}),
    ],
)
@pytest.mark.parametrize("kind", [train_run_pb2.SetDelayRequest, train_run_pb2.CancelTrainRunRequest])
def test_malformed_fields_are_refused_under_their_paths(kind: Any, field: str, given: dict[str, Any]) -> None:
    request = kind(**KEY | given)
    with invalid(field):
        if isinstance(request, train_run_pb2.SetDelayRequest):
            request.minutes = 5
            requests.set_delay(an_operator(), request)
        else:
            requests.cancel_train_run(an_operator(), request)


IMPOSSIBLE_INSTANTS = [
    Timestamp(seconds=NOON.seconds, nanos=1),
    Timestamp(seconds=NOON.seconds, nanos=-1_000_000),
    Timestamp(seconds=NOON.seconds, nanos=10**9),
    Timestamp(seconds=-1),
    Timestamp(seconds=2**63 - 1),
    Timestamp(seconds=-(2**63)),
]


@pytest.mark.parametrize("moment", IMPOSSIBLE_INSTANTS, ids=str)
def test_impossible_instants_are_refused_under_their_paths(moment: Timestamp) -> None:
    with invalid("report_time"):
        requests.set_delay(an_operator(), train_run_pb2.SetDelayRequest(**KEY, minutes=5, report_time=moment))
    with invalid("arrive_time"):
        arrival = train_run_pb2.RecordArrivalRequest(**KEY, stop="AFK", arrive_time=moment)
        requests.record_arrival(an_operator(), arrival)
    with invalid("sales_window.open_time"):
        window = sales_window_pb2.SalesWindow(open_time=moment)
        requests.set_sales_window(an_operator(), train_run_pb2.SetSalesWindowRequest(**KEY, sales_window=window))


def test_each_reason_of_the_contract_is_one_of_the_domain_and_back() -> None:
    values = disruption_pb2.DisruptionReason.values()
    found = [disruption_reason(value) for value in values]
    assert set(found) == {None, *DisruptionReason}
    assert [reason_message(reason) for reason in found] == values
    for value, reason in zip(values, found, strict=True):
        name = disruption_pb2.DisruptionReason.Name(value).removeprefix("DISRUPTION_REASON_")
        assert name == (reason.value if reason else "UNSPECIFIED")
