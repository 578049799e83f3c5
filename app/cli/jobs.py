"""The commands of operators around jobs: see what the worker has to do or has given up, and have it tried again.

Each reads what was typed, makes its call and shows the answer. gRPC and rich are imported inside the commands, so that `--help`
does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import Annotated, Literal

import typer

from app.cli.bookings import PageSizeOption, PageTokenOption
from app.cli.failures import UsageError, printable
from app.cli.options import CallerOptions

StateOption = Annotated[
    Literal["dead", "pending", "done"],
    typer.Option("--state", help="Given up, still to be done, or done."),
]


def list_all(
    options: CallerOptions,
    state: StateOption = "dead",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Only these, such as 'settle payment'.")] = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List jobs, those that were given up unless --state says otherwise."""
    from app.cli.calls import Calls
    from app.cli.render.jobs import jobs_table
    from app.cli.render.screen import print_json, print_list
    from app.pb.seatline.v1 import job_pb2

    request = job_pb2.ListJobsRequest(state=job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"), kind=kind)
    with Calls(options) as calls:
        answer = calls.pages(calls.jobs.ListJobs, request, page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda _: jobs_table(answer.jobs), len(answer.jobs), f"{state} job", answer)


def retry(
    options: CallerOptions,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The dead job, as 'seatline job list' names it, in quotes.")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="All dead jobs of this kind, instead of one job.")] = "",
) -> None:
    """Have a dead job tried again, or all of a kind."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.pb.seatline.v1 import job_pb2

    if bool(job) == bool(kind):
        raise UsageError("name one job, or all of a kind with --kind")
    in_doubt = "It may have been done: see 'seatline job list'. Repeating it does no harm."
    with Calls(options) as calls:
        answer = calls.call(calls.jobs.RetryJobs, job_pb2.RetryJobsRequest(job_id=job, kind=kind), in_doubt)
    if options.as_json:
        print_json(answer)
        return
    if job:
        print_text(f"Job {printable(job)} will be tried again.")
        return
    count = answer.retried_count
    counted = f"{count:,} job{'' if count == 1 else 's'} of kind {printable(kind)} will be tried again."
    print_text(counted if count else f"No dead jobs of kind {printable(kind)}.")
