"""Layout of jobs.

Belongs here: the table of jobs, and the text after a retry. Does not belong here: the calls (`app.cli.jobs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from app.cli.failures import printable
from app.cli.render.screen import counted, empty_table
from app.cli.render.text import instant_text_with_seconds
from app.pb.seatline.v1 import job_pb2


def jobs_table(jobs: Sequence[job_pb2.Job], _: Console) -> Table:
    """Return one row per job, with the error of its last attempt."""
    table = empty_table("Job", "Kind", "When", "Attempts", "Last error")
    for job in jobs:
        table.add_row(
            printable(job.job_id), printable(job.kind), _when_text(job), f"{job.attempt_count:,}", printable(job.last_error)
        )
    return table


def _when_text(job: job_pb2.Job) -> str:
    if job.HasField("done_time"):
        return f"done {instant_text_with_seconds(job.done_time)}"
    return f"due {instant_text_with_seconds(job.due_time)}"


def retry_text(answer: job_pb2.RetryJobsResponse, job: str, kind: str) -> str:
    """Say which job, or how many jobs of `kind`, the worker will retry."""
    if job:
        return f"The worker will retry job {printable(job)}."
    if not answer.retried_count:
        return f"No dead jobs of kind {printable(kind)}."
    return f"The worker will retry {counted(answer.retried_count, 'job')} of kind {printable(kind)}."
