"""Command on sales windows: run sales.

Belongs here: building the request from what was typed, and the call. Does not belong here: the syntax of a window
(`app.cli.sales_window_syntax`), sales windows of trains (`app.cli.timetable_file`). gRPC and rich are imported inside the
command, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.failures import UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import DateArgument, SectionOption, TrainArgument

if TYPE_CHECKING:
    from app.pb.seatline.v1 import sales_window_pb2


def sales(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    section: SectionOption = "",
    opens: Annotated[
        str,
        typer.Option(
            "--opens",
            metavar="WHEN",
            help="When sales open: days before the travel date and local time, such as '90d 09:00', or an instant with its "
            "offset, such as 2026-12-01T09:00+01:00. Without it, with --closes: at once.",
        ),
    ] = "",
    closes: Annotated[
        str,
        typer.Option(
            "--closes",
            metavar="TIME",
            help="How long before the expected departure from the origin sales close, such as 30m or 4h. Without it, with "
            "--opens: at departure.",
        ),
    ] = "",
    is_always: Annotated[bool, typer.Option("--always", help="Sell at once, and until departure.")] = False,
    is_reset: Annotated[bool, typer.Option("--reset", help="Return to the sales window of the train.")] = False,
) -> None:
    """Set when a train run, or one section of it, is on sale, in place of the train's sales window.

    A window counts as a whole. Of several, that of the run for the section comes first.

    Then follow that of the run, that of the train for the section, and that of the train.
    """
    from app.cli.calls import Calls
    from app.cli.render.run_pages import print_run
    from app.pb.seatline.v1 import train_run_pb2

    if sum((bool(opens.strip() or closes.strip()), is_always, is_reset)) != 1:
        raise UsageError("give the new sales window with --opens, --closes or both; or --always; or --reset")
    request = train_run_pb2.SetSalesWindowRequest(train_id=train, travel_date=date, section=section.strip().upper())
    if not is_reset:
        request.sales_window.CopyFrom(_parse_window(opens, closes))
    with Calls(options) as calls:
        print_run(
            calls.call(calls.train_runs.SetSalesWindow, request, "You can repeat the command safely."), as_json=options.as_json
        )


def _parse_window(opens: str, closes: str) -> sales_window_pb2.SalesWindow:
    """Parse a sales window. Raises `UsageError`."""
    from app.cli.sales_window_syntax import set_closing, set_opening
    from app.pb.seatline.v1 import sales_window_pb2

    window = sales_window_pb2.SalesWindow()
    for flag, text, set_it in (("--opens", opens, set_opening), ("--closes", closes, set_closing)):
        try:
            if text.strip():
                set_it(window, text)
        except ValueError as error:
            raise UsageError(f"{flag}: {error}") from error
    return window
