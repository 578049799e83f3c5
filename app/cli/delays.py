"""Command on delays: run delay.

Belongs here: building the request from what was typed, and the call. Does not belong here: arrivals (`app.cli.arrivals`), the
page of a run (`app.cli.render.run_pages`). gRPC and rich are imported inside the command, so that `--help` does not wait for
them.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.disruptions import EvidenceOption, ReasonOption, reason_number
from app.cli.failures import UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import DateArgument, TrainArgument

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

# The contract's limit, repeated here so that --help shows it.
DELAY_MINUTES_MAX = 24 * 60

ReportedOption = Annotated[
    str,
    typer.Option(
        "--reported",
        metavar="INSTANT",
        help="When this was reported, such as 2026-12-01T09:00Z. A report older than the last one is refused. Default: now.",
    ),
]


def delay(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    minutes: Annotated[
        int, typer.Argument(metavar="MINUTES", min=0, max=DELAY_MINUTES_MAX, help="The delay; 0 ends an earlier one.")
    ],
    from_stop: Annotated[
        str,
        typer.Option(
            "--from-stop",
            metavar="STOP",
            help="Name or code of the first late stop. Default: the last one at which the train has arrived, or the first.",
        ),
    ] = "",
    reason: ReasonOption = None,
    evidence: EvidenceOption = "",
    reported: ReportedOption = "",
) -> None:
    """Set the delay of a train run from a stop on. It replaces an earlier delay, and does not add to it.

    Scheduled times stay. Sales, the waitlist, refunds and the state of the run follow the expected times.
    """
    from app.cli.calls import Calls
    from app.cli.render.run_pages import print_run
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.SetDelayRequest(
        train_id=train,
        travel_date=date,
        minutes=minutes,
        from_stop=from_stop,
        reason=reason_number(reason),
        evidence=evidence,
        report_time=parse_report_time(reported),
    )
    with Calls(options) as calls:
        print_run(calls.call(calls.train_runs.SetDelay, request, "You can repeat the command safely."), as_json=options.as_json)


def parse_report_time(text: str) -> Timestamp | None:
    """Parse --reported; None, which means now, for an empty text. Raises `UsageError`."""
    from google.protobuf.timestamp_pb2 import Timestamp

    from app.cli.times import parse_instant

    if not text.strip():
        return None
    try:
        instant = parse_instant(text)
    except ValueError as error:
        raise UsageError(f"--reported: {error}") from error
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
