"""A worker process by a clock that a test moves.

Belongs here: `python -m tests.support.clocked_worker worker`, which is `seatline worker` by the clock of a file, and
moving that clock. Does not belong here: assertions.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from app.cli import main
from app.process.bootstrap import application
from app.process.clock import utc_now
from tests.support.server_clocks import UncorrectedClock
from tests.support.server_processes import WorkerProcess
from tests.support.world import Clock

CLOCK_FILE = "CLOCK_FILE"


class FileClock(Clock):
    """A clock that processes share: it is written to a file how far it is ahead of the real time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.advance(timedelta(0))

    def advance(self, time: timedelta) -> None:
        """Move the clock, in this process and in the others."""
        self.ahead += time
        written = self._path.with_suffix(".new")
        written.write_text(str(self.ahead.total_seconds()), encoding="ascii")
        written.replace(self._path)


class ClockedWorker(WorkerProcess):
    """A worker process by the clock of a file."""

    module = "tests.support.clocked_worker"


def work(path: Path) -> None:
    """Run `seatline worker` by the clock of a file."""

    def now() -> object:
        return utc_now() + timedelta(seconds=float(path.read_text(encoding="ascii")))

    vars(application).update(utc_now=now, PrimaryClock=UncorrectedClock)
    main()


if __name__ == "__main__":
    work(Path(os.environ[CLOCK_FILE]))
