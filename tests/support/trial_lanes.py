"""Servers of nothing but a command bus, and commands that make any change, for tests of lanes.

Belongs here: a bus over a database, and the trial command with its rule. Does not belong here: what tests change.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any, cast

import pytest

from app.domain.commands import Command, ResultT
from app.domain.people import Caller
from app.domain.rules.decisions import RULES
from app.domain.run.train_run import TrainRun
from app.domain.values import value
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import LocalCommandBus, open_command_bus
from app.process.clock import utc_now
from app.store.driver import Database
from app.store.store import Store, open_store

# The servers have the real clock, by which the train must not have departed.
TO_COME = date(2090, 9, 1)
BOUNDS = LaneBounds(batch_max=16, commits_max=4, queue_max=16, commit_attempts_max=4, cached_passengers_max=1_000)
Change = Callable[[TrainRun, datetime], None]


@value(frozen=True, slots=True)
class TrialCommand(Command[str]):
    """A command that makes one change of a run. Its result is "done"."""

    caller: Caller
    change: Change
    run_id: str = ""


@value(frozen=True, slots=True)
class AloneCommand(Command[str]):
    """The same, in a batch of its own, by a rule that knows the live bookings of these seats (section, number) of the run, and
    those with these references.
    """

    is_alone = True

    caller: Caller
    change: Change
    seats: Callable[[TrainRun], Sequence[tuple[str, int]]]
    run_id: str = ""
    references: Callable[[TrainRun], Sequence[str]] = lambda run: ()

    def required_seats(self, run: TrainRun) -> Sequence[tuple[str, int]]:
        """Return the seats."""
        return self.seats(run)

    def required_bookings(self, run: TrainRun) -> Sequence[str]:
        """Return the references."""
        return self.references(run)


def register_trial_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the trial commands to the table of rules."""

    def rule(run: TrainRun, command: TrialCommand | AloneCommand, now: datetime, bookings_of_other_runs: object) -> str:
        command.change(run, now)
        return "done"

    for command in (TrialCommand, AloneCommand):
        monkeypatch.setitem(cast("dict[Any, Any]", RULES), command, rule)


class LaneServer:
    """A command bus over the database, and its store."""

    def __init__(self, database: Database, bounds: LaneBounds = BOUNDS) -> None:
        self.store: Store = open_store(database, jobs_kept_seconds=3_600)
        self.bus: LocalCommandBus = open_command_bus(self.store.runs, self.store.bookings, utc_now, bounds)

    def make(self, change: Change, run: TrainRun, *, seconds: float = 10.0) -> Awaitable[str]:
        """Submit a command that makes this change, to be decided within so many seconds."""
        return self.bus.submit(TrialCommand(Caller(), change, run.run_id), time.monotonic() + seconds)

    def make_alone(self, change: Change, run: TrainRun, *seats: tuple[str, int], seconds: float = 10.0) -> Awaitable[str]:
        """Submit a command that makes this change alone in its batch, with the bookings of these seats in memory."""
        return self.bus.submit(AloneCommand(Caller(), change, lambda _: seats, run.run_id), time.monotonic() + seconds)

    def send(self, command: Command[ResultT], *, seconds: float = 10.0) -> Awaitable[ResultT]:
        """Submit any command."""
        return self.bus.submit(command, time.monotonic() + seconds)
