"""A command line in a real terminal: what it shows, and typing into it.

Belongs here: the terminal. Does not belong here: `make run` and other programs (`tests/e2e`).
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.scripted_service import ScriptedService

REPOSITORY = Path(__file__).resolve().parents[2]
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
