"""Command for the first minutes: quickstart.

It starts a server, creates the sample train, books a first ticket on that server, and prints what to do next. Belongs here: the
start, and the server's address. Does not belong here: what is booked (`app.cli.demo_steps`), and serving (`app.process`).
"""

# ruff: noqa: PLC0415  imports inside the functions, so that a wrong setting or a busy port is reported at once
from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from app.cli.failures import CommandError, Failure, UsageError
from app.cli.options import CallerOptions
from app.cli.terminal import take_terminal

# A receipt of this address shows a later start that the first ticket was already booked.
FIRST_PASSENGER = "jane.doe@example.com"
_WAIT_SECONDS = 60.0
# The worker sends the first mail within two seconds; a busy machine may take longer.
MAIL_SECONDS_MAX = 20.0
_MAIL_POLL_SECONDS = 0.1
# Wildcard addresses, and the loopback address that reaches a server on them.
_LOOPBACK_BY_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing listens here


class _Settings(Protocol):
    """The server's settings that are read here."""

    @property
    def listen(self) -> str: ...
    @property
    def listen_host(self) -> str: ...
    @property
    def listen_port(self) -> int | None: ...
    @property
    def mongodb_uri(self) -> str: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def notice_channel_names(self) -> tuple[str, ...]: ...
    @property
    def notice_log_dir(self) -> Path | None: ...


def quickstart(
    own: Annotated[bool, typer.Option("--own-terminal", hidden=True, help="Take Ctrl-C away from the parent process.")] = False,
) -> None:
    """Run a server with a worker, create the sample train, book a first ticket, and serve until Ctrl-C."""
    give_back = take_terminal() if own else None
    try:
        _start()
    except KeyboardInterrupt:  # the server handles no signals yet, so nothing was started
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        typer.echo("Interrupted before the server started.")
        sys.stdout.flush()
        if give_back is not None:
            give_back()
        os._exit(0)  # while the interpreter shuts down, a second Ctrl-C would reach the parent process


def _start() -> None:
    from app.config import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from error
    _check_port(settings)
    _print_start(settings)

    from app.process.run import run_server
    from app.process.start_error import StartError

    changes: dict[str, Any] = {"with_worker": True}
    if "notice_channels" not in settings.model_fields_set:
        changes["notice_channels"] = "log"  # so that the first ticket's mail can be looked at
    settings = settings.model_copy(update=changes)
    try:
        run_server(settings, lambda port, embedded_uri: _when_serving(settings, port, embedded_uri))
    except SettingsError as error:  # of the payment provider
        raise UsageError(str(error)) from error
    except (OSError, StartError) as error:
        raise CommandError(Failure("START_FAILED", str(error))) from error
    typer.echo("Stopped.")


def _check_port(settings: _Settings) -> None:
    """Raise `CommandError` with advice if the server cannot listen on its port."""
    from app.process.listening import find_free_port_above, find_listen_problem

    host, port = settings.listen_host, settings.listen_port
    reason = find_listen_problem(host, port) if port else None
    if reason is None or port is None:
        return
    free = find_free_port_above(host, port)
    other_port = f", or use another port: SEATLINE_LISTEN={_with_port(host, free)} make run" if free else ""
    advice = f"Stop that program{other_port}." if "in use" in reason else "Set SEATLINE_LISTEN=127.0.0.1:50051."
    raise CommandError(Failure("START_FAILED", f"cannot listen on {settings.listen}: {reason}", advice=advice))


def _print_start(settings: _Settings) -> None:
    database = "the database in SEATLINE_MONGODB_URI" if settings.mongodb_uri else f"its own MongoDB in {settings.data_dir}"
    typer.echo(f"Starting the service on {settings.listen} with {database} ...")


def _when_serving(settings: _Settings, port: int, embedded_uri: str | None) -> None:
    from app.cli.demo_steps import program_name, run_demo

    target = settings.listen if settings.listen_port is None else _with_port(settings.listen_host, port)
    ticket = run_demo(CallerOptions(target), _WAIT_SECONDS, once_for=FIRST_PASSENGER)
    if "log" in settings.notice_channel_names:
        _print_mail(settings, ticket.reference, MAIL_SECONDS_MAX if ticket.is_new else 0.0)
    lines = ["", "Verify seats, payments and events in the live database:"]
    if embedded_uri:
        lines.append(f"  SEATLINE_MONGODB_URI={shlex.quote(embedded_uri)} {program_name()} verify")
    elif settings.mongodb_uri:
        lines.append(f"  {program_name()} verify")
    else:
        lines = ["", "No mongod was found: all data is in memory and is lost when the service stops."]
    typer.echo("\n".join([*lines, "", f"Serving on {target}; press Ctrl-C to stop."]))


def _print_mail(settings: _Settings, reference: str, wait_seconds: float) -> None:
    """Print the folder with the mail of a ticket, after waiting for the worker to write it."""
    notices = settings.notice_log_dir or settings.data_dir / "notices"
    mail = _find_mail(notices, reference, wait_seconds)
    if mail is None:
        typer.echo(f"\nThe ticket's mail will be in {notices}, in a folder of its own.")
        return
    lines = [f"  {path}" for path in sorted(mail.parent.iterdir())]
    typer.echo("\n".join(["", "The ticket's mail, kept as files because no mail server is set:", *lines]))


def _find_mail(notices: Path, reference: str, wait_seconds: float) -> Path | None:
    """Return the mail of a ticket, which is written after its attachments; None if there is none after `wait_seconds`."""
    end = time.monotonic() + wait_seconds
    while True:  # bounded by wait_seconds
        mail = next(notices.glob(f"ticket-{reference}-*/mail.eml"), None)
        if mail is not None or time.monotonic() >= end:
            return mail
        time.sleep(_MAIL_POLL_SECONDS)


def _with_port(host: str, port: int) -> str:
    reachable = _LOOPBACK_BY_WILDCARD.get(host, host)
    return f"[{reachable}]:{port}" if ":" in reachable else f"{reachable}:{port}"
