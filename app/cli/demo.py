"""Command that shows the service at work: demo.

Belongs here: its parameters. Does not belong here: what it does (`app.cli.demo_steps`), which imports gRPC and is therefore
imported inside the command, so that `--help` does not wait for it.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

from app.cli.options import CallerOptions
from app.cli.parameters import WaitOption


def demo(options: CallerOptions, wait_seconds: WaitOption = 0.0) -> None:
    """Create the sample train, schedule 30 days, book a ticket London to Paris, and show its receipt."""
    from app.cli.demo_steps import run_demo

    run_demo(options, wait_seconds)
