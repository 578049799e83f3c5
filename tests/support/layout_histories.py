"""Random histories of a train whose layout changes, with faults: servers and workers that die, and calls that read old trains.

Belongs here: one history from a seed, and its end. Does not belong here: what must be true then.

Every statement about trains, jobs and layout jobs, and every command, may be refused before it is made, or after: then it was
made and nobody knows. Who is refused gives up, as if its process had died, or sends the same request again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from app.domain.jobs import Job, JobState, after_success
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import AddCoach, LayoutOperation, RemoveCoach, SetFare, SetSeatCount
from app.domain.layout.plan import LayoutPlan
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.domain.train import StoredTrain
from app.lanes.bounds import LaneBounds
from app.lanes.local_bus import open_command_bus
from app.store.in_memory import connect_in_memory
from app.store.store import open_store
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT, LayoutFanOut
from app.usecases.layout_jobs import run_layout_handler
from app.usecases.layouts import LayoutUseCases
from app.usecases.train_runs import TrainRunUseCases
from app.usecases.trains import TrainUseCases
from tests.support.builders import TRAIN_ID, a_train, an_operator, seeded_random
from tests.support.job_worlds import Clock

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
FIRST_DATE = date(2026, 8, 3)  # the first runs depart while the history goes on
DATES = 6
STEPS = 60
FAULTS = 0.08  # of all statements
_BOUNDS = LaneBounds(batch_max=64, commits_max=8, queue_max=64, commit_attempts_max=5, cached_passengers_max=10_000)
_CALL_SECONDS = timedelta(seconds=300)
_KINDS = ("change", "change", "schedule", "own change", "delete", "start", "run jobs", "run jobs", "run jobs", "wait")
_ROUNDS_MAX = 50  # of a history's end; each round leaves less to do


class _Faulty:
    """Passes calls on to `target`, and refuses some of them before or after they are made."""

    def __init__(self, target: object, history: LayoutHistory) -> None:
        self._target, self._history = target, history

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            self._history.may_fail()
            answer = await method(*arguments, **named)
            self._history.may_fail()
            return answer

        return call


class LayoutHistory:
    """One history. `changes` are the requests that were answered, with their answers."""

    def __init__(self, seed: int) -> None:
        self.random = seeded_random(seed)
        self.clock = Clock(START)
        self.store = open_store(connect_in_memory()["test"], jobs_kept_seconds=10**6)
        self.bus = open_command_bus(self.store.runs, self.store.bookings, self.clock, _BOUNDS)
        self.faults = FAULTS
        self.changes: list[tuple[UpdateLayout, LayoutPlan]] = []
        self.trains: list[tuple[datetime, StoredTrain]] = []
        self._deleted: set[str] = set()
        self._coach_names = iter(range(100, 1_000))
        names = ("layout_jobs", "jobs", "trains", "train_versions")
        parts: dict[str, Any] = {name: _Faulty(getattr(self.store, name), self) for name in names}
        faulty = replace(self.store, **parts)
        bus = cast("Any", _Faulty(self.bus, self))
        self._fan_out = LayoutFanOut(faulty, self.clock)
        self._layouts = LayoutUseCases(faulty, bus, self.clock)
        self._handler = run_layout_handler(faulty.layout_jobs, bus, self.clock, lambda: 10**9)
        self._faulty = faulty

    def may_fail(self) -> None:
        """Refuse a statement, or the answer to it, by chance."""
        if self.random.random() < self.faults:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "a fault of this history")

    async def live(self) -> None:
        """Make the train, let things happen, and finish what is left without faults."""
        await TrainUseCases(self.store, self.clock).create(a_train("A4 A2 B3"), "r0", validate_only=False)
        await self._note_train()
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "change": self._change_train,
            "schedule": self._schedule,
            "own change": self._change_run,
            "delete": self._delete,
            "start": self._fan_out.start_new,
            "run jobs": self._run_jobs,
            "wait": self._wait,
        }
        for _ in range(STEPS):
            with suppress(Refusal):  # whoever it was has given up
                await actions[self.random.choice(_KINDS)]()
            await self._note_train()
            self.clock.move(self.random.choice((0.1, 1, 20)))
        await self._finish()

    async def _note_train(self) -> None:
        stored = await self.store.trains.get(TRAIN_ID)
        if not self.trains or self.trains[-1][1] != stored:
            self.trains.append((self.clock(), stored))

    # -- what happens

    async def _change_train(self) -> None:
        """Change the layout of the train; a client whose call is not answered sends it once more, or gives up."""
        stored = self.random.choice(self.trains[-2:])[1]  # the etag may be stale
        command = UpdateLayout(an_operator(), f"r{len(self.trains)}-{self.clock()}", TRAIN_ID, "", (self._operation(stored),))
        command = replace(command, etag=stored.etag)
        for _ in range(2):
            try:
                self.changes.append((command, await self._layouts.update(command, 10**9)))
            except Refusal as refusal:
                if refusal.reason is not Reason.DATABASE_UNAVAILABLE:
                    raise

    def _operation(self, stored: StoredTrain) -> LayoutOperation:
        coach = self.random.choice(stored.train.coaches)
        return self.random.choice(
            (
                SetSeatCount(coach.name, self.random.randint(1, 6)),
                AddCoach(str(next(self._coach_names)), coach.section, self.random.randint(1, 3)),
                RemoveCoach(coach.name),
                SetFare(coach.section, Money(self.random.choice((1_000, 2_000, 3_000)), "USD")),
            )
        )

    async def _schedule(self) -> None:
        """Make runs, perhaps from a train that was read before it changed, as long ago as a call may last."""
        first = FIRST_DATE + timedelta(days=self.random.randrange(DATES))
        last = first + timedelta(days=1)
        recent = [stored for ended, stored in self._trains_until() if self.clock() - ended < _CALL_SECONDS]
        # Known and left: where a run is deleted, a run of that date made from an older train keeps the older layout.
        is_new = self._deleted.isdisjoint((first.isoformat(), last.isoformat()))
        old = self.random.choice(recent) if is_new else recent[-1]

        class OldTrains(_Faulty):
            async def get(self, train_id: str) -> StoredTrain:
                return old

        trains = OldTrains(self.store.trains, self)
        use_cases = TrainRunUseCases(replace(self._faulty, trains=cast("Any", trains)), self.bus, self.clock, self._fan_out)
        await use_cases.schedule(TRAIN_ID, first, last)

    def _trains_until(self) -> list[tuple[datetime, StoredTrain]]:
        """Return each version of the train with the time until when it could be read."""
        ends = [begun for begun, _ in self.trains[1:]] + [self.clock()]
        return [(end, stored) for end, (_, stored) in zip(ends, self.trains, strict=True)]

    async def _run_ids(self) -> list[str]:
        found = await self.store.layout_jobs.list_dates_behind(TRAIN_ID, 10**6, "")
        return sorted(found)

    async def _change_run(self) -> None:
        dates = await self._run_ids()
        if not dates or self.random.random() < 0.5:
            return
        date_ = self.random.choice(dates)
        operations = (AddCoach(str(next(self._coach_names)), "A", 1),)
        await self.bus.submit(UpdateLayout(an_operator(), f"own-{self.clock()}", TRAIN_ID, date_, operations), 10**9)

    async def _delete(self) -> None:
        dates = await self._run_ids()
        if dates and self.random.random() < 0.3:
            date_ = self.random.choice(dates)
            self._deleted.add(date_)
            await self.store.run_deletions.delete(f"{TRAIN_ID}:{date_}", self.clock())

    async def _run_jobs(self, most: int = 4) -> None:
        """Run some pending jobs in any order; one that fails, or whose outcome is lost, stays pending."""
        pending = await self.pending_jobs()
        batch = self.random.sample(pending, min(len(pending), self.random.randint(1, most)))
        if not batch:
            return
        errors = await self._handler(batch)
        for job in batch:
            if errors[job.job_id] is None:
                self.may_fail()
                done = after_success(job, self.clock())
                await self.store.jobs.record_outcomes([done], job.lease_owner)

    async def pending_jobs(self) -> list[Job]:
        return await self.store.jobs.list_page(JobState.PENDING, UPDATE_RUN_LAYOUT, None, 1_000)

    async def _wait(self) -> None:
        self.clock.move(self.random.choice((5, 60, 200, 400, 20_000)))

    async def _finish(self) -> None:
        """Finish all that was begun, as workers do when nothing fails any more."""
        self.faults = 0.0
        for _ in range(_ROUNDS_MAX):
            await self._fan_out.start_new()
            for _ in range(_ROUNDS_MAX):
                await self._run_jobs(most=100)
            self.clock.move(60)
            if not await self.pending_jobs() and not await self.store.layout_jobs.list_new():
                return
        raise AssertionError(f"still to be done: {[job.job_id for job in await self.pending_jobs()]}")
