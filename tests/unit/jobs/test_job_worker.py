"""The job worker: taking jobs, running them, recording outcomes, outages and stopping."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.jobs import Job, JobState, PermanentJobError, PostponedJob
from app.domain.refusals import Reason, Refusal
from app.jobs.handlers import for_each_job
from tests.support.job_worlds import BOUNDS, Clock, JobsInMemory, RecordingHandler, a_job, working


def some_jobs(count: int, clock: Clock, kind: str = "refund") -> list[Job]:
    return [a_job(f"{kind} {number}", clock(), kind) for number in range(count)]


def utc_now() -> datetime:
    return datetime.now(UTC)


# -- taking jobs


async def test_due_jobs_go_to_their_handler_as_one_batch() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(5, clock), replace(a_job("later", clock()), due_time=clock() + timedelta(seconds=60)))
    async with working(jobs, {"refund": handler}, clock):
        await jobs.until(lambda: jobs.are_done(*(f"refund {number}" for number in range(5))))
    assert handler.batches == [[f"refund {number}" for number in range(5)]]
    assert jobs.stored["later"].state is JobState.PENDING


async def test_each_handler_gets_its_own_kind_and_other_kinds_are_left_to_other_workers() -> None:
    clock, refunds, captures = Clock(), RecordingHandler(), RecordingHandler()
    jobs = JobsInMemory(a_job("a", clock()), a_job("b", clock(), "capture"), a_job("c", clock(), "message"))
    async with working(jobs, {"refund": refunds, "capture": captures}, clock):
        await jobs.until(lambda: jobs.are_done("a", "b"))
    assert (refunds.batches, captures.batches) == ([["a"]], [["b"]])
    assert (jobs.stored["c"].state, jobs.stored["c"].attempts) == (JobState.PENDING, 0)


async def test_no_more_jobs_are_taken_than_a_handler_may_run_at_a_time() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(*some_jobs(55, clock))
    async with working(jobs, {"refund": handler}, clock):
        await handler.until(lambda: handler.running == BOUNDS.batches_max)
        leased = [job for job in jobs.stored.values() if job.lease_until is not None]
        assert len(leased) == BOUNDS.batches_max * BOUNDS.batch_max
        handler.may_end.set()
        await jobs.until(lambda: jobs.are_done(*jobs.stored))
    assert handler.running_max == BOUNDS.batches_max
    assert [len(batch) for batch in handler.batches] == [10, 10, 10, 10, 10, 5]


async def test_a_handler_that_hangs_does_not_hold_up_other_kinds() -> None:
    clock, hanging, quick = Clock(), RecordingHandler(may_end=False), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(100, clock, "capture"), *some_jobs(30, clock))
    async with working(jobs, {"capture": hanging, "refund": quick}, clock):
        await jobs.until(lambda: jobs.are_done(*(f"refund {number}" for number in range(30))))
        hanging.may_end.set()


async def test_a_woken_worker_runs_new_jobs_at_once() -> None:
    clock, handler, jobs = Clock(), RecordingHandler(), JobsInMemory()
    async with working(jobs, {"refund": handler}, clock) as worker:
        await jobs.until(lambda: jobs.lease_calls == 1)
        await jobs.insert_if_absent([a_job("new", clock())])
        worker.wake()
        await jobs.until(lambda: jobs.are_done("new"))


async def test_a_job_runs_when_its_due_time_comes() -> None:
    handler, due_time = RecordingHandler(), utc_now() + timedelta(seconds=0.05)
    jobs = JobsInMemory(replace(a_job("soon", due_time), due_time=due_time))
    async with working(jobs, {"refund": handler}, utc_now):
        await jobs.until(lambda: jobs.are_done("soon"))
    done_time = jobs.stored["soon"].done_time
    assert done_time is not None
    assert done_time >= due_time


async def test_a_job_that_another_process_inserted_is_found_by_polling() -> None:
    clock, handler, jobs = Clock(), RecordingHandler(), JobsInMemory()
    async with working(jobs, {"refund": handler}, clock, replace(BOUNDS, poll_seconds=0.01)):
        await jobs.until(lambda: jobs.lease_calls == 1)
        await jobs.insert_if_absent([a_job("new", clock())])
        await jobs.until(lambda: jobs.are_done("new"))


# -- failures


async def test_a_failed_job_does_not_fail_its_batch() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(3, clock))
    handler.errors["refund 1"] = ConnectionError("gone")
    async with working(jobs, {"refund": handler}, clock) as worker:
        await jobs.until(lambda: jobs.record_calls == 1 and jobs.are_done("refund 0", "refund 2"))
        failed = jobs.stored["refund 1"]
        assert (failed.state, failed.last_error, failed.lease_until) == (JobState.PENDING, "ConnectionError: gone", None)
        assert failed.due_time == clock() + timedelta(seconds=1)
        handler.errors.clear()
        clock.move(1)
        worker.wake()
        await jobs.until(lambda: jobs.are_done("refund 1"))
    assert handler.batches == [["refund 0", "refund 1", "refund 2"], ["refund 1"]]


async def test_a_job_that_keeps_failing_is_dead_after_its_last_attempt() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(a_job("bad", clock()))
    handler.errors["bad"] = ConnectionError("gone")
    async with working(jobs, {"refund": handler}, clock) as worker:
        for record_calls in range(1, BOUNDS.attempts_max + 1):
            await jobs.until(lambda record_calls=record_calls: jobs.record_calls == record_calls)  # type: ignore[misc]
            clock.move(60)
            worker.wake()
        await jobs.until(lambda: jobs.stored["bad"].state is JobState.DEAD)
    assert len(handler.batches) == jobs.stored["bad"].attempts == BOUNDS.attempts_max


async def test_a_job_with_a_permanent_error_is_dead_at_once() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(2, clock))
    handler.errors["refund 0"] = PermanentJobError("the card is closed")
    async with working(jobs, {"refund": handler}, clock):
        await jobs.until(lambda: jobs.record_calls == 1 and jobs.are_done("refund 1"))
    assert jobs.stored["refund 0"].state is JobState.DEAD


@pytest.mark.parametrize("is_raised", [False, True], ids=["returned", "raised"])
async def test_a_job_may_be_postponed_more_often_than_it_has_attempts(is_raised: bool) -> None:
    clock, postponements = Clock(), 0

    async def handle(jobs: Sequence[Job]) -> Mapping[str, Exception | None]:
        nonlocal postponements
        if postponements == 2 * (BOUNDS.attempts_max or 0):
            return {job.job_id: None for job in jobs}
        postponements += 1
        outcome = PostponedJob(clock())
        if is_raised:
            raise outcome
        return {job.job_id: outcome for job in jobs}

    jobs = JobsInMemory(*some_jobs(2, clock))
    async with working(jobs, {"refund": handle}, clock):
        await jobs.until(lambda: jobs.are_done("refund 0", "refund 1"))
    assert [(job.attempts, job.runs_alone) for job in jobs.stored.values()] == [(1, False), (1, False)]


async def test_a_job_that_its_handler_leaves_out_has_failed() -> None:
    clock = Clock()
    jobs = JobsInMemory(a_job("forgotten", clock()))

    async def forget(_: object, /) -> dict[str, Exception | None]:
        return {}

    async with working(jobs, {"refund": forget}, clock):
        await jobs.until(lambda: jobs.record_calls == 1)
    assert jobs.stored["forgotten"].state is JobState.PENDING
    assert jobs.stored["forgotten"].last_error.startswith("MissingOutcomeError")


@pytest.mark.parametrize("fault", [KeyError("amount"), PermanentJobError("the card is closed")])
async def test_after_a_batch_failed_as_a_whole_each_job_runs_alone(fault: Exception) -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(3, clock))
    handler.fault = fault
    async with working(jobs, {"refund": handler}, clock) as worker:
        await jobs.until(lambda: jobs.record_calls == 1)
        assert set(jobs.states().values()) == {JobState.PENDING}
        handler.fault = None
        clock.move(1)
        worker.wake()
        await jobs.until(lambda: jobs.are_done(*jobs.stored))
    assert handler.batches == [["refund 0", "refund 1", "refund 2"], ["refund 0"], ["refund 1"], ["refund 2"]]


async def test_after_a_refusal_the_jobs_run_together_again() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(3, clock))
    handler.fault = Refusal(Reason.DATABASE_UNAVAILABLE, "away")
    async with working(jobs, {"refund": handler}, clock) as worker:
        await jobs.until(lambda: jobs.record_calls == 1)
        handler.fault = None
        clock.move(1)
        worker.wake()
        await jobs.until(lambda: jobs.are_done(*jobs.stored))
    assert [len(batch) for batch in handler.batches] == [3, 3]


async def test_a_call_that_hangs_is_cancelled_and_its_jobs_fail() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(a_job("slow", clock()))
    async with working(jobs, {"refund": handler}, clock, replace(BOUNDS, run_seconds_max=0.01)):
        await jobs.until(lambda: jobs.record_calls == 1)
    assert handler.cancelled == 1
    assert jobs.stored["slow"].last_error.startswith("TimeoutError")


async def test_a_job_that_killed_its_worker_in_every_attempt_is_dead() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(replace(a_job("deadly", clock()), attempts=BOUNDS.attempts_max), a_job("good", clock()))
    async with working(jobs, {"refund": handler}, clock):
        await jobs.until(lambda: jobs.are_done("good"))
    assert jobs.stored["deadly"].state is JobState.DEAD
    assert handler.batches == [["good"]]


async def test_a_handler_of_single_jobs_bounds_how_many_run_and_each_fails_alone() -> None:
    clock, running, most = Clock(), 0, 0

    async def refund(job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if job.job_id == "refund 3":
            raise ConnectionError("gone")

    errors = await for_each_job(refund, at_once_max=2)(some_jobs(8, clock))
    assert most == 2
    assert [job_id for job_id, error in errors.items() if error is not None] == ["refund 3"]
    assert len(errors) == 8


# -- leases


async def test_a_lease_is_renewed_while_its_jobs_run() -> None:
    handler = RecordingHandler(may_end=False)
    jobs = JobsInMemory(a_job("long", utc_now()))
    others = RecordingHandler()
    async with working(jobs, {"refund": handler}, utc_now, replace(BOUNDS, lease_seconds=1.5)):
        await handler.until(lambda: handler.running == 1)
        first_end = jobs.stored["long"].lease_until
        assert first_end is not None
        async with working(jobs, {"refund": others}, utc_now, replace(BOUNDS, poll_seconds=0.01), owner="other"):
            await jobs.until(lambda: utc_now() > first_end)
        handler.may_end.set()
        await jobs.until(lambda: jobs.are_done("long"))
    assert jobs.renew_calls > 0
    assert (len(handler.batches), others.batches) == (1, [])


async def test_a_worker_that_lost_its_lease_records_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock, late, other = Clock(), RecordingHandler(may_end=False), RecordingHandler(may_end=False)
    jobs = JobsInMemory(a_job("fought for", clock()))
    async with working(jobs, {"refund": late}, clock):
        await late.until(lambda: late.running == 1)
        clock.move(BOUNDS.lease_seconds)
        async with working(jobs, {"refund": other}, clock, owner="other"):
            await other.until(lambda: other.running == 1)
            late.may_end.set()
            await jobs.until(lambda: jobs.record_calls == 1)
            assert jobs.stored["fought for"].state is JobState.PENDING
            other.may_end.set()
            await jobs.until(lambda: jobs.are_done("fought for"))
    assert "the lease on 1 of" in caplog.text


async def test_a_batch_whose_lease_expired_while_it_waited_is_not_started() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(*(replace(job, runs_alone=True) for job in some_jobs(3, clock)))
    async with working(jobs, {"refund": handler}, clock):
        await handler.until(lambda: handler.running == 2)
        clock.move(BOUNDS.lease_seconds)
        handler.may_end.set()
        await jobs.until(lambda: jobs.are_done(*jobs.stored))
    assert [job.attempts for job in jobs.stored.values()] == [1, 1, 2]
    assert handler.batches == [["refund 0"], ["refund 1"], ["refund 2"]]


# -- stopping


async def test_a_stopping_worker_finishes_running_jobs_and_gives_back_the_others() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    alone = [replace(job, runs_alone=True) for job in some_jobs(4, clock)]
    jobs = JobsInMemory(*alone)
    async with working(jobs, {"refund": handler}, clock) as worker:
        await handler.until(lambda: handler.running == 2)
        stopping = asyncio.create_task(worker.stop())
        await jobs.until(lambda: jobs.stored["refund 3"].lease_until is None)
        handler.may_end.set()
        await stopping
    assert [job.state.value for job in jobs.stored.values()] == ["DONE", "DONE", "PENDING", "PENDING"]
    assert [job.attempts for job in jobs.stored.values()] == [1, 1, 0, 0]
    assert len(handler.batches) == 2


async def test_jobs_that_were_being_taken_when_the_worker_stopped_are_given_back() -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(*some_jobs(4, clock))
    jobs.may_answer.clear()
    async with working(jobs, {"refund": handler}, clock) as worker:
        await jobs.until(lambda: jobs.lease_calls == 1)
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        jobs.may_answer.set()
        await stopping
    assert handler.batches == []
    assert {(job.attempts, job.lease_until) for job in jobs.stored.values()} == {(0, None)}


async def test_jobs_that_outlast_the_grace_period_are_cancelled_and_due_again_soon() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(a_job("endless", clock()))
    async with working(jobs, {"refund": handler}, clock, replace(BOUNDS, grace_seconds=0.01)):
        await handler.until(lambda: handler.running == 1)
    assert handler.cancelled == 1
    assert (jobs.stored["endless"].state, jobs.stored["endless"].lease_until) == (JobState.PENDING, None)
    assert jobs.stored["endless"].due_time == clock() + timedelta(seconds=1)


async def test_a_worker_stops_without_a_database_too() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(*(replace(job, runs_alone=True) for job in some_jobs(4, clock)))
    async with working(jobs, {"refund": handler}, clock, replace(BOUNDS, grace_seconds=0.01)):
        await handler.until(lambda: handler.running == 2)
        jobs.outage_statements = 10**9
    assert set(jobs.states().values()) == {JobState.PENDING}
    assert jobs.record_calls == 2


# -- outages


async def test_a_worker_survives_an_outage_and_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, handler = Clock(), RecordingHandler()
    jobs = JobsInMemory(a_job("patient", clock()))
    jobs.outage_statements = 20
    with caplog.at_level(logging.INFO, "app.jobs.worker"):
        async with working(jobs, {"refund": handler}, clock):
            await jobs.until(lambda: jobs.are_done("patient"))
    assert [record.getMessage() for record in caplog.records] == [
        "jobs are paused: the database does not answer",
        "jobs are running again",
    ]


async def test_outcomes_of_an_outage_are_recorded_after_it() -> None:
    clock, handler = Clock(), RecordingHandler(may_end=False)
    jobs = JobsInMemory(*some_jobs(3, clock))
    async with working(jobs, {"refund": handler}, clock) as worker:
        await handler.until(lambda: handler.running == 1)
        jobs.outage_statements = 20
        handler.may_end.set()
        await jobs.until(lambda: jobs.outage_statements < 15)
        clock.move(BOUNDS.lease_seconds + 1)  # no other worker could take them either
        worker.wake()
        await jobs.until(lambda: jobs.are_done(*jobs.stored))
    assert len(handler.batches) == 1
