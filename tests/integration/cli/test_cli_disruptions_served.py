"""`seatline run delay`, `arrive`, `cancel` and `sales` against a real server with a worker: what they type there means here.

Belongs here: one way through each command. Does not belong here: what the scripted service shows better
(`test_cli_disruptions.py`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.pb.seatline.v1 import booking_pb2
from tests.support.served_commands import ServedSeatline
from tests.support.world import TRAVEL_DATE, World

# The worker of the other kind of world loses its periodic tasks when the shared database is emptied for the test.
pytestmark = pytest.mark.parametrize("world", ["mongomock"], indirect=True)

RUN = ("es9014", TRAVEL_DATE)
TRAIN_FILE = """
train_id: es9014
number: ES 9014
stops:
  - {name: London St Pancras, code: STP, time_zone: Europe/London, depart: "10:24"}
  - {name: Ashford, code: AFK, time_zone: Europe/London, arrive: "10:55", depart: "10:58"}
  - {name: Lille, code: LIL, time_zone: Europe/Paris, arrive: "12:48", depart: "12:52"}
  - {name: Paris Gare du Nord, code: PNO, time_zone: Europe/Paris, arrive: "13:56"}
sections: [{name: A, fare: USD 20.00, sales_window: {opens: 20d}}, {name: B, fare: USD 20.00}]
coaches: [{name: 1, section: A, seats: 4}, {name: 2, section: B, seats: 4}]
sales_window: {opens: 90d 09:00, closes: 30m}
"""


@pytest.fixture
def chosen_settings() -> dict[str, Any]:
    return {"with_worker": True, "job_poll_seconds": 0.1}


async def test_a_delay_is_shown_on_run_list_and_receipt_until_it_ends(world: World, served_seatline: ServedSeatline) -> None:
    run = await world.run("A4 B4")
    booking = await world.api_client("ann").book(run, "ann")
    late = await served_seatline("run", "delay", *RUN, "70", "--reason", "infrastructure")
    assert late.exit_code == 0, late.stderr
    assert "70 min at Paris Gare du Nord, infrastructure" in late.stdout
    assert "(11:34) London St Pancras" in (await served_seatline("runs")).stdout
    receipt = (await served_seatline("receipt", booking.reference)).stdout
    assert "delayed" in receipt
    assert "11:34" in receipt
    quote = (await served_seatline("cancel", booking.reference, "--quote")).stdout
    assert "would be USD 20.00" in quote
    assert "in full, because the train is an hour late or more" in quote
    on_time = await served_seatline("run", "delay", *RUN, "0")
    assert "State     scheduled" in on_time.stdout
    assert "expected" not in on_time.stdout + (await served_seatline("receipt", booking.reference)).stdout


async def test_reports_that_cannot_be_are_refused_with_the_field(world: World, served_seatline: ServedSeatline) -> None:
    await world.run("A4 B4")
    for arguments, text in (
        (("run", "delay", *RUN, "70"), "reason: is required"),
        (("run", "delay", *RUN, "70", "--reason", "terrorism"), "evidence: is required for TERRORISM"),
        (("run", "delay", *RUN, "70", "--reason", "staff", "--from-stop", "Rome"), "from_stop: "),
        (("run", "arrive", *RUN, "LIL"), "arrive_time: "),  # the train has not left yet
        (("run", "arrive", *RUN, "Rome"), "stop: "),
        (("run", "sales", *RUN, "--section", "Z", "--always"), "section: "),
        (("run", "cancel", *RUN, "--reason", "staff", "--from-stop", "STP", "--yes"), "from_stop: "),
    ):
        refused = await served_seatline(*arguments)
        assert (refused.exit_code, refused.stderr.startswith(f"Error: {text}")) == (1, True), refused.stderr


async def test_a_cancelled_run_is_followed_until_everybody_is_refunded(world: World, served_seatline: ServedSeatline) -> None:
    run = await world.run("A4 B4")
    booked = [await world.api_client(name).book(run, name) for name in ("ann", "bob", "eve")]
    trial = await served_seatline("run", "cancel", *RUN, "--reason", "rolling-stock", "--dry-run")
    assert trial.stdout.startswith("Dry run, nothing was changed: ")
    assert "State     cancelled" in trial.stdout or "State      cancelled" in trial.stdout
    assert (await world.desk.booking(booked[0].reference)).state == booking_pb2.BOOKING_STATE_CONFIRMED
    done = await served_seatline("run", "cancel", *RUN, "--reason", "rolling-stock", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "3 bookings cancelled: 3 passengers, USD 60.00 back" in done.stdout
    assert "not yet" not in done.stdout
    receipt = (await served_seatline("receipt", booked[2].reference)).stdout
    assert "the train is cancelled" in receipt
    assert "in full, because the train is cancelled" in " ".join(receipt.replace("│", " ").split())
    again = await served_seatline("run", "cancel", *RUN, "--reason", "rolling-stock", "--yes")
    assert (again.exit_code, "3 bookings cancelled" in again.stdout) == (0, True), again.stderr
    late = await served_seatline("run", "delay", *RUN, "70", "--reason", "staff")
    assert (late.exit_code, "(RUN_CANCELLED)" in late.stderr) == (1, True)


async def test_a_run_that_ends_early_keeps_those_who_leave_it_before(world: World, served_seatline: ServedSeatline) -> None:
    run = await world.run("A4 B4")
    short = await world.api_client("ann").book(run, "ann", origin="STP", destination="LIL")
    long = await world.api_client("bob").book(run, "bob", origin="STP", destination="PNO")
    done = await served_seatline("run", "cancel", *RUN, "--reason", "infrastructure", "--from-stop", "lil", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "from Lille on, infrastructure" in done.stdout
    assert "1 booking cancelled: 1 passenger, USD 20.00 back" in done.stdout
    states = [(await world.desk.booking(booking.reference)).state for booking in (short, long)]
    assert states == [booking_pb2.BOOKING_STATE_CONFIRMED, booking_pb2.BOOKING_STATE_CANCELLED]
    assert "the train does not run all of this journey" in (await served_seatline("receipt", long.reference)).stdout
    assert "ends at Lille" in (await served_seatline("runs")).stdout
    assert "open until" in done.stdout  # on the way to Lille
    assert "closed for this journey" in (await served_seatline("run", "status", *RUN, "--to", "PNO")).stdout
    assert "closed for this journey" in (await served_seatline("run", "status", *RUN, "--from", "LIL")).stdout


async def test_a_sales_window_closes_a_run_and_its_reset_opens_it(world: World, served_seatline: ServedSeatline) -> None:
    await world.run("A4 B4")
    impossible = await served_seatline("run", "sales", *RUN, "--opens", "2199-01-01T00:00Z")
    assert (impossible.exit_code, "sales_window.open_time: " in impossible.stderr) == (1, True)
    not_open = await served_seatline("run", "sales", *RUN, "--opens", "1d 09:00", "--closes", "30m")
    assert not_open.exit_code == 0, not_open.stderr
    assert "Sales window  open 1 day before at 09:00, close 30 min before departure" in not_open.stdout
    assert re.search(r"opens \w{3} \d\d \w{3} \d{4} 09:00 ", not_open.stdout)
    buy = ("book", *RUN, "--from", "STP", "--to", "PNO", "--passenger", "Ann Lee <ann@example.com>")
    early = await served_seatline(*buy)
    assert (early.exit_code, "(SALES_NOT_OPEN)" in early.stderr, "T09:00:00Z" in early.stderr) == (1, True, True), early.stderr
    opened = await served_seatline("run", "sales", *RUN, "--reset")
    assert "Sales window" not in opened.stdout
    assert (await served_seatline(*buy)).exit_code == 0


async def test_a_timetable_file_gives_a_train_its_sales_windows(
    world: World, served_seatline: ServedSeatline, tmp_path: Path
) -> None:
    await world.run("A4 B4")
    file = tmp_path / "es9014.yaml"
    file.write_text(TRAIN_FILE, encoding="utf-8")
    done = await served_seatline("train", "update", str(file))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Train es9014 has changed its sales window, sections sales window.")
    assert "nothing was changed" in (await served_seatline("train", "update", str(file))).stdout
    shown = " ".join((await served_seatline("train", "list")).stdout.split())
    assert "sales open 90 days before at 09:00, close 30 min before departure" in shown
    assert "sales open 20 days before at 00:00, close at departure" in shown
    assert json.loads((await served_seatline("run", "status", *RUN, "--json")).stdout)["sales_windows"] == []
