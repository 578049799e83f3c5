"""`seatline run cancel` in a real terminal: the question, the progress bar, and Ctrl-C."""

from __future__ import annotations

import signal

from app.pb.seatline.v1 import train_run_pb2
from tests.support.scripted_service import ScriptedService
from tests.support.shown_runs import a_cancelled_run, a_run
from tests.support.terminals import terminal

CANCEL = ("run", "cancel", "es9014", "2030-07-01", "--reason", "staff-strike")


def answer(request: train_run_pb2.CancelTrainRunRequest) -> train_run_pb2.TrainRun:
    run = a_cancelled_run()
    run.validate_only = request.validate_only
    return run


def test_the_consequences_are_shown_before_the_question_and_the_progress_after_it(service: ScriptedService) -> None:
    runs = iter([a_run(), a_cancelled_run(200), a_cancelled_run(1_000)])
    service.answers["GetTrainRun"] = lambda _: next(runs, a_cancelled_run(1_234, is_complete=True))
    service.answers["CancelTrainRun"] = answer
    with terminal(service, *CANCEL) as seen:
        seen.read_until("Cancel it? This cannot be undone. [y/N]")
        assert [request.validate_only for request in service.requests("CancelTrainRun")] == [True]
        assert "Nothing is cancelled yet: ES 9014 (es9014)" in seen.text
        assert "This concerns 104 seats sold or held." in seen.text
        seen.type("y\n")
        assert seen.read_to_end() == 0
    assert "1000/? 2,000 passengers, USD 40000.00 back" in seen.text
    assert "1,234 bookings cancelled: 2,468 passengers, USD 49360.00 back" in seen.text
    assert "Traceback" not in seen.text


def test_no_is_the_answer_of_who_only_presses_return(service: ScriptedService) -> None:
    service.answers["GetTrainRun"] = a_run()
    service.answers["CancelTrainRun"] = answer
    with terminal(service, *CANCEL) as seen:
        seen.read_until("[y/N]")
        seen.type("\n")
        assert seen.read_to_end() == 1
    assert "Nothing was cancelled." in seen.text
    assert [request.validate_only for request in service.requests("CancelTrainRun")] == [True]


def test_a_train_that_ends_early_concerns_only_the_seats_beyond_its_end(service: ScriptedService) -> None:
    service.answers["GetTrainRun"] = a_run()
    service.answers["CancelTrainRun"] = answer
    with terminal(service, *CANCEL, "--from-stop", "LIL") as seen:
        seen.read_until("[y/N]")
        seen.type("n\n")
        assert seen.read_to_end() == 1
    assert [request.origin for request in service.requests("GetTrainRun")] == ["LIL"]


def test_ctrl_c_leaves_the_cancellation_alone_and_says_how_to_resume(service: ScriptedService) -> None:
    service.answers["GetTrainRun"] = a_cancelled_run(400)
    service.answers["CancelTrainRun"] = answer
    with terminal(service, *CANCEL, "--yes") as seen:
        seen.read_until("400/?")
        seen.process.send_signal(signal.SIGINT)
        assert seen.read_to_end() == 130
    assert "goes on by itself: see 'seatline run status es9014 2030-07-01 --watch'" in seen.text.replace("\r\n", "")
    assert "Traceback" not in seen.text
