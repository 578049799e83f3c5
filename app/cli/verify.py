"""The command that proves what the service promises: `verify` goes to the database itself, since no call shows all of it.

Here belongs how the findings are told and with which exit code. Not here: what has to hold, which the service knows.
"""

# ruff: noqa: PLC0415  imports inside the command: no other one shall wait for the database's driver
from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import typer

from app.cli.failures import EXIT_REFUSED, CommandError, Failure, UsageError, printable

# Four times as long as a killed worker's jobs wait for another, so that what it left has been done, also at a second attempt.
PATIENCE_SECONDS = 120.0
PATIENCE_SECONDS_MAX = 86_400.0

# What the report counts, and how that is called.
_COUNTED_RECORDS = {
    "runs": ("run", "runs"),
    "bookings": ("booking", "bookings"),
    "payments": ("payment", "payments"),
    "ledger_entries": ("ledger entry", "ledger entries"),
}

PatienceOption = Annotated[
    float,
    typer.Option(
        "--patience",
        min=0,
        max=PATIENCE_SECONDS_MAX,
        metavar="SECONDS",
        help="How long payments and events may be under way before that is wrong.",
    ),
]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Only runs that travel on this date or later, and other records that were changed from its beginning (UTC) on.",
    ),
]
RunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="TRAIN:DATE",
        help="Only one run, with its bookings, payments and ledger entries, such as es9014:2026-09-01.",
    ),
]
_RUN = re.compile(r"[a-z0-9][a-z0-9-]*:\d{4}-\d{2}-\d{2}")


def verify(
    context: typer.Context,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    since: SinceOption = None,
    run: RunOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")] = False,
) -> None:
    """Check the whole database: seats, waiting lists, money, events. Also while the service sells. Configured as it is.

    Exits with 1 if anything is wrong; warnings alone do not count. It changes nothing.
    """
    if run and since:
        raise UsageError("--run names one run; leave out --since")
    if run and not _RUN.fullmatch(run):
        raise UsageError("--run needs a train and a travel date, such as es9014:2026-09-01")
    report = _report(patience_seconds, None if since is None else since.date(), run)
    if as_json or context.find_root().params.get("as_json"):
        typer.echo(json.dumps({"is_clean": not report["wrong"], **report}, indent=2))
    else:
        _print(report)
    if report["wrong"]:
        raise typer.Exit(EXIT_REFUSED)


def _report(patience_seconds: float, since: date | None, run: str) -> dict[str, Any]:
    from app.config import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from error
    if not settings.mongodb_uri:
        raise UsageError("SEATLINE_MONGODB_URI: says which database to verify, and is empty")

    from app.process.verification import DatabaseAwayError, VerificationError, run_verification

    try:
        with _progress() as progress:
            return run_verification(settings, patience_seconds, since, run, progress)
    except DatabaseAwayError as error:
        raise CommandError(Failure("UNAVAILABLE", str(error), was_sent=False)) from error
    except VerificationError as error:
        raise CommandError(Failure("INTERNAL", str(error), was_sent=False)) from error


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show on a terminal how many records of each collection were checked; print nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda collection, count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("verifying") as status:
        yield lambda collection, count: status.update(f"verifying: {count:,} of {collection.replace('_', ' ')}")


def _print(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        word = "warning" if finding["is_warning"] else "WRONG"
        typer.echo(printable(f"{word} {finding['check']}: {finding['subject']}: {finding['text']}"))
    untold = report["wrong"] + report["warnings"] - len(report["findings"])
    if untold:
        typer.echo(f"and {untold:,} more")
    looked_at = ", ".join(_counted(report[name], *words) for name, words in _COUNTED_RECORDS.items())
    wrong, warnings = report["wrong"], report["warnings"]
    verdict = f"{wrong:,} wrong" if wrong else "nothing is wrong"
    typer.echo(f"{looked_at}: {verdict}{', ' + _counted(warnings, 'warning', 'warnings') if warnings else ''}.")


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
