"""The first minutes: a server of one's own, the sample train, a first ticket, and what to do next.

It sells on the server that it started itself, wherever the settings say that it listens, and on no other. Not here: what is
sold (`app.cli.demo_steps`), and serving (`app.process.run`).
"""

# ruff: noqa: PLC0415  imports inside the functions: what is wrong with the settings or the port shall show at once
from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Protocol

import typer

from app.cli.failures import CommandError, Failure, UsageError
from app.cli.options import CallerOptions
from app.cli.terminal import take_terminal

# Its ticket is the first one; it stands for "sold before" at every later start.
FIRST_PASSENGER = "jane.doe@example.com"
_WAIT_SECONDS = 60.0
# Hosts that stand for all addresses of this machine, and one to reach it by.
_LOOPBACK_BY_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens by this


class _Settings(Protocol):
    """What is read of the server's settings."""

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


def quickstart(
    own: Annotated[bool, typer.Option("--own-terminal", hidden=True, help="Keep Ctrl-C from whoever started this.")] = False,
) -> None:
    """Run the service with a worker, make the sample train, sell a first ticket once, and serve until Ctrl-C."""
    give_back = take_terminal() if own else None
    try:
        _start()
    except KeyboardInterrupt:  # before the server listens to signals, and so before anything was started
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        typer.echo("Interrupted before the service had started.")
        sys.stdout.flush()
        if give_back is not None:
            give_back()
        os._exit(0)  # the interpreter's own end takes as long as a second Ctrl-C, which would reach whoever started this


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

    settings = settings.model_copy(update={"with_worker": True})
    try:
        run_server(settings, lambda port, embedded_uri: _when_serving(settings, port, embedded_uri))
    except SettingsError as error:  # of the payment provider
        raise UsageError(str(error)) from error
    except (OSError, StartError) as error:
        raise CommandError(Failure("START_FAILED", str(error))) from error
    typer.echo("Stopped.")


def _check_port(settings: _Settings) -> None:
    """Raises `CommandError`, with the way round, where something else is in the way."""
    from app.process.listening import find_free_port_above, find_listen_problem

    host, port = settings.listen_host, settings.listen_port
    reason = find_listen_problem(host, port) if port else None
    if reason is None or port is None:
        return
    free = find_free_port_above(host, port)
    elsewhere = f"; or listen elsewhere: SEATLINE_LISTEN={_with_port(host, free)} make run" if free else ""
    advice = f"End that program{elsewhere}." if "in use" in reason else "Set SEATLINE_LISTEN=127.0.0.1:50051."
    raise CommandError(Failure("START_FAILED", f"cannot listen on {settings.listen}: {reason}", advice=advice))


def _print_start(settings: _Settings) -> None:
    where = "the database of SEATLINE_MONGODB_URI" if settings.mongodb_uri else f"a MongoDB of its own in {settings.data_dir}"
    typer.echo(f"Starting the service on {settings.listen} with {where} ...")


def _when_serving(settings: _Settings, port: int, embedded_uri: str | None) -> None:
    from app.cli.demo_steps import program_name, run_demo

    target = settings.listen if settings.listen_port is None else _with_port(settings.listen_host, port)
    run_demo(CallerOptions(target), _WAIT_SECONDS, once_for=FIRST_PASSENGER)
    lines = ["", "Check what the service promises of seats, money and events, on its live database:"]
    if embedded_uri:
        lines.append(f"  SEATLINE_MONGODB_URI={shlex.quote(embedded_uri)} {program_name()} verify")
    elif settings.mongodb_uri:
        lines.append(f"  {program_name()} verify")
    else:
        lines = ["", "Nothing lasts: there is no mongod here, and all is gone when the service stops."]
    typer.echo("\n".join([*lines, "", f"Serving on {target}; Ctrl-C ends it."]))


def _with_port(host: str, port: int) -> str:
    reached = _LOOPBACK_BY_WILDCARD.get(host, host)
    return f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"
