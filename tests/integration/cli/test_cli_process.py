"""The program as a process: environment, pipes, encodings, Ctrl-C, and the time that `--help` takes.

Does not belong here: what commands send and print (the other files here).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from app.pb.seatline.v1 import train_run_pb2
from tests.support.scripted_service import (
    ScriptedService,
    ann,
    receipt_of,
)

REPOSITORY = Path(__file__).resolve().parents[3]
PROCESS_SECONDS_MAX = 60


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


def test_the_program_reads_its_environment_and_writes_plain_text_to_a_pipe(service: ScriptedService) -> None:
    service.answers["GetReceipt"] = receipt_of(ann())
    done = run_process("receipt", "7K2M9Q", SEATLINE_TARGET=service.target, SEATLINE_USER="ann@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert "USD 20.00" in done.stdout
    assert "\x1b" not in done.stdout
    assert service.metadata["x-seatline-user"] == "ann@example.com"


def test_the_program_writes_ascii_to_an_ascii_stream(service: ScriptedService) -> None:
    entry = train_run_pb2.SeatMapEntry(seat=ann(1).seat, state=train_run_pb2.SEAT_STATE_FREE)
    service.answers["GetSeatMap"] = train_run_pb2.SeatMap(
        seats=[entry], travel_date="2030-07-01", origin="Zürich", destination="東京"
    )
    done = run_process("map", "es9014", "2030-07-01", SEATLINE_TARGET=service.target, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Z?rich -> ??" in done.stdout
    assert re.search(r"\| 1\. +\|", done.stdout)


def test_serve_names_a_wrong_setting_and_exits_with_2() -> None:
    done = run_process("serve", SEATLINE_LISTEN="nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: SEATLINE_LISTEN: ")
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_a_waiting_call_without_a_traceback(service: ScriptedService) -> None:
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


def test_help_does_not_import_grpc_or_rich_tables() -> None:
    heavy = ("grpc", "google.protobuf", "rich.table", "yaml")
    code = f"import sys, app.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
