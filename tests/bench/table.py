"""The results as tables on the terminal.

Belongs here: printing results. Does not belong here: judging them (`floors.py`), the chart (`chart.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.bench.floors import Verdict
from tests.bench.results import Results

COLUMNS = ("rate", "p50", "p99", "slowest", "server_us_per_call", "database_us_per_call", "generator_us_per_call")
HEADINGS = ("calls/s", "p50 ms", "p99 ms", "slowest ms", "server us", "mongod us", "generator us")


def show(console: Console, results: Results, verdicts: Sequence[Verdict]) -> None:
    """Print volleys, single figures, floors and problems."""
    console.print(_volleys(results))
    console.print(_single_figures(results))
    console.print(_floors(verdicts))
    for problem in results.problems:
        console.print(f"[red]problem:[/red] {problem}")


def volley_names(results: Results) -> list[str]:
    """Return the kinds of calls that were measured."""
    return [measured.name.removesuffix("_calls") for measured in results.measurements if measured.name.endswith("_calls")]


def _volleys(results: Results) -> Table:
    table = Table(title="Calls (medians of the rounds; CPU for each call)", title_justify="left")
    table.add_column("what")
    table.add_column("calls", justify="right")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for name in volley_names(results):
        values = [results.value(f"{name}_{column}") for column in ("calls", *COLUMNS)]
        table.add_row(name, *(figure(value) for value in values))
    return table


def _single_figures(results: Results) -> Table:
    table = Table(title="Other figures", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    covered = {f"{name}_{column}" for name in volley_names(results) for column in ("calls", *COLUMNS)}
    for measured in results.measurements:
        if measured.name not in covered:
            table.add_row(measured.name, figure(measured.value), measured.unit)
    for name, value in results.ratios.items():
        table.add_row(name, f"{value:.3f}", "ratio")
    return table


def _floors(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Floors", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("floor", justify="right")
    table.add_column("")
    for verdict in verdicts:
        floor = verdict.floor
        mark = "[green]holds[/green]" if verdict.is_met else "[red]missed[/red]"
        sign = ">=" if floor.at_least else "<="
        table.add_row(
            floor.title,
            "-" if verdict.value is None else f"{verdict.value:.2f}",
            f"{sign} {floor.limit:g}",
            "not measured" if verdict.value is None else mark,
        )
    return table


def figure(value: float | None) -> str:
    """Return a figure with three digits; larger ones as whole numbers."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
