"""One history of the service, from a seed.

Belongs here: the runs, the processes, the clock, and what happens in the next step: a call starts, a task goes on, a worker
starts a task, a process ends, time passes. Does not belong here: what each of them does, nor the invariants.

Time passes by milliseconds with each step, and by leaps in between. A call takes seconds at most: the service relies on that
when it voids authorizations that are minutes old. So servers finish their calls before a long leap. Workers do not, and find
their leases expired.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch

from app.domain import limits
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.terms import RefundTier, SalesTerms
from app.domain.train import StoredTrain
from app.store.run_documents import run_document
from app.store.train_documents import train_document
from tests.simulation.callers import Callers
from tests.simulation.database import SimulatedDatabase, copied
from tests.simulation.disruption_invariants import CANCELLED_PER_COMMIT
from tests.simulation.final_state import finish_history
from tests.simulation.processes import Process, WorkerProcess
from tests.simulation.provider import SimulatedProvider
from tests.simulation.record import Record, UnexpectedErrorLog
from tests.simulation.run_times import closes_at, compacted_at, departs_at, ends_at, opens_at, waitlist_closes_at
from tests.simulation.scheduler import Scheduler, Task, simulated
from tests.support.builders import a_train, seeded_random

TRAVEL_DATE = date(2026, 9, 1)
# Each with one more seat in section B.
_LAYOUTS = ("A1", "A2", "A2 B1", "A1 A2", "A2 B2")
# Where layouts change: with seats to which displaced passengers can move.
_LONG_LAYOUTS = ("A2 A2 B1", "A3 B2")
_FARES = ({"A": 2_000, "B": 5_001}, {"A": 2_000, "B": 5_001}, {"A": 0, "B": 3_000}, {"A": 0, "B": 0})
_TERMS = (
    SalesTerms(),
    SalesTerms((RefundTier(48, 90), RefundTier(2, 33)), waitlist_closes_minutes_before=60),
    SalesTerms((), waitlist_closes_minutes_before=0, waitlist_max=2, passengers_per_booker_max=2),
)
# All short leaps together, during which calls go on: far below the minutes after which authorizations are voided.
_SHORT_LEAPS_SECONDS_MAX = 60.0
_LONG_LEAPS_SECONDS = (31.0, 31.0, 70.0, 70.0, 310.0, 310.0, 1_000.0, 26 * 3_600.0)
_CALLS_AT_ONCE_MAX = 6
# Jobs twice, since they are run more often.
_WORKER_TASKS = (
    "process outbox",
    "run jobs",
    "run jobs",
    "void abandoned payments",
    "expire due",
    "archive leftovers",
    "start layout jobs",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """How many commands a history has, and how much goes wrong. Shares are of statements, answers or steps.

    `layout_share` is the weight of layout changes among calls, where buying has 10; `disruption_share` that of reports,
    cancellations and sales windows.
    """

    commands: int
    database_faults: float
    provider_faults: float
    answers_lost: float
    crashes: float
    leaps: float
    worker_tasks: float
    layout_share: int
    disruption_share: int
    stickiness: float


def random_scenario(rng: random.Random) -> Scenario:
    """Return a scenario between no faults and many."""
    layout_share, disruption_share = rng.choice((0, 0, 6, 16)), rng.choice((0, 0, 5, 12))
    if disruption_share and rng.random() < 0.5:
        layout_share = 0
    return Scenario(
        commands=rng.randint(6, 18) + layout_share // 5 + disruption_share,  # so that as much is sold
        database_faults=rng.choice((0.0, 0.01, 0.05)),
        provider_faults=rng.choice((0.0, 0.1, 0.4)),
        answers_lost=rng.choice((0.0, 0.1)),
        crashes=rng.choice((0.0, 0.002, 0.01)),
        leaps=rng.choice((0.0, 0.005, 0.02)),
        worker_tasks=rng.choice((0.01, 0.04)),
        layout_share=layout_share,
        disruption_share=disruption_share,
        stickiness=rng.choice((0.0, 0.5, 0.9)),
    )


class World:
    """The state of one history."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.rng = seeded_random(seed)
        self.seed = seed
        self.scenario = random_scenario(self.rng)
        self.trace: list[str] | None = [f"seed {seed}: {self.scenario}"] if traced else None
        self.steps = 0
        self._moment = datetime(2026, 8, 30, 12, tzinfo=UTC)
        self._begin = self._moment
        self._short_leaps_seconds = 0.0
        self.is_faultless = False
        self.scheduler = Scheduler(self.rng, self.scenario.stickiness)
        self.record = Record()
        self.database = SimulatedDatabase(self._fault, self._watch)
        self.record.database, self.record.clock = self.database, self.now
        can_ever_defer = self.rng.random() < 0.5
        step_minor = (1, 10)[seed % 2]
        self.provider = SimulatedProvider(
            self.rng, self.scenario.provider_faults, can_ever_defer=can_ever_defer, step_minor=step_minor
        )
        self.record.step_minor = step_minor
        self.runs = self._make_runs()
        self.servers: list[Process] = []
        self.workers: list[WorkerProcess] = []
        addresses_count, are_uniform = self.rng.choice((6, 14)), self.rng.random() < 0.25
        self.callers = Callers(
            self,
            self.rng,
            self.scenario.answers_lost,
            layout_share=self.scenario.layout_share,
            disruption_share=self.scenario.disruption_share,
            addresses_count=addresses_count,
            are_uniform=are_uniform,
        )

    def _make_runs(self) -> list[TrainRun]:
        rng = self.rng
        step = self.provider.step_minor
        fares = {name: -(-minor // step) * step for name, minor in rng.choice(_FARES).items()}
        layouts = _LONG_LAYOUTS if self.scenario.layout_share and rng.random() < 0.25 else _LAYOUTS
        train = replace(a_train(rng.choice(layouts) + " B1", fares=fares), terms=self._with_windows(rng.choice(_TERMS)))
        stored = StoredTrain(train, "created", self._moment, 1)
        self.database["trains"].documents[train.train_id] = copied(train_document(stored))
        runs = [make_run(train, TRAVEL_DATE + timedelta(days=day)) for day in range(rng.choice((1, 1, 1, 2)))]
        for run in runs:
            document = copied(run_document(run, self._moment))
            self.database["train_runs"].documents[run.run_id] = document
            self.record.begin(document)
        return runs

    def _with_windows(self, terms: SalesTerms) -> SalesTerms:
        """Return the terms, where runs are disrupted perhaps with a section that opens later than the others."""
        rng = seeded_random(-1 - self.seed)
        if not self.scenario.disruption_share or rng.random() < 0.5:
            return terms
        opening = self._moment + timedelta(seconds=rng.choice((20, 60, 600)))
        return replace(terms, section_windows=((rng.choice(("A", "B")), SalesWindow(open_time=opening)),))

    # -- what processes run on

    def now(self) -> datetime:
        return self._moment

    def seconds(self) -> float:
        return (self._moment - self._begin).total_seconds()

    def jitter(self) -> float:
        return self.rng.random()

    def random_server(self) -> Process:
        return self.rng.choice(self.servers)

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.steps:5} {self._moment:%d %H:%M:%S.%f}  {text}")

    def _fault(self, statement: str) -> str | None:
        if self.is_faultless or self.rng.random() >= self.scenario.database_faults:
            return None
        fault = self.rng.choice(("before", "after"))
        self.note(f"outage {fault} {statement}")
        return fault

    def _watch(self, name: str, before: dict[str, object] | None, document: dict[str, object]) -> None:
        if self.trace is not None and name in ("train_runs", "payments"):
            written = document.get("state") or f"version {document['version']}"
            self.note(f"    {self._who()} writes {written} of {document['_id']}")
        self.record.watch(name, before, document)

    def _who(self) -> str:
        task = self.scheduler.current
        return f"{task.process} ({task.name})" if task else "nobody"

    # -- a history

    def run(self) -> None:
        """Run the history from the first command to the last. Raises Violation."""
        few = patch.object(limits, "CANCELLED_BOOKINGS_PER_COMMIT", CANCELLED_PER_COMMIT)
        with simulated(self.scheduler, self.seconds), UnexpectedErrorLog(self.record), few:
            self.servers = [Process(f"server {number}", self) for number in range(1, self.rng.choice((2, 2, 3)) + 1)]
            self.workers = [WorkerProcess(f"worker {number}", self) for number in (1, 2)]
            while self.callers.asked < self.scenario.commands or not self.scheduler.is_idle("callers"):
                self.step()
            finish_history(self)

    def step(self) -> None:
        """Let one thing happen, and check the invariants. Raises Violation."""
        self.steps += 1
        self._moment += timedelta(milliseconds=int(self.rng.random() * 20) + 1)
        scenario, drawn = self.scenario, self.rng.random()
        if self.callers.asked < scenario.commands and drawn < 0.04 and self._calls() < _CALLS_AT_ONCE_MAX:
            self.callers.start_random_call()
        elif drawn < 0.04 + scenario.worker_tasks:
            self._start_worker_task()
        elif drawn > 1 - scenario.crashes:
            self._crash()
        elif drawn > 1 - scenario.crashes - scenario.leaps:
            self._leap()
        elif not self.scheduler.step() and self.callers.asked < scenario.commands:
            self.callers.start_random_call()
        self.check()

    def check(self) -> None:
        """Raise the first violation that the record has found."""
        if self.record.found:
            raise self.record.found[0]

    def _calls(self) -> int:
        return sum(1 for task in self.scheduler.under_way if task.process == "callers")

    def _start_worker_task(self) -> None:
        worker = self.rng.choice(self.workers)
        name = self.rng.choice(_WORKER_TASKS)
        worker.spawn(worker.run_task(name), name)

    def _crash(self) -> None:
        processes: list[Process] = [*self.servers, *self.workers]
        busy = [process for process in processes if not self.scheduler.is_idle(process.name)]
        process = self.rng.choice(busy or processes)
        self.note(f"{process.name} ends and starts again")
        process.crash()
        self.callers.calls.connection_lost(process.name)

    # -- time

    def _leap(self) -> None:
        short = self.rng.random() * 8
        if self._short_leaps_seconds + short < _SHORT_LEAPS_SECONDS_MAX and self.rng.random() < 0.5:
            self._short_leaps_seconds += short
            self.pass_time(short)
            return
        self.finish_calls()
        moments = [moment for moment in self._moments() if moment > self._moment]
        if moments and self.rng.random() < (0.6 if self.scenario.disruption_share else 0.15):
            self.pass_time((self.rng.choice(moments) - self._moment).total_seconds())
        else:
            self.pass_time(self.rng.choice(_LONG_LEAPS_SECONDS))

    def _moments(self) -> list[datetime]:
        """Return when something becomes possible or impossible on a run."""
        run = self.record.runs[self.runs[0].run_id]
        closes, departs = waitlist_closes_at(run), departs_at(run)
        moments = [closes - timedelta(seconds=5), closes, departs]
        if self.scenario.disruption_share:
            names = [section["name"] for section in run["sections"]]
            openings = [opening for name in names if (opening := opens_at(run, name)) is not None]
            closings = [closes_at(run, name, 1) for name in names]
            travel = [departs - timedelta(seconds=5), departs_at(run, 2), ends_at(run), compacted_at(run)]
            moments += [*openings, *closings, *travel]
        return moments

    def pass_time(self, seconds: float) -> None:
        """Let time leap."""
        self._moment += timedelta(milliseconds=round(seconds * 1_000))
        self.note(f"{seconds:.0f} seconds pass")

    def finish_calls(self) -> None:
        """Run all tasks of callers and servers to their end."""
        workers = {worker.name for worker in self.workers}
        self._finish(lambda task: task.process not in workers)

    def finish_all(self) -> None:
        """Run all tasks to their end."""
        self._finish(lambda task: True)

    def _finish(self, is_chosen: Callable[[Task], bool]) -> None:
        while self.scheduler.step(is_chosen):
            self.steps += 1
            self._moment += timedelta(milliseconds=1)
            self.check()


def run_history(seed: int, *, traced: bool = False) -> World:
    """Run the whole history of a seed."""
    world = World(seed, traced=traced)
    world.run()
    return world
