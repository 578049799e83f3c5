"""Commands on train runs, against the scripted service: runs, map, schedule, promote, run hide, show, delete.

Belongs here: what each command sends and prints. Does not belong here: what all commands share (`test_cli_calls.py`), and the
drawing of seat maps (`tests/unit/cli`).
"""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from app.pb.seatline.v1 import booking_pb2, train_run_pb2
from tests.support.scripted_service import (
    FARE,
    JOURNEY,
    Refusal,
    ScriptedService,
    ann,
    receipt_of,
    run_of,
)


def test_runs_shows_one_row_per_run_with_the_journeys_times(service: ScriptedService, seatline: Any) -> None:
    run = run_of(free_seat_count=3)
    run.sections.add(section="B", fare=FARE, seat_count=8, waiting_count=2)
    service.answers["ListTrainRuns"] = train_run_pb2.ListTrainRunsResponse(train_runs=[run])
    shown = seatline("runs", "--from", "stp", "--to", "PNO", "--date", "2030-07-01").stdout
    for text in (
        "Mon 01 Jul 2030",
        "10:24 BST",
        "13:56 CEST",
        "A 3/8",
        "B 0/8, 2 waitlisted",
        "USD 20.00",
        "scheduled",
        "1 run.",
    ):
        assert text in shown
    asked = service.requests("ListTrainRuns")[0]
    assert (asked.origin, asked.destination, asked.travel_date) == ("stp", "PNO", "2030-07-01")


def test_map_marks_only_the_users_own_seats_on_the_drawn_journey(service: ScriptedService, seatline: Any) -> None:
    entries = [
        train_run_pb2.SeatMapEntry(
            seat=ann(number).seat, state=train_run_pb2.SEAT_STATE_SOLD if number < 3 else train_run_pb2.SEAT_STATE_FREE
        )
        for number in range(1, 9)
    ]
    whole_way = {key: JOURNEY[key] for key in ("train_id", "travel_date", "origin", "destination")}
    service.answers["GetSeatMap"] = train_run_pb2.SeatMap(seats=entries, **whole_way)
    other_train = receipt_of(ann(2))
    other_train.train_id = "es9999"
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt_of(ann(1)), other_train])
    result = seatline("map", "es9014", "2030-07-01", "--user", "ann@example.com")
    assert "1★" in result.stdout
    assert "2●" in result.stdout
    assert "3○" in result.stdout
    assert "\x1b" not in result.stdout
    anonymous = seatline("map", "es9014", "2030-07-01")
    assert "1●" in anonymous.stdout
    assert len(service.requests("ListReceipts")) == 1
    service.answers["ListReceipts"] = Refusal(grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert seatline("map", "es9014", "2030-07-01", "--user", "new@example.com").exit_code == 0


def test_schedule_with_one_date_sends_it_as_first_and_last_date(service: ScriptedService, seatline: Any) -> None:
    key = train_run_pb2.TrainRunKey(train_id="es9014", travel_date="2030-07-01")
    service.answers["ScheduleTrainRuns"] = train_run_pb2.ScheduleTrainRunsResponse(train_runs=[key], created_count=1)
    assert "runs on 1 date, Mon 01 Jul 2030; 1 new." in seatline("schedule", "es9014", "2030-07-01").stdout
    asked = service.requests("ScheduleTrainRuns")[0]
    assert (asked.first_date, asked.last_date) == ("2030-07-01", "2030-07-01")


def test_promote_lists_promoted_bookings_and_counts_the_waitlisted(service: ScriptedService, seatline: Any) -> None:
    service.answers["PromoteWaitlist"] = train_run_pb2.PromoteWaitlistResponse(
        promoted_references=["7K2M9Q", "3XW0TT"], waiting_count=1
    )
    shown = seatline("promote", "es9014", "2030-07-01").stdout
    assert shown.splitlines() == ["2 bookings promoted: 7K2M9Q, 3XW0TT.", "1 booking still waitlisted: no free seats fit."]
    asked = service.requests("PromoteWaitlist")[0]
    assert (asked.train_id, asked.travel_date) == ("es9014", "2030-07-01")
    assert json.loads(seatline("promote", "es9014", "2030-07-01", "--json").stdout)["waiting_count"] == 1
    service.answers["PromoteWaitlist"] = train_run_pb2.PromoteWaitlistResponse()
    assert seatline("promote", "es9014", "2030-07-01").stdout.splitlines() == ["0 bookings promoted.", "The waitlist is empty."]


def test_schedule_hidden_sends_it(service: ScriptedService, seatline: Any) -> None:
    key = train_run_pb2.TrainRunKey(train_id="es9014", travel_date="2030-07-01")
    service.answers["ScheduleTrainRuns"] = train_run_pb2.ScheduleTrainRunsResponse(train_runs=[key], created_count=1)
    for arguments in ((), ("--hidden",)):
        assert seatline("schedule", "es9014", "2030-07-01", *arguments).exit_code == 0
    assert [asked.hidden for asked in service.requests("ScheduleTrainRuns")] == [False, True]


@pytest.mark.parametrize(("command", "is_hidden", "says"), [("hide", True, "hidden from"), ("show", False, "shown to")])
def test_a_run_is_hidden_or_shown(service: ScriptedService, seatline: Any, command: str, is_hidden: bool, says: str) -> None:
    def answer(request: train_run_pb2.UpdateTrainRunRequest) -> train_run_pb2.TrainRun:
        run = run_of()
        run.hidden = request.hidden
        return run

    service.answers["UpdateTrainRun"] = answer
    result = seatline("run", command, "es9014", "2030-07-01")
    assert result.stdout == f"Train es9014 on Mon 01 Jul 2030 is {says} buyers.\n"
    (asked,) = service.requests("UpdateTrainRun")
    assert (asked.train_id, asked.travel_date, asked.HasField("hidden"), asked.hidden) == (
        "es9014",
        "2030-07-01",
        True,
        is_hidden,
    )


def test_a_hidden_run_is_marked_in_the_list(service: ScriptedService, seatline: Any) -> None:
    run = run_of()
    run.hidden = True
    service.answers["ListTrainRuns"] = train_run_pb2.ListTrainRunsResponse(train_runs=[run])
    assert "scheduled, hidden" in seatline("runs").stdout


def test_a_run_is_deleted_or_the_refusal_is_shown(service: ScriptedService, seatline: Any) -> None:
    service.answers["DeleteTrainRun"] = train_run_pb2.DeleteTrainRunResponse()
    assert seatline("run", "delete", "es9014", "2030-07-01").stdout == "Train es9014 on Mon 01 Jul 2030 is deleted.\n"
    (asked,) = service.requests("DeleteTrainRun")
    assert (asked.train_id, asked.travel_date) == ("es9014", "2030-07-01")
    text = "the run has bookings"
    service.answers["DeleteTrainRun"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_EMPTY", message=text)
    result = seatline("run", "delete", "es9014", "2030-07-01")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {text} (RUN_NOT_EMPTY). Hide it with 'seatline run hide'.\n",
    )
