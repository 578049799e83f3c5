"""The commands around the service itself: run it, and show it at work.

`serve` reads the configuration and hands over; everything else is the server's. Both import what they run only when they are
called: no other command shall wait for the server's parts, nor `--help` for gRPC.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.failures import CommandError, Failure, UsageError
from app.cli.options import CallerOptions

# A service that starts its own database is ready within seconds; longer than this, nobody waits for a demonstration.
WAIT_SECONDS_MAX = 600.0

WaitOption = Annotated[
    float, typer.Option("--wait", min=0, max=WAIT_SECONDS_MAX, metavar="SECONDS", help="Wait for the service to be ready.")
]


def serve(
    with_worker: Annotated[bool, typer.Option("--with-worker", help="Do the worker's part in this process as well.")] = False,
) -> None:
    """Run the service. It is configured by environment variables SEATLINE_*."""
    _start(serves=True, with_worker=with_worker)


def worker() -> None:
    """Run the worker: payments, events, expiry. Any number of them may share a database. Configured as the service is."""
    _start(serves=False, with_worker=True)


def _start(*, serves: bool, with_worker: bool) -> None:
    from app.config import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from error
    if with_worker:
        settings = settings.model_copy(update={"with_worker": True})

    from app.process.run import run_server, run_worker
    from app.process.start_error import StartError  # after the settings: what is wrong with them shall show at once

    try:
        (run_server if serves else run_worker)(settings)
    except SettingsError as error:  # of the payment provider
        raise UsageError(str(error)) from error
    except (OSError, StartError) as error:  # the port is taken, the data directory is in use or cannot be written
        raise CommandError(Failure("START_FAILED", str(error))) from error


def demo(options: CallerOptions, wait_seconds: WaitOption = 0.0) -> None:
    """Create the sample train, schedule 30 days, book a ticket London to Paris and show its receipt."""
    from app.cli.demo_steps import run_demo

    run_demo(options, wait_seconds)
