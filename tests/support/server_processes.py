"""Server and worker processes, started by `seatline serve` and `seatline worker`.

Belongs here: starting, killing and stopping processes, and finding a server's port. Does not belong here: calls.
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
from typing import TypeVar

import grpc
import psutil

from tests.support.clients import ApiClient, Run
from tests.support.health_checks import health
from tests.support.world import FIRST_DAY, TRAVEL_DATE, a_train, eventually, on_day

REPOSITORY = Path(__file__).resolve().parents[2]
END_SECONDS_MAX = 30.0
# A start takes some two seconds of a processor. Where fifteen others want one, that is half a minute.
START_SECONDS_MAX = 120.0
# On a busy machine, `verify` needs a minute for ten thousand bookings with their payments.
COMMAND_SECONDS_MAX = 120.0
Started = TypeVar("Started", bound="SeatlineProcess")
_METRICS = re.compile(r"metrics on \S+, port (\d+)")
_SERVING = re.compile(r"serving seatline\.v1 on \S+, port (\d+)")


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment without its SEATLINE_* variables, and with these settings.

    By default, servers wait for no client to leave: connections of tests may outlast their channels.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEATLINE_")}
    usual = {"LISTEN": "127.0.0.1:0", "DATA_DIR": str(data_dir), "CONNECTION_SECONDS_MAX": "0"}
    return {**inherited, **{f"SEATLINE_{name}": value for name, value in usual.items()}, **settings}


def seatline(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and return its output."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "app", *arguments],
        cwd=REPOSITORY,
        env=environment(REPOSITORY, **settings),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


class SeatlineProcess:
    """A started process of the service. Its log is `<data_dir>.log`, even without that folder."""

    module = "app"
    arguments: tuple[str, ...]

    def __init__(self, data_dir: Path, *options: str, **settings: str) -> None:
        self.begin = time.monotonic()
        self.log = data_dir.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments, *options],
                cwd=REPOSITORY,
                env=environment(data_dir, **settings),
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Return once the process logs that it works."""
        raise NotImplementedError

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.kill()
        self.process.wait(END_SECONDS_MAX)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until the process has ended, and return its exit code."""
        return await asyncio.to_thread(self.process.wait, END_SECONDS_MAX)

    async def metrics_port(self) -> int:
        """Return the port of its metrics, which it logs first."""

        async def says() -> bool:
            return _METRICS.search(self.output()) is not None

        await eventually(says)
        return int(_METRICS.findall(self.output())[0])

    def output(self) -> str:
        """Return its log so far. Fail if it has ended."""
        text = self.log.read_text(errors="replace")
        assert self.process.poll() is None, text
        return text


class ServerProcess(SeatlineProcess):
    """A started server process, with its port."""

    arguments = ("serve",)
    port = 0
    ready_seconds = 0.0

    async def ready(self) -> None:
        await eventually(self._finds_port, START_SECONDS_MAX)
        async with grpc.aio.insecure_channel(self.target) as channel:
            assert await health(channel) == "SERVING"
        self.ready_seconds = time.monotonic() - self.begin

    def cpu_wait_seconds(self) -> float:
        """Return how long its main thread has waited for a processor so far, since other processes use the machine, too."""
        schedule = Path(f"/proc/{self.process.pid}/schedstat").read_text(encoding="ascii").split()
        return int(schedule[1]) / 1e9

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def mongod(self) -> psutil.Process:
        """The mongod that the server started."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in family if child.name() == "mongod")

    async def _finds_port(self) -> bool:
        found = _SERVING.search(self.output())
        self.port = int(found[1]) if found else 0
        return found is not None


class WorkerProcess(SeatlineProcess):
    """A started worker process."""

    arguments = ("worker",)

    async def ready(self) -> None:
        await eventually(self._works, START_SECONDS_MAX)

    async def _works(self) -> bool:
        return "working" in self.output()


@asynccontextmanager
async def running(process: Started) -> AsyncIterator[Started]:
    """Run a process until the block ends, and wait until it is ready."""
    async with started(process):
        await process.ready()
        yield process


@asynccontextmanager
async def started(process: Started) -> AsyncIterator[Started]:
    """Run a process until the block ends, without waiting until it is ready."""
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.terminate()
            try:
                await process.ended()
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@asynccontextmanager
async def server_process(data_dir: Path, *options: str, **settings: str) -> AsyncIterator[ServerProcess]:
    """Run a server process until the block ends, and wait until it is ready."""
    async with running(ServerProcess(data_dir, *options, **settings)) as server:
        yield server


@asynccontextmanager
async def worker_process(data_dir: Path, **settings: str) -> AsyncIterator[WorkerProcess]:
    """Run a worker process until the block ends, and wait until it works."""
    async with running(WorkerProcess(data_dir, **settings)) as worker:
        yield worker


async def a_run(channel: grpc.aio.Channel, layout: str) -> Run:
    """Create a train and schedule one run on the server of the channel."""
    return (await some_runs(channel, layout, 1))[0]


async def some_runs(channel: grpc.aio.Channel, layout: str, days: int) -> list[Run]:
    """Create a train and schedule `count` runs on successive days on the server of the channel."""
    desk = ApiClient(channel, "desk", roles="operator")
    train = await desk.create_train(a_train(layout))
    return list((await desk.schedule(train.train_id, TRAVEL_DATE, on_day(FIRST_DAY + days - 1))).train_runs)
