"""Commands on trains, against the scripted service: train create, train update, train list.

Belongs here: what each command sends and prints. Does not belong here: what all commands share (`test_cli_calls.py`), and the
syntax of timetable files (`tests/unit/cli`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.timetable_file import read_train_file
from app.pb.seatline.v1 import train_pb2
from tests.support.scripted_service import (
    FARE,
    Refusal,
    ScriptedService,
)

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "app" / "cli" / "sample" / "es9014.yaml"


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Run a command line as an operator."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, [*arguments, "--target", service.target, "--user", "op@example.com", "--role", "operator"]
        )

    return run


def test_train_create_sends_the_same_request_id_for_the_same_file(service: ScriptedService, seatline: Any) -> None:
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


def test_a_dry_run_of_train_create_is_requested_and_says_so(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateTrain"] = lambda request: train_pb2.Train(train_id="es9014", validate_only=request.validate_only)
    assert "Dry run: nothing was created." in seatline("train", "create", str(SAMPLE), "--dry-run").stdout
    assert json.loads(seatline("train", "create", str(SAMPLE), "--dry-run", "--json").stdout)["validate_only"] is True
    assert "Dry run" not in seatline("train", "create", str(SAMPLE)).stdout
    assert [request.validate_only for request in service.requests("CreateTrain")] == [True, True, False]


def test_a_refused_field_is_named_by_its_path_in_the_file(service: ScriptedService, seatline: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="train.stops[2].arrive_time", description="is before 10:58")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateTrain"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("train", "create", str(SAMPLE))
    assert result.exit_code == 1
    assert result.stderr == f"Error: {SAMPLE}: stops[2].arrive: is before 10:58 (INVALID_FIELD)\n"


def test_an_invalid_file_is_refused_by_path_before_any_call(service: ScriptedService, seatline: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(SAMPLE.read_text(encoding="utf-8").replace('"12:48"', "noon"), encoding="utf-8")
    result = seatline("train", "create", str(file))
    assert (result.exit_code, service.asked) == (2, [])
    assert result.stderr == f'Error: {file}: stops[2].arrive: "noon" is not a time of day; write it like 10:45\n'
    assert "no such file" in seatline("train", "create", str(tmp_path / "none.yaml")).stderr.lower()


def test_refused_terms_of_sale_are_named_by_their_path_in_the_file(
    service: ScriptedService, seatline: Any, tmp_path: Any
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "train_id: t\nnumber: T\n"
        "stops: [{name: X, time_zone: UTC, depart: '1:00'}, {name: Y, time_zone: UTC, arrive: '2:00'}]\n"
        "sections: [{name: A, fare: USD 1}]\ncoaches: [{name: 1, section: A, seats: 1}]\n"
        "refund_tiers: [{hours_before: 1, percent: 101}]\nwaitlist_closes_before: 90m\nwaitlist_max: 0\n",
        encoding="utf-8",
    )
    violation = error_details_pb2.BadRequest.FieldViolation(field="train.refund_tiers[0].percent", description="needs 0 to 100")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateTrain"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("train", "create", str(file))
    assert result.stderr == f"Error: {file}: refund_tiers[0].percent: needs 0 to 100 (INVALID_FIELD)\n"
    train = service.requests("CreateTrain")[0].train
    assert (train.waitlist_closes_before.seconds, train.HasField("waitlist_max")) == (5_400, True)


def stored_sample(etag: str = "7") -> train_pb2.Train:
    """Return the sample train as the service stores it."""
    train = read_train_file(SAMPLE)
    train.etag = etag
    return train


def test_train_update_sends_only_what_differs_with_the_etag(service: ScriptedService, seatline: Any, tmp_path: Path) -> None:
    service.answers["GetTrain"] = stored_sample("7")
    service.answers["UpdateTrain"] = lambda request: request.train
    file = tmp_path / "es9014.yaml"
    changed = SAMPLE.read_text(encoding="utf-8").replace("waitlist_max: 500", "waitlist_max: 0").replace('"10:24"', '"10:20"')
    file.write_text(changed, encoding="utf-8")
    result = seatline("train", "update", str(file))
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("UpdateTrain")
    assert (list(asked.update_mask.paths), asked.etag, asked.validate_only) == (["stops", "waitlist_max"], "7", False)
    assert asked.train.stops[0].depart_time == "10:20"
    assert result.stdout == ("Train es9014 has changed its stops, waitlist max. Runs that are scheduled already keep theirs.\n")
    dry = seatline("train", "update", str(file), "--dry-run")
    assert dry.stdout == "Dry run: nothing was changed. Train es9014 would change its stops, waitlist max.\n"
    assert service.requests("UpdateTrain")[1].validate_only is True


def test_train_update_leaves_out_what_the_file_leaves_out(service: ScriptedService, seatline: Any, tmp_path: Path) -> None:
    service.answers["GetTrain"] = stored_sample()
    file = tmp_path / "es9014.yaml"
    text = SAMPLE.read_text(encoding="utf-8")
    file.write_text(text[: text.index("refund_tiers:")], encoding="utf-8")
    result = seatline("train", "update", str(file))
    assert (result.exit_code, service.requests("UpdateTrain")) == (0, [])
    assert result.stdout == "Train es9014 already has what the file says; nothing was changed.\n"


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [("sections", "name: B, fare: USD 20.00", "name: B, fare: USD 21.00"), ("coaches", "{name: 8, section: B, seats: 56}", "")],
)
def test_train_update_refuses_another_layout_and_names_the_way(
    service: ScriptedService, seatline: Any, tmp_path: Path, field: str, old: str, new: str
) -> None:
    service.answers["GetTrain"] = stored_sample()
    file = tmp_path / "es9014.yaml"
    lines = SAMPLE.read_text(encoding="utf-8").replace(old, new).splitlines()
    file.write_text("\n".join(line for line in lines if line.strip() != "-"), encoding="utf-8")
    result = seatline("train", "update", str(file))
    assert (result.exit_code, service.requests("UpdateTrain")) == (2, [])
    assert f"{field} differ from those of train es9014; change them with 'seatline layout apply'" in result.stderr


def test_train_update_changes_windows_of_sections_and_keeps_those_that_the_file_leaves_out(
    service: ScriptedService, seatline: Any, tmp_path: Path
) -> None:
    stored = stored_sample()
    stored.schedule_horizon_days = 30
    stored.sections[0].sales_window.closes_before.seconds = 600
    service.answers["GetTrain"] = stored
    service.answers["UpdateTrain"] = lambda request: request.train
    file = tmp_path / "es9014.yaml"
    section_b = "name: B, fare: USD 20.00, sales_window: {opens: 30d}"
    text = SAMPLE.read_text(encoding="utf-8").replace("name: B, fare: USD 20.00", section_b)
    file.write_text(f"{text}\nsales_window: {{closes: 1h}}\nschedule_horizon_days: 0\n", encoding="utf-8")
    result = seatline("train", "update", str(file))
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("UpdateTrain")
    assert list(asked.update_mask.paths) == ["sales_window", "schedule_horizon_days", "sections.sales_window"]
    assert (asked.train.sales_window.closes_before.seconds, asked.train.schedule_horizon_days) == (3_600, 0)
    kept, new = (section.sales_window for section in asked.train.sections)
    assert (kept.closes_before.seconds, new.opens_before.days_before) == (600, 30)
    service.answers["GetTrain"] = asked.train
    assert "nothing was changed" in seatline("train", "update", str(file)).stdout


def test_a_refused_update_names_the_field_in_the_file(service: ScriptedService, seatline: Any, tmp_path: Path) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="train.stops[2].arrive_time", description="is before 10:58")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["GetTrain"] = stored_sample()
    service.answers["UpdateTrain"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    file = tmp_path / "es9014.yaml"
    file.write_text(SAMPLE.read_text(encoding="utf-8").replace('"12:48"', '"10:48"'), encoding="utf-8")
    result = seatline("train", "update", str(file))
    assert result.stderr == f"Error: {file}: stops[2].arrive: is before 10:58 (INVALID_FIELD)\n"


def test_train_list_shows_one_row_per_train(service: ScriptedService, seatline: Any) -> None:
    train = train_pb2.Train(train_id="es9014", number="ES 9014", sections=[train_pb2.Section(name="A", fare=FARE)])
    train.coaches.add(name="1", section="A", seat_count=56)
    train.refund_tiers.add(hours_before=48, percent=75)
    service.answers["ListTrains"] = train_pb2.ListTrainsResponse(trains=[train])
    for text in ("A: 56 seats, USD 20.00", "refunds 75 % up to 48 h before departure"):
        assert text in seatline("train", "list").stdout
