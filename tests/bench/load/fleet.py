"""The fleet: the worker processes of the generator.

Belongs here: starting workers, and splitting volleys of calls among them. Does not belong here: figures from the records
(`tests/bench/figures.py`).
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.bench.load.calls import Call, Orders, Record
from tests.bench.load.worker import share

ROOT = Path(__file__).resolve().parents[3]
START_DELAY_SECONDS = 0.05
"""Long enough for every worker to receive the start time, so that all start at the same moment."""


class LoadError(Exception):
    """A worker could not carry out its orders."""


@dataclass(frozen=True)
class Part:
    """The orders and the record of one worker."""

    orders: Orders
    record: Record


class Fleet:
    """Worker processes of the generator. Use it as a context manager."""

    def __init__(self, processes: int = 2) -> None:
        self._workers = [_start_worker() for _ in range(processes)]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            _pipe(worker.stdin).close()
        for worker in self._workers:
            try:
                worker.wait(timeout=5)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def fire(
        self,
        ports: list[int],
        calls: list[Call],
        in_flight: int,
        *,
        seconds_max: float = 60.0,
        keep_payloads: bool = False,
        connections: int = 1,
    ) -> list[Part]:
        """Split the calls among the workers and wait until all have ended.

        Worker n calls `ports[n % len(ports)]`. A lone caller takes one worker.
        """
        count = min(len(self._workers), max(1, in_flight))
        orders = [
            Orders(
                host="127.0.0.1",
                port=ports[position % len(ports)],
                calls=calls[position::count],
                in_flight=share(in_flight, count, position),
                connections=connections,
                seconds_max=seconds_max,
                keep_payloads=keep_payloads,
            )
            for position in range(count)
        ]
        return self.run(orders)

    def run(self, orders: list[Orders]) -> list[Part]:
        """Run one set of orders for each worker, started at the same moment."""
        workers = self._workers[: len(orders)]
        for worker, worker_orders in zip(workers, orders, strict=True):
            _send(worker, worker_orders)
        problems = [_receive(worker) for worker in workers]
        start_ns = time.monotonic_ns() + int(START_DELAY_SECONDS * 1e9)
        if any(problems):
            for worker, problem in zip(workers, problems, strict=True):
                if not problem:
                    _send(worker, None)
            raise LoadError("; ".join(filter(None, problems)))
        for worker in workers:
            _send(worker, start_ns)
        return [Part(worker_orders, _receive(worker)) for worker, worker_orders in zip(workers, orders, strict=True)]


def _start_worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load.worker"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise LoadError("the worker has no pipe")
    return pipe


def _send(worker: subprocess.Popen[bytes], value: object) -> None:
    sink = _pipe(worker.stdin)
    pickle.dump(value, sink, protocol=pickle.HIGHEST_PROTOCOL)
    sink.flush()


def _receive(worker: subprocess.Popen[bytes]) -> Any:
    try:
        return pickle.load(_pipe(worker.stdout))  # noqa: S301 - from a process that this one started
    except EOFError as error:
        raise LoadError(f"a worker of the generator ended with {worker.wait()}") from error
