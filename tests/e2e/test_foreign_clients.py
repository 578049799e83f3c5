"""Clients of other makers: `buf curl`, which knows the contract by reflection only, and the demonstration."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc

from tests.support.clients import LONDON, PARIS
from tests.support.server_processes import REPOSITORY, ServerProcess, a_run, environment, server_process
from tests.support.world import TRAVEL_DATE

BUF = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")


async def _output(*command: str, data_dir: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=data_dir.parent, env=environment(data_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def _buf_curl(server: ServerProcess, method: str, request: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    assert BUF is not None
    url = f"http://{server.target}/seatline.v1.BookingService/{method}"
    options = ("--http2-prior-knowledge", "--protocol", "grpc", "-H", "x-seatline-user: jane@example.com")
    code, output, errors = await _output(BUF, "curl", *options, "-d", json.dumps(request), url, data_dir=data_dir)
    assert code == 0, errors
    answer = json.loads(output)
    assert isinstance(answer, dict)
    return answer


async def test_buf_curl_books_a_seat_and_reads_its_receipt_by_reflection(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with server_process(data_dir) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            run = await a_run(channel, "A4")
        asked = {
            "request_id": "r1",
            "train_id": run.train_id,
            "travel_date": TRAVEL_DATE,
            "origin": "STP",
            "destination": "PNO",
            "passengers": [{"first_name": "Jane", "last_name": "Doe", "email": "jane@example.com"}],
        }
        booking = await _buf_curl(server, "CreateBooking", asked, data_dir)
        receipt = await _buf_curl(server, "GetReceipt", {"reference": booking["reference"]}, data_dir)
    assert (receipt["origin"], receipt["destination"]) == (LONDON, PARIS)
    assert receipt["user"]["email"] == "jane@example.com"
    assert [seat["label"] for seat in receipt["seats"]] == ["A-1"]
    assert receipt["pricePaid"] == {"currencyCode": "USD", "units": "20"}


async def test_the_demonstration_sells_a_ticket_and_prints_its_receipt_each_time(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    demo = (sys.executable, "-m", "app", "demo")
    async with server_process(data_dir) as server:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                *demo,
                "--target",
                server.target,
                cwd=REPOSITORY,
                env=environment(data_dir),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            output, errors = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0, errors.decode()
            for wanted in (LONDON, PARIS, "Jane Doe", "USD 20.00", "A-"):
                assert wanted in output.decode()
