"""The handler of a run's layout job: which outcome it records, what it leaves for another attempt, and completion."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from app.domain.commands import Command, ResultT
from app.domain.jobs import Job, PermanentJobError
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import (
    EarlierLayoutMissing,
    LayoutJob,
    LayoutOutcomeState,
    LayoutProgress,
    OwnLayoutKept,
    run_job_id,
)
from app.domain.layout.plan import LayoutCounts, LayoutPlan
from app.domain.refusals import Reason, Refusal
from app.domain.train import StoredTrain
from app.store.in_memory import connect_in_memory
from app.store.layout_job_documents import layout_job_document
from app.store.layout_jobs import LayoutJobs
from app.store.store import Store, open_store
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT
from app.usecases.layout_jobs import RunLayoutJobs
from tests.support.builders import NOW, a_train
from tests.support.job_worlds import Clock
from tests.support.layout_jobs import a_layout_job, an_outcome

FIRST, SECOND = "2026-09-01", "2026-09-02"
MOVED = LayoutCounts(moved_passengers=2, refunded_minor=500, currency="USD")
Answer = LayoutPlan | Exception


class ScriptedBus:
    """Answers each command with the next of the answers for its date, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = defaultdict(lambda: [LayoutPlan(counts=MOVED, is_applied=True)])
        self.commands: list[UpdateLayout] = []
        self.on_submit: Callable[[UpdateLayout], None] = lambda command: None

    def submit(self, command: Command[ResultT], deadline: float) -> asyncio.Future[ResultT]:
        assert isinstance(command, UpdateLayout)
        self.commands.append(command)
        self.on_submit(command)
        answers = self.answers[command.travel_date]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future


class JobWorld:
    """The handler over a bus that tests script, and a database in memory."""

    def __init__(self, store: Store) -> None:
        self.store, self.bus, self.clock = store, ScriptedBus(), Clock(NOW)
        self.layout_jobs: LayoutJobs = store.layout_jobs
        self.handler = RunLayoutJobs(store.layout_jobs, self.bus, self.clock, lambda: 0.0)

    async def started(self, *dates: str, layout_job: LayoutJob | None = None) -> LayoutJob:
        """Store a layout job whose runs are listed."""
        layout_job = layout_job or a_layout_job()
        await self.layout_jobs.insert_if_absent(layout_job)
        await self.layout_jobs.add_dates(layout_job.layout_job_id, list(dates))
        return layout_job

    async def handle(self, layout_job: LayoutJob, *dates: str) -> list[Exception | None]:
        return await self.handle_jobs(*(a_run_job(layout_job, date) for date in dates))

    async def handle_jobs(self, *jobs: Job) -> list[Exception | None]:
        """Run one batch; return the error of each job."""
        results = await self.handler.handle(jobs)
        return [results[job.job_id] for job in jobs]

    async def outcomes(self, layout_job: LayoutJob) -> dict[str, tuple[LayoutOutcomeState, str, LayoutCounts]]:
        found = await self.layout_jobs.list_outcomes(layout_job.layout_job_id, "", 100)
        return {outcome.travel_date: (outcome.state, outcome.reason, outcome.counts) for outcome in found}

    async def states(self, layout_job: LayoutJob) -> dict[str, LayoutOutcomeState]:
        return {date: state for date, (state, _, _) in (await self.outcomes(layout_job)).items()}

    async def stored(self, layout_job: LayoutJob) -> LayoutJob:
        found = await self.layout_jobs.get(layout_job.layout_job_id)
        assert found is not None
        return found


def a_run_job(layout_job: LayoutJob, date: str) -> Job:
    payload = {"layout_job_id": layout_job.layout_job_id, "travel_date": date}
    return Job(run_job_id(layout_job.layout_job_id, date), UPDATE_RUN_LAYOUT, payload, NOW, NOW)


@pytest_asyncio.fixture
async def world() -> JobWorld:
    return JobWorld(open_store(connect_in_memory()["test"], jobs_kept_seconds=60))


async def test_a_run_gets_the_layout_under_the_name_of_its_job(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)
    assert await world.handle(layout_job, FIRST) == [None]
    (command,) = world.bus.commands
    assert (command.run_id, command.operations) == (f"{layout_job.train_id}:{FIRST}", layout_job.operations)
    assert command.request_id == run_job_id(layout_job.layout_job_id, FIRST)
    assert (command.train_version, command.layout_version_before) == (2, 1)
    assert await world.outcomes(layout_job) == {FIRST: (LayoutOutcomeState.APPLIED, "", MOVED)}


@pytest.mark.parametrize(
    "refusal",
    [
        OwnLayoutKept(),
        Refusal(Reason.RUN_DEPARTED, "the train has departed"),
        Refusal(Reason.TRAIN_RUN_NOT_FOUND, "train es9014 does not run on 2026-09-01"),
    ],
    ids=["own layout", "departed", "deleted"],
)
async def test_a_run_that_is_left_as_it_is_is_reported_as_skipped(world: JobWorld, refusal: Refusal) -> None:
    layout_job = await world.started(FIRST)
    world.bus.answers[FIRST] = [refusal]
    assert await world.handle(layout_job, FIRST) == [None]
    assert await world.outcomes(layout_job) == {FIRST: (LayoutOutcomeState.SKIPPED, refusal.message, LayoutCounts())}


async def test_a_rule_that_says_no_is_reported_with_its_reason(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)
    world.bus.answers[FIRST] = [Refusal(Reason.DISPLACED_TOO_MANY, "501 passengers would lose their seats")]
    assert await world.handle(layout_job, FIRST) == [None]
    reported = (LayoutOutcomeState.REFUSED, "501 passengers would lose their seats", LayoutCounts())
    assert await world.outcomes(layout_job) == {FIRST: reported}


@pytest.mark.parametrize(
    "reason",
    [
        Reason.RUN_BUSY,
        Reason.COMMIT_ATTEMPTS_SPENT,
        Reason.DATABASE_UNAVAILABLE,
        Reason.DEADLINE_EXCEEDED,
        Reason.RECORD_UNREADABLE,
        Reason.SERVER_STOPPING,
    ],
)
async def test_a_run_without_an_answer_is_tried_again_and_holds_up_no_other(world: JobWorld, reason: Reason) -> None:
    layout_job = await world.started(FIRST, SECOND)
    world.bus.answers[FIRST] = [Refusal(reason, "not now"), LayoutPlan(counts=MOVED)]
    errors = await world.handle(layout_job, FIRST, SECOND)
    assert [isinstance(error, Refusal) and error.reason for error in errors] == [reason, False]
    assert await world.states(layout_job) == {SECOND: LayoutOutcomeState.APPLIED}
    assert (await world.stored(layout_job)).complete_time is None
    assert await world.handle(layout_job, FIRST) == [None]
    assert (await world.stored(layout_job)).complete_time == NOW


async def test_a_fault_in_one_run_fails_that_job_alone(world: JobWorld) -> None:
    layout_job = await world.started(FIRST, SECOND)
    world.bus.answers[FIRST] = [RuntimeError("a bug")]
    errors = await world.handle(layout_job, FIRST, SECOND)
    assert [repr(error) for error in errors] == ["RuntimeError('a bug')", "None"]


async def test_a_worker_that_died_before_the_outcome_is_replaced_by_one_that_gets_the_same_answer(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)

    def die(command: UpdateLayout) -> None:
        raise asyncio.CancelledError

    world.bus.on_submit = die
    with pytest.raises(asyncio.CancelledError):
        await world.handle(layout_job, FIRST)
    assert await world.outcomes(layout_job) == {}
    world.bus.on_submit = lambda command: None
    assert await world.handle(layout_job, FIRST) == [None]
    assert len({command.request_id for command in world.bus.commands}) == 1
    assert await world.outcomes(layout_job) == {FIRST: (LayoutOutcomeState.APPLIED, "", MOVED)}


async def test_a_run_that_has_its_outcome_is_not_changed_again(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)
    await world.handle(layout_job, FIRST)
    world.bus.answers[FIRST] = [OwnLayoutKept()]
    assert await world.handle(layout_job, FIRST) == [None]
    assert len(world.bus.commands) == 1
    assert await world.states(layout_job) == {FIRST: LayoutOutcomeState.APPLIED}


# -- completion


async def test_a_layout_job_is_complete_once_each_run_has_its_outcome(world: JobWorld) -> None:
    layout_job = await world.started(FIRST, SECOND)
    await world.handle(layout_job, FIRST)
    assert (await world.stored(layout_job)).complete_time is None
    world.clock.move(5)
    await world.handle(layout_job, SECOND)
    complete_time = (await world.stored(layout_job)).complete_time
    assert complete_time == world.clock()
    world.clock.move(5)
    await world.handle(layout_job, FIRST, SECOND)
    assert (await world.stored(layout_job)).complete_time == complete_time
    assert await world.layout_jobs.progress(layout_job.layout_job_id) == LayoutProgress(2, 0, 0, MOVED + MOVED)


async def test_a_layout_job_completes_also_where_the_last_worker_died_after_the_last_outcome(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)
    await world.layout_jobs.insert_outcome(an_outcome(FIRST, layout_job=layout_job))
    assert (await world.stored(layout_job)).complete_time is None
    assert await world.handle(layout_job, FIRST) == [None]
    assert world.bus.commands == []
    assert (await world.stored(layout_job)).complete_time == NOW


async def test_a_layout_job_whose_runs_are_not_listed_yet_is_not_complete(world: JobWorld) -> None:
    layout_job = a_layout_job()
    await world.layout_jobs.insert_if_absent(layout_job)
    assert await world.handle(layout_job, FIRST) == [None]
    stored = await world.stored(layout_job)
    assert (stored.run_count, stored.complete_time) == (None, None)


# -- order


async def test_a_later_change_waits_for_the_earlier_one(world: JobWorld) -> None:
    earlier, later = await world.started(FIRST), await world.started(FIRST, layout_job=a_layout_job(3))
    world.bus.answers[FIRST] = [EarlierLayoutMissing()]
    (error,) = await world.handle(later, FIRST)
    assert isinstance(error, EarlierLayoutMissing)
    assert await world.outcomes(later) == {}
    await world.layout_jobs.insert_outcome(an_outcome(FIRST, LayoutOutcomeState.REFUSED, layout_job=earlier))
    assert await world.handle(later, FIRST) == [None]
    assert await world.states(later) == {FIRST: LayoutOutcomeState.SKIPPED}


async def test_a_later_change_is_made_where_the_earlier_one_was_made_since_it_was_missing(world: JobWorld) -> None:
    earlier, later = await world.started(FIRST), await world.started(FIRST, layout_job=a_layout_job(3))
    await world.layout_jobs.insert_outcome(an_outcome(FIRST, LayoutOutcomeState.APPLIED, layout_job=earlier))
    world.bus.answers[FIRST] = [EarlierLayoutMissing(), LayoutPlan(counts=MOVED, is_applied=True)]
    assert await world.handle(later, FIRST) == [None]
    assert await world.states(later) == {FIRST: LayoutOutcomeState.APPLIED}


async def test_a_later_change_is_skipped_where_the_earlier_one_is_over_and_never_concerned_the_run(world: JobWorld) -> None:
    earlier, later = await world.started(SECOND), await world.started(FIRST, layout_job=a_layout_job(3))
    await world.handle(earlier, SECOND)
    world.bus.answers[FIRST] = [EarlierLayoutMissing()]
    assert await world.handle(later, FIRST) == [None]
    assert await world.states(later) == {FIRST: LayoutOutcomeState.SKIPPED}


async def test_a_later_change_waits_while_runs_may_still_be_found_for_the_earlier_one(world: JobWorld) -> None:
    earlier, later = await world.started(SECOND), await world.started(FIRST, layout_job=a_layout_job(3))
    await world.handle(earlier, SECOND)
    stored = StoredTrain(a_train("A4"), "r0", NOW, 1)
    await world.store.trains.insert(stored)
    await world.store.trains.swap(replace(stored, version=2), 1, layout_job_document(earlier))
    world.bus.answers[FIRST] = [EarlierLayoutMissing()]
    (error,) = await world.handle(later, FIRST)
    assert isinstance(error, EarlierLayoutMissing)
    await world.layout_jobs.remove_new(earlier)
    assert await world.handle(later, FIRST) == [None]
    assert await world.states(later) == {FIRST: LayoutOutcomeState.SKIPPED}


async def test_of_one_batch_the_earlier_changes_are_made_first(world: JobWorld) -> None:
    changes = [await world.started(FIRST, layout_job=a_layout_job(version)) for version in (10, 9, 2)]
    errors = await world.handle_jobs(*(a_run_job(layout_job, FIRST) for layout_job in changes))
    assert errors == [None, None, None]
    assert [command.train_version for command in world.bus.commands] == [2, 9, 10]


# -- what cannot be done


async def test_a_job_of_a_layout_job_that_is_deleted_is_given_up(world: JobWorld) -> None:
    (error,) = await world.handle(a_layout_job(), FIRST)
    assert isinstance(error, PermanentJobError)


async def test_a_job_without_a_date_is_given_up_and_holds_up_no_other(world: JobWorld) -> None:
    layout_job = await world.started(FIRST)
    malformed = Job("odd", UPDATE_RUN_LAYOUT, {"layout_job_id": layout_job.layout_job_id}, NOW, NOW)
    errors = await world.handle_jobs(malformed, a_run_job(layout_job, FIRST))
    assert isinstance(errors[0], PermanentJobError)
    assert errors[1] is None
