"""Commands on layouts, against the scripted service: layout plan, layout apply, layout status.

Belongs here: what each command sends, asks and prints, and its exit code. Does not belong here: the forms of operations and the
pages (`tests/unit/cli`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from typer.testing import CliRunner, Result

from app.cli import app, layouts, progress
from app.pb.seatline.v1 import layout_pb2, train_pb2
from tests.support.layout_plans import PLAN_HASH, a_layout_job, a_plan, some_outcomes
from tests.support.scripted_service import Refusal, ScriptedService, at
from tests.support.world import usd

RUN = ("es9014", "2030-07-01")
CHANGED = "the consequences have changed since the plan was made; look at the new plan"
PLAN_CHANGED = Refusal(grpc.StatusCode.ABORTED, "PLAN_CHANGED", message=CHANGED)


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)


@pytest.fixture
def seatline(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command of `seatline layout` as an operator. With `answers`, somebody at a terminal gives them."""

    def run(*arguments: str, answers: str | None = None) -> Result:
        monkeypatch.setattr(layouts, "_has_terminal", lambda: answers is not None)
        shared = ("--target", service.target, "--user", "op@example.com", "--role", "operator")
        return CliRunner().invoke(app, ["layout", *arguments, *shared], input=answers)

    return run


def plan_or_change(request: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
    return a_plan(validate_only=request.validate_only)


def a_train_with_etag(etag: str = "7") -> train_pb2.Train:
    return train_pb2.Train(train_id="es9014", etag=etag, sections=[train_pb2.Section(name="A", fare=usd(20))])


def kinds(request: layout_pb2.UpdateLayoutRequest) -> list[str]:
    return [str(operation.WhichOneof("operation")) for operation in request.operations]


# -- plan


def test_plan_sends_the_operations_in_the_order_typed(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = a_plan()
    typed = ("--add-coach", "9:A:60", "--remove-coach", "3", "--add-coach=10:A:4", "--seat-count", "2=48", "--remove-coach=4")
    result = seatline("plan", *RUN, *typed, "--allow-lower", "--reserve", "10m")
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("UpdateLayout")
    assert kinds(asked) == ["add_coach", "remove_coach", "add_coach", "set_seat_count", "remove_coach"]
    assert [asked.operations[0].add_coach.name, asked.operations[2].add_coach.name] == ["9", "10"]
    assert [asked.operations[1].remove_coach.name, asked.operations[4].remove_coach.name] == ["3", "4"]
    assert (asked.train_id, asked.travel_date) == RUN
    assert (asked.validate_only, asked.allow_lower, asked.refund_displaced, asked.request_id) == (True, True, False, "")
    assert asked.reserve.seconds == 600


def test_plan_prints_the_consequences_and_the_command_that_makes_them(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = a_plan()
    shown = seatline("plan", *RUN, "--remove-coach", "3", "--refund-displaced").stdout
    assert "Layout plan, nothing was changed: es9014, Mon 01 Jul 2030" in shown
    assert shown.splitlines()[-1] == (
        f"  seatline layout apply es9014 2030-07-01 --remove-coach 3 --refund-displaced --plan-hash {PLAN_HASH}"
    )
    assert "\x1b" not in shown


def test_a_fare_gets_the_currency_of_the_run_or_of_the_train(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = a_plan()
    service.answers["GetTrain"] = a_train_with_etag()
    for where in (RUN, RUN[:1]):
        assert seatline("plan", *where, "--fare", "A=25.00").exit_code == 0
    assert [asked.operations[0].set_fare.fare for asked in service.requests("UpdateLayout")] == [usd(25), usd(25)]
    assert len(service.requests("GetTrainRun")) == 1


def test_the_change_of_a_train_has_its_etag_and_no_date(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = a_plan()
    service.answers["GetTrain"] = a_train_with_etag("7")
    assert seatline("plan", "es9014", "--remove-coach", "3").exit_code == 0
    (asked,) = service.requests("UpdateLayout")
    assert (asked.travel_date, asked.etag, asked.HasField("reserve")) == ("", "7", False)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ((), "nothing to change: give at least one of --add-section"),
        (("--add-coach", "9-A-60"), "write NAME:SECTION:SEATS, such as --add-coach 9:A:60"),
        (("--remove-coach", "3", "--reserve", "soon"), "write it like 10m, 90s or 1m 30s"),
    ],
)
def test_a_wrong_command_line_is_refused_before_any_call(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...], says: str
) -> None:
    for command in ("plan", "apply"):
        result = seatline(command, *RUN, *typed, answers="y\n")
        assert (result.exit_code, service.asked) == (2, [])
        assert says in result.stderr


def test_the_seats_of_a_train_cannot_be_reserved(service: ScriptedService, seatline: Any) -> None:
    for command in ("plan", "apply"):
        result = seatline(command, "es9014", "--remove-coach", "3", "--reserve", "5m", answers="y\n")
        assert (result.exit_code, service.asked) == (2, [])
        assert "give a DATE" in result.stderr


@pytest.mark.parametrize(("typed", "seconds"), [((), 600), (("--reserve", "90s"), 90), (("--reserve", "0m"), 0)])
def test_apply_keeps_the_seats_of_its_plan_for_as_long_as_typed(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...], seconds: int
) -> None:
    service.answers["UpdateLayout"] = plan_or_change
    assert seatline("apply", *RUN, "--remove-coach", "3", *typed, answers="y\n").exit_code == 0
    assert service.requests("UpdateLayout")[0].reserve.seconds == seconds


def test_a_refused_operation_is_named_as_it_was_typed(service: ScriptedService, seatline: Any) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="operations[1].remove_coach.name", description="there is no coach 99; coaches are 1, 2")
    service.answers["UpdateLayout"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("plan", *RUN, "--seat-count", "1=4", "--remove-coach", "99")
    assert result.exit_code == 1
    assert "--remove-coach 99: there is no coach 99; coaches are 1, 2" in result.stderr


# -- apply


def test_apply_plans_with_reserved_seats_asks_and_acts_on_the_hash(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = plan_or_change
    result = seatline("apply", *RUN, "--remove-coach", "3", answers="y\n")
    assert result.exit_code == 0, result.stderr
    planned, made = service.requests("UpdateLayout")
    assert (planned.validate_only, planned.reserve.seconds, planned.request_id) == (True, 600, "")
    assert (made.validate_only, made.HasField("reserve"), made.plan_hash) == (False, False, PLAN_HASH)
    assert made.request_id
    assert "apply? [y/N]" in result.stdout
    assert result.stdout.splitlines()[-1] == "The layout was changed."
    assert result.stdout.count("Displaced passengers") == 1


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_apply_changes_nothing_unless_the_answer_is_yes(service: ScriptedService, seatline: Any, answer: str) -> None:
    service.answers["UpdateLayout"] = plan_or_change
    result = seatline("apply", *RUN, "--remove-coach", "3", answers=answer)
    assert result.exit_code == 1
    assert [asked.validate_only for asked in service.requests("UpdateLayout")] == [True]
    assert result.stdout.splitlines()[-1] == "The layout was not changed."


def test_apply_shows_a_plan_that_has_changed_and_asks_again(service: ScriptedService, seatline: Any) -> None:
    refusals = iter([PLAN_CHANGED])

    def answer(request: layout_pb2.UpdateLayoutRequest) -> Any:
        plan = a_plan(validate_only=request.validate_only)
        plan.plan_hash = f"plan-{len(service.requests('UpdateLayout'))}"
        return plan if request.validate_only else next(refusals, plan)

    service.answers["UpdateLayout"] = answer
    result = seatline("apply", *RUN, "--remove-coach", "3", answers="y\ny\n")
    assert result.exit_code == 0, result.stderr
    asked = service.requests("UpdateLayout")
    assert [request.plan_hash for request in asked if not request.validate_only] == ["plan-1", "plan-3"]
    assert len({request.request_id for request in asked if not request.validate_only}) == 1
    assert f"The layout was not changed: {CHANGED}. This is the new plan:" in result.stdout
    assert result.stdout.count("apply? [y/N]") == 2


def test_apply_gives_up_on_a_plan_that_changes_again_and_again(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = lambda request: a_plan() if request.validate_only else PLAN_CHANGED
    result = seatline("apply", *RUN, "--remove-coach", "3", answers="y\n" * 50)
    assert result.exit_code == 1
    assert result.stdout.count("apply? [y/N]") == layouts.PLANS_MAX
    assert "PLAN_CHANGED" in result.stderr


def test_apply_without_a_terminal_says_how_to_agree(service: ScriptedService, seatline: Any) -> None:
    for arguments, answers in (((), None), (("--json",), "y\n")):
        result = seatline("apply", *RUN, "--remove-coach", "3", *arguments, answers=answers)
        assert (result.exit_code, service.asked) == (2, [])
        assert "add --yes, or --plan-hash" in result.stderr


def test_apply_with_yes_makes_the_change_in_one_call_and_shows_it(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = plan_or_change
    result = seatline("apply", *RUN, "--remove-coach", "3", "--yes", "--request-id", "deploy-42")
    assert result.exit_code == 0, result.stderr
    (made,) = service.requests("UpdateLayout")
    assert (made.validate_only, made.request_id, made.plan_hash) == (False, "deploy-42", "")
    assert "Layout change: es9014, Mon 01 Jul 2030" in result.stdout
    assert "Displaced passengers" in result.stdout


def test_apply_with_a_plan_hash_makes_that_change_or_none(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateLayout"] = PLAN_CHANGED
    result = seatline("apply", *RUN, "--remove-coach", "3", "--plan-hash", PLAN_HASH)
    assert (result.exit_code, len(service.asked)) == (1, 1)
    assert service.requests("UpdateLayout")[0].plan_hash == PLAN_HASH
    assert result.stderr == f"Error: {CHANGED} (PLAN_CHANGED). Look at the new plan with 'seatline layout plan'.\n"


@pytest.mark.parametrize("agreed", [("--yes",), ("--plan-hash", PLAN_HASH)])
def test_a_change_with_unknown_outcome_prints_how_to_find_out(
    service: ScriptedService, seatline: Any, agreed: tuple[str, ...]
) -> None:
    service.answers["UpdateLayout"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    result = seatline("apply", *RUN, "--remove-coach", "3", *agreed)
    assert result.exit_code == 3
    request_id = service.requests("UpdateLayout")[0].request_id
    assert f"repeat with --request-id {request_id} {' '.join(agreed)} to find out" in result.stderr


# -- a train, and its layout job


def script_job(service: ScriptedService, *jobs: Any) -> None:
    """Script the change of a train, and the answers of GetLayoutJob one after another; the last one stays."""
    left = list(jobs)

    def answer(request: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
        job_id = "" if request.validate_only else "es9014:4"
        return layout_pb2.LayoutPlan(plan_hash=PLAN_HASH, run_count=30, layout_job_id=job_id)

    service.answers["GetTrain"] = a_train_with_etag("7")
    service.answers["UpdateLayout"] = answer
    service.answers["GetLayoutJob"] = lambda _: left.pop(0) if len(left) > 1 else left[0]
    service.answers["ListLayoutOutcomes"] = some_outcomes()


def test_the_change_of_a_train_is_followed_to_its_last_run(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(0, run_count=0), a_layout_job(12), a_layout_job(29, skipped=1))
    result = seatline("apply", "es9014", "--remove-coach", "3", answers="y\n")
    assert result.exit_code == 0, result.stderr
    assert [request.etag for request in service.requests("UpdateLayout")] == ["7", "7"]
    assert "30 runs: 29 changed, 1 skipped" in result.stdout
    assert "its own layout was changed" in result.stdout
    assert "Tue 02 Jul 2030" not in result.stdout


def test_a_change_of_a_train_that_runs_refuse_exits_with_1(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(29, refused=1))
    result = seatline("apply", "es9014", "--remove-coach", "3", "--yes")
    assert result.exit_code == 1
    assert "displaces 612 passengers" in result.stdout


def test_a_train_that_was_changed_meanwhile_is_planned_again(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(30))
    make = service.answers["UpdateLayout"]
    etags = iter(["7", "8"])
    service.answers["GetTrain"] = lambda _: a_train_with_etag(next(etags))
    stale = Refusal(grpc.StatusCode.ABORTED, "ETAG_STALE", message="the train has changed")
    service.answers["UpdateLayout"] = lambda request: (
        stale if not request.validate_only and request.etag == "7" else make(request)
    )
    result = seatline("apply", "es9014", "--remove-coach", "3", answers="y\ny\n")
    assert result.exit_code == 0, result.stderr
    assert [request.etag for request in service.requests("UpdateLayout")] == ["7", "7", "8", "8"]


def test_with_json_the_change_of_a_train_is_one_document_and_not_followed(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(0))
    result = seatline("apply", "es9014", "--remove-coach", "3", "--yes", "--json")
    assert json.loads(result.stdout)["layout_job_id"] == "es9014:4"
    assert service.requests("GetLayoutJob") == []


def test_status_shows_the_runs_that_were_not_changed_or_all(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(12, skipped=1, refused=1))
    shown = seatline("status", "es9014:4")
    assert shown.exit_code == 0, shown.stderr
    assert service.requests("GetLayoutJob")[0].layout_job_id == "es9014:4"
    assert "30 runs: 12 changed, 1 skipped, 1 refused" in shown.stdout
    assert ("Wed 03 Jul 2030" in shown.stdout, "Tue 02 Jul 2030" in shown.stdout) == (True, False)
    assert "Tue 02 Jul 2030" in seatline("status", "es9014:4", "--all").stdout


def test_status_with_json_prints_the_job_and_all_outcomes(service: ScriptedService, seatline: Any) -> None:
    script_job(service, a_layout_job(12, skipped=1, refused=1))
    answer = json.loads(seatline("status", "es9014:4", "--json").stdout)
    assert answer["job"]["applied_count"] == 12
    assert [outcome["state"] for outcome in answer["outcomes"]] == [
        f"LAYOUT_OUTCOME_STATE_{name}" for name in ("APPLIED", "SKIPPED", "REFUSED")
    ]


def test_watching_goes_on_while_the_service_is_away(service: ScriptedService, seatline: Any) -> None:
    away = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    script_job(service, a_layout_job(12), away, away, a_layout_job(30))
    result = seatline("status", "es9014:4", "--watch")
    assert result.exit_code == 0, result.stderr
    assert "30 runs: 30 changed" in result.stdout


def test_watching_ends_when_the_job_makes_no_progress(
    service: ScriptedService, seatline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STALLED_SECONDS_MAX", 0.0)
    script_job(service, a_layout_job(12))
    result = seatline("status", "es9014:4", "--watch")
    assert result.exit_code == 3
    assert "made no progress" in result.stderr
    assert "Is a worker running? The job goes on by itself: see 'seatline layout status es9014:4 --watch'" in result.stderr


def test_watching_ends_when_the_service_stays_away_and_names_the_last_failure(
    service: ScriptedService, seatline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STALLED_SECONDS_MAX", 0.0)
    service.answers["GetLayoutJob"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", message="try later")
    result = seatline("status", "es9014:4", "--watch")
    assert result.exit_code == 3
    assert "The last call failed: try later (DATABASE_UNAVAILABLE). The job goes on by itself" in result.stderr


def test_an_unknown_layout_job_is_refused(service: ScriptedService, seatline: Any) -> None:
    unknown = Refusal(grpc.StatusCode.NOT_FOUND, "LAYOUT_JOB_NOT_FOUND", message="there is no layout job x")
    service.answers["GetLayoutJob"] = unknown
    for arguments in ((), ("--watch",)):
        result = seatline("status", "x", *arguments)
        assert (result.exit_code, result.stderr) == (1, "Error: there is no layout job x (LAYOUT_JOB_NOT_FOUND)\n")


def test_a_reservation_is_shown_with_its_end(service: ScriptedService, seatline: Any) -> None:
    plan = a_plan()
    plan.reserve_expire_time.CopyFrom(at("2030-06-30T10:10:00Z"))
    service.answers["UpdateLayout"] = plan
    assert "Sun 30 Jun 2030 10:10:00 UTC" in seatline("plan", *RUN, "--remove-coach", "3", "--reserve", "10m").stdout
