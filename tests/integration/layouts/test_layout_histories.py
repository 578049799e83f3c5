"""Random histories of a train whose layout changes: after all faults, each run has each change once, or a reason why not."""

from __future__ import annotations

from collections import Counter

import pytest

from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState, run_job_id
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.store.layout_job_documents import layout_job_from
from tests.support.builders import TRAIN_ID
from tests.support.layout_histories import LayoutHistory
from tests.support.long_mode import full

SEEDS = range(full(1_000, short=25))
APPLIED = LayoutOutcomeState.APPLIED
Layout = dict[str, tuple[int, dict[str, int]]]


def layout_of_train(train: Train) -> Layout:
    """Return fare and seats per coach by section."""
    return {
        section.name: (
            section.fare.minor,
            {coach.name: coach.seat_count for coach in train.coaches if coach.section == section.name},
        )
        for section in train.sections
    }


def layout_of_run(run: TrainRun) -> Layout:
    """Return fare and seats per coach by section, without removed coaches."""
    return {
        section.name: (
            section.fare.minor,
            dict(Counter(section.coach_of(n) for n in range(1, section.size + 1) if not section.is_retired(n))),
        )
        for section in run.sections
    }


class End:
    """What a history has left."""

    def __init__(self, history: LayoutHistory) -> None:
        self._history = history
        self.jobs: dict[int, LayoutJob] = {}
        self.outcomes: dict[str, LayoutOutcome] = {}
        self.runs: dict[str, TrainRun] = {}
        self.trains: dict[int, StoredTrain] = {}

    async def read(self) -> None:
        store = self._history.store
        documents = await store.layout_jobs._jobs.find().to_list(1_000)
        self.jobs = {job.train_version: job for job in map(layout_job_from, documents)}
        for job in self.jobs.values():
            for outcome in await store.layout_jobs.list_outcomes(job.layout_job_id, "", 1_000):
                self.outcomes[run_job_id(job.layout_job_id, outcome.travel_date)] = outcome
        for date in await store.layout_jobs.list_dates_behind(TRAIN_ID, 10**6, ""):
            self.runs[date] = await store.runs.get(f"{TRAIN_ID}:{date}")
        newest = await store.trains.get(TRAIN_ID)
        self.trains[newest.version] = newest
        for version in range(1, newest.version):
            stored = await store.train_versions.find(TRAIN_ID, version)
            assert stored is not None
            self.trains[version] = stored


async def ended(seed: int) -> tuple[LayoutHistory, End]:
    history = LayoutHistory(seed)
    await history.live()
    end = End(history)
    await end.read()
    return history, end


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_run_has_each_change_once_or_a_reason_why_not(seed: int) -> None:
    history, end = await ended(seed)
    # Each version of the train but the first is one change, made by one request, with one layout job that is complete.
    assert sorted(end.jobs) == list(range(2, max(end.trains) + 1))
    assert all(job.complete_time is not None for job in end.jobs.values())
    assert len({job.request_id for job in end.jobs.values()}) == len(end.jobs)
    answers = {(command.request_id, answer.layout_job_id) for command, answer in history.changes}
    assert answers <= {(job.request_id, job.layout_job_id) for job in end.jobs.values()}
    for job in end.jobs.values():
        assert sum(outcome.layout_job_id == job.layout_job_id for outcome in end.outcomes.values()) == job.run_count
    for date, run in end.runs.items():
        _check_run(end, date, run)


def _check_run(end: End, date: str, run: TrainRun) -> None:
    """Check that the run has the layout of its version, by changes that were made once each, and why it has no newer one."""
    record = run.layout
    own = [request for request in record.requests if request.request_id.startswith("own-")]
    made = [request.request_id for request in record.requests if not request.request_id.startswith("own-")]
    assert record.revision == len(record.requests) == len({request.request_id for request in record.requests})
    assert record.is_own == bool(own)
    versions = [version for version in end.jobs if run_job_id(end.jobs[version].layout_job_id, date) in made]
    assert [run_job_id(end.jobs[version].layout_job_id, date) for version in sorted(versions)] == made
    if not own:
        assert layout_of_run(run) == layout_of_train(end.trains[record.train_version].train)
    for version in versions:
        assert end.outcomes[run_job_id(end.jobs[version].layout_job_id, date)].state is APPLIED
    for version, job in end.jobs.items():
        if version > record.train_version and run.travel_date >= "2026-08-03":
            outcome = end.outcomes.get(run_job_id(job.layout_job_id, date))
            is_past = date < (job.create_time.date()).isoformat()
            assert is_past or (outcome is not None and outcome.state is not APPLIED and outcome.reason), (
                version,
                date,
                outcome,
            )


async def test_histories_contain_what_they_are_made_for() -> None:
    states: Counter[str] = Counter()
    for seed in SEEDS[:10]:
        _, end = await ended(seed)
        states.update(outcome.state.value for outcome in end.outcomes.values())
        states["own"] += sum(run.layout.is_own for run in end.runs.values())
        states["changed twice or more"] += sum(run.layout.revision > 1 for run in end.runs.values())
    assert all(states[kind] > 5 for kind in ("APPLIED", "SKIPPED", "own", "changed twice or more")), states
