"""The commands that tell whether a service does its work, against a real server in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from grpc import StatusCode
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.options import CallerOptions
from app.cli.probe import PROBE_TRAIN
from app.cli.probe_steps import run_probe
from app.pb.seatline.v1 import booking_pb2, train_pb2, train_run_pb2
from app.store.in_memory import connect_in_memory
from tests.support.scripted_service import Refusal, ScriptedService, ann, booking_of, receipt_of, scripted_service
from tests.support.world import World, running_server, settings_for

Seatline = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[World]:
    """A real server over a database in memory."""
    async with running_server(settings_for(), connect_in_memory()) as made:
        yield made


@pytest.fixture
def seatline(server: World, monkeypatch: pytest.MonkeyPatch) -> Seatline:
    """Runs a command line against the server, beside it."""
    for name in ("SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES"):
        monkeypatch.delenv(name, raising=False)

    async def run(*arguments: str) -> Result:
        target = f"127.0.0.1:{server.server.port}"
        return await asyncio.to_thread(CliRunner().invoke, app, ["--target", target, *arguments])

    return run


async def seats_sold(server: World) -> dict[str, int]:
    """How many seats of each train are sold on some of the way, over all its runs."""
    await server.settled()
    sold: dict[str, int] = {}
    for run in await server.database["train_runs"].find({}).to_list(100):
        count = sum(bool(legs) for section in run["sections"] for legs in section["sold_legs"])
        sold[run["train_id"]] = sold.get(run["train_id"], 0) + count
    return sold


async def test_health_is_told_for_the_server_and_for_each_name(seatline: Seatline) -> None:
    for name in ("", "seatline.v1.BookingService", "liveness"):
        result = await seatline("health", "--service", name, "--wait", "10")
        assert result.exit_code == 0, result.stderr
        assert "is SERVING." in result.stdout
    assert json.loads((await seatline("health", "--json")).stdout) == {"status": "SERVING"}


async def test_a_server_that_goes_away_is_alive_and_not_serving(server: World, seatline: Seatline) -> None:
    await server.server.health.drain()
    result = await seatline("health")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "is NOT_SERVING" in result.stderr
    assert (await seatline("health", "--service", "liveness")).exit_code == 0


async def test_a_health_name_that_nobody_has_is_refused(seatline: Seatline) -> None:
    result = await seatline("health", "--service", "seatline.v1.Bookings")
    assert result.exit_code == 1
    assert "reports no health for seatline.v1.Bookings" in result.stderr


async def test_a_probe_books_and_cancels_a_seat_and_can_be_repeated(server: World, seatline: Seatline) -> None:
    for seat in ("A-1", "A-2"):
        result = await seatline("probe", "--train", "helm-test", "--wait", "10")
        assert result.exit_code == 0, result.stderr
        assert f"Booked seat {seat} as" in result.stdout
        assert "Cancelled it; the refund is EUR 1.00." in result.stdout
    assert await seats_sold(server) == {"helm-test": 0}


async def test_a_probe_in_json_is_the_cancelled_booking(seatline: Seatline) -> None:
    document = json.loads((await seatline("probe", "--json")).stdout)
    assert (document["train_id"], document["state"]) == (PROBE_TRAIN, "BOOKING_STATE_CANCELLED")


async def test_probes_at_the_same_time_do_not_disturb_each_other(server: World) -> None:
    options = CallerOptions(target=f"127.0.0.1:{server.server.port}")
    await asyncio.gather(*(asyncio.to_thread(run_probe, options, PROBE_TRAIN, 0.0) for _ in range(4)))
    assert await seats_sold(server) == {PROBE_TRAIN: 0}


@pytest.fixture
def liar() -> Iterator[ScriptedService]:
    """Answers of a service that books and cancels; a test makes one of them wrong."""
    with scripted_service() as scripted:
        scripted.answers.update(
            GetTrain=lambda request: train_pb2.Train(train_id=request.train_id),
            ScheduleTrainRuns=train_run_pb2.ScheduleTrainRunsResponse(),
            CreateBooking=booking_of(ann(1)),
            GetReceipt=receipt_of(ann(1)),
            CancelBooking=_cancelled(booking_pb2.BOOKING_STATE_CANCELLED),
        )
        yield scripted


def _cancelled(state: booking_pb2.BookingState.ValueType) -> booking_pb2.CancelBookingResponse:
    booking = booking_of(ann(1))
    refund = booking.price
    booking.state = state
    return booking_pb2.CancelBookingResponse(booking=booking, refund=refund)


def test_a_probe_that_is_told_the_truth_is_content(liar: ScriptedService) -> None:
    assert CliRunner().invoke(app, ["probe", "--target", liar.target]).exit_code == 0


@pytest.mark.parametrize(
    ("method", "answer", "complaint"),
    [
        ("GetReceipt", receipt_of(ann(2)), "does not show the seats"),
        ("CancelBooking", _cancelled(booking_pb2.BOOKING_STATE_CONFIRMED), "is not cancelled after CancelBooking"),
        (
            "CancelBooking",
            booking_pb2.CancelBookingResponse(booking=_cancelled(booking_pb2.BOOKING_STATE_CANCELLED).booking),
            "does not refund its price",
        ),
    ],
)
def test_a_probe_notices_a_wrong_answer(liar: ScriptedService, method: str, answer: object, complaint: str) -> None:
    liar.answers[method] = answer
    result = CliRunner().invoke(app, ["probe", "--target", liar.target])
    assert result.exit_code == 4
    assert complaint in result.stderr


def test_a_probe_gives_the_seat_back_also_when_the_receipt_is_wrong(liar: ScriptedService) -> None:
    liar.answers["GetReceipt"] = Refusal(StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND", message="no such booking")
    assert CliRunner().invoke(app, ["probe", "--target", liar.target]).exit_code == 1
    assert [request.reference for request in liar.requests("CancelBooking")] == ["7K2M9Q"]
