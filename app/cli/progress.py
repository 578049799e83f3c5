"""Following work that the service does by itself: asking how far it has come, with a progress bar, until it is complete.

Belongs here: the polling, the bar, giving up, and Ctrl-C. Does not belong here: which call says how far it has come, and the
report at the end (`app.cli.layout_progress`, `app.cli.cancellations`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.failures import EXIT_TRY_AGAIN, CallError, Failure, printable
from app.cli.render.screen import console_for

POLL_SECONDS = 1.0
# A worker that is killed holds its work for some thirty seconds. Work without progress for longer than this has no worker.
STALLED_SECONDS_MAX = 300.0


@dataclass(frozen=True)
class WorkDone:
    """How far work has come: what is done, of how much (None: not known), a text beside the bar, and whether it is complete."""

    done: int
    total: int | None
    note: str
    is_complete: bool


@dataclass(frozen=True)
class Work:
    """Work to follow.

    `name` is the subject of a sentence, such as "Layout job es9014:4". `doing` labels the bar. `resume` says how to follow the
    work again. `ask` asks the service, and raises `CallError`.
    """

    name: str
    doing: str
    resume: str
    ask: Callable[[], WorkDone]


class _Bar(Protocol):
    def show(self, work_done: WorkDone) -> None:
        """Show how far the work has come."""


class _StalledError(Exception):
    """Work without progress. `cause` is why it could not be asked for last, if it could not."""

    def __init__(self, cause: Failure | None) -> None:
        super().__init__()
        self.cause = cause


def follow(work: Work) -> None:
    """Show the progress of work on stderr until it is complete.

    Raises `CallError` if it makes no progress for some minutes. While the service is away or busy, keeps asking. Interrupting
    it does not end the work.
    """
    try:
        with _progress_bar(work.doing) as bar:
            _follow(work, bar)
    except _StalledError as stalled:
        message = f"{work.name} made no progress for {STALLED_SECONDS_MAX:g} s"
        cause = f"The last call failed: {stalled.cause.line().rstrip(' .')}." if stalled.cause else "Is a worker running?"
        failure = Failure("DEADLINE_EXCEEDED", message, advice=f"{cause} {work.resume}", was_sent=False)
        raise CallError(failure) from stalled
    except KeyboardInterrupt:
        typer.echo(printable(work.resume), err=True)
        raise


def _follow(work: Work, bar: _Bar) -> None:
    done_before, progress_time = -1, time.monotonic()
    while True:  # bounded by STALLED_SECONDS_MAX for each step of the work
        cause: Failure | None = None
        try:
            work_done = work.ask()
        except CallError as failed:
            cause = failed.failure
            if cause.exit_code != EXIT_TRY_AGAIN:
                raise
        else:
            bar.show(work_done)
            if work_done.is_complete:
                return
            if work_done.done > done_before:
                done_before, progress_time = work_done.done, time.monotonic()
        if time.monotonic() - progress_time > STALLED_SECONDS_MAX:
            raise _StalledError(cause)
        time.sleep(POLL_SECONDS)


@contextmanager
def _progress_bar(doing: str) -> Iterator[_Bar]:
    """Show a progress bar on stderr. Without a terminal, it prints nothing."""
    if not sys.stderr.isatty():
        yield _NoBar()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console_for(sys.stderr)) as progress:
        yield _RichBar(progress, doing)


class _NoBar:
    """Prints nothing."""

    def show(self, work_done: WorkDone) -> None:
        """Do nothing."""


class _RichBar:
    """A bar that moves to and fro until its end is known."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress = progress
        self._task = progress.add_task(doing, total=None, note="")

    def show(self, work_done: WorkDone) -> None:
        self._progress.update(self._task, total=work_done.total, completed=work_done.done, note=work_done.note)
