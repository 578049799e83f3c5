"""Commands on jobs, against the scripted service: job list, job retry."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import job_pb2
from tests.support.scripted_service import Refusal, ScriptedService, at

JOB = "settle payment es9014:2030-07-01:3:0"
KIND = "settle payment"


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Run a command of `seatline job` as an operator."""

    def run(*arguments: str) -> Result:
        shared = ("--target", service.target, "--user", "op@example.com", "--role", "operator")
        return CliRunner().invoke(app, ["job", *arguments, *shared])

    return run


def a_job(job_id: str = JOB, **values: Any) -> job_pb2.Job:
    told: dict[str, Any] = {"kind": KIND, "state": job_pb2.JOB_STATE_DEAD, "attempt_count": 60}
    return job_pb2.Job(job_id=job_id, due_time=at("2030-07-01T08:00:00Z"), **{**told, **values})


def test_list_shows_the_dead_jobs_and_their_last_error(service: ScriptedService, seatline: Any) -> None:
    job = a_job(last_error="TimeoutError: out of \x1b[31morder")
    service.answers["ListJobs"] = job_pb2.ListJobsResponse(jobs=[job])
    result = seatline("list")
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("ListJobs")
    assert (asked.state, asked.kind) == (job_pb2.JOB_STATE_DEAD, "")
    for text in (JOB, KIND, "due Mon 01 Jul 2030 08:00:00 UTC", "60", "TimeoutError: out of", "1 dead job."):
        assert text in result.stdout
    assert "\x1b" not in result.stdout
    assert service.metadata["x-seatline-roles"] == "operator"


@pytest.mark.parametrize(
    ("typed", "state"),
    [("dead", job_pb2.JOB_STATE_DEAD), ("pending", job_pb2.JOB_STATE_PENDING), ("done", job_pb2.JOB_STATE_DONE)],
)
def test_list_requests_the_given_state_and_kind(
    service: ScriptedService, seatline: Any, typed: str, state: job_pb2.JobState.ValueType
) -> None:
    service.answers["ListJobs"] = job_pb2.ListJobsResponse()
    assert seatline("list", "--state", typed, "--kind", KIND).stdout == f"No {typed} jobs.\n"
    (asked,) = service.requests("ListJobs")
    assert (asked.state, asked.kind) == (state, KIND)


def test_a_done_job_is_shown_with_its_time(service: ScriptedService, seatline: Any) -> None:
    job = a_job(state=job_pb2.JOB_STATE_DONE, done_time=at("2030-07-01T08:00:05Z"))
    service.answers["ListJobs"] = job_pb2.ListJobsResponse(jobs=[job, job])
    shown = seatline("list", "--state", "done").stdout
    assert "done Mon 01 Jul 2030 08:00:05 UTC" in shown
    assert "2 done jobs." in shown


def test_an_unknown_state_is_refused_before_any_call(service: ScriptedService, seatline: Any) -> None:
    assert (seatline("list", "--state", "eaten").exit_code, service.asked) == (2, [])


def test_all_pages_are_shown_unless_one_page_is_requested(service: ScriptedService, seatline: Any) -> None:
    def answer(request: job_pb2.ListJobsRequest) -> job_pb2.ListJobsResponse:
        if request.page_token:
            return job_pb2.ListJobsResponse(jobs=[a_job("second")])
        return job_pb2.ListJobsResponse(jobs=[a_job("first")], next_page_token="7QK2")

    service.answers["ListJobs"] = answer
    shown = seatline("list").stdout
    assert ("first" in shown, "second" in shown, "2 dead jobs." in shown) == (True, True, True)
    one = seatline("list", "--page-size", "1")
    assert ("second" in one.stdout, "--page-token 7QK2" in one.stderr) == (False, True)


def test_retry_sends_the_job_and_confirms_it(service: ScriptedService, seatline: Any) -> None:
    service.answers["RetryJobs"] = job_pb2.RetryJobsResponse(retried_count=1)
    assert seatline("retry", JOB).stdout == f"The worker will retry job {JOB}.\n"
    assert service.requests("RetryJobs") == [job_pb2.RetryJobsRequest(job_id=JOB)]


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, f"No dead jobs of kind {KIND}.\n"),
        (1, f"The worker will retry 1 job of kind {KIND}.\n"),
        (1_234, f"The worker will retry 1,234 jobs of kind {KIND}.\n"),
    ],
)
def test_retry_of_a_kind_counts_the_jobs(service: ScriptedService, seatline: Any, count: int, says: str) -> None:
    service.answers["RetryJobs"] = job_pb2.RetryJobsResponse(retried_count=count)
    assert seatline("retry", "--kind", KIND).stdout == says
    assert service.requests("RetryJobs") == [job_pb2.RetryJobsRequest(kind=KIND)]


@pytest.mark.parametrize("typed", [(), (JOB, "--kind", KIND)])
def test_retry_refuses_neither_or_both_of_job_and_kind(service: ScriptedService, seatline: Any, typed: tuple[str, ...]) -> None:
    result = seatline("retry", *typed)
    assert (result.exit_code, service.asked) == (2, [])
    assert "--kind" in result.stderr


def test_a_refused_retry_shows_the_services_message(service: ScriptedService, seatline: Any) -> None:
    text = "job 'x' is DONE, not DEAD; only dead jobs are retried"
    service.answers["RetryJobs"] = Refusal(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", message=text)
    result = seatline("retry", "x")
    assert (result.exit_code, result.stderr) == (1, f"Error: {text} (JOB_NOT_FOUND)\n")


def test_a_retry_with_unknown_outcome_prints_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    service.answers["RetryJobs"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    result = seatline("retry", "--kind", KIND)
    assert result.exit_code == 3
    assert "see 'seatline job list'" in result.stderr


@pytest.mark.parametrize(
    ("typed", "method", "answer", "field"),
    [
        (("list",), "ListJobs", job_pb2.ListJobsResponse(jobs=[a_job()]), "jobs"),
        (("retry", JOB), "RetryJobs", job_pb2.RetryJobsResponse(retried_count=1), "retried_count"),
        (("retry", "--kind", KIND), "RetryJobs", job_pb2.RetryJobsResponse(retried_count=2), "retried_count"),
    ],
    ids=["list", "retry one", "retry a kind"],
)
def test_with_json_every_command_prints_one_document(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...], method: str, answer: Any, field: str
) -> None:
    service.answers[method] = answer
    result = seatline(*typed, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[field]
