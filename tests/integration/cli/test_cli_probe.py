"""The command `probe`, against a real server in this process, and against a scripted one that answers wrongly."""

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
from tests.support.scripted_service import (
    Refusal,
    ScriptedService,
    ann,
    booking_of,
    receipt_of,
    scripted_service,
)
from tests.support.world import World, running_server, settings_for

Seatline = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[World]:
    """A real server with an in-memory database."""
    async with running_server(settings_for(), connect_in_memory()) as made:
        yield made


@pytest.fixture
def seatline(server: World, monkeypatch: pytest.MonkeyPatch) -> Seatline:
    """Run a command line against the server, in a thread."""
    for name in ("SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES"):
        monkeypatch.delenv(name, raising=False)

    async def run(*arguments: str) -> Result:
        target = f"127.0.0.1:{server.server.port}"
        return await asyncio.to_thread(CliRunner().invoke, app, ["--target", target, *arguments])

    return run


async def seats_sold(server: World) -> dict[str, int]:
    """Count the seats of each train that are sold on at least one leg, over all its runs."""
    await server.wait_until_archived()
    sold: dict[str, int] = {}
    for run in await server.database["train_runs"].find({}).to_list(100):
        count = sum(bool(legs) for section in run["sections"] for legs in section["sold_legs"])
        sold[run["train_id"]] = sold.get(run["train_id"], 0) + count
    return sold


@pytest.fixture
def liar() -> Iterator[ScriptedService]:
    """A scripted service that books and cancels. A test makes one of its answers wrong."""
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


async def test_a_probe_books_and_cancels_a_seat_and_can_be_repeated(server: World, seatline: Seatline) -> None:
    for seat in ("A-1", "A-2"):
        result = await seatline("probe", "--train", "helm-test", "--wait", "10")
        assert result.exit_code == 0, result.stderr
        assert f"Booked seat {seat} as" in result.stdout
        assert "Cancelled it; the refund is EUR 1.00." in result.stdout
    assert await seats_sold(server) == {"helm-test": 0}


async def test_a_probe_with_json_prints_the_cancelled_booking(seatline: Seatline) -> None:
    document = json.loads((await seatline("probe", "--json")).stdout)
    assert (document["train_id"], document["state"]) == (PROBE_TRAIN, "BOOKING_STATE_CANCELLED")


async def test_concurrent_probes_do_not_interfere(server: World) -> None:
    options = CallerOptions(target=f"127.0.0.1:{server.server.port}")
    await asyncio.gather(*(asyncio.to_thread(run_probe, options, PROBE_TRAIN, 0.0) for _ in range(4)))
    assert await seats_sold(server) == {PROBE_TRAIN: 0}


def test_a_probe_succeeds_if_all_answers_are_right(liar: ScriptedService) -> None:
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
def test_a_probe_fails_on_a_wrong_answer(liar: ScriptedService, method: str, answer: object, complaint: str) -> None:
    liar.answers[method] = answer
    result = CliRunner().invoke(app, ["probe", "--target", liar.target])
    assert result.exit_code == 4
    assert complaint in result.stderr


def test_a_probe_cancels_its_booking_even_if_the_receipt_is_wrong(liar: ScriptedService) -> None:
    liar.answers["GetReceipt"] = Refusal(StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND", message="no such booking")
    assert CliRunner().invoke(app, ["probe", "--target", liar.target]).exit_code == 1
    assert [request.reference for request in liar.requests("CancelBooking")] == ["7K2M9Q"]
