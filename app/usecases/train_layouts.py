"""Train layouts: changing the layout of a train, for all its future runs.

Belongs here: planning and making the change of a train. Does not belong here: bringing it to the runs (`layout_fan_out.py`,
`layout_jobs.py`), nor what it does to a layout (`app/domain/layout/train_layout.py`).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain import limits
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcomeState, layout_job_id
from app.domain.layout.plan import LayoutCounts, LayoutPlan, PlanChanged, hash_of
from app.domain.layout.train_layout import change_train_layout, train_section_changes
from app.domain.refusals import Reason, Refusal
from app.domain.train import StoredTrain, require_etag
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.layout_job_documents import layout_job_document
from app.store.store import Store
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.layout_jobs import command_of_run, state_of

_log = logging.getLogger(__name__)

# Runs that are planned: those of a year, some ten milliseconds each.
_PLANNED_RUNS_MAX = limits.SCHEDULE_DAYS_MAX
# Each run is read and decided on in a lane of its own; more at a time would hold up sales.
_PLANNED_AT_ONCE_MAX = 8
# Left of a call's time for its answer when planning ends.
_ANSWER_SECONDS = 1.0
# Changes of one train that have not left its document yet, which takes some minutes: 5 kB each.
_NEW_LAYOUT_JOBS_MAX = 20
_TOO_MANY_RETRY_SECONDS = 60.0


class TrainLayouts:
    """Changes the layouts of trains. `clock` returns the current time."""

    def __init__(self, store: Store, bus: CommandBus, clock: Clock, fan_out: LayoutFanOut) -> None:
        self._store, self._bus, self._clock, self._fan_out = store, bus, clock, fan_out

    async def update(self, command: UpdateLayout, deadline: float) -> LayoutPlan:
        """Change the layout of a train and make the jobs of its runs; with `validate_only`, sum up what it would do to them.

        Refuses INVALID_FIELD, TRAIN_NOT_FOUND, REQUEST_ID_REUSED, ETAG_STALE, PLAN_CHANGED, RUN_BUSY.
        """
        stored = await self._store.trains.get(command.train_id)
        # Read after the train: whatever request made this version of it is found.
        made = None if command.validate_only else await self._find_made(command)
        if made is not None:
            return made
        require_etag(stored, command.etag)
        changed = _changed(stored, command)
        dates = await self._fan_out.list_dates(command.train_id, changed.version)
        plan = LayoutPlan(
            plan_hash=_plan_hash(command.fingerprint, stored.version),
            sections=train_section_changes(stored.train, changed.train),
            layout_etag=str(stored.version),
            run_count=len(dates),
        )
        if command.validate_only or (command.plan_hash and command.plan_hash != plan.plan_hash):
            plan = await self._with_consequences(plan, _layout_job(command, stored, changed, self._clock()), dates, deadline)
            if command.validate_only:
                return plan
            raise PlanChanged(plan)
        return await self._commit(command, stored, changed, plan)

    async def _commit(self, command: UpdateLayout, stored: StoredTrain, changed: StoredTrain, plan: LayoutPlan) -> LayoutPlan:
        """Store the changed train with its layout job, and start the job."""
        if len(await self._store.layout_jobs.list_new(command.train_id)) >= _NEW_LAYOUT_JOBS_MAX:
            text = "too many changes of this train's layout within minutes; try again in some minutes"
            raise Refusal(Reason.RUN_BUSY, text, retry_seconds=_TOO_MANY_RETRY_SECONDS)
        layout_job = _layout_job(command, stored, changed, self._clock())
        await self._store.train_versions.put(stored, layout_job.create_time)
        if not await self._store.trains.swap(changed, stored.version, layout_job_document(layout_job)):
            made = await self._find_made(command)
            if made is not None:
                return made
            raise Refusal(Reason.ETAG_STALE, "the train was changed at the same moment; read it again")
        try:
            await self._fan_out.start(layout_job)
        except Refusal as refusal:  # the change is made; the periodic task of a worker starts the job
            _log.warning("layout job %s is not started yet: %s", layout_job.layout_job_id, refusal.reason.value)
        return replace(plan, is_applied=True, layout_etag=str(changed.version), layout_job_id=layout_job.layout_job_id)

    async def _find_made(self, command: UpdateLayout) -> LayoutPlan | None:
        """Return the answer to a repeated request, if it is one. Refuses REQUEST_ID_REUSED."""
        if not command.request_id:
            return None
        layout_job = await self._store.layout_jobs.find_by_request(command.train_id, command.request_id)
        if layout_job is None:
            return None
        if layout_job.fingerprint != command.fingerprint:
            raise Refusal(
                Reason.REQUEST_ID_REUSED,
                "this request_id changed the layout of the train in another way",
                resource=("train", command.train_id),
            )
        run_count = layout_job.run_count
        if run_count is None:
            run_count = len(await self._fan_out.list_dates(layout_job.train_id, layout_job.train_version))
        version = layout_job.train_version - 1
        before = await self._store.train_versions.find(layout_job.train_id, version)
        return LayoutPlan(
            plan_hash=_plan_hash(layout_job.fingerprint, version),
            sections=train_section_changes(before.train, _changed(before, command).train) if before is not None else (),
            is_applied=True,
            layout_etag=str(layout_job.train_version),
            layout_job_id=layout_job.layout_job_id,
            run_count=run_count,
        )

    # -- the consequences on runs

    async def _with_consequences(
        self, plan: LayoutPlan, layout_job: LayoutJob, dates: Sequence[str], deadline: float
    ) -> LayoutPlan:
        """Return the plan with the sum over as many runs as can be planned by the deadline, the earliest first."""
        pending = iter(dates[:_PLANNED_RUNS_MAX])
        parts = await asyncio.gather(
            *(self._plan_runs(layout_job, pending, deadline - _ANSWER_SECONDS) for _ in range(_PLANNED_AT_ONCE_MAX))
        )
        counts = sum((counts for _, counts in parts), LayoutCounts())
        states = sum((states for states, _ in parts), Counter[LayoutOutcomeState]())
        return replace(
            plan,
            counts=counts,
            planned_run_count=states.total(),
            skipped_run_count=states[LayoutOutcomeState.SKIPPED],
            refused_run_count=states[LayoutOutcomeState.REFUSED],
        )

    async def _plan_runs(
        self, layout_job: LayoutJob, pending: Iterator[str], end: float
    ) -> tuple[Counter[LayoutOutcomeState], LayoutCounts]:
        """Plan one run after the other until `end`; return how many would end in which way, and the sum of what would be done.

        A run without an answer is left out.
        """
        states, counts = Counter[LayoutOutcomeState](), LayoutCounts()
        for travel_date in pending:
            if time.monotonic() >= end:
                break
            try:
                counts += (await self._bus.submit(command_of_run(layout_job, travel_date, validate_only=True), end)).counts
                states[LayoutOutcomeState.APPLIED] += 1
            except Refusal as refusal:
                state = state_of(refusal)
                if state is not None:
                    states[state] += 1
        return states, counts


def _changed(stored: StoredTrain, command: UpdateLayout) -> StoredTrain:
    """Return the next version of the train, with the changed layout."""
    version = stored.version + 1
    return replace(stored, train=change_train_layout(stored.train, command.operations), version=version, layout_version=version)


def _layout_job(command: UpdateLayout, stored: StoredTrain, changed: StoredTrain, now: datetime) -> LayoutJob:
    return LayoutJob(
        layout_job_id=layout_job_id(command.train_id, changed.version),
        train_id=command.train_id,
        train_version=changed.version,
        layout_version_before=stored.layout_version,
        request_id=command.request_id,
        fingerprint=command.fingerprint,
        operations=command.operations,
        allow_lower=command.allow_lower,
        refund_displaced=command.refund_displaced,
        create_time=now,
    )


def _plan_hash(fingerprint: str, train_version: int) -> str:
    """Return the hash of a train's plan: the new layout follows from the operations and the version that they change.

    The consequences on runs are not part of it, since selling goes on: they are decided on each run when it is changed.
    """
    return hash_of(fingerprint, train_version)
