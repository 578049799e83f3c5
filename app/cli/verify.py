"""Command that audits the database: verify.

It reads the database itself, because no call returns all of it. Belongs here: printing the findings, and the exit code. Does
not belong here: the checks (`app.domain.audit`).
"""

# ruff: noqa: PLC0415  imports inside the command, so that no other command waits for the database driver
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

# Four times the lease of a job, so that another worker has finished a killed worker's jobs, even at the second attempt.
TOLERANCE_SECONDS = 120.0
TOLERANCE_SECONDS_MAX = 86_400.0

# Counts of the report, with their nouns.
_COUNTED_RECORDS = {
    "runs": ("run", "runs"),
    "bookings": ("booking", "bookings"),
    "payments": ("payment", "payments"),
    "ledger_entries": ("ledger entry", "ledger entries"),
}

ToleranceOption = Annotated[
    float,
    typer.Option(
        "--patience",
        min=0,
        max=TOLERANCE_SECONDS_MAX,
        metavar="SECONDS",
        help="How long payments and events may be unfinished before they count as wrong.",
    ),
]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Only train runs from this date on, and other records changed from its start (UTC) on.",
    ),
]
RunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="TRAIN:DATE",
        help="Only this train run with its bookings, payments and ledger entries, such as es9014:2026-09-01.",
    ),
]
_RUN = re.compile(r"[a-z0-9][a-z0-9-]*:\d{4}-\d{2}-\d{2}")


def verify(
    context: typer.Context,
    tolerance_seconds: ToleranceOption = TOLERANCE_SECONDS,
    since: SinceOption = None,
    run: RunOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Audit the whole database: seats, waitlists, payments, events. The service may keep running. Configured like a server.

    Exit code 1 if anything is wrong; warnings alone do not count. Changes nothing.
    """
    if run and since:
        raise UsageError("--run: cannot be combined with --since")
    if run and not _RUN.fullmatch(run):
        raise UsageError("--run: needs a train and a travel date, such as es9014:2026-09-01")
    report = _report(tolerance_seconds, None if since is None else since.date(), run)
    if as_json or context.find_root().params.get("as_json"):
        typer.echo(json.dumps({"is_clean": not report["wrong"], **report}, indent=2))
    else:
        _print(report)
    if report["wrong"]:
        raise typer.Exit(EXIT_REFUSED)


def _report(tolerance_seconds: float, since: date | None, run: str) -> dict[str, Any]:
    from app.config import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from error
    if not settings.mongodb_uri:
        raise UsageError("SEATLINE_MONGODB_URI: is empty; set it to the database to verify")

    from app.process.verification import DatabaseUnavailableError, VerificationError, run_verification

    try:
        with _progress() as progress:
            return run_verification(settings, tolerance_seconds, since, run, progress)
    except DatabaseUnavailableError as error:
        raise CommandError(Failure("UNAVAILABLE", str(error), was_sent=False)) from error
    except VerificationError as error:
        raise CommandError(Failure("INTERNAL", str(error), was_sent=False)) from error


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show on a terminal how many records of each collection are checked; print nothing if stderr is not a terminal."""
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
    omitted = report["wrong"] + report["warnings"] - len(report["findings"])
    if omitted:
        typer.echo(f"and {omitted:,} more")
    checked = ", ".join(_counted(report[name], *words) for name, words in _COUNTED_RECORDS.items())
    wrong, warnings = report["wrong"], report["warnings"]
    verdict = f"{wrong:,} wrong" if wrong else "nothing is wrong"
    typer.echo(f"{checked}: {verdict}{', ' + _counted(warnings, 'warning', 'warnings') if warnings else ''}.")


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"
