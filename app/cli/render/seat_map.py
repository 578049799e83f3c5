"""Drawing of a seat map, seen from above: coach by coach, two seats, the aisle, two seats.

Every state has a symbol and a colour, so that the map is readable without colours, with colour blindness, and in a pipe. Does
not belong here: the calls, and which seats are the caller's own (`app.cli.train_runs`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.screen import arrow, is_unicode
from app.cli.render.text import date_text
from app.pb.seatline.v1 import seat_pb2, train_run_pb2

SEATS_ACROSS = 4
AISLE_AFTER = 2
# Maximum number of seat rows in one strip of a coach, however wide the terminal: longer strips are hard to count.
ROWS_IN_STRIP_MAX = 20
_GAP_COLUMNS = 1
_WALL_COLUMNS = 3
_WALLS, _WALLS_ASCII = tuple("╭╮╰╯─│"), tuple("++++-|")

FREE, SOLD, PARTLY_SOLD, HELD, MINE, UNKNOWN = "free", "sold", "partly sold", "held", "mine", "unknown"
_STATES = {
    train_run_pb2.SEAT_STATE_FREE: FREE,
    train_run_pb2.SEAT_STATE_SOLD: SOLD,
    train_run_pb2.SEAT_STATE_PARTLY_SOLD: PARTLY_SOLD,
    train_run_pb2.SEAT_STATE_HELD: HELD,
}
_SIGNS = {FREE: "○", SOLD: "●", PARTLY_SOLD: "◐", HELD: "h", MINE: "★", UNKNOWN: "?"}
_SIGNS_ASCII = {FREE: ".", SOLD: "x", PARTLY_SOLD: "/", HELD: "h", MINE: "*", UNKNOWN: "?"}
# Okabe and Ito's palette, which is safe for colour blindness, each with a text colour of high contrast.
_COLOURS = {
    FREE: "black on #56b4e9",
    SOLD: "#d0d0d0 on #444444",
    PARTLY_SOLD: "black on #d55e00",
    HELD: "black on #cc79a7",
    MINE: "bold black on #f0e442",
    UNKNOWN: "",
}
_MEANINGS = {
    FREE: "free",
    SOLD: "sold",
    PARTLY_SOLD: "partly sold",
    HELD: "held",
    MINE: "mine",
    UNKNOWN: "unknown",
}

SeatKey = tuple[str, int]


def seat_map_page(seat_map: train_run_pb2.SeatMap, mine: frozenset[SeatKey], heading: str, console: Console) -> RenderableType:
    """Draw the map: heading, legend with counts, then every coach. `mine` are the caller's seats by section and number."""
    states = {_key(entry.seat): _state(entry, mine) for entry in seat_map.seats}
    digits = len(str(max((entry.seat.number for entry in seat_map.seats), default=0)))
    signs = _SIGNS if is_unicode(console) else _SIGNS_ASCII
    journey = f"{printable(seat_map.origin)} {arrow(console)} {printable(seat_map.destination)}"
    parts: list[RenderableType] = [
        Text(f"{heading}, {date_text(seat_map.travel_date)}", style="bold"),
        Text(journey),
        _legend(Counter(states.values()), signs),
    ]
    for (section, coach), seats in _seats_by_coach(seat_map).items():
        parts.append(_coach_heading(section, coach, [states[_key(seat)] for seat in seats], len(seats)))
        parts.extend(_coach_strips(seats, digits, states, signs, console))
    return Group(*parts)


def _seats_by_coach(seat_map: train_run_pb2.SeatMap) -> dict[tuple[str, str], list[seat_pb2.Seat]]:
    """Return the seats of each coach, by section and coach. The seats of a coach that has grown have numbers far apart."""
    coaches: dict[tuple[str, str], list[seat_pb2.Seat]] = {}
    for entry in seat_map.seats:
        coaches.setdefault((entry.seat.section, entry.seat.coach), []).append(entry.seat)
    return coaches


def _key(seat: seat_pb2.Seat) -> SeatKey:
    return seat.section, seat.number


def _state(entry: train_run_pb2.SeatMapEntry, mine: frozenset[SeatKey]) -> str:
    return MINE if _key(entry.seat) in mine else _STATES.get(entry.state, UNKNOWN)


def _legend(counts: Counter[str], signs: dict[str, str]) -> Text:
    legend = Text()
    for state, meaning in _MEANINGS.items():
        if state == UNKNOWN and not counts[state]:
            continue
        legend.append(f" {signs[state]} ", style=_COLOURS[state])
        legend.append(f" {counts[state]:,} {meaning}   ")
    legend.rstrip()
    return legend


def _coach_heading(section: str, coach: str, states: list[str], seat_count: int) -> Text:
    heading = Text("\n")
    heading.append(f"Coach {printable(coach)}", style="bold")
    heading.append(f"  section {printable(section)}, {states.count(FREE)} of {seat_count} free")
    return heading


def _coach_strips(
    seats: list[seat_pb2.Seat], digits: int, states: dict[SeatKey, str], signs: dict[str, str], console: Console
) -> Iterator[Text]:
    """Draw a coach lengthwise, in strips that fit the terminal. Each column is one row of seats across the coach."""
    cell_columns = digits + 1 + _GAP_COLUMNS
    fitting = (console.width - _WALL_COLUMNS) // cell_columns
    seats_in_strip = SEATS_ACROSS * max(1, min(fitting, ROWS_IN_STRIP_MAX))
    walls = _WALLS if is_unicode(console) else _WALLS_ASCII
    for start in range(0, len(seats), seats_in_strip):
        strip = seats[start : start + seats_in_strip]
        lines = [_seats_line(strip[line::SEATS_ACROSS], digits, states, signs) for line in range(SEATS_ACROSS)]
        lines.insert(AISLE_AFTER, Text())
        yield from _walled(lines, walls)


def _seats_line(seats: list[seat_pb2.Seat], digits: int, states: dict[SeatKey, str], signs: dict[str, str]) -> Text:
    """Draw one line of seats along a window or along the aisle."""
    line = Text()
    for seat in seats:
        state = states[_key(seat)]
        line.append(f"{seat.number:>{digits}}{signs[state]}", style=_COLOURS[state])
        line.append(" " * _GAP_COLUMNS)
    return line


def _walled(lines: list[Text], walls: tuple[str, ...]) -> Iterator[Text]:
    """Frame the lines with the walls of the coach, padded to equal length."""
    top_left, top_right, bottom_left, bottom_right, across, along = walls
    length = max(line.cell_len for line in lines) + _GAP_COLUMNS
    yield Text(top_left + across * length + top_right)
    for line in lines:
        filled = Text.assemble(along, " " * _GAP_COLUMNS, line)
        filled.pad_right(length + len(along) - filled.cell_len)
        yield filled.append(along)
    yield Text(bottom_left + across * length + bottom_right)
