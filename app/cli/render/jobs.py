"""The table of jobs that people see.

Here belongs how jobs are laid out for reading. Not here: asking for them (`app.cli.jobs`).
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from app.cli.failures import printable
from app.cli.render.screen import empty_table
from app.cli.render.text import instant_text_with_seconds
from app.pb.seatline.v1 import job_pb2


def jobs_table(jobs: Iterable[job_pb2.Job]) -> Table:
    """One row for each job, with what went wrong the last time."""
    table = empty_table("Job", "Kind", "When", "Attempts", "Last error")
    for job in jobs:
        table.add_row(
            printable(job.job_id), printable(job.kind), _when_text(job), f"{job.attempt_count:,}", printable(job.last_error)
        )
    return table


def _when_text(job: job_pb2.Job) -> str:
    """When it was done, or else when it is or was due."""
    return (
        f"done {instant_text_with_seconds(job.done_time)}"
        if job.HasField("done_time")
        else f"due {instant_text_with_seconds(job.due_time)}"
    )
