"""The command `demo`, against the scripted service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import booking_pb2, train_run_pb2
from tests.support.scripted_service import (
    Refusal,
    ScriptedService,
    ann,
    booking_of,
    receipt_of,
    run_of,
)


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Run a command line as an operator."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, [*arguments, "--target", service.target, "--user", "op@example.com", "--role", "operator"]
        )

    return run


def script_demo(service: ScriptedService, free_seat_counts: list[int]) -> None:
    """Script a service without the sample train, whose next runs have that many free seats."""
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


def test_demo_books_the_first_free_date_for_a_new_passenger_each_time(service: ScriptedService, seatline: Any) -> None:
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


def test_demo_with_json_prints_only_the_receipt(service: ScriptedService, seatline: Any) -> None:
    script_demo(service, [5])
    assert json.loads(seatline("demo", "--json").stdout)["reference"] == "7K2M9Q"


def test_demo_fails_if_every_date_is_sold_out(service: ScriptedService, seatline: Any) -> None:
    script_demo(service, [0, 0])
    result = seatline("demo")
    assert result.exit_code == 1
    assert "no free seat" in result.stderr
