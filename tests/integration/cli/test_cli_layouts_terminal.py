"""`seatline layout` in a real terminal: the question, the progress bar, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.pb.seatline.v1 import layout_pb2, train_pb2
from tests.support.layout_plans import PLAN_HASH, a_layout_job, some_outcomes
from tests.support.scripted_service import ScriptedService

REPOSITORY = Path(__file__).resolve().parents[3]
PROCESS_SECONDS_MAX = 60
_STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A process in a terminal of 80 columns. `text` is what it has shown, without colours."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.text = ""
        self._descriptor = descriptor

    def read_until(self, wanted: str) -> None:
        """Return when the text is shown. Fail at the end of the output."""
        while wanted not in self.text:
            assert self._read(), self.text

    def read_to_end(self) -> int:
        """Return the exit code of the process, with all of its output read."""
        while self._read():
            pass
        return self.process.wait(PROCESS_SECONDS_MAX)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def _read(self) -> bool:
        try:
            read = os.read(self._descriptor, 65_536)
        except OSError:  # Linux's way to say that nobody has the terminal open any more
            return False
        self.text += _STYLES.sub("", read.decode(errors="replace"))
        return bool(read)


@contextmanager
def terminal(service: ScriptedService, *arguments: str) -> Iterator[Terminal]:
    """Run a command line in a terminal."""
    ours, theirs = pty.openpty()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SEATLINE_")}
    environment = {**inherited, "SEATLINE_TARGET": service.target, "SEATLINE_ROLES": "operator", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=REPOSITORY,
        env={**environment, "COLUMNS": "80", "LC_ALL": "C.UTF-8"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    watchdog = threading.Timer(PROCESS_SECONDS_MAX, process.kill)
    watchdog.start()
    try:
        yield Terminal(process, ours)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(PROCESS_SECONDS_MAX)
        os.close(ours)


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
