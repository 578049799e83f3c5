"""Audit rules about layout jobs: a job and its outcomes as workers leave them give no finding; each broken one gives one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.audit.check import Check, Finding, run_rules
from app.domain.audit.layout_jobs import AuditedLayoutJob, AuditedLayoutOutcome, AuditedNewLayoutJob
from app.domain.audit.rules import LAYOUT_JOB_RULES, LAYOUT_OUTCOME_RULES, NEW_LAYOUT_JOB_RULES
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutOutcomeState
from app.domain.layout.operations import SetSeatCount
from app.domain.layout.plan import LayoutCounts
from app.domain.run.layout_record import LayoutRecord, LayoutRequest
from app.domain.train import StoredTrain
from tests.support.builders import NOW, TRAIN_ID, a_train

DATE = "2026-09-01"
MINUTE = timedelta(minutes=1)
COUNTS = LayoutCounts(moved_passengers=2)
JOB = LayoutJob(
    layout_job_id=f"{TRAIN_ID}:2",
    train_id=TRAIN_ID,
    train_version=2,
    layout_version_before=1,
    request_id="request",
    fingerprint="f" * 32,
    operations=(SetSeatCount("1", 3),),
    allow_lower=False,
    refund_displaced=False,
    create_time=NOW,
    run_count=1,
    complete_time=NOW + MINUTE,
)
TRAIN = StoredTrain(a_train("A3"), "created", NOW - MINUTE, 2, 2)
OUTCOME = LayoutOutcome(JOB.layout_job_id, DATE, LayoutOutcomeState.APPLIED, "", COUNTS, NOW + MINUTE)
REQUEST = LayoutRequest(f"{JOB.layout_job_id}:{DATE}", "f" * 32, "a" * 32, NOW + MINUTE, COUNTS)
RUN_LAYOUT = LayoutRecord(revision=1, train_version=2, requests=(REQUEST,))
LATE = NOW + timedelta(days=1)


def a_job(**changed: Any) -> AuditedLayoutJob:
    record = AuditedLayoutJob(
        layout_job=JOB,
        travel_dates=(DATE,),
        is_unfinished=False,
        purge_time=LATE,
        outcome_dates=(DATE,),
        train=TRAIN,
        layout_before=a_train("A4"),
        layout_after=a_train("A3"),
        before=NOW,
    )
    return replace(record, **changed)


def an_outcome(**changed: Any) -> AuditedLayoutOutcome:
    record = AuditedLayoutOutcome(
        record_id=f"{JOB.layout_job_id}:{DATE}",
        outcome=OUTCOME,
        purge_time=LATE,
        layout_job=JOB,
        travel_dates=(DATE,),
        run_layout=RUN_LAYOUT,
        before=LATE,
    )
    return replace(record, **changed)


def test_a_complete_layout_job_and_its_outcome_give_no_finding() -> None:
    assert run_rules(LAYOUT_JOB_RULES, "job", a_job()) == []
    assert run_rules(LAYOUT_OUTCOME_RULES, "outcome", an_outcome()) == []
    assert run_rules(NEW_LAYOUT_JOB_RULES, "job", AuditedNewLayoutJob(JOB, TRAIN, NOW)) == []


@pytest.mark.parametrize(
    "broken",
    [
        a_job(layout_job=replace(JOB, layout_job_id=f"{TRAIN_ID}:3")),
        a_job(layout_job=replace(JOB, layout_version_before=2)),
        a_job(layout_job=replace(JOB, operations=(SetSeatCount("1", 2),))),
        a_job(layout_job=replace(JOB, operations=(SetSeatCount("9", 2),))),
        a_job(train=None),
        a_job(train=replace(TRAIN, layout_version=1)),
        a_job(is_unfinished=True),
        a_job(purge_time=None),
        a_job(layout_job=replace(JOB, complete_time=NOW - MINUTE)),
        a_job(travel_dates=(DATE, DATE)),
        a_job(travel_dates=("soon",), outcome_dates=("soon",)),
        a_job(outcome_dates=()),
        a_job(travel_dates=None),
    ],
)
def test_a_layout_job_that_is_broken_in_one_way_is_found(broken: AuditedLayoutJob) -> None:
    findings = run_rules(LAYOUT_JOB_RULES, "job", broken)
    assert {(finding.check, finding.is_warning) for finding in findings} == {(Check.LAYOUT_JOBS, False)}


@pytest.mark.parametrize(
    "broken",
    [
        an_outcome(record_id=f"{TRAIN_ID}:3:{DATE}"),
        an_outcome(layout_job=None, purge_time=LATE + MINUTE),
        an_outcome(travel_dates=()),
        an_outcome(outcome=replace(OUTCOME, time=NOW - MINUTE)),
        an_outcome(purge_time=None),
        an_outcome(outcome=replace(OUTCOME, reason="departed")),
        an_outcome(outcome=replace(OUTCOME, state=LayoutOutcomeState.SKIPPED, reason="departed")),
        an_outcome(outcome=replace(OUTCOME, counts=LayoutCounts())),
        an_outcome(run_layout=LayoutRecord()),
    ],
)
def test_an_outcome_that_is_broken_in_one_way_is_found(broken: AuditedLayoutOutcome) -> None:
    findings = run_rules(LAYOUT_OUTCOME_RULES, "outcome", broken)
    assert {(finding.check, finding.is_warning) for finding in findings} == {(Check.LAYOUT_JOBS, False)}


def unfinished(before_minutes: int) -> list[Finding]:
    """Return the findings about a layout job that has not ended by so many minutes after it was made, less the tolerance."""
    job = replace(JOB, complete_time=None)
    record = a_job(layout_job=job, is_unfinished=True, purge_time=None, outcome_dates=(), before=NOW + before_minutes * MINUTE)
    return run_rules(LAYOUT_JOB_RULES, "job", record)


def test_a_layout_job_that_does_not_come_to_an_end_is_a_warning_after_the_tolerance() -> None:
    assert unfinished(0) == []
    (finding,) = unfinished(1)
    assert finding.is_warning
    assert "1 runs are left" in finding.text


def test_a_layout_job_that_stays_in_the_document_of_its_train_is_a_warning() -> None:
    (finding,) = run_rules(NEW_LAYOUT_JOB_RULES, "job", AuditedNewLayoutJob(JOB, TRAIN, NOW + 11 * MINUTE))
    assert finding.is_warning


def test_a_layout_job_in_the_document_of_another_train_is_found() -> None:
    other = replace(JOB, train_id="other")
    findings = run_rules(NEW_LAYOUT_JOB_RULES, "job", AuditedNewLayoutJob(other, TRAIN, NOW))
    assert [(finding.check, finding.is_warning) for finding in findings] == [(Check.LAYOUT_JOBS, False)]
