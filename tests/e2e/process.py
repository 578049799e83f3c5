"""A server in a process of its own, as `seatline serve` starts it.

Belongs here: starting, killing and ending the process, and finding its port. Not here: what callers do with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import psutil

from tests.integration.clients import Phone, Run
from tests.integration.health_checks import health
from tests.integration.world import TRAVEL_DATE, a_train, eventually

REPOSITORY = Path(__file__).resolve().parents[2]
END_SECONDS_MAX = 30.0
_SERVING = re.compile(r"serving seatline\.v1 on \S+, port (\d+)")


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """This process's environment without any SEATLINE_* of its own, and with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEATLINE_")}
    return {**kept, "SEATLINE_LISTEN": "127.0.0.1:0", "SEATLINE_DATA_DIR": str(data_dir), **settings}


class ServerProcess:
    """A started server: its log, its port, and its end."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.begin = time.monotonic()
        self.log = data_dir.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve"],
                cwd=REPOSITORY,
                env=environment(data_dir, **settings),
                stdout=log,
                stderr=log,
            )
        self.port = 0
        self.ready_seconds = 0.0

    async def ready(self) -> None:
        """Returns once the server says that it serves."""
        await eventually(self._finds_port)
        async with grpc.aio.insecure_channel(self.target) as channel:
            assert await health(channel) == "SERVING"
        self.ready_seconds = time.monotonic() - self.begin

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def mongod(self) -> psutil.Process:
        """The database that the server has started."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in family if child.name() == "mongod")

    def kill(self) -> None:
        """As `kill -9`: no chance to tidy up."""
        self.process.kill()
        self.process.wait(END_SECONDS_MAX)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """The exit code, once the process has ended."""
        return await asyncio.to_thread(self.process.wait, END_SECONDS_MAX)

    async def _finds_port(self) -> bool:
        text = self.log.read_text(errors="replace")
        assert self.process.poll() is None, text
        found = _SERVING.search(text)
        self.port = int(found[1]) if found else 0
        return found is not None


@asynccontextmanager
async def server_process(data_dir: Path, **settings: str) -> AsyncIterator[ServerProcess]:
    """A server that is ready, until the block ends."""
    server = ServerProcess(data_dir, **settings)
    try:
        await server.ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.terminate()
            try:
                await server.ended()
            except subprocess.TimeoutExpired:
                server.kill()
                raise


async def a_run(channel: grpc.aio.Channel, layout: str) -> Run:
    """A run of a new train on the server behind the channel."""
    desk = Phone(channel, "desk", roles="operator")
    train = await desk.create_train(a_train(layout))
    return (await desk.schedule(train.train_id, TRAVEL_DATE)).train_runs[0]
