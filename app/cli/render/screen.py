"""Standard output: one JSON document for programs, or text, tables and colours for people.

Belongs here: the console, and how it adapts to a terminal, a pipe, NO_COLOR and a terminal without Unicode. Does not belong
here: the contents of tables and pages (a module per resource beside this one).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import typer
from google.protobuf import json_format
from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

# A pipe has no width. No table here is wider, so each row stays on one line for grep.
PIPE_WIDTH_COLUMNS = 200
# Fits two long station names with their times, and a terminal of 80 columns.
PAGE_WIDTH_COLUMNS = 78

RowsT = TypeVar("RowsT", bound=Sized)


def console_for(stream: TextIO) -> Console:
    """Return a console that prints texts literally: no markup, no emoji codes, no automatic highlighting."""
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH_COLUMNS
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def is_unicode(console: Console) -> bool:
    """Whether the console can show circles, stars and arrows."""
    return console.encoding.lower().startswith("utf")


def arrow(console: Console) -> str:
    """Return the arrow between origin and destination."""
    return "→" if is_unicode(console) else "->"


def empty_table(*headings: str) -> Table:
    """Return an empty table with these headings, for a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def empty_grid() -> Table:
    """Return an empty grid for a page: names on the left, values on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def framed(title: str, grid: Table) -> RenderableType:
    """Frame a grid as a page with a title."""
    return Panel(grid, title=Text(title, style="bold"), title_align="left", width=PAGE_WIDTH_COLUMNS, padding=(0, 1))


def stdout_console() -> Console:
    """Return a console on the current stdout."""
    return console_for(sys.stdout)


def print_json(message: Message) -> None:
    """Print `message` as one JSON document: field names of the contract, empty fields included."""
    _print_document(_json_value(message))


def print_json_values(**values: Message | list[Any]) -> None:
    """Print several messages, or lists of them, as one JSON document with these names."""
    _print_document({name: _json_value(value) for name, value in values.items()})


def _json_value(value: Message | list[Any]) -> Any:
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return json_format.MessageToDict(value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _print_document(document: Any) -> None:
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=not encoding.startswith("utf")))


def print_page(page: RenderableType) -> None:
    """Print something drawn with rich."""
    stdout_console().print(page)


def print_text(text: str) -> None:
    """Print a text literally and without wrapping."""
    stdout_console().print(text, soft_wrap=True)


def print_answer(answer: Message, text: str, *, as_json: bool) -> None:
    """Print `answer` as JSON, or `text` for people."""
    if as_json:
        print_json(answer)
        return
    print_text(text)


def print_list(
    answer: Any, rows: RowsT, noun: str, table: Callable[[RowsT, Console], Table], *, as_json: bool, plural: str = ""
) -> None:
    """Print a list `answer` as JSON, or its `rows` as a table with their number.

    If there are more pages, stderr says how to get the next one. `plural` is the plural of `noun` if it is irregular.
    """
    if as_json:
        print_json(answer)
        return
    console, plural = stdout_console(), plural or f"{noun}s"
    if len(rows):
        console.print(table(rows, console))
    console.print(f"\n{counted(len(rows), noun, plural)}." if len(rows) else f"No {plural}.")
    if answer.next_page_token:
        typer.echo(f"There are more: add --page-token {printable(answer.next_page_token)}", err=True)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return such as "1 booking" or "1,234 bookings"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
