"""Commands on holds: hold and release against the scripted service, and a hold's life against a real server.

Belongs here: what each command sends and prints. Does not belong here: what all commands share (`test_cli_calls.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.type.money_pb2 import Money
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import hold_pb2, seat_pb2
from tests.support.scripted_service import (
    Refusal,
    ScriptedService,
    ann,
    at,
)
from tests.support.world import World

RIDE = ("es9014", "2030-07-01", "--from", "stp", "--to", "Paris Gare du Nord")
HOLD_ID = "es9014_2030-07-01_7RQZCCVK3LA6PH22"


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Run a command line as Ann."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--target", service.target, "--user", "ann@example.com"])

    return run


def hold_of(*seats: seat_pb2.Seat) -> hold_pb2.Hold:
    return hold_pb2.Hold(
        hold_id=HOLD_ID,
        train_id="es9014",
        travel_date="2030-07-01",
        seats=seats,
        expire_time=at("2030-06-01T08:05:37Z"),
        price=Money(currency_code="USD", units=40),
    )


def test_hold_shows_seats_price_expiry_in_local_time_and_the_next_commands(service: ScriptedService, seatline: Any) -> None:
    service.answers["HoldSeats"] = hold_of(ann(1).seat, ann(2).seat)
    result = seatline("hold", *RIDE, "--seats", "2", "--section", "a", "--minutes", "10", "--request-id", "h1")
    assert result.exit_code == 0, result.stderr
    asked = service.requests("HoldSeats")[0]
    assert (asked.request_id, asked.origin, asked.destination) == ("h1", "stp", "Paris Gare du Nord")
    assert (asked.section, asked.seat_count, list(asked.seat_numbers), asked.ttl.seconds) == ("A", 2, [], 600)
    for text in (
        f"Hold {HOLD_ID}",
        "A-1, coach 1",
        "A-2, coach 1",
        "USD 40.00",
        "Sat 01 Jun 2030 09:05:37 BST",
        f"seatline book es9014 2030-07-01 --from stp --to 'Paris Gare du Nord' --hold {HOLD_ID} --passenger",
        f"seatline release {HOLD_ID}",
    ):
        assert text in result.stdout
    assert result.stdout.count("'FIRST LAST <EMAIL>'") == 2


def test_hold_requests_one_seat_for_five_minutes_or_the_chosen_seats(service: ScriptedService, seatline: Any) -> None:
    service.answers["HoldSeats"] = hold_of(ann(1).seat)
    seatline("hold", *RIDE)
    assert json.loads(seatline("hold", *RIDE, "--seat", "B-17", "--seat", "18", "--json").stdout)["hold_id"] == HOLD_ID
    next_one, chosen = service.requests("HoldSeats")
    assert (next_one.seat_count, list(next_one.seat_numbers), next_one.ttl.seconds) == (1, [], 300)
    assert (chosen.section, chosen.seat_count, list(chosen.seat_numbers)) == ("B", 0, [17, 18])
    assert next_one.request_id != chosen.request_id


def test_invalid_hold_arguments_are_a_usage_error_before_any_call(service: ScriptedService, seatline: Any) -> None:
    for arguments in (("--seats", "2", "--seat", "A-1"), ("--seats", "10"), ("--minutes", "16"), ("--minutes", "0")):
        result = seatline("hold", *RIDE, *arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), arguments
    assert service.asked == []


def test_a_hold_with_unknown_outcome_prints_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    service.answers["HoldSeats"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert "--request-id h-7" in seatline("hold", *RIDE, "--request-id", "h-7").stderr


def test_release_sends_the_hold_id_and_confirms_the_release(service: ScriptedService, seatline: Any) -> None:
    service.answers["ReleaseHold"] = hold_pb2.ReleaseHoldResponse()
    assert seatline("release", HOLD_ID).stdout == f"Hold {HOLD_ID} is released; it holds no seats.\n"
    assert json.loads(seatline("release", HOLD_ID, "--json").stdout) == {}
    assert service.requests("ReleaseHold")[0].hold_id == HOLD_ID
    service.answers["ReleaseHold"] = Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED", message="not yours")
    assert seatline("release", HOLD_ID).exit_code == 1


async def test_a_real_server_holds_books_waitlists_promotes_and_cancels(world: World) -> None:
    run = await world.run("A2")
    ride = (run.train_id, run.travel_date, "--from", "STP", "--to", "PNO")

    async def seatline(user: str, *arguments: str) -> Any:
        command = [*arguments, "--target", f"127.0.0.1:{world.server.port}", "--user", f"{user}@example.com", "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        return json.loads(result.stdout or result.stderr)

    hold = await seatline("ann", "hold", *ride, "--minutes", "15")
    assert [seat["label"] for seat in hold["seats"]] == ["A-1"]
    seat_map = await seatline("joe", "map", *ride[:2])
    assert [entry["state"] for entry in seat_map["seats"]] == ["SEAT_STATE_HELD", "SEAT_STATE_FREE"]
    other = await seatline("ben", "hold", *ride, "--seat", "A-2")
    refused = await seatline("cem", "book", *ride, "--passenger", "C M <cem@example.com>", "--if-full", "reject")
    assert refused["error"]["reason"] == "SECTION_FULL"
    waits = await seatline("cem", "book", *ride, "--passenger", "C M <cem@example.com>")
    assert (waits["state"], waits["waitlist_position"]) == ("BOOKING_STATE_WAITLISTED", 1)
    booked = await seatline("ann", "book", *ride, "--passenger", "A L <ann@example.com>", "--hold", hold["hold_id"])
    assert booked["passengers"][0]["seat"]["label"] == "A-1"
    assert await seatline("ben", "release", other["hold_id"]) == {}
    receipt = await seatline("cem", "receipt", waits["reference"])
    assert (receipt["state"], receipt["seats"][0]["label"]) == ("BOOKING_STATE_CONFIRMED", "A-2")
    quote = await seatline("ann", "cancel", booked["reference"], "--quote")
    done = await seatline("ann", "cancel", booked["reference"])
    assert quote["refund"] == done["refund"] == {"currency_code": "USD", "units": "20", "nanos": 0}
