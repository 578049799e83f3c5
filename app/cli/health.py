"""Command on health: health.

Belongs here: asking the gRPC health service. Does not belong here: selling a test seat (`app.cli.probe`). gRPC is imported
inside the command, so that `--help` does not wait for it.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.failures import CommandError, Failure
from app.cli.options import CallerOptions
from app.cli.parameters import WaitOption

ServiceOption = Annotated[
    str,
    typer.Option(
        "--service",
        metavar="NAME",
        help="Health of one service, such as seatline.v1.BookingService, or of liveness. Default: the whole server.",
    ),
]


def health(options: CallerOptions, service: ServiceOption = "", wait_seconds: WaitOption = 0.0) -> None:
    """Check the service's health. Exit code 0 if it is SERVING, otherwise 3."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer

    with Calls(options) as calls:
        if wait_seconds:
            calls.wait_until_serving(wait_seconds, service)
        answer, status = calls.health(service)
    if status != "SERVING":
        raise CommandError(Failure("UNAVAILABLE", f"{service or 'the service'} at {options.target} is {status}"))
    print_answer(answer, f"{service or 'The service'} at {options.target} is {status}.", as_json=options.as_json)
