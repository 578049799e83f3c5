"""`seatline layout`, `run` and `train update` against a real server with a worker: what they type there means here.

Belongs here: one way through each command. Does not belong here: what the scripted service shows better (the other files here).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import Run
from tests.support.served_commands import ServedSeatline
from tests.support.world import THIRD_DATE, TRAVEL_DATE, World

TRAIN_FILE = """
train_id: es9014
number: ES 9014 X
stops:
  - {name: London St Pancras, code: STP, time_zone: Europe/London, depart: "10:24"}
  - {name: Ashford, code: AFK, time_zone: Europe/London, arrive: "10:55", depart: "10:58"}
  - {name: Lille, code: LIL, time_zone: Europe/Paris, arrive: "12:48", depart: "12:52"}
  - {name: Paris Gare du Nord, code: PNO, time_zone: Europe/Paris, arrive: "13:56"}
sections: [{name: A, fare: USD 20.00}, {name: B, fare: USD 20.00}]
coaches: [{name: 1, section: A, seats: 4}, {name: 2, section: B, seats: 4}]
"""


@pytest.fixture
def chosen_settings() -> dict[str, Any]:
    return {"with_worker": True, "job_poll_seconds": 0.1}


async def test_a_planned_change_of_a_run_is_made_as_planned(world: World, served_seatline: ServedSeatline) -> None:
    run = await world.run("A4 B4")
    booking = await world.api_client("ann").book(run, "ann", "bob")
    change = ("es9014", TRAVEL_DATE, "--add-coach", "3:A:6", "--remove-coach", "1", "--fare", "B=25.00")
    planned = await served_seatline("layout", "plan", *change, "--reserve", "5m", "--json")
    assert planned.exit_code == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert [move["after"]["label"] for move in plan["moves"]] == ["A-5", "A-6"]
    made = await served_seatline("layout", "apply", *change, "--plan-hash", plan["plan_hash"])
    assert made.exit_code == 0, made.stderr
    assert "USD 20.00 → USD 25.00" in made.stdout
    assert f"{booking.reference}   1    A-1 (1)       A-5 (3)" in made.stdout
    assert (await world.desk.free(run)) == {"A": 4, "B": 4}
    again = await served_seatline("layout", "apply", *change, "--plan-hash", plan["plan_hash"])
    assert (again.exit_code, "PLAN_CHANGED" in again.stderr) == (1, True)


async def test_a_refused_operation_is_named_as_typed(world: World, served_seatline: ServedSeatline) -> None:
    await world.run("A4 B4")
    refused = await served_seatline("layout", "plan", "es9014", TRAVEL_DATE, "--seat-count", "1=3", "--remove-coach", "9")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: --remove-coach 9: ")


async def test_the_change_of_a_train_is_followed_to_its_runs(world: World, served_seatline: ServedSeatline) -> None:
    runs = await world.runs("A4 B4", TRAVEL_DATE, THIRD_DATE)
    await served_seatline("layout", "apply", "es9014", THIRD_DATE, "--seat-count", "1=3", "--yes")
    made = await served_seatline("layout", "apply", "es9014", "--remove-coach", "2", "--yes")
    assert made.exit_code == 0, made.stderr
    assert "2 runs: 1 changed, 1 skipped" in made.stdout
    assert await world.desk.free(runs[0]) == {"A": 4, "B": 0}
    assert await world.desk.free(runs[1]) == {"A": 3, "B": 4}
    job_id = next(line.split()[-1] for line in made.stdout.splitlines() if line.startswith("Layout job  "))
    shown = json.loads((await served_seatline("layout", "status", job_id, "--json")).stdout)
    assert [outcome["state"].rpartition("_")[2] for outcome in shown["outcomes"]] == ["APPLIED", "SKIPPED"]


async def test_a_run_is_hidden_shown_and_deleted(world: World, served_seatline: ServedSeatline) -> None:
    run = await world.run("A4 B4")
    assert (await served_seatline("run", "hide", "es9014", TRAVEL_DATE)).exit_code == 0
    assert list((await world.api_client("ann").list_runs()).train_runs) == []
    assert (await served_seatline("run", "show", "es9014", TRAVEL_DATE)).exit_code == 0
    assert len((await world.api_client("ann").list_runs()).train_runs) == 1
    assert (await served_seatline("run", "delete", "es9014", TRAVEL_DATE)).exit_code == 0
    assert list((await world.desk.list_runs()).train_runs) == []
    assert "1 new" in (await served_seatline("schedule", "es9014", TRAVEL_DATE, "--hidden")).stdout
    assert (await world.desk.run_of(Run(train_id="es9014", travel_date=run.travel_date))).hidden


async def test_a_train_is_updated_from_its_file(world: World, served_seatline: ServedSeatline, tmp_path: Path) -> None:
    await world.run("A4 B4")
    file = tmp_path / "es9014.yaml"
    file.write_text(TRAIN_FILE, encoding="utf-8")
    done = await served_seatline("train", "update", str(file))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Train es9014 has changed its number.")
    assert (await world.desk.train("es9014")).number == "ES 9014 X"
    assert "nothing was changed" in (await served_seatline("train", "update", str(file))).stdout
