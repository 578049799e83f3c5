"""The pages and tables that people see: bookings, receipts, runs, trains, who sits in a section.

Here belongs how an answer of the service is laid out for reading. Not here: asking for it, and the words for single values
(`app.cli.wording`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable
from app.cli.screen import arrow, columns
from app.cli.station_clocks import StationClocks
from app.cli.wording import (
    booking_state_text,
    clock_text,
    date_text,
    instant_text,
    money_text,
    person_name,
    person_text,
    run_state_text,
    seat_text,
    seats_text,
    zone_named,
)
from app.pb.seatline.v1 import booking_pb2, operator_pb2, seat_pb2, train_pb2

# Wide enough for two long station names with their times, and inside 80 columns.
PAGE_WIDTH_COLUMNS = 78


def receipt_page(receipt: booking_pb2.Receipt, clocks: StationClocks) -> Panel:
    """A receipt: journey, people and seats, price paid."""
    number = printable(receipt.train_number)
    train = f"{number} ({printable(receipt.train_id)})" if number else printable(receipt.train_id)
    grid = _journey_grid(receipt, train, clocks)
    _add_people(grid, _seat_heading(receipt), receipt.passengers)
    grid.add_row("", "")
    grid.add_row("Price paid", Text(money_text(receipt.price_paid), style="bold"))
    grid.add_row("Booked by", person_text(receipt.user))
    grid.add_row("Issued", instant_text(receipt.issue_time))
    return _page(f"Receipt {printable(receipt.reference)}", grid)


def booking_page(booking: booking_pb2.Booking, clocks: StationClocks) -> Panel:
    """A booking as it is now: journey, people and seats, who gave seats back, price."""
    grid = _journey_grid(booking, printable(booking.train_id), clocks)
    _add_people(grid, _seat_heading(booking), booking.passengers)
    _add_people(grid, "Given back", booking.cancelled_passengers)
    if len(booking.passengers) > 1:
        grid.add_row("Together", "yes" if booking.seats_together else "no, the seats are apart")
    grid.add_row("", "")
    grid.add_row("Price", Text(money_text(booking.price), style="bold"))
    grid.add_row("Booked by", person_text(booking.user))
    return _page(f"Booking {printable(booking.reference)}", grid)


def _page(title: str, grid: Table) -> Panel:
    return Panel(grid, title=Text(title, style="bold"), title_align="left", width=PAGE_WIDTH_COLUMNS, padding=(0, 1))


def _journey_grid(journey: booking_pb2.Receipt | booking_pb2.Booking, train: str, clocks: StationClocks) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    leaves = instant_text(journey.depart_time, clocks.zone(journey.train_id, journey.travel_date, journey.origin))
    arrives = instant_text(journey.arrive_time, clocks.zone(journey.train_id, journey.travel_date, journey.destination))
    grid.add_row("State", booking_state_text(journey.state))
    grid.add_row("Train", f"{train}, {date_text(journey.travel_date)}")
    grid.add_row("From", f"{printable(journey.origin)}, {leaves}")
    grid.add_row("To", f"{printable(journey.destination)}, {arrives}")
    return grid


def _seat_heading(journey: booking_pb2.Receipt | booking_pb2.Booking) -> str:
    """A cancelled booking still lists its last passengers and seats; they must not read as seats to sit on."""
    return "Given back" if journey.state == booking_pb2.BOOKING_STATE_CANCELLED else "Seat"


def _add_people(grid: Table, heading: str, people: Iterable[seat_pb2.Passenger]) -> None:
    for person in people:
        coach = f", coach {printable(person.seat.coach)}" if person.seat.coach else ""
        grid.add_row(heading, f"{seat_text(person.seat)}{coach}: {person_text(person)}")
        heading = ""


def receipts_table(receipts: Sequence[booking_pb2.Receipt], clocks: StationClocks, console: Console) -> Table:
    """One row for each receipt."""
    table = columns("Reference", "Journey", "Seats", "Paid")
    for receipt in receipts:
        leaves = instant_text(receipt.depart_time, clocks.zone(receipt.train_id, receipt.travel_date, receipt.origin))
        journey = f"{printable(receipt.origin)} {arrow(console)} {printable(receipt.destination)}"
        train = printable(receipt.train_number or receipt.train_id)
        table.add_row(
            printable(receipt.reference),
            f"{journey}\n{train}, {leaves}",
            seats_text(receipt.seats),
            f"{money_text(receipt.price_paid)}\n{booking_state_text(receipt.state)}",
        )
    return table


def runs_table(runs: Iterable[train_pb2.TrainRun], origin: str, destination: str) -> Table:
    """One row for each run, with the journey from `origin` to `destination` (names or codes; empty: the whole way)."""
    table = columns("Date and train", "Journey", "Free seats", "Fare")
    for run in runs:
        if not run.stops:
            continue
        first, last = _stop_called(run, origin) or run.stops[0], _stop_called(run, destination) or run.stops[-1]
        leaves = clock_text(first.depart_time, zone_named(first.time_zone), run.travel_date)
        arrives = clock_text(last.arrive_time, zone_named(last.time_zone), run.travel_date)
        fares = dict.fromkeys(money_text(section.fare) for section in run.sections)
        table.add_row(
            f"{date_text(run.travel_date)}\n{printable(run.train_id)} ({printable(run.number)})",
            f"{leaves} {printable(first.name)}\n{arrives} {printable(last.name)}",
            "\n".join(f"{printable(part.section)} {part.free_seat_count}/{part.seat_count}" for part in run.sections),
            "\n".join([*fares, run_state_text(run.state)]),
        )
    return table


def _stop_called(run: train_pb2.TrainRun, called: str) -> train_pb2.RunStop | None:
    """The stop with that name or code, as the contract compares them: in any case."""
    wanted = called.strip().casefold()
    return next((stop for stop in run.stops if wanted and wanted in (stop.name.casefold(), stop.code.casefold())), None)


def trains_table(trains: Iterable[operator_pb2.Train], console: Console) -> Table:
    """One row for each train."""
    table = columns("Train", "Way", "Sections")
    for train in trains:
        ends = [printable(stop.name) for stop in (*train.stops[:1], *train.stops[-1:])]
        seats = {section.name: 0 for section in train.sections}
        for coach in train.coaches:
            seats[coach.section] = seats.get(coach.section, 0) + coach.seat_count
        fares = {section.name: money_text(section.fare) for section in train.sections}
        table.add_row(
            f"{printable(train.train_id)}\n{printable(train.number)}",
            f" {arrow(console)} ".join(ends) + f"\n{len(train.stops)} stops, {len(train.coaches)} coaches",
            "\n".join(f"{printable(name)}: {count} seats, {fares.get(name, '')}" for name, count in seats.items()),
        )
    return table


def section_table(rows: Iterable[operator_pb2.SectionBooking], console: Console) -> Table:
    """One row for each passenger of a section."""
    table = columns("Seat", "Coach", "Passenger", "Journey", "Reference")
    for row in rows:
        booker = "" if row.user.email == row.passenger.email else f"\nby {printable(row.user.email)}"
        table.add_row(
            seat_text(row.seat),
            printable(row.seat.coach),
            f"{person_name(row.passenger)}\n{printable(row.passenger.email)}",
            f"{printable(row.origin)}\n{arrow(console)} {printable(row.destination)}",
            printable(row.reference) + booker,
        )
    return table
