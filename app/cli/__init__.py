"""Command line `seatline`: a client of the gRPC API, and the commands that run the service.

Belongs here: the table of commands. Does not belong here: what a command does (a module per resource), and what is allowed,
which the service decides. A new command is a function in its resource's module and a row in the table.

Exit codes: 0 success; 1 refused by the service, or `verify` found something wrong; 2 invalid command line, or invalid file; 3
not reached, too slow or too busy, so the same command may succeed later; 4 fault of the service; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from app.cli import (
    arrivals,
    bookings,
    cancellations,
    delays,
    demo,
    health,
    holds,
    jobs,
    layouts,
    notices,
    probe,
    quickstart,
    sales_windows,
    serve,
    ticket_verification,
    tickets,
    train_runs,
    trains,
    users,
    verify,
    webhooks,
)
from app.cli.option_order import OrderedOptionsCommand
from app.cli.options import group_callback, takes_caller_options
from app.cli.shell import ErrorReportingGroup

# Each paragraph is one line: typer keeps line breaks.
_ABOUT = "\n\n".join(
    (
        "Sell and book train seats through the Seatline gRPC service.",
        'The options under "Connection and output" are accepted before and after every command. '
        "With --json, stdout is one JSON document and errors are one JSON object on stderr.",
        "Exit codes: 0 success, 1 refused, 2 usage, 3 not reached or busy (try again), 4 service fault, 130 interrupted.",
    )
)

_TYPER_OPTIONS: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": "rich"}
_PASSENGERS, _OPERATORS, _SERVICE = "For passengers", "For operators (--role operator)", "The service"


class _Command(NamedTuple):
    """A command: its words, the panel of `--help` that lists it or its group, its function, whether it calls the service.

    `kind` is the class of the command.
    """

    words: str
    panel: str
    function: Callable[..., None]
    is_call: bool = True
    kind: type[TyperCommand] = TyperCommand


_COMMANDS = (
    _Command("serve", _SERVICE, serve.serve, is_call=False),
    _Command("quickstart", _SERVICE, quickstart.quickstart, is_call=False),
    _Command("worker", _SERVICE, serve.worker, is_call=False),
    _Command("verify", _SERVICE, verify.verify, is_call=False),
    _Command("demo", _SERVICE, demo.demo),
    _Command("health", _SERVICE, health.health),
    _Command("probe", _SERVICE, probe.probe),
    _Command("runs", _PASSENGERS, train_runs.runs),
    _Command("map", _PASSENGERS, train_runs.map_seats),
    _Command("book", _PASSENGERS, bookings.book),
    _Command("hold", _PASSENGERS, holds.hold),
    _Command("release", _PASSENGERS, holds.release),
    _Command("receipt", _PASSENGERS, bookings.receipt),
    _Command("receipts", _PASSENGERS, bookings.receipts),
    _Command("change-seat", _PASSENGERS, bookings.change_seat),
    _Command("update", _PASSENGERS, bookings.update),
    _Command("cancel", _PASSENGERS, bookings.cancel),
    _Command("register", _PASSENGERS, users.register),
    _Command("rename", _PASSENGERS, users.rename),
    _Command("notices", _PASSENGERS, notices.list_all),
    _Command("notice list", _PASSENGERS, notices.list_all),
    _Command("notice preferences", _PASSENGERS, notices.preferences),
    _Command("notice preview", _PASSENGERS, notices.preview),
    _Command("notice unsubscribe", _PASSENGERS, notices.unsubscribe),
    _Command("ticket get", _PASSENGERS, tickets.get),
    _Command("ticket resend", _PASSENGERS, tickets.resend),
    _Command("ticket package", _PASSENGERS, tickets.package),
    _Command("ticket keys", _PASSENGERS, tickets.keys),
    _Command("ticket verify", _PASSENGERS, ticket_verification.verify, is_call=False),
    _Command("schedule", _OPERATORS, train_runs.schedule),
    _Command("section", _OPERATORS, bookings.section),
    _Command("promote", _OPERATORS, train_runs.promote),
    _Command("run status", _OPERATORS, train_runs.status),
    _Command("run delay", _OPERATORS, delays.delay),
    _Command("run arrive", _OPERATORS, arrivals.arrive),
    _Command("run cancel", _OPERATORS, cancellations.cancel_run),
    _Command("run sales", _OPERATORS, sales_windows.sales),
    _Command("run hide", _OPERATORS, train_runs.hide),
    _Command("run show", _OPERATORS, train_runs.show),
    _Command("run delete", _OPERATORS, train_runs.delete),
    _Command("train create", _OPERATORS, trains.create),
    _Command("train update", _OPERATORS, trains.update),
    _Command("train list", _OPERATORS, trains.list_all),
    _Command("layout plan", _OPERATORS, layouts.plan, kind=OrderedOptionsCommand),
    _Command("layout apply", _OPERATORS, layouts.apply, kind=OrderedOptionsCommand),
    _Command("layout status", _OPERATORS, layouts.status),
    _Command("webhook create", _OPERATORS, webhooks.create),
    _Command("webhook list", _OPERATORS, webhooks.list_all),
    _Command("webhook show", _OPERATORS, webhooks.show),
    _Command("webhook update", _OPERATORS, webhooks.update),
    _Command("webhook delete", _OPERATORS, webhooks.delete),
    _Command("webhook rotate-secret", _OPERATORS, webhooks.rotate_secret),
    _Command("webhook deliveries", _OPERATORS, webhooks.deliveries),
    _Command("job list", _OPERATORS, jobs.list_all),
    _Command("job retry", _OPERATORS, jobs.retry),
)
_GROUPS = {
    "run": "Show a train run, report delays and arrivals, cancel it, set its sales window, hide or delete it.",
    "train": "Create, change and list trains.",
    "layout": "Change the sections, coaches and seats of a run or train, also while it is sold.",
    "webhook": "Send events to other programs, and see the deliveries.",
    "notice": "List notices, and choose which to receive; for operators, preview their words.",
    "ticket": "Save tickets, send them again, and check them without a connection.",
    "job": "List the worker's jobs, and retry dead ones.",
}


def _application() -> typer.Typer:
    """Build the command line from the table."""
    app = typer.Typer(cls=ErrorReportingGroup, add_completion=True, pretty_exceptions_enable=False, **_TYPER_OPTIONS)
    app.callback()(group_callback(_ABOUT))
    groups: dict[str, typer.Typer] = {}
    for words, panel, function, is_call, kind in _COMMANDS:
        group_name, _, name = words.rpartition(" ")
        if group_name and group_name not in groups:
            groups[group_name] = typer.Typer(**_TYPER_OPTIONS)
            groups[group_name].callback()(group_callback(_GROUPS[group_name]))
            app.add_typer(groups[group_name], name=group_name, rich_help_panel=panel)
        command = takes_caller_options(function) if is_call else function
        if group_name:
            groups[group_name].command(name, cls=kind)(command)
        else:
            app.command(name, cls=kind, rich_help_panel=panel)(command)
    return app


app = _application()


def main() -> None:
    """Run the command line of this process, and exit with its code."""
    app(prog_name="seatline")
