"""Servers and workers: the service's own code over a simulated database and provider.

Belongs here: building a process as `app/process/bootstrap` does, the tasks of a worker, and how a process ends. Does not
belong here: what callers ask for (`callers.py`), nor which process runs next (`world.py`).
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from app.domain.jobs import in_batches, job_retries
from app.domain.refusals import Refusal
from app.jobs.handlers import JobHandler
from app.jobs.runner import JobRunner
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import open_command_bus
from app.store.driver import Database
from app.store.store import open_store
from app.usecases.bookings import BookingUseCases
from app.usecases.holds import HoldUseCases
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT, LayoutFanOut
from app.usecases.layout_jobs import run_layout_handler
from app.usecases.layouts import LayoutUseCases
from app.usecases.outbox import JobSubscriber, OutboxRelay
from app.usecases.payment_jobs import SETTLE_PAYMENT, settlement_handler, settlement_jobs
from app.usecases.payments import BookingPayments
from app.usecases.run_maintenance import RunMaintenance
from app.usecases.train_runs import TrainRunUseCases
from tests.simulation.provider import SimulatedProvider
from tests.simulation.record import Record
from tests.simulation.scheduler import Scheduler

if TYPE_CHECKING:
    from tests.simulation.database import SimulatedDatabase

# Small, so that batches, queues and pending bookings reach their limits.
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
    """What every process runs on."""

    scheduler: Scheduler
    database: "SimulatedDatabase"
    provider: SimulatedProvider
    record: Record

    def now(self) -> datetime: ...
    def seconds(self) -> float: ...
    def jitter(self) -> float: ...


class Process:
    """A server or a worker. What it keeps in memory is lost when it ends."""

    def __init__(self, name: str, environment: Environment) -> None:
        self.name = name
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Start with nothing in memory."""
        environment = self._environment
        database = cast("Database", environment.database)
        self.store = open_store(database, jobs_kept_seconds=_NEVER)
        self.bus = open_command_bus(self.store.runs, self.store.bookings, environment.now, BOUNDS)
        self.payments = BookingPayments(self.store, self.bus, environment.provider, environment.now, environment.seconds)
        self.bookings = BookingUseCases(self.store, self.bus, self.payments, environment.now)
        self.holds = HoldUseCases(self.bus)
        self.layouts = LayoutUseCases(self.store, self.bus, environment.now)
        self.train_runs = TrainRunUseCases(self.store, self.bus, environment.now, LayoutFanOut(self.store, environment.now))

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Start a task of this process."""
        self._environment.scheduler.spawn(coroutine, name, self.name)

    def crash(self) -> None:
        """End between two statements, and start again."""
        self._environment.scheduler.kill(self.name)
        self.start()


class WorkerProcess(Process):
    """A worker. The world starts its tasks one at a time."""

    def start(self) -> None:
        super().start()
        environment = self._environment
        self.relay = self.make_relay()
        maintenance = RunMaintenance(self.store.runs, self.bus, environment.now, environment.seconds)
        handlers = {
            SETTLE_PAYMENT: settlement_handler(self.payments),
            UPDATE_RUN_LAYOUT: run_layout_handler(self.store.layout_jobs, self.bus, environment.now, environment.seconds),
        }
        self.runners = {kind: self._make_runner(handler) for kind, handler in handlers.items()}
        self.tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "process outbox": self.relay.process,
            "run jobs": self._run_jobs,
            "void abandoned payments": self.payments.void_abandoned,
            "expire due": maintenance.expire_due,
            "start layout jobs": LayoutFanOut(self.store, environment.now).start_new,
            "archive leftovers": maintenance.archive_leftovers,
        }

    def _make_runner(self, handler: JobHandler) -> JobRunner:
        environment = self._environment
        return JobRunner(handler, environment.now, environment.jitter, run_seconds_max=_NEVER, retries=job_retries(None))

    def make_relay(self) -> OutboxRelay:
        environment = self._environment
        jobs = JobSubscriber(self.store.jobs, settlement_jobs, environment.now)
        return OutboxRelay(self.store.events, [jobs, environment.record], lambda: None)

    async def run_task(self, name: str) -> None:
        """Run one task. An outage ends the task; a later one tries again."""
        try:
            await self.tasks[name]()
        except Refusal:
            return

    async def _run_jobs(self) -> None:
        """Lease jobs, run them, and record their outcomes. A lease that expired meanwhile is noticed only then."""
        jobs = self.store.jobs
        taken = await jobs.lease_due([*self.runners], self._environment.now(), LEASE_SECONDS, self.name, _JOBS_AT_ONCE)
        for kind, runner in self.runners.items():
            for batch in in_batches([job for job in taken if job.kind == kind], _JOBS_AT_ONCE):
                outcomes = await runner.run(batch)
                await jobs.record_outcomes(outcomes, batch[0].lease_owner)
