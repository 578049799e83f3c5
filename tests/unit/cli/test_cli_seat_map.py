"""Seat maps: symbols, colours, rows across the coach, widths."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from app.cli.render.screen import console_for
from app.cli.render.seat_map import seat_map_page
from app.pb.seatline.v1 import seat_pb2, train_run_pb2

FREE, SOLD, PARTLY = train_run_pb2.SEAT_STATE_FREE, train_run_pb2.SEAT_STATE_SOLD, train_run_pb2.SEAT_STATE_PARTLY_SOLD
HELD = train_run_pb2.SEAT_STATE_HELD


class AsciiStream(io.StringIO):
    encoding = "ascii"


def seat_map(seat_count: int, states: dict[int, Any] | None = None) -> train_run_pb2.SeatMap:
    drawn = train_run_pb2.SeatMap(train_id="es9014", travel_date="2025-12-12", origin="London", destination="Paris")
    for number in range(1, seat_count + 1):
        seat = seat_pb2.Seat(section="A", coach="1", number=number, label=f"A-{number}")
        drawn.seats.add(seat=seat, state=(states or {}).get(number, FREE))
    return drawn


def drawn(
    seats: train_run_pb2.SeatMap,
    mine: frozenset[tuple[str, int]] = frozenset(),
    width: int = 80,
    stream: io.StringIO | None = None,
) -> list[str]:
    console = Console(file=stream or io.StringIO(), width=width, color_system=None, record=True)
    console.print(seat_map_page(seats, mine, "ES 9014", console))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_coach_is_drawn_with_two_seats_on_each_side_of_the_aisle() -> None:
    lines = drawn(seat_map(8, {2: SOLD, 3: PARTLY, 5: SOLD, 8: HELD}), frozenset({("A", 5)}))
    assert lines == [
        "ES 9014, Fri 12 Dec 2025",
        "London → Paris",
        " ○  4 free    ●  1 sold    ◐  1 partly sold    h  1 held    ★  1 mine",
        "",
        "Coach 1  section A, 4 of 8 free",
        "╭───────╮",
        "│ 1○ 5★ │",
        "│ 2● 6○ │",
        "│       │",
        "│ 3◐ 7○ │",
        "│ 4○ 8h │",
        "╰───────╯",
    ]


def test_a_coach_that_has_grown_is_one_coach_and_retired_seats_are_left_out() -> None:
    seats = seat_map(0)
    for coach, numbers in (("1", (1, 2, 4)), ("2", (5, 6)), ("1", (9, 10))):
        for number in numbers:
            seats.seats.add(seat=seat_pb2.Seat(section="A", coach=coach, number=number, label=f"A-{number}"), state=FREE)
    lines = drawn(seats)
    assert [line for line in lines if line.startswith("Coach")] == [
        "Coach 1  section A, 5 of 5 free",
        "Coach 2  section A, 2 of 2 free",
    ]
    assert [line.split() for line in lines if line.startswith("│")][:5] == [
        ["│", "1○", "10○", "│"],
        ["│", "2○", "│"],
        ["│", "│"],
        ["│", "4○", "│"],
        ["│", "9○", "│"],
    ]


def test_without_unicode_the_map_is_drawn_in_ascii() -> None:
    lines = drawn(seat_map(5, {2: SOLD, 3: PARTLY, 5: HELD}), frozenset({("A", 4)}), stream=AsciiStream())
    assert all(line.isascii() for line in lines)
    assert [line for line in lines if line.startswith("|")] == [
        "| 1. 5h |",
        "| 2x    |",
        "|       |",
        "| 3/    |",
        "| 4*    |",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_every_seat_is_drawn_once_within_the_terminals_width(width: int) -> None:
    lines = drawn(seat_map(57), width=width)
    numbers = [int(number) for line in lines if line.startswith("│") for number in re.findall(r"\d+", line)]
    assert sorted(numbers) == list(range(1, 58))
    assert max(len(line) for line in lines) <= width


def test_each_state_has_its_own_colour() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system="truecolor")
    console.print(seat_map_page(seat_map(5, {2: SOLD, 3: PARTLY, 4: HELD}), frozenset({("A", 5)}), "ES 9014", console))
    backgrounds = {re.search(rf"\x1b\[([0-9;]+)m{number}[○●◐h★]", stream.getvalue()) for number in range(1, 6)}
    assert len({found.group(1) for found in backgrounds if found}) == 5


def test_no_color_leaves_the_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True)
    console.print(seat_map_page(seat_map(1), frozenset(), "ES 9014", console))
    assert "48;" not in stream.getvalue()
    assert "1○" in stream.getvalue()


def test_an_unknown_state_is_drawn_as_unknown() -> None:
    lines = drawn(seat_map(1, {1: 99}))
    assert "?  1 unknown" in " ".join(lines)
    assert "│ 1? │" in lines


def test_a_run_without_seats_has_a_map_without_coaches() -> None:
    assert len(drawn(seat_map(0))) == 3


def test_a_pipe_is_200_columns_wide_unless_columns_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console_for(io.StringIO()).width == 200
    monkeypatch.setenv("COLUMNS", "100")
    assert console_for(io.StringIO()).width == 100
