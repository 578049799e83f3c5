"""Servers and workers: the service's own code over a simulated database and provider.

Belongs here: putting a process together as `app/process/server.py` and `app/worker` do, what a worker does in which turn, and
how a
process ends. Does not: who asks for what (`callers.py`), nor when which process goes on (`world.py`).
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from app.domain.jobs import in_batches, job_retries
from app.domain.refusals import Refusal
from app.jobs.runner import JobRunner
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import open_command_bus
from app.store.driver import Database
from app.store.store import open_store
from app.usecases.bookings import BookingUseCases
from app.usecases.holds import HoldUseCases
from app.usecases.outbox import SETTLE_PAYMENT, OutboxRelay
from app.usecases.payments import BookingPayments
from app.usecases.train_runs import TrainRunUseCases
from tests.simulation.provider import SimulatedProvider
from tests.simulation.record import Record
from tests.simulation.tasks import Scheduler

if TYPE_CHECKING:
    from tests.simulation.database import SimulatedDatabase

# Small, so that batches, queues and what is unsettled reach their bounds.
BOUNDS = LaneBounds(
    batch_max=4,
    commits_max=4,
    queue_max=64,
    commit_attempts_max=4,
    cached_passengers_max=100,
    pending_bookings_max=6,
    statements_max=2,
)
LEASE_SECONDS = 30.0
_NEVER = 10**9
_JOBS_AT_ONCE = 8


class Environment(Protocol):
    """What every process stands on."""

    turns: Scheduler
    database: "SimulatedDatabase"
    provider: SimulatedProvider
    record: Record

    def now(self) -> datetime: ...
    def seconds(self) -> float: ...
    def jitter(self) -> float: ...


class Process:
    """A server or a worker: what it keeps in memory is gone when it ends."""

    def __init__(self, name: str, environment: Environment) -> None:
        self.name = name
        self._environment = environment
        self.ends = 0
        self.begin()

    def begin(self) -> None:
        """Starts anew, with nothing in memory."""
        environment = self._environment
        database = cast("Database", environment.database)
        self.store = open_store(database, jobs_kept_seconds=_NEVER)
        self.bus = open_command_bus(self.store.runs, self.store.bookings, environment.now, BOUNDS)
        self.paying = BookingPayments(self.store, self.bus, environment.provider, environment.now, environment.seconds)
        self.bookings = BookingUseCases(self.store, self.bus, self.paying, environment.now)
        self.holds = HoldUseCases(self.bus)
        self.train_runs = TrainRunUseCases(self.store, self.bus, environment.now)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        self._environment.turns.spawn(coroutine, name, self.name)

    def crash(self) -> None:
        """Ends between two statements, and is started again."""
        self.ends += 1
        self._environment.turns.kill(self.name)
        self.begin()


class WorkerProcess(Process):
    """A worker, whose turns are taken one at a time."""

    def begin(self) -> None:
        super().begin()
        environment = self._environment
        self.relay = self.make_relay()
        self.runner = JobRunner(
            self.relay.settle_payments, environment.now, environment.jitter, run_seconds_max=_NEVER, retries=job_retries(None)
        )
        self.turns: dict[str, Callable[[], Awaitable[None]]] = {
            "follow up": self.relay.process,
            "do jobs": self._do_jobs,
            "let go": self.paying.void_abandoned,
            "tidy": self.relay.expire_due,
            "copy what was left": self.relay.archive_leftovers,
        }

    def make_relay(self) -> OutboxRelay:
        environment = self._environment
        return OutboxRelay(
            self.store, self.bus, self.paying, environment.record.fan_out, lambda: None, environment.now, environment.seconds
        )

    async def take_turn(self, name: str) -> None:
        """Does one of its turns; an outage ends it, as it ends a job, to be tried again."""
        try:
            await self.turns[name]()
        except Refusal:
            return

    async def _do_jobs(self) -> None:
        """Takes jobs, has them done, and writes what came of them; a lease that ran out meanwhile is noticed only then."""
        jobs = self.store.jobs
        taken = await jobs.lease_due([SETTLE_PAYMENT], self._environment.now(), LEASE_SECONDS, self.name, _JOBS_AT_ONCE)
        for batch in in_batches(taken, _JOBS_AT_ONCE):
            outcomes = await self.runner.run(batch)
            await jobs.record_outcomes(outcomes, batch[0].lease_owner)
