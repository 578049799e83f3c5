"""Servers and workers: the service's own code over a simulated database and provider.

Belongs here: putting a process together as `app/process/server.py` and `app/worker` do, what a worker does in which turn, and
how a
process ends. Does not: who asks for what (`callers.py`), nor when which process goes on (`world.py`).
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from app.domain.jobs import in_batches
from app.domain.refusals import Refusal
from app.jobs.attempts import Attempts
from app.lanes.lane import LaneBounds
from app.store.driver import Database
from app.store.store import open_store
from app.usecases.bookings import BookingUseCases
from app.usecases.outbox import SETTLE_PAYMENT, Following
from app.usecases.payments import Paying
from app.usecases.trains import TrainUseCases
from tests.simulation.provider import SimulatedProvider
from tests.simulation.record import Record
from tests.simulation.tasks import Turns

if TYPE_CHECKING:
    from tests.simulation.database import SimulatedDatabase

# Small, so that batches, queues and what is unsettled reach their bounds.
BOUNDS = LaneBounds(
    batch_max=4,
    commits_max=4,
    queue_max=64,
    commit_attempts_max=4,
    cached_passengers_max=100,
    unsettled_max=6,
    statements_max=2,
)
LEASE_SECONDS = 30.0
_NEVER = 10**9
_JOBS_AT_ONCE = 8


class Ground(Protocol):
    """What every process stands on."""

    turns: Turns
    database: "SimulatedDatabase"
    provider: SimulatedProvider
    record: Record

    def now(self) -> datetime: ...
    def seconds(self) -> float: ...
    def jitter(self) -> float: ...


class Process:
    """A server or a worker: what it keeps in memory is gone when it ends."""

    def __init__(self, name: str, ground: Ground) -> None:
        self.name = name
        self._ground = ground
        self.ends = 0
        self.begin()

    def begin(self) -> None:
        """Starts anew, with nothing in memory."""
        ground = self._ground
        database = cast("Database", ground.database)
        self.store = open_store(database, ground.now, BOUNDS, jobs_kept_seconds=_NEVER)
        self.paying = Paying(self.store, ground.provider, ground.now, ground.seconds)
        self.bookings = BookingUseCases(self.store, self.paying, ground.now)
        self.trains = TrainUseCases(self.store, ground.now)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        self._ground.turns.spawn(coroutine, name, self.name)

    def crash(self) -> None:
        """Ends between two statements, and is started again."""
        self.ends += 1
        self._ground.turns.kill(self.name)
        self.begin()


class WorkerProcess(Process):
    """A worker, whose turns are taken one at a time."""

    def begin(self) -> None:
        super().begin()
        ground = self._ground
        self.following = self.make_following()
        self.attempts = Attempts(
            self.following.settle_payments, ground.now, ground.jitter, run_seconds_max=_NEVER, attempts_max=_NEVER
        )
        self.turns: dict[str, Callable[[], Awaitable[None]]] = {
            "follow up": self.following.follow_up,
            "do jobs": self._do_jobs,
            "let go": self.paying.let_go,
            "tidy": self.following.tidy,
            "copy what was left": self.following.copy_what_was_left,
        }

    def make_following(self) -> Following:
        ground = self._ground
        return Following(self.store, self.paying, ground.record.fan_out, lambda: None, ground.now, ground.seconds)

    async def take_turn(self, name: str) -> None:
        """Does one of its turns; an outage ends it, as it ends a job, to be tried again."""
        try:
            await self.turns[name]()
        except Refusal:
            return

    async def _do_jobs(self) -> None:
        """Takes jobs, has them done, and writes what came of them; a lease that ran out meanwhile is noticed only then."""
        jobs = self.store.jobs
        taken = await jobs.take([SETTLE_PAYMENT], self._ground.now(), LEASE_SECONDS, self.name, _JOBS_AT_ONCE)
        for batch in in_batches(taken, _JOBS_AT_ONCE):
            outcomes = await self.attempts.attempt(batch)
            await jobs.settle(outcomes, batch[0].lease_owner)
