"""Commands that run a process of the service: serve, worker.

Belongs here: reading the settings, and failures of the start. Does not belong here: the processes themselves (`app.process`).
They are imported inside the commands, so that no other command and no `--help` waits for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.failures import CommandError, Failure, UsageError


def serve(
    with_worker: Annotated[bool, typer.Option("--with-worker", help="Run the worker in this process as well.")] = False,
) -> None:
    """Run a server. Environment variables SEATLINE_* configure it."""
    _start(serves=True, with_worker=with_worker)


def worker() -> None:
    """Run a worker: payments, events, webhooks, expiry. Several workers share the work. Configured like a server."""
    _start(serves=False, with_worker=True)


def _start(*, serves: bool, with_worker: bool) -> None:
    from app.config import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from error
    if with_worker:
        settings = settings.model_copy(update={"with_worker": True})

    from app.process.run import run_server, run_worker  # after the settings, so that a wrong setting is reported at once
    from app.process.start_error import StartError

    try:
        (run_server if serves else run_worker)(settings)
    except SettingsError as error:  # of the payment provider
        raise UsageError(str(error)) from error
    except (OSError, StartError) as error:  # the port is taken, or the data directory is in use or not writable
        raise CommandError(Failure("START_FAILED", str(error))) from error
