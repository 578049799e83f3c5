"""Commands on the cancellation of a run: run cancel, and following it until all bookings are cancelled.

Belongs here: building the request from what was typed, asking, the calls, the progress. Does not belong here: the
cancellation of a booking (`app.cli.bookings`), the page of a run (`app.cli.render.run_pages`). gRPC and rich are imported
inside the command, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.disruptions import EvidenceOption, ReasonOption, reason_number
from app.cli.failures import EXIT_REFUSED, UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import DateArgument, TrainArgument

if TYPE_CHECKING:
    from app.cli.calls import Calls
    from app.cli.progress import WorkDone
    from app.pb.seatline.v1 import train_run_pb2


def cancel_run(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    reason: ReasonOption = None,
    evidence: EvidenceOption = "",
    from_stop: Annotated[
        str,
        typer.Option(
            "--from-stop",
            metavar="STOP",
            help="Name or code of the stop at which the train ends; only journeys beyond it are cancelled. Default: none, "
            "the train does not run.",
        ),
    ] = "",
    is_agreed: Annotated[bool, typer.Option("--yes", help="Cancel without asking.")] = False,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the run as it would be, without cancelling it.")] = False,
) -> None:
    """Cancel a train run, or its legs from a stop on. Everybody concerned gets all of their money back. It cannot be undone.

    Shows the run as it would be and asks, unless --yes is given.

    Then shows the progress until the last booking is cancelled. Ctrl-C does not end it. With --json it is not waited for.
    """
    from app.cli.answers import show_run
    from app.cli.calls import Calls
    from app.cli.render.run_pages import print_run
    from app.cli.render.screen import print_json
    from app.pb.seatline.v1 import train_run_pb2

    is_asking = not (is_agreed or is_dry_run)
    if is_asking and (options.as_json or not _has_terminal()):
        raise UsageError("nobody can be asked here: add --yes, or --dry-run to see the run as it would be")
    request = train_run_pb2.CancelTrainRunRequest(
        train_id=train, travel_date=date, reason=reason_number(reason), evidence=evidence, from_stop=from_stop
    )
    with Calls(options) as calls:
        if is_asking:
            _show_and_ask(calls, request)
        elif is_dry_run:
            print_run(_dry_run(calls, request), "Dry run, nothing was changed: ", as_json=options.as_json)
            return
        answer = calls.call(calls.train_runs.CancelTrainRun, request, "You can repeat the command safely.")
        if options.as_json:
            print_json(answer)
            return
        watch_cancellation(calls, train, date)
        if sys.stderr.isatty():
            typer.echo(err=True)  # below the progress bar
        show_run(calls, train_run_pb2.GetTrainRunRequest(train_id=train, travel_date=date))


def _has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _dry_run(calls: Calls, request: train_run_pb2.CancelTrainRunRequest) -> train_run_pb2.TrainRun:
    """Return the run as it would be after the first commit. Raises `CallError`."""
    from app.pb.seatline.v1 import train_run_pb2

    trial = train_run_pb2.CancelTrainRunRequest()
    trial.CopyFrom(request)
    trial.validate_only = True
    return calls.call(calls.train_runs.CancelTrainRun, trial)


def _show_and_ask(calls: Calls, request: train_run_pb2.CancelTrainRunRequest) -> None:
    """Show the run as it would be, and how many seats are concerned. Raises `typer.Exit` if the answer is no."""
    from app.cli.render.run_pages import concerned_text, print_run
    from app.cli.render.screen import print_text
    from app.pb.seatline.v1 import train_run_pb2

    planned = _dry_run(calls, request)
    missing_legs = train_run_pb2.GetTrainRunRequest(
        train_id=request.train_id, travel_date=request.travel_date, origin=request.from_stop
    )
    concerned = calls.call(calls.train_runs.GetTrainRun, missing_legs)
    print_run(planned, "Nothing is cancelled yet: ", as_json=False)
    print_text(concerned_text(concerned))
    if not typer.confirm("\nCancel it? This cannot be undone.", default=False):
        print_text("Nothing was cancelled.")
        raise typer.Exit(EXIT_REFUSED)


def watch_cancellation(calls: Calls, train: str, date: str) -> None:
    """Show the progress of a run's cancellation until the last booking is cancelled. Raises `CallError`.

    Returns at once where the run is not cancelled. Interrupting it does not end the cancellation.
    """
    from app.cli.progress import Work, follow
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.GetTrainRunRequest(train_id=train, travel_date=date)
    resume = f"The cancellation goes on by itself: see 'seatline run status {train} {date} --watch'."

    def ask() -> WorkDone:
        return _work_done(calls.call(calls.train_runs.GetTrainRun, request))

    follow(Work(f"The cancellation of {train} on {date}", "cancelling bookings", resume, ask))


def _work_done(run: train_run_pb2.TrainRun) -> WorkDone:
    """Return how many bookings are cancelled. How many there will be is known at the end."""
    from app.cli.progress import WorkDone
    from app.cli.render.run_pages import cancelled_text

    cancellation = run.cancellation
    is_complete = cancellation.HasField("complete_time") or not run.HasField("cancellation")
    done = cancellation.cancelled_booking_count
    return WorkDone(done, done if is_complete else None, cancelled_text(cancellation), is_complete)
