"""What goes to stdout: one JSON document for programs, or text, tables and colour for people.

Here belong the console and how it adapts to a terminal, a pipe, NO_COLOR and a terminal without Unicode. Not here: what the
tables and pages say (`app.cli.render.bookings`, `app.cli.render.seat_map`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

import typer
from google.protobuf import json_format
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from app.cli.failures import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

# A pipe has no width; rows of a table should stay on one line for grep, and this is more than any table here needs.
PIPE_WIDTH_COLUMNS = 200


class _Page(Protocol):
    """An answer that may have more to come."""

    next_page_token: str


def console_for(stream: TextIO) -> Console:
    """A console on `stream` that takes every text as it is: no markup, no emoji codes, no guessed highlights."""
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH_COLUMNS
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def is_unicode(console: Console) -> bool:
    """Whether circles, stars and arrows can be written there."""
    return console.encoding.lower().startswith("utf")


def arrow(console: Console) -> str:
    """What stands between origin and destination."""
    return "→" if is_unicode(console) else "->"


def empty_table(*headings: str) -> Table:
    """An empty table with these headings, narrow enough for 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_json(message: Message) -> None:
    """`message` as one JSON document on stdout: field names as in the contract, empty fields included."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    text = json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=not encoding.startswith("utf"),
    )
    typer.echo(text)


def stdout_console() -> Console:
    """The console on stdout as it is now."""
    return console_for(sys.stdout)


def print_page(page: RenderableType) -> None:
    """Prints something drawn with rich."""
    stdout_console().print(page)


def print_text(text: str) -> None:
    """Prints a sentence, unwrapped, as it is."""
    stdout_console().print(text, soft_wrap=True)


def print_list(draw: Callable[[Console], Table], count: int, thing: str, answer: _Page, *, things: str = "") -> None:
    """Prints a table, how many things it shows, and how to go on where there is more. `things` is the plural, if unusual."""
    console, things = stdout_console(), things or f"{thing}s"
    if count:
        console.print(draw(console))
    console.print(f"\n{count:,} {thing if count == 1 else things}." if count else f"No {things}.")
    if answer.next_page_token:
        typer.echo(f"There is more: add --page-token {printable(answer.next_page_token)}", err=True)
