"""The stage: a mongod, server processes, the load generator, and trains on sale.

Belongs here: starting and stopping these, creating trains over the API, sending a volley and measuring its CPU time, the audit
of the database. Does not belong here: which volleys are sent (`parts/`).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
from pymongo import MongoClient

from app.pb.seatline.v1 import booking_pb2, train_pb2, train_pb2_grpc, train_run_pb2, train_run_pb2_grpc
from tests.bench import requests
from tests.bench.audit import Sold, count_sold, disagreements, with_bookings
from tests.bench.figures import Volley, volley_of
from tests.bench.host_process import Host, cpu_seconds
from tests.bench.load.calls import Call
from tests.bench.load.fleet import Fleet
from tests.bench.requests import RunKey
from tests.bench.results import Results
from tests.bench.scale import Scale
from tests.support.own_mongod import start_mongod

Document = dict[str, Any]
Answer = TypeVar("Answer")
FIRST_DATE = datetime.now(UTC).date() + timedelta(days=30)
SETUP_SECONDS_MAX = 60.0
DATES_PER_TRAIN = 300
"""A new train is created after that many dates, so that no date is more than a year ahead."""


class Stage:
    """The processes of one run of the benchmark. Use it as a context manager."""

    def __init__(self, scale: Scale, processes: int = 2) -> None:
        self.scale = scale
        self.results = Results()
        self._processes = processes
        self._exit = ExitStack()
        self._run_counts: dict[int, int] = defaultdict(int)
        self._acknowledged: dict[RunKey, set[str]] = defaultdict(set)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.data_dir = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="seatline-bench-")))
            self.mongod = start_mongod(self.data_dir)
            undo.callback(self.mongod.stop)
            self.client: MongoClient[Document] = undo.enter_context(MongoClient(self.mongod.uri, tz_aware=True))
            self._runner = undo.enter_context(asyncio.Runner())
            self.fleet = undo.enter_context(Fleet(self._processes))
            self._exit = undo.pop_all()
        try:
            self.host = self.start_host("first")
        except BaseException:
            self._exit.close()
            raise
        self.database = self.client[self.host.database]
        self.runs = self.database["train_runs"]
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def start_host(self, name: str, **variables: str) -> Host:
        """Start a server process on the common mongod. It ends with the stage, or when its `stop` is called.

        `variables` are added to its environment.
        """
        host = Host(self.mongod.uri, self.data_dir, name, **variables)
        self._exit.callback(host.stop)
        return host

    def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine on the benchmark's own event loop."""
        return self._runner.run(work)

    def fresh_runs(self, seats: int, count: int = 1) -> list[RunKey]:
        """Create runs with that many seats each, over the API and outside of any measurement."""
        keys: list[RunKey] = []
        with grpc.insecure_channel(f"127.0.0.1:{self.host.service}") as channel:
            trains, train_runs = train_pb2_grpc.TrainServiceStub(channel), train_run_pb2_grpc.RunServiceStub(channel)
            while len(keys) < count:
                series, offset = divmod(self._run_counts[seats], DATES_PER_TRAIN)
                dates = min(count - len(keys), DATES_PER_TRAIN - offset)
                keys += _schedule(trains, train_runs, f"bench-{seats}-{series}", seats, offset, dates)
                self._run_counts[seats] += dates
        return keys

    def fire(
        self,
        ports: list[int],
        calls: list[Call],
        in_flight: int,
        *,
        hosts: Sequence[Host] = (),
        seconds_max: float | None = None,
        keep: list[bytes] | None = None,
    ) -> Volley:
        """Send calls and measure the CPU time of the servers (by default the first) and the mongod. Answers go to `keep`."""
        servers = [host.process.pid for host in hosts or (self.host,)]
        server_before = sum(map(cpu_seconds, servers))
        database_before = cpu_seconds(self.mongod.process_id)
        parts = self.fleet.fire(ports, calls, in_flight, seconds_max=seconds_max or 60.0, keep_payloads=keep is not None)
        server_seconds = sum(map(cpu_seconds, servers)) - server_before
        database_seconds = cpu_seconds(self.mongod.process_id) - database_before
        volley = volley_of(parts, seconds_max)
        if keep is not None:
            for part in parts:
                keep += part.record.payloads.values()
        each = 1e6 / max(1, volley.sent_count)
        return replace(volley, server_us_per_call=server_seconds * each, database_us_per_call=database_seconds * each)

    def echo(self, count: int, in_flight: int) -> Volley:
        """Send bare calls, with the same requests as a sale."""
        calls = requests.booking_calls(requests.ECHO, [("bench-4000-0", FIRST_DATE.isoformat())] * count)
        return self.fire([self.host.echo], calls, in_flight)

    def sell(
        self,
        runs: Iterable[RunKey],
        in_flight: int,
        hosts: Sequence[Host] = (),
        *,
        seconds_max: float | None = None,
    ) -> Volley:
        """Send a CreateBooking for each element. The answered bookings are remembered for `audit`."""
        calls = requests.booking_calls(requests.CREATE_BOOKING, list(runs))
        answers: list[bytes] = []
        ports = [host.service for host in hosts or (self.host,)]
        volley = self.fire(ports, calls, in_flight, hosts=hosts, seconds_max=seconds_max, keep=answers)
        for answer in answers:
            booking = booking_pb2.Booking.FromString(answer)
            self._acknowledged[booking.train_id, booking.travel_date].add(booking.reference)
        return volley

    def acknowledged(self, run: RunKey) -> list[str]:
        """Return the references of the bookings that callers were answered for a run."""
        return sorted(self._acknowledged[run])

    def states_of(self, run: RunKey) -> dict[str, int]:
        """Return how many bookings of a run are in each state, in their newest revisions."""
        document = self.runs.find_one({"_id": document_id(run)}) or {"recent": []}
        states = {
            booking["_id"]: str(booking["state"]) for booking in self.database["bookings"].find({"run_id": document_id(run)})
        }
        states |= {booking["_id"]: str(booking["state"]) for booking in document["recent"]}
        return dict(Counter(states.values()))

    def audit(self, name: str, runs: Sequence[RunKey]) -> Sold:
        """Check that these runs have exactly the answered bookings, and no seat twice. Differences become problems."""
        documents = self.runs.find({"_id": {"$in": [document_id(run) for run in runs]}})
        sold = count_sold(with_bookings(run, self.database["bookings"].find({"run_id": run["_id"]})) for run in documents)
        acknowledged = set().union(*(self._acknowledged[run] for run in runs))
        self.results.problems += [f"{name}: {problem}" for problem in disagreements(sold, acknowledged)]
        return sold


def document_id(run: RunKey) -> str:
    """Return the key of a run's document."""
    return f"{run[0]}:{run[1]}"


def _schedule(
    trains: train_pb2_grpc.TrainServiceStub,
    train_runs: train_run_pb2_grpc.RunServiceStub,
    train_id: str,
    seats: int,
    offset: int,
    dates: int,
) -> list[RunKey]:
    metadata = tuple(requests.OPERATOR.items())
    train = requests.bench_train(train_id, seats)
    trains.CreateTrain(
        train_pb2.CreateTrainRequest(request_id=train_id, train=train), metadata=metadata, timeout=SETUP_SECONDS_MAX
    )
    first = FIRST_DATE + timedelta(days=offset)
    request = train_run_pb2.ScheduleTrainRunsRequest(
        train_id=train_id, first_date=first.isoformat(), last_date=(first + timedelta(days=dates - 1)).isoformat()
    )
    made = train_runs.ScheduleTrainRuns(request, metadata=metadata, timeout=SETUP_SECONDS_MAX)
    return [(key.train_id, key.travel_date) for key in made.train_runs]
