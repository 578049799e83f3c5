"""The commands that tell whether a running service does its work: ask its health, sell and cancel a seat on a train for that.

They read what was typed and show the answer. Not here: what the second one does step by step (`app.cli.probe_steps`). gRPC is
imported inside the commands, so that `--help` does not wait for it.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.failures import CommandError, Failure
from app.cli.options import CallerOptions
from app.cli.serve import WaitOption

# What train ids are made of is for the service to say; this one is none that a timetable would have.
PROBE_TRAIN = "seatline-probe"

ServiceOption = Annotated[
    str,
    typer.Option(
        "--service", metavar="NAME", help="Such as seatline.v1.BookingService, or liveness; without it the whole server."
    ),
]
ProbeTrainOption = Annotated[
    str, typer.Option("--train", metavar="TRAIN", help="The train for it, which is made and scheduled where it is not there.")
]


def health(options: CallerOptions, service: ServiceOption = "", wait_seconds: WaitOption = 0.0) -> None:
    """Ask the service for its health. Exits with 0 while it is SERVING, else with 3."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text

    with Calls(options) as calls:
        if wait_seconds:
            calls.wait_until_serving(wait_seconds, service)
        answer, status = calls.health(service)
    if status != "SERVING":
        raise CommandError(Failure("UNAVAILABLE", f"{service or 'the service'} at {options.target} is {status}"))
    if options.as_json:
        print_json(answer)
        return
    print_text(f"{service or 'The service'} at {options.target} is {status}.")


def probe(options: CallerOptions, train: ProbeTrainOption = PROBE_TRAIN, wait_seconds: WaitOption = 0.0) -> None:
    """Sell a seat on a train made for that, look at its receipt, and cancel it. Real trains stay as they are."""
    from app.cli.probe_steps import run_probe

    run_probe(options, train, wait_seconds)
