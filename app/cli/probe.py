"""Command that tests a running service: probe.

Belongs here: its parameters. Does not belong here: what it does (`app.cli.probe_steps`), which imports gRPC and is therefore
imported inside the command, so that `--help` does not wait for it.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.options import CallerOptions
from app.cli.parameters import WaitOption

# Valid as a train id, and unlikely in a real timetable.
PROBE_TRAIN = "seatline-probe"

ProbeTrainOption = Annotated[
    str, typer.Option("--train", metavar="TRAIN", help="Id of the test train; created and scheduled if it does not exist.")
]


def probe(options: CallerOptions, train: ProbeTrainOption = PROBE_TRAIN, wait_seconds: WaitOption = 0.0) -> None:
    """Book a seat on a test train, check its receipt, and cancel it. Other trains stay unchanged."""
    from app.cli.probe_steps import run_probe

    run_probe(options, train, wait_seconds)
