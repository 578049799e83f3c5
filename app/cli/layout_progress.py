"""Following a layout job: its progress bar, its end, and its report.

Belongs here: polling the job, and printing its outcomes. Does not belong here: the layout of the report
(`app.cli.render.layouts`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.calls import Calls
from app.cli.failures import EXIT_TRY_AGAIN, CallError, Failure, printable
from app.cli.render.layouts import job_page, outcomes_table, progress_text
from app.cli.render.screen import console_for, print_json_values, print_page
from app.pb.seatline.v1 import layout_pb2

POLL_SECONDS = 1.0
# A worker that is killed holds its jobs for some thirty seconds. A job without progress for longer than this has no worker.
STALLED_SECONDS_MAX = 300.0


class _Bar(Protocol):
    def show(self, job: layout_pb2.LayoutJob) -> None:
        """Show how far the job has come."""


def watch_job(calls: Calls, layout_job_id: str) -> layout_pb2.LayoutJob:
    """Show the progress of a layout job on stderr until it is complete.

    Raises `CallError` if it makes no progress for some minutes. While the service is away or busy, keeps asking. Interrupting
    it does not end the job.
    """
    resume = f"The job goes on by itself: see 'seatline layout status {layout_job_id} --watch'."
    try:
        with _progress_bar() as bar:
            return _watch(calls, layout_job_id, bar)
    except _StalledError as stalled:
        message = f"Layout job {layout_job_id} made no progress for {STALLED_SECONDS_MAX:g} s"
        cause = f"The last call failed: {stalled.cause.line().rstrip(' .')}." if stalled.cause else "Is a worker running?"
        failure = Failure("DEADLINE_EXCEEDED", message, advice=f"{cause} {resume}", was_sent=False)
        raise CallError(failure) from stalled
    except KeyboardInterrupt:
        typer.echo(printable(resume), err=True)
        raise


class _StalledError(Exception):
    """A job without progress. `cause` is why it could not be asked for last, if it could not."""

    def __init__(self, cause: Failure | None) -> None:
        super().__init__()
        self.cause = cause


def _watch(calls: Calls, layout_job_id: str, bar: _Bar) -> layout_pb2.LayoutJob:
    request = layout_pb2.GetLayoutJobRequest(layout_job_id=layout_job_id)
    done_before, progress_time = -1, time.monotonic()
    while True:  # bounded by STALLED_SECONDS_MAX for each run of the job
        cause: Failure | None = None
        try:
            job = calls.call(calls.train_runs.GetLayoutJob, request)
        except CallError as failed:
            cause = failed.failure
            if cause.exit_code != EXIT_TRY_AGAIN:
                raise
        else:
            bar.show(job)
            if job.state == layout_pb2.LAYOUT_JOB_STATE_COMPLETE:
                return job
            done = job.applied_count + job.skipped_count + job.refused_count
            if done > done_before:
                done_before, progress_time = done, time.monotonic()
        if time.monotonic() - progress_time > STALLED_SECONDS_MAX:
            raise _StalledError(cause)
        time.sleep(POLL_SECONDS)


@contextmanager
def _progress_bar() -> Iterator[_Bar]:
    """Show a progress bar on stderr. Without a terminal, it prints nothing."""
    if not sys.stderr.isatty():
        yield _NoBar()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, console=console_for(sys.stderr)) as progress:
        yield _RichBar(progress)


class _NoBar:
    """Prints nothing."""

    def show(self, job: layout_pb2.LayoutJob) -> None:
        """Do nothing."""


class _RichBar:
    """A bar whose end is the number of runs; it moves to and fro until that is known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("changing runs", total=None, counts="")

    def show(self, job: layout_pb2.LayoutJob) -> None:
        done = job.applied_count + job.skipped_count + job.refused_count
        is_complete = job.state == layout_pb2.LAYOUT_JOB_STATE_COMPLETE
        total = job.run_count or (0 if is_complete else None)
        self._progress.update(self._task, total=total, completed=done, counts=progress_text(job))


def show_job(calls: Calls, layout_job_id: str, *, shows_all: bool) -> int:
    """Print a layout job and the runs that it skipped or that refused it, or all of its runs. Return how many refused it."""
    job = calls.call(calls.train_runs.GetLayoutJob, layout_pb2.GetLayoutJobRequest(layout_job_id=layout_job_id))
    request = layout_pb2.ListLayoutOutcomesRequest(layout_job_id=layout_job_id)
    outcomes = calls.pages(calls.train_runs.ListLayoutOutcomes, request).outcomes
    if calls.options.as_json:
        print_json_values(job=job, outcomes=list(outcomes))
        return job.refused_count
    print_page(job_page(job))
    applied = layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED
    shown = [outcome for outcome in outcomes if shows_all or outcome.state != applied]
    if shown:
        print_page(outcomes_table(shown))
    return job.refused_count
