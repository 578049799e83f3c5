"""Commands on jobs: job list, job retry.

Belongs here: building each request from what was typed, and the call. Does not belong here: the layout of answers
(`app.cli.render.jobs`). gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import Annotated, Literal

import typer

from app.cli.failures import UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import PageSizeOption, PageTokenOption

StateOption = Annotated[
    Literal["dead", "pending", "done"],
    typer.Option("--state", help="Only jobs in this state. Dead: all attempts failed; the worker does not retry it."),
]


def list_all(
    options: CallerOptions,
    state: StateOption = "dead",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Only jobs of this kind, such as 'settle payment'.")] = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List jobs: the dead ones, or those in --state."""
    from app.cli.calls import Calls
    from app.cli.render.jobs import jobs_table
    from app.cli.render.screen import print_list
    from app.pb.seatline.v1 import job_pb2

    request = job_pb2.ListJobsRequest(state=job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"), kind=kind)
    with Calls(options) as calls:
        answer = calls.pages(calls.jobs.ListJobs, request, page_size, page_token)
    print_list(answer, answer.jobs, f"{state} job", jobs_table, as_json=options.as_json)


def retry(
    options: CallerOptions,
    job: Annotated[
        str, typer.Argument(metavar="JOB", help="A dead job's id, in quotes, as 'seatline job list' shows it.")
    ] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="All dead jobs of this kind, instead of one job.")] = "",
) -> None:
    """Retry a dead job, or all dead jobs of a kind."""
    from app.cli.calls import Calls
    from app.cli.render.jobs import retry_text
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import job_pb2

    if bool(job) == bool(kind):
        raise UsageError("give one JOB, or --kind for all dead jobs of a kind")
    in_doubt = "The retry may be done: see 'seatline job list'. You can repeat the command safely."
    with Calls(options) as calls:
        answer = calls.call(calls.jobs.RetryJobs, job_pb2.RetryJobsRequest(job_id=job, kind=kind), in_doubt)
    print_answer(answer, retry_text(answer, job, kind), as_json=options.as_json)
