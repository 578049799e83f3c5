"""The command line `seatline`: one sub-command for each thing a person does with the service, over its gRPC API.

Here belongs the list of commands and nothing else; what they do stands in the modules named after who uses them. Nothing in
this package decides what is allowed: it reads what was typed, calls, and shows the answer.

Exit codes: 0 done; 1 refused by the service, or found wrong by `verify`; 2 the command line, or a file it names, cannot be
read; 3 not reached, too slow or too busy, so that the same command may succeed later; 4 a fault of the service; 130 ended by
Ctrl-C.
"""

from __future__ import annotations

from typing import Any

import typer

from app.cli import bookings, health, holds, jobs, quickstart, serve, train_runs, trains, users, verify, webhooks
from app.cli.options import group_callback, takes_caller_options
from app.cli.shell import ErrorReportingGroup

# Paragraphs on one line each: typer keeps line ends as they are.
_ABOUT = "\n\n".join(
    (
        "Sell and buy seats on trains, over the Seatline gRPC service.",
        'The options under "Connection and output" are accepted before and after every command. '
        "With --json, stdout is one JSON document and errors are one JSON object on stderr.",
        "Exit codes: 0 done, 1 refused, 2 usage, 3 not reached or busy (try again), 4 fault of the service, 130 interrupted.",
    )
)

_PLAIN: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": "rich"}
_PASSENGERS, _OPERATORS, _SERVICE = "For passengers", "For operators (--role operator)", "The service"


def _application() -> typer.Typer:
    """The command line with all its commands."""
    app = typer.Typer(cls=ErrorReportingGroup, add_completion=True, pretty_exceptions_enable=False, **_PLAIN)
    app.callback()(group_callback(_ABOUT))
    app.command("serve", rich_help_panel=_SERVICE)(serve.serve)
    app.command("quickstart", rich_help_panel=_SERVICE)(quickstart.quickstart)
    app.command("worker", rich_help_panel=_SERVICE)(serve.worker)
    app.command("verify", rich_help_panel=_SERVICE)(verify.verify)
    for name, command, panel in (
        ("demo", serve.demo, _SERVICE),
        ("health", health.health, _SERVICE),
        ("probe", health.probe, _SERVICE),
        ("runs", train_runs.runs, _PASSENGERS),
        ("map", train_runs.map_seats, _PASSENGERS),
        ("book", bookings.book, _PASSENGERS),
        ("hold", holds.hold, _PASSENGERS),
        ("release", holds.release, _PASSENGERS),
        ("receipt", bookings.receipt, _PASSENGERS),
        ("receipts", bookings.receipts, _PASSENGERS),
        ("change-seat", bookings.change_seat, _PASSENGERS),
        ("update", bookings.update, _PASSENGERS),
        ("cancel", bookings.cancel, _PASSENGERS),
        ("register", users.register, _PASSENGERS),
        ("rename", users.rename, _PASSENGERS),
        ("schedule", trains.schedule, _OPERATORS),
        ("section", trains.section, _OPERATORS),
        ("promote", trains.promote, _OPERATORS),
    ):
        app.command(name, rich_help_panel=panel)(takes_caller_options(command))
    train = typer.Typer(**_PLAIN)
    train.callback()(group_callback("Make trains and list them."))
    train.command("create")(takes_caller_options(trains.train_create))
    train.command("list")(takes_caller_options(trains.train_list))
    app.add_typer(train, name="train", rich_help_panel=_OPERATORS)
    app.add_typer(_webhook_commands(), name="webhook", rich_help_panel=_OPERATORS)
    job = typer.Typer(**_PLAIN)
    job.callback()(group_callback("See what the worker has still to do or has given up, and have it tried again."))
    job.command("list")(takes_caller_options(jobs.list_all))
    job.command("retry")(takes_caller_options(jobs.retry))
    app.add_typer(job, name="job", rich_help_panel=_OPERATORS)
    return app


def _webhook_commands() -> typer.Typer:
    webhook = typer.Typer(**_PLAIN)
    webhook.callback()(group_callback("Have other programs told of what happens, and see what became of it."))
    for name, command in (
        ("create", webhooks.create),
        ("list", webhooks.list_all),
        ("show", webhooks.show),
        ("update", webhooks.update),
        ("delete", webhooks.delete),
        ("rotate-secret", webhooks.rotate_secret),
        ("deliveries", webhooks.deliveries),
    ):
        webhook.command(name)(takes_caller_options(command))
    return webhook


app = _application()


def main() -> None:
    """Runs the command line of this process and exits with its code."""
    app(prog_name="seatline")
