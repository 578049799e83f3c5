"""One history of the service, by a seed.

Belongs here: the trains, who is there, the clock, and what happens next: somebody asks, somebody goes on, a worker takes a
turn, a process ends, time passes. Does not: what each of them does, nor what has to hold.

Time passes by milliseconds with each step, and by leaps in between. A call takes seconds at most: the service rests on that
when it lets go of money that was set aside minutes ago. So before a leap, servers finish what they have begun; workers do not,
and find their leases run out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from app.domain.run.train_run import TrainRun, make_run
from app.domain.terms import RefundTier, SalesTerms
from app.store.run_documents import run_document
from tests.simulation.callers import Callers
from tests.simulation.database import SimulatedDatabase, copied
from tests.simulation.ending import finish_history
from tests.simulation.growing import grow
from tests.simulation.processes import Process, WorkerProcess
from tests.simulation.provider import SimulatedProvider
from tests.simulation.record import Record, UnexpectedErrorLog
from tests.simulation.tasks import Scheduler, Task, simulated
from tests.support.builders import a_train, seeded_random

TRAVEL_DATE = date(2026, 9, 1)
# Besides one seat in section B.
_LAYOUTS = ("A1", "A2", "A2 B1", "A1 A2", "A2 B2")
_FARES = ({"A": 2_000, "B": 5_001}, {"A": 2_000, "B": 5_001}, {"A": 0, "B": 3_000}, {"A": 0, "B": 0})
_TERMS = (
    SalesTerms(),
    SalesTerms((RefundTier(48, 90), RefundTier(2, 33)), waitlist_closes_minutes_before=60),
    SalesTerms((), waitlist_closes_minutes_before=0, waitlist_max=2, passengers_per_booker_max=2),
)
# Together well below the minutes after which money is let go: the longest that calls may take.
_SHORT_LEAPS_SECONDS_MAX = 60.0
_LONG_LEAPS_SECONDS = (31.0, 31.0, 70.0, 70.0, 310.0, 310.0, 1_000.0, 26 * 3_600.0)
_CALLS_AT_ONCE_MAX = 6


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a history is: how much is asked for, and how much goes wrong. Shares are of statements, answers or steps."""

    commands: int
    database_faults: float
    provider_faults: float
    answers_lost: float
    crashes: float
    leaps: float
    worker_turns: float
    growth: float
    stickiness: float


def random_scenario(rng: random.Random) -> Scenario:
    """From fair to foul."""
    return Scenario(
        commands=rng.randint(6, 18),
        database_faults=rng.choice((0.0, 0.01, 0.05)),
        provider_faults=rng.choice((0.0, 0.1, 0.4)),
        answers_lost=rng.choice((0.0, 0.1)),
        crashes=rng.choice((0.0, 0.002, 0.01)),
        leaps=rng.choice((0.0, 0.005, 0.02)),
        worker_turns=rng.choice((0.01, 0.04)),
        growth=rng.choice((0.0, 0.0, 0.004)),
        stickiness=rng.choice((0.0, 0.5, 0.9)),
    )


class World:
    """Everything of one history."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.rng = seeded_random(seed)
        self.seed = seed
        self.scenario = random_scenario(self.rng)
        self.trace: list[str] | None = [f"seed {seed}: {self.scenario}"] if traced else None
        self.steps = 0
        self._moment = datetime(2026, 8, 30, 12, tzinfo=UTC)
        self._begin = self._moment
        self._short_leaps_seconds = 0.0
        self.is_fair = False
        self.turns = Scheduler(self.rng, self.scenario.stickiness)
        self.record = Record()
        self.database = SimulatedDatabase(self._fault, self._watch)
        self.record.database = self.database
        certain = self.rng.random() < 0.5
        step_minor = (1, 10)[seed % 2]
        self.provider = SimulatedProvider(
            self.rng, self.scenario.provider_faults, can_ever_defer=certain, step_minor=step_minor
        )
        self.record.step_minor = step_minor
        self.runs = self._make_runs()
        self.servers: list[Process] = []
        self.workers: list[WorkerProcess] = []
        addresses_count, are_uniform = self.rng.choice((6, 14)), self.rng.random() < 0.25
        self.callers = Callers(
            self, self.rng, self.scenario.answers_lost, addresses_count=addresses_count, are_uniform=are_uniform
        )

    def _make_runs(self) -> list[TrainRun]:
        rng = self.rng
        step = self.provider.step_minor
        fares = {name: -(-minor // step) * step for name, minor in rng.choice(_FARES).items()}
        train = replace(a_train(rng.choice(_LAYOUTS) + " B1", fares=fares), terms=rng.choice(_TERMS))
        runs = [make_run(train, TRAVEL_DATE + timedelta(days=day)) for day in range(rng.choice((1, 1, 1, 2)))]
        for run in runs:
            document = copied(run_document(run, self._moment))
            self.database["train_runs"].kept[run.run_id] = document
            self.record.begin(document)
        return runs

    # -- what processes stand on

    def now(self) -> datetime:
        return self._moment

    def seconds(self) -> float:
        return (self._moment - self._begin).total_seconds()

    def jitter(self) -> float:
        return self.rng.random()

    def some_server(self) -> Process:
        return self.rng.choice(self.servers)

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.steps:5} {self._moment:%d %H:%M:%S.%f}  {text}")

    def _fault(self, statement: str) -> str | None:
        if self.is_fair or self.rng.random() >= self.scenario.database_faults:
            return None
        fault = self.rng.choice(("before", "after"))
        self.note(f"outage {fault} {statement}")
        return fault

    def _watch(self, name: str, before: dict[str, object] | None, document: dict[str, object]) -> None:
        if self.trace is not None and name in ("train_runs", "payments"):
            what = document.get("state") or f"version {document['version']}"
            self.note(f"    {self._who()} writes {what} of {document['_id']}")
        self.record.watch(name, before, document)

    def _who(self) -> str:
        return f"{self.turns.current.process} ({self.turns.current.name})" if self.turns.current else "somebody"

    # -- a history

    def live(self) -> None:
        """All of it, from the first command to the last; raises Violation where something does not hold."""
        with simulated(self.turns, self.seconds), UnexpectedErrorLog(self.record):
            self.servers = [Process(f"server {number}", self) for number in range(1, self.rng.choice((2, 2, 3)) + 1)]
            self.workers = [WorkerProcess(f"worker {number}", self) for number in (1, 2)]
            while self.callers.asked < self.scenario.commands or not self.turns.is_idle("passengers"):
                self.step()
            finish_history(self)

    def step(self) -> None:
        """Something happens, and what has to hold is looked at."""
        self.steps += 1
        self._moment += timedelta(milliseconds=int(self.rng.random() * 20) + 1)
        scenario, dice_ = self.scenario, self.rng.random()
        if self.callers.asked < scenario.commands and dice_ < 0.04 and self._calls() < _CALLS_AT_ONCE_MAX:
            self.callers.start_random_call()
        elif dice_ < 0.04 + scenario.worker_turns:
            self._begin_worker_turn()
        elif dice_ > 1 - scenario.crashes:
            self._crash()
        elif dice_ > 1 - scenario.crashes - scenario.leaps:
            self._leap()
        elif dice_ > 1 - scenario.crashes - scenario.leaps - scenario.growth:
            self._grow()
        elif not self.turns.step() and self.callers.asked < scenario.commands:
            self.callers.start_random_call()
        self.look()

    def look(self) -> None:
        """Raises the first thing that was found wrong."""
        if self.record.found:
            raise self.record.found[0]

    def _calls(self) -> int:
        return sum(1 for task in self.turns.under_way if task.process == "passengers")

    def _begin_worker_turn(self) -> None:
        worker = self.rng.choice(self.workers)
        name = self.rng.choice(("follow up", "do jobs", "do jobs", "let go", "tidy", "copy what was left"))
        worker.spawn(worker.take_turn(name), name)

    def _crash(self) -> None:
        everybody: list[Process] = [*self.servers, *self.workers]
        busy = [one for one in everybody if not self.turns.is_idle(one.name)]
        process = self.rng.choice(busy or everybody)
        self.note(f"{process.name} ends and begins anew")
        process.crash()
        self.callers.connection_lost(process.name)

    def _grow(self) -> None:
        server, run = self.some_server(), self.rng.choice(self.runs)
        server.spawn(grow(server, self, run.run_id, self.rng.randrange(len(run.sections))), "grow")

    # -- time

    def _leap(self) -> None:
        short = self.rng.random() * 8
        if self._short_leaps_seconds + short < _SHORT_LEAPS_SECONDS_MAX and self.rng.random() < 0.5:
            self._short_leaps_seconds += short
            self.pass_time(short)
            return
        self.finish_calls()
        departs = self.runs[0].stops[0].depart or self._moment
        closes = departs - timedelta(minutes=self.runs[0].terms.waitlist_closes_minutes_before)
        moments = [moment for moment in (closes - timedelta(seconds=5), closes, departs) if moment > self._moment]
        if moments and self.rng.random() < 0.15:
            self.pass_time((self.rng.choice(moments) - self._moment).total_seconds())
        else:
            self.pass_time(self.rng.choice(_LONG_LEAPS_SECONDS))

    def pass_time(self, seconds: float) -> None:
        """A leap."""
        self._moment += timedelta(milliseconds=round(seconds * 1_000))
        self.note(f"{seconds:.0f} seconds pass")

    def finish_calls(self) -> None:
        """Has passengers and servers finish what they have begun."""
        workers = {worker.name for worker in self.workers}
        self._finish(lambda task: task.process not in workers)

    def finish_all(self) -> None:
        """Has everybody finish."""
        self._finish(lambda task: True)

    def _finish(self, is_meant: Callable[[Task], bool]) -> None:
        while self.turns.step(is_meant):
            self.steps += 1
            self._moment += timedelta(milliseconds=1)
            self.look()


def live(seed: int, *, traced: bool = False) -> World:
    """The whole history of a seed."""
    world = World(seed, traced=traced)
    world.live()
    return world
