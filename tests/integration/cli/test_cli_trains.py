"""The commands for operators, the demonstration and the program as a process, against the scripted service.

Here belongs what needs a connection or a process of its own; `test_cli_bookings.py` has the passengers' commands and the
shared rules.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2, train_run_pb2
from tests.support.scripted_service import (
    FARE,
    JOURNEY,
    USER,
    Refusal,
    ScriptedService,
    ann,
    booking_of,
    receipt_of,
    run_of,
    scripted_service,
)

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "app" / "cli" / "sample" / "es9014.yaml"
PROCESS_SECONDS_MAX = 60


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as scripted:
        yield scripted


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Runs a command line as an operator of the scripted service."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, [*arguments, "--target", service.target, "--user", "op@example.com", "--role", "operator"]
        )

    return run


def test_train_create_sends_the_file_under_the_same_request_id_every_time(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateTrain"] = lambda request: request.train
    shown = seatline("train", "create", str(SAMPLE)).stdout
    for text in (
        "448 seats",
        "100 % up to 24 h before departure, 50 % up to departure",
        "up to 500 waitlisted bookings, until 4 h before",
    ):
        assert text in shown
    assert json.loads(seatline("train", "create", str(SAMPLE), "--json").stdout)["train_id"] == "es9014"
    first, second = service.requests("CreateTrain")
    assert first.request_id == second.request_id
    assert [stop.name for stop in first.train.stops] == ["London St Pancras", "Ashford", "Lille", "Paris Gare du Nord"]
    assert (service.metadata["x-seatline-user"], service.metadata["x-seatline-roles"]) == ("op@example.com", "operator")


def test_a_dry_run_of_a_train_is_asked_for_and_says_so(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateTrain"] = lambda request: train_pb2.Train(train_id="es9014", validate_only=request.validate_only)
    assert "Dry run: nothing was created." in seatline("train", "create", str(SAMPLE), "--dry-run").stdout
    assert json.loads(seatline("train", "create", str(SAMPLE), "--dry-run", "--json").stdout)["validate_only"] is True
    assert "Dry run" not in seatline("train", "create", str(SAMPLE)).stdout
    assert [request.validate_only for request in service.requests("CreateTrain")] == [True, True, False]


def test_a_refused_field_of_a_timetable_is_named_as_it_stands_in_the_file(service: ScriptedService, seatline: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="train.stops[2].arrive_time", description="is before 10:58")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateTrain"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("train", "create", str(SAMPLE))
    assert result.exit_code == 1
    assert result.stderr == f"Error: {SAMPLE}: stops[2].arrive: is before 10:58 (INVALID_FIELD)\n"


def test_a_timetable_that_cannot_be_read_is_told_by_path_before_any_call(
    service: ScriptedService, seatline: Any, tmp_path: Path
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(SAMPLE.read_text(encoding="utf-8").replace('"12:48"', "noon"), encoding="utf-8")
    result = seatline("train", "create", str(file))
    assert (result.exit_code, service.asked) == (2, [])
    assert result.stderr == f'Error: {file}: stops[2].arrive: "noon" is not a time of day; write it like 10:45\n'
    assert "no such file" in seatline("train", "create", str(tmp_path / "none.yaml")).stderr.lower()


def test_train_list_and_runs_show_a_row_each(service: ScriptedService, seatline: Any) -> None:
    train = train_pb2.Train(train_id="es9014", number="ES 9014", sections=[train_pb2.Section(name="A", fare=FARE)])
    train.coaches.add(name="1", section="A", seat_count=56)
    train.refund_tiers.add(hours_before=48, percent=75)
    service.answers["ListTrains"] = train_pb2.ListTrainsResponse(trains=[train])
    for text in ("A: 56 seats, USD 20.00", "refunds 75 % up to 48 h before departure"):
        assert text in seatline("train", "list").stdout
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


def test_an_empty_list_says_so(service: ScriptedService, seatline: Any) -> None:
    service.answers["ListSectionBookings"] = booking_pb2.ListSectionBookingsResponse()
    assert seatline("section", "es9014", "2030-07-01", "a").stdout == "No passengers.\n"
    assert service.requests("ListSectionBookings")[0].section == "A"
    assert json.loads(seatline("section", "es9014", "2030-07-01", "A", "--json").stdout)["rows"] == []


def test_section_shows_names_of_any_script_and_no_markup_of_theirs_works(service: ScriptedService, seatline: Any) -> None:
    guest = passenger_pb2.Passenger(first_name="[red]李", last_name="\x1b[31m雷", email="li@example.com", seat=ann(3).seat)
    row = booking_pb2.SectionBooking(
        user=USER,
        passenger=guest,
        seat=guest.seat,
        reference="7K2M9Q",
        origin=JOURNEY["origin"],
        destination=JOURNEY["destination"],
    )
    service.answers["ListSectionBookings"] = booking_pb2.ListSectionBookingsResponse(rows=[row])
    shown = seatline("section", "es9014", "2030-07-01", "A").stdout
    assert "[red]李" in shown
    assert "\x1b" not in shown
    assert "by ann@example.com" in shown


def test_schedule_of_one_date_sends_it_as_first_and_last(service: ScriptedService, seatline: Any) -> None:
    key = train_run_pb2.TrainRunKey(train_id="es9014", travel_date="2030-07-01")
    service.answers["ScheduleTrainRuns"] = train_run_pb2.ScheduleTrainRunsResponse(train_runs=[key], created_count=1)
    assert "runs on 1 date, Mon 01 Jul 2030; 1 new." in seatline("schedule", "es9014", "2030-07-01").stdout
    asked = service.requests("ScheduleTrainRuns")[0]
    assert (asked.first_date, asked.last_date) == ("2030-07-01", "2030-07-01")


def test_promote_names_who_got_seats_and_says_how_many_still_wait(service: ScriptedService, seatline: Any) -> None:
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


def test_register_registers_the_user_unless_an_address_is_given(service: ScriptedService, seatline: Any) -> None:
    service.answers["RegisterUser"] = USER
    assert "Ann Lee <ann@example.com>" in seatline("register", "--first-name", "Ann", "--last-name", "Lee").stdout
    assert service.requests("RegisterUser")[0].email == "op@example.com"


def script_demo(service: ScriptedService, free_seat_counts: list[int]) -> None:
    """A service that has not yet seen the sample train and whose next runs have that many free seats."""
    counts = iter(free_seat_counts)
    run_keys = [
        train_run_pb2.TrainRunKey(train_id="es9014", travel_date=f"2030-07-0{day + 1}") for day in range(len(free_seat_counts))
    ]
    service.answers.update(
        GetTrain=Refusal(grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND"),
        CreateTrain=lambda request: request.train,
        ScheduleTrainRuns=train_run_pb2.ScheduleTrainRunsResponse(train_runs=run_keys, created_count=len(run_keys)),
        GetTrainRun=lambda request: run_of(free_seat_count=next(counts, 8)),
        CreateBooking=booking_of(ann()),
        GetReceipt=receipt_of(ann()),
    )


def test_demo_books_the_first_free_date_for_a_fresh_passenger_each_time(service: ScriptedService, seatline: Any) -> None:
    script_demo(service, [0, 5])
    result = seatline("demo", "--wait", "10")
    assert result.exit_code == 0, result.stderr
    for text in (
        "Created train es9014",
        "It runs on 2 dates",
        "Booked seat A-1",
        "Receipt 7K2M9Q",
        "Try next:",
        "change-seat 7K2M9Q",
    ):
        assert text in result.stdout
    seatline("demo")
    first, second = service.requests("CreateBooking")
    assert first.travel_date == "2030-07-02"
    assert (first.origin, first.destination) == ("London St Pancras", "Paris Gare du Nord")
    assert first.passengers[0].email != second.passengers[0].email
    assert first.if_full == booking_pb2.IF_FULL_REJECT
    assert service.metadata["x-seatline-user"] == second.passengers[0].email
    assert "x-seatline-roles" not in service.metadata


def test_demo_in_json_is_the_receipt_alone(service: ScriptedService, seatline: Any) -> None:
    script_demo(service, [5])
    assert json.loads(seatline("demo", "--json").stdout)["reference"] == "7K2M9Q"


def test_demo_says_when_every_date_is_sold_out(service: ScriptedService, seatline: Any) -> None:
    script_demo(service, [0, 0])
    result = seatline("demo")
    assert result.exit_code == 1
    assert "no free seat" in result.stderr


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SEATLINE_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "app", *arguments],
        cwd=REPOSITORY,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS_MAX,
        check=False,
    )


def test_the_program_reads_its_environment_and_writes_plain_text_into_a_pipe(service: ScriptedService) -> None:
    service.answers["GetReceipt"] = receipt_of(ann())
    done = run_process("receipt", "7K2M9Q", SEATLINE_TARGET=service.target, SEATLINE_USER="ann@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert "USD 20.00" in done.stdout
    assert "\x1b" not in done.stdout
    assert service.metadata["x-seatline-user"] == "ann@example.com"


def test_the_program_writes_ascii_where_nothing_else_can_be_shown(service: ScriptedService) -> None:
    entry = train_run_pb2.SeatMapEntry(seat=ann(1).seat, state=train_run_pb2.SEAT_STATE_FREE)
    service.answers["GetSeatMap"] = train_run_pb2.SeatMap(
        seats=[entry], travel_date="2030-07-01", origin="Zürich", destination="東京"
    )
    done = run_process("map", "es9014", "2030-07-01", SEATLINE_TARGET=service.target, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Z?rich -> ??" in done.stdout
    assert re.search(r"\| 1\. +\|", done.stdout)


def test_serve_says_which_setting_is_wrong_and_exits_with_2() -> None:
    done = run_process("serve", SEATLINE_LISTEN="nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: SEATLINE_LISTEN: ")
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_a_waiting_program_without_a_traceback(service: ScriptedService) -> None:
    asked, released = threading.Event(), threading.Event()

    def wait(_: Any) -> train_run_pb2.ListTrainRunsResponse:
        asked.set()
        released.wait(PROCESS_SECONDS_MAX)
        return train_run_pb2.ListTrainRunsResponse()

    service.answers["ListTrainRuns"] = wait
    command = [sys.executable, "-m", "app", "runs", "--target", service.target, "--timeout", str(PROCESS_SECONDS_MAX)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert asked.wait(PROCESS_SECONDS_MAX)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PROCESS_SECONDS_MAX)
        released.set()
    assert (process.returncode, out, err) == (130, "", "")


def test_the_help_of_the_program_does_not_wait_for_grpc_or_rich_tables() -> None:
    heavy = ("grpc", "google.protobuf", "rich.table", "yaml")
    code = f"import sys, app.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
