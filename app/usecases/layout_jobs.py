"""Layout jobs: bringing the change of a train's layout to one run, and recording how it ended.

Belongs here: the handler of a run's job. Does not belong here: which runs have such a job (`layout_fan_out.py`), what a change
does (`app/domain/rules/update_layout.py`), nor when a job runs (`app/jobs`).

A run's job submits its command under its own id. So a worker that died between the commit and the outcome is replaced by one
that gets the answer of the first commit.

    APPLIED   the run has the layout
    SKIPPED   the run has departed, is cancelled, was deleted, has a layout of its own, or lacks an earlier change of the train
    REFUSED   a rule refused the change
    else      the job fails, and is tried again: no answer, or the earlier change has not ended yet
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from app.domain.jobs import Job, PermanentJobError
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import (
    EarlierLayoutMissing,
    LayoutJob,
    LayoutOutcome,
    LayoutOutcomeState,
    OwnLayoutKept,
    layout_job_id,
    run_job_id,
)
from app.domain.layout.plan import LayoutCounts
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.jobs.handlers import JobHandler
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.layout_jobs import LayoutJobs

# Commands of one batch at a time: each commits alone on its run. More would only wait for the database.
_AT_ONCE_MAX = 8
# As long as a call may take; a batch that a busy database holds up longer is tried again.
_COMMAND_SECONDS_MAX = 30.0
# Refusals that say nothing about the change: the same command may succeed later, or once a record was repaired.
_TRANSIENT = frozenset(
    {
        Reason.RUN_BUSY,
        Reason.TOO_MANY_CALLS,
        Reason.SERVER_STOPPING,
        Reason.COMMIT_ATTEMPTS_SPENT,
        Reason.DATABASE_UNAVAILABLE,
        Reason.DEADLINE_EXCEEDED,
        Reason.RECORD_UNREADABLE,
        Reason.INTERNAL,
    }
)
_SKIPPED = frozenset({Reason.RUN_CANCELLED, Reason.RUN_DEPARTED, Reason.TRAIN_RUN_NOT_FOUND})


class RunLayoutJobs:
    """The handler of UPDATE_RUN_LAYOUT. `clock` returns the present moment, `monotonic` the seconds of deadlines."""

    def __init__(self, layout_jobs: LayoutJobs, bus: CommandBus, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._layout_jobs, self._bus, self._clock, self._monotonic = layout_jobs, bus, clock, monotonic

    async def handle(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Bring layout jobs to runs, the older ones first; return what failed, as `JobHandler` says."""
        malformed = PermanentJobError("its payload has no layout_job_id and travel_date")
        results: dict[str, Exception | None] = {job.job_id: malformed for job in jobs}
        for name, own in _by_layout_job(jobs):
            try:
                results |= await self._handle_all(name, own)
            except Refusal as refusal:
                results |= {job.job_id: refusal for job in own}
        return results

    async def _handle_all(self, name: str, jobs: Sequence[Job]) -> dict[str, Exception | None]:
        """Bring one layout job to several runs."""
        layout_job = await self._layout_jobs.get(name)
        if layout_job is None:
            gone = PermanentJobError("its layout job does not exist any more")
            return {job.job_id: gone for job in jobs}
        slots = asyncio.Semaphore(_AT_ONCE_MAX)

        async def handle_one(job: Job) -> Exception | None:
            async with slots:
                try:
                    await self._bring(layout_job, str(job.payload["travel_date"]))
                except Exception as error:  # it is this job's outcome
                    return error
            return None

        errors = await asyncio.gather(*map(handle_one, jobs))
        await self._layout_jobs.complete(layout_job.layout_job_id, self._clock())
        return {job.job_id: error for job, error in zip(jobs, errors, strict=True)}

    async def _bring(self, layout_job: LayoutJob, travel_date: str) -> None:
        """Change the layout of one run and record the outcome, unless it has one. Raises what is to be tried again."""
        if await self._layout_jobs.has_outcome(run_job_id(layout_job.layout_job_id, travel_date)):
            return
        try:
            outcome = await self._change(layout_job, travel_date)
        except EarlierLayoutMissing:
            if await self._is_earlier_pending(layout_job, travel_date):
                raise
            # The earlier change has ended. It may have been made after the first answer, so the second answer decides.
            outcome = await self._change(layout_job, travel_date, is_earlier_over=True)
        await self._layout_jobs.insert_outcome(outcome)

    async def _change(self, layout_job: LayoutJob, travel_date: str, *, is_earlier_over: bool = False) -> LayoutOutcome:
        """Change the layout of one run and return the outcome. Raises a refusal that is not final."""
        state, reason, counts = LayoutOutcomeState.APPLIED, "", LayoutCounts()
        try:
            counts = (await self._bus.submit(command_of_run(layout_job, travel_date), self._deadline())).counts
        except Refusal as refusal:
            is_skipped = is_earlier_over and isinstance(refusal, EarlierLayoutMissing)
            final = LayoutOutcomeState.SKIPPED if is_skipped else state_of(refusal)
            if final is None:
                raise
            state, reason = final, refusal.message
        return LayoutOutcome(layout_job.layout_job_id, travel_date, state, reason, counts, self._clock())

    async def _is_earlier_pending(self, layout_job: LayoutJob, travel_date: str) -> bool:
        """Whether the layout job before this one may still change the run."""
        earlier_id = layout_job_id(layout_job.train_id, layout_job.layout_version_before)
        if await self._layout_jobs.has_outcome(run_job_id(earlier_id, travel_date)):
            return False
        earlier = await self._layout_jobs.get(earlier_id)
        if earlier is not None and earlier.complete_time is None:
            return True
        new = await self._layout_jobs.list_new(layout_job.train_id)  # their runs are listed again
        return any(job.layout_job_id == earlier_id for job in new)

    def _deadline(self) -> float:
        return self._monotonic() + _COMMAND_SECONDS_MAX


def run_layout_handler(layout_jobs: LayoutJobs, bus: CommandBus, clock: Clock, monotonic: Callable[[], float]) -> JobHandler:
    """Return the handler of UPDATE_RUN_LAYOUT."""
    return RunLayoutJobs(layout_jobs, bus, clock, monotonic).handle


def state_of(refusal: Refusal) -> LayoutOutcomeState | None:
    """Return the final outcome that a refusal is on a run; None where the command may succeed later."""
    if refusal.reason in _TRANSIENT or isinstance(refusal, EarlierLayoutMissing):
        return None
    is_skipped = isinstance(refusal, OwnLayoutKept) or refusal.reason in _SKIPPED
    return LayoutOutcomeState.SKIPPED if is_skipped else LayoutOutcomeState.REFUSED


def _by_layout_job(jobs: Sequence[Job]) -> list[tuple[str, list[Job]]]:
    """Group well-formed jobs by layout job, a train's older versions first: a later change is made on top of them."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        if {"layout_job_id", "travel_date"} <= job.payload.keys():
            groups.setdefault(str(job.payload["layout_job_id"]), []).append(job)
    return sorted(groups.items(), key=lambda group: (len(group[0]), group[0]))  # "es9014:9" before "es9014:10"


def command_of_run(layout_job: LayoutJob, travel_date: str, *, validate_only: bool = False) -> UpdateLayout:
    """Return the command that brings a layout job to one run, or plans it. The service itself submits it."""
    return UpdateLayout(
        Caller(),
        run_job_id(layout_job.layout_job_id, travel_date),
        layout_job.train_id,
        travel_date,
        layout_job.operations,
        allow_lower=layout_job.allow_lower,
        refund_displaced=layout_job.refund_displaced,
        validate_only=validate_only,
        train_version=layout_job.train_version,
        layout_version_before=layout_job.layout_version_before,
    )
