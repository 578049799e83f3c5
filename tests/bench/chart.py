"""The results as a chart: bars in SVG, without a plotting library.

Belongs here: a pure function from panels to text, and which figures the panels show. Does not belong here: measuring, judging.

The background is transparent and every colour is of middle lightness, so that one file reads well on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from tests.bench.floors import Verdict
from tests.bench.results import Results
from tests.bench.table import figure

WIDTH, MARGIN = 860, 16
LABEL_WIDTH, NOTE_WIDTH = 270, 230
BAR_LEFT = MARGIN + LABEL_WIDTH
BAR_WIDTH = WIDTH - BAR_LEFT - NOTE_WIDTH - MARGIN
ROW_HEIGHT, BAR_HEIGHT, TITLE_HEIGHT, PANEL_GAP = 26, 14, 38, 12
TEXT, LINE = "#6e7781", "#8c959f"
COLOURS = {"reference": "#8c959f", "ours": "#2f81f7", "met": "#2da44e", "missed": "#e5534b"}
HEADROOM_MAX = 3.0
"""Bars against the floors end here, even where the figure is larger."""

SALES = (
    ("echo_256", "bare echo, 256 callers", "reference"),
    ("hot_run_256", "one run, 256 callers", "ours"),
    ("spread_256", "50 runs, 256 callers", "ours"),
    ("echo_64", "bare echo, 64 callers", "reference"),
    ("hot_run_64", "one run, 64 callers", "ours"),
    ("two_replicas", "one run, two servers, 64 callers", "ours"),
    ("naive_64", "one run, read-swap-retry, 64 callers", "reference"),
)
READS = (
    ("get_receipt", "GetReceipt", "ours"),
    ("list_section_bookings", "ListSectionBookings, 200 rows", "ours"),
    ("get_seat_map", "GetSeatMap, 1,000 seats", "ours"),
)


@dataclass(frozen=True)
class Bar:
    """A bar: `length` is a share of the full width, `note` the text to its right."""

    label: str
    length: float
    note: str
    colour: str


@dataclass(frozen=True)
class Panel:
    """Bars under a title. `mark` is the position of a vertical line, and its name."""

    title: str
    bars: tuple[Bar, ...]
    mark: tuple[float, str] | None = None


def draw_results(results: Results, verdicts: Sequence[Verdict]) -> str:
    """Return the chart of one run of the benchmark."""
    panels = (
        rate_panel(results, "Bookings a second, and how long a caller waits", SALES),
        rate_panel(results, "Reads a second, 64 callers", READS),
        floor_panel(verdicts),
    )
    return draw([panel for panel in panels if panel.bars])


def rate_panel(results: Results, title: str, rows: Sequence[tuple[str, str, str]]) -> Panel:
    """Return bars of rates; without those that were not measured."""
    rates = {name: results.value(f"{name}_rate") for name, _, _ in rows}
    longest = max((rate for rate in rates.values() if rate), default=1.0)
    bars = []
    for name, label, colour in rows:
        rate = rates[name]
        if rate is not None:
            p50, p99 = (figure(results.value(f"{name}_{column}")) for column in ("p50", "p99"))
            bars.append(Bar(label, rate / longest, f"{figure(rate)}/s, p50 {p50}, p99 {p99} ms", colour))
    return Panel(title, tuple(bars))


def floor_panel(verdicts: Sequence[Verdict]) -> Panel:
    """Return bars that compare each figure with its floor: the vertical line is the floor, to its right is better."""
    bars = []
    for verdict in verdicts:
        if verdict.value is None or verdict.value <= 0:
            continue
        floor = verdict.floor
        headroom = verdict.value / floor.limit if floor.at_least else floor.limit / verdict.value
        sign = "at least" if floor.at_least else "at most"
        note = f"{figure(verdict.value)} ({sign} {floor.limit:g})"
        bars.append(Bar(floor.title, min(headroom, HEADROOM_MAX) / HEADROOM_MAX, note, "met" if verdict.is_met else "missed"))
    return Panel("Against the floors: right of the line is better", tuple(bars), (1 / HEADROOM_MAX, "floor"))


def draw(panels: Sequence[Panel]) -> str:
    """Draw panels one below the other."""
    body: list[str] = []
    top = MARGIN
    for panel in panels:
        body += _draw_panel(panel, top)
        top += TITLE_HEIGHT + ROW_HEIGHT * len(panel.bars) + PANEL_GAP
    font = "-apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" role="img" '
        f'font-family={quoteattr(font)} font-size="12.5" fill="{TEXT}">'
    )
    return "\n".join([opening, "<title>Seatline benchmark</title>", *body, "</svg>", ""])


def _draw_panel(panel: Panel, top: int) -> list[str]:
    lines = [f'<text x="{MARGIN}" y="{top + 16}" font-size="15" font-weight="600">{escape(panel.title)}</text>']
    first = top + TITLE_HEIGHT
    for position, bar in enumerate(panel.bars):
        lines += _draw_bar(bar, first + position * ROW_HEIGHT, has_note_column=panel.mark is not None)
    if panel.mark is not None:
        share, name = panel.mark
        x, bottom = BAR_LEFT + share * BAR_WIDTH, first + ROW_HEIGHT * len(panel.bars) - 4
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{first - 2}" y2="{bottom}" stroke="{LINE}" stroke-dasharray="3 3"/>')
        lines.append(f'<text x="{x:.1f}" y="{first - 6}" font-size="11" text-anchor="middle">{escape(name)}</text>')
    return lines


def _draw_bar(bar: Bar, top: int, *, has_note_column: bool) -> list[str]:
    width = max(1.5, min(1.0, bar.length) * BAR_WIDTH)
    baseline = top + BAR_HEIGHT - 2
    # Beside the bar, unless the vertical line would cross it.
    note_x = BAR_LEFT + (BAR_WIDTH if has_note_column else width) + 8
    return [
        f'<text x="{BAR_LEFT - 10}" y="{baseline}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{BAR_LEFT}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2" fill="{COLOURS[bar.colour]}"/>',
        f'<text x="{note_x:.1f}" y="{baseline}">{escape(bar.note)}</text>',
    ]
