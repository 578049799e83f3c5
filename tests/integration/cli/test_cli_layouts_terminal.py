"""`seatline layout` in a real terminal: the question, the progress bar, and Ctrl-C."""

from __future__ import annotations

import signal

from app.pb.seatline.v1 import layout_pb2, train_pb2
from tests.support.layout_plans import PLAN_HASH, a_layout_job, some_outcomes
from tests.support.scripted_service import ScriptedService
from tests.support.terminals import terminal


def answer(request: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
    job_id = "" if request.validate_only else "es9014:4"
    return layout_pb2.LayoutPlan(plan_hash=PLAN_HASH, validate_only=request.validate_only, run_count=30, layout_job_id=job_id)


def test_the_question_is_asked_and_the_bar_reaches_the_last_run(service: ScriptedService) -> None:
    jobs = iter([a_layout_job(0, run_count=0), a_layout_job(12, skipped=1)])
    service.answers["GetTrain"] = train_pb2.Train(train_id="es9014", etag="7")
    service.answers["UpdateLayout"] = answer
    service.answers["GetLayoutJob"] = lambda _: next(jobs, a_layout_job(28, skipped=1, refused=1))
    service.answers["ListLayoutOutcomes"] = some_outcomes()
    with terminal(service, "layout", "apply", "es9014", "--remove-coach", "3") as seen:
        seen.read_until("apply? [y/N]")
        assert [request.validate_only for request in service.requests("UpdateLayout")] == [True]
        seen.type("y\n")
        assert seen.read_to_end() == 1  # a run refused the change
    assert "13/30 1 skipped" in seen.text
    assert "30/30 1 skipped, 1 refused" in seen.text
    assert "Traceback" not in seen.text


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_resume(service: ScriptedService) -> None:
    service.answers["GetLayoutJob"] = a_layout_job(12)
    with terminal(service, "layout", "status", "es9014:4", "--watch") as seen:
        seen.read_until("12/30")
        seen.process.send_signal(signal.SIGINT)
        assert seen.read_to_end() == 130
    assert "The job goes on by itself: see 'seatline layout status es9014:4 --watch'." in seen.text
    assert "Traceback" not in seen.text
