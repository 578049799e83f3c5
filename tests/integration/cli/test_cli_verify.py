"""The command `verify` as a process: output and exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.store.driver import Database
from tests.support.job_databases import a_client
from tests.support.verified_worlds import FIRST, everything_in, make_copy
from tests.support.world import running_server, settings_for

REPOSITORY = Path(__file__).resolve().parents[3]
PROCESS_SECONDS_MAX = 60
DATABASE = "test_cli_verifying"


def seatline(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
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


def verify(mongod: EmbeddedMongod, *arguments: str) -> subprocess.CompletedProcess[str]:
    return seatline("verify", *arguments, SEATLINE_MONGODB_URI=mongod.uri, SEATLINE_MONGODB_DATABASE=DATABASE)


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """The database to verify: one run with a new booking of Ann."""
    client = a_client(mongod)
    async with running_server(settings_for(mongod.uri)) as world:
        run = await world.run("A2")
        await world.api_client("ann").book(run)
        await world.server.bus.wait_idle()
        documents = await everything_in(world.database)
        await client.drop_database(world.database.name)
    await make_copy(documents, client[DATABASE])
    yield client[DATABASE]
    client.close()


async def break_a_seat(database: Database) -> None:
    await database["train_runs"].update_one({"_id": FIRST}, {"$set": {"sections.0.sold_legs.0": 0b011}})


def test_a_correct_database_is_summarized_in_one_line(mongod: EmbeddedMongod, database: Database) -> None:
    done = verify(mongod)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 run, 1 booking, 0 payments, 0 ledger entries: nothing is wrong.\n"


async def test_each_finding_is_one_line_and_the_exit_code_is_1(mongod: EmbeddedMongod, database: Database) -> None:
    await break_a_seat(database)
    done = verify(mongod)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        f"WRONG sold-legs: run {FIRST}: seat A-1 is not sold on leg 3, and a booking or hold has it",
        f"WRONG inventory: run {FIRST}: seat A-1 is neither sold nor on sale on leg 3; the counter (2) has passed it",
        "1 run, 1 booking, 0 payments, 0 ledger entries: 2 wrong.",
    ]


async def test_json_has_the_same_findings_and_exit_code(mongod: EmbeddedMongod, database: Database) -> None:
    clean = verify(mongod, "--json")
    assert (clean.returncode, json.loads(clean.stdout)) == (
        0,
        {
            "is_clean": True,
            "runs": 1,
            "bookings": 1,
            "payments": 0,
            "ledger_entries": 0,
            "events": 1,
            "jobs": 0,
            "wrong": 0,
            "warnings": 0,
            "findings": [],
        },
    )
    await break_a_seat(database)
    for arguments in (("verify", "--json"), ("--json", "verify")):
        done = seatline(*arguments, SEATLINE_MONGODB_URI=mongod.uri, SEATLINE_MONGODB_DATABASE=DATABASE)
        report = json.loads(done.stdout)
        assert (done.returncode, report["is_clean"], report["wrong"]) == (1, False, 2)
        assert report["findings"][0] == {
            "check": "sold-legs",
            "subject": f"run {FIRST}",
            "text": "seat A-1 is not sold on leg 3, and a booking or hold has it",
            "is_warning": False,
        }


def test_unfinished_work_is_wrong_only_with_zero_patience(mongod: EmbeddedMongod, database: Database) -> None:
    assert verify(mongod).returncode == 0
    hasty = verify(mongod, "--patience", "0")
    assert hasty.returncode == 1
    assert {line.split(":")[0] for line in hasty.stdout.splitlines()[:-1]} == {"WRONG recorded", "WRONG events"}


async def test_warnings_are_printed_and_do_not_fail_verify(mongod: EmbeddedMongod, database: Database) -> None:
    await database["jobs"].insert_one({"_id": "settle", "kind": "settle", "state": "DEAD", "payload": {}, **JOB})
    done = verify(mongod)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "warning jobs: job settle: is dead after 60 attempts: no answer",
        "1 run, 1 booking, 0 payments, 0 ledger entries: nothing is wrong, 1 warning.",
    ]


JOB = {
    "due_time": datetime(2026, 8, 1, tzinfo=UTC),
    "ready_time": datetime(2026, 8, 1, tzinfo=UTC),
    "create_time": datetime(2026, 8, 1, tzinfo=UTC),
    "attempts": 60,
    "lease_owner": "",
    "lease_until": None,
    "last_error": "no answer",
    "runs_alone": False,
    "done_time": None,
}


def test_a_missing_or_invalid_database_is_a_usage_error() -> None:
    done = seatline("verify")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: SEATLINE_MONGODB_URI: is empty; set it to the database to verify\n"
    assert seatline("verify", "--patience", "-1", SEATLINE_MONGODB_URI="mongodb://127.0.0.1:9/").returncode == 2
    assert seatline("verify", SEATLINE_MONGODB_URI="http://127.0.0.1:9/").returncode == 2


def test_an_unreachable_database_is_exit_code_3() -> None:
    away = {"SEATLINE_MONGODB_URI": "mongodb://127.0.0.1:9/", "SEATLINE_MONGODB_SELECTION_SECONDS_MAX": "0.2"}
    done = seatline("verify", "--json", **away)
    assert (done.returncode, done.stdout) == (3, "")
    assert json.loads(done.stderr)["error"]["code"] == "UNAVAILABLE"
    assert "Traceback" not in done.stderr


async def test_an_unreadable_record_is_named_and_the_others_are_checked(mongod: EmbeddedMongod, database: Database) -> None:
    await database["payments"].insert_many([{"_id": "pay_1"}, {"_id": "pay_2"}])
    done = verify(mongod)
    assert (done.returncode, done.stderr) == (1, "")
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("WRONG readable: payment pay_1: cannot be read: ")
    assert second.startswith("WRONG readable: payment pay_2: ")


async def test_verify_can_be_limited_to_one_run_or_to_runs_from_a_date_on(mongod: EmbeddedMongod, database: Database) -> None:
    run_id, date = FIRST, FIRST.partition(":")[2]
    later = (datetime.fromisoformat(date) + timedelta(days=1)).date().isoformat()
    assert verify(mongod, "--run", run_id).stdout.startswith("1 run, 1 booking")
    assert verify(mongod, "--since", date).stdout.startswith("1 run, 1 booking")
    assert verify(mongod, "--since", later).stdout.startswith("0 runs, 0 bookings")
    await database["train_runs"].update_one({"_id": run_id}, {"$set": {"number": "another"}})
    assert verify(mongod, "--run", run_id).returncode == verify(mongod, "--since", date).returncode == 1
    assert verify(mongod, "--since", later).returncode == 0
    missing = verify(mongod, "--run", f"es9014:{later}")
    assert missing.stdout.splitlines()[0] == f"WRONG readable: run es9014:{later}: is not stored"


def test_invalid_limits_are_a_usage_error(mongod: EmbeddedMongod) -> None:
    for arguments in (["--run", "es9014"], ["--since", "soon"], ["--run", FIRST, "--since", "2026-01-01"]):
        done = verify(mongod, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr


def test_progress_is_shown_only_on_a_terminal(mongod: EmbeddedMongod, database: Database) -> None:
    assert database is not None
    assert verify(mongod).stderr == ""
    read_end, write_end = pty.openpty()
    environment = os.environ | {"SEATLINE_MONGODB_URI": mongod.uri, "SEATLINE_MONGODB_DATABASE": DATABASE, "TERM": "xterm"}
    command = [sys.executable, "-m", "app", "verify"]
    done = subprocess.run(
        command,
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=write_end,
        timeout=PROCESS_SECONDS_MAX,
        check=True,
    )
    os.close(write_end)
    shown = os.read(read_end, 65_536).decode()
    os.close(read_end)
    assert "verifying" in shown
    assert b"verifying" not in done.stdout
