"""The pages and tables that people see: bookings, receipts, holds, runs, trains, who sits in a section.

Here belongs how an answer of the service is laid out for reading. Not here: asking for it, and the words for single values
(`app.cli.render.text`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.cli.arguments import comparison_key
from app.cli.failures import printable
from app.cli.render.screen import arrow, empty_table
from app.cli.render.text import (
    date_text,
    instant_text,
    instant_text_with_seconds,
    local_time_text,
    money_text,
    payment_text,
    person_name,
    person_text,
    refund_terms_text,
    refund_text,
    refunds_text,
    run_state_text,
    seat_text,
    seats_text,
    state_and_position_text,
    waitlist_terms_text,
    zone_by_name,
)
from app.cli.station_clocks import StationClocks
from app.pb.seatline.v1 import booking_pb2, hold_pb2, passenger_pb2, seat_pb2, train_pb2, train_run_pb2

# Wide enough for two long station names with their times, and inside 80 columns.
PAGE_WIDTH_COLUMNS = 78

_SEAT_HEADINGS: dict[int, str] = {
    booking_pb2.BOOKING_STATE_CANCELLED: "Given back",
    booking_pb2.BOOKING_STATE_WAITLISTED: "Waits",
    booking_pb2.BOOKING_STATE_EXPIRED: "Waited",
}


def receipt_page(receipt: booking_pb2.Receipt, clocks: StationClocks, waiting_place: int = 0) -> Panel:
    """A receipt: journey, people and seats, price paid, refunds. `waiting_place` is that in the line, if it waits."""
    number = printable(receipt.train_number)
    train = f"{number} ({printable(receipt.train_id)})" if number else printable(receipt.train_id)
    grid = _journey_grid(receipt, train, clocks, state_and_position_text(receipt.state, waiting_place))
    _add_passengers(grid, _seat_heading(receipt), receipt.passengers)
    grid.add_row("", "")
    grid.add_row("Price paid", Text(money_text(receipt.price_paid), style="bold"))
    _add_payment(grid, receipt)
    grid.add_row("Booked by", person_text(receipt.user))
    grid.add_row("Issued", instant_text(receipt.issue_time))
    return _page(f"Receipt {printable(receipt.reference)}", grid)


def booking_page(booking: booking_pb2.Booking, clocks: StationClocks) -> Panel:
    """A booking as it is now: journey, people and seats, who gave seats back, price, refunds."""
    standing = state_and_position_text(booking.state, booking.waitlist_position)
    grid = _journey_grid(booking, printable(booking.train_id), clocks, standing)
    _add_passengers(grid, _seat_heading(booking), booking.passengers)
    _add_passengers(grid, "Given back", booking.cancelled_passengers)
    if len(booking.passengers) > 1 and all(person.seat.number for person in booking.passengers):
        grid.add_row("Together", "yes" if booking.seats_together else "no, the seats are apart")
    if booking.HasField("user"):  # who has left a booking is told of nothing but what was its own
        grid.add_row("", "")
        grid.add_row("Price", Text(money_text(booking.price), style="bold"))
        _add_payment(grid, booking)
        grid.add_row("Booked by", person_text(booking.user))
    return _page(f"Booking {printable(booking.reference)}", grid)


def quote_page(answer: booking_pb2.CancelBookingResponse, clocks: StationClocks) -> Panel:
    """What a cancellation would leave and give back: every row that is not so yet says that it would be."""
    then, now = answer.booking, answer.current_booking
    was_cancelled = then.state == now.state == booking_pb2.BOOKING_STATE_CANCELLED
    change = state_and_position_text(then.state, then.waitlist_position)
    if answer.HasField("current_booking"):  # servers of before do not send it
        current = state_and_position_text(now.state, now.waitlist_position)
        change = f"{current} already" if was_cancelled else f"{current} now, would be {change}"
    grid = _journey_grid(then, printable(then.train_id), clocks, change)
    all_leave = then.state == booking_pb2.BOOKING_STATE_CANCELLED
    if not was_cancelled:
        had_left = len(now.cancelled_passengers) if then.HasField("user") else 0  # who leaves is told of its own alone
        leaving = (then.HasField("user") and all_leave and then.passengers) or then.cancelled_passengers[had_left:]
        _add_passengers(grid, "Would leave", leaving)
    _add_passengers(grid, "Would stay", () if all_leave else then.passengers)
    grid.add_row("", "")
    grid.add_row("Would get back", Text(money_text(answer.refund), style="bold"))
    return _page(f"Quote, nothing was changed: booking {printable(then.reference)}", grid)


def hold_page(hold: hold_pb2.Hold, origin: str, destination: str, zone: datetime.tzinfo) -> Panel:
    """A hold: seats, price, until when on a clock in `zone`. The stops are as the caller named them."""
    grid = _grid()
    grid.add_row("Train", f"{printable(hold.train_id)}, {date_text(hold.travel_date)}")
    grid.add_row("From", printable(origin))
    grid.add_row("To", printable(destination))
    heading = "Seat"
    for seat in hold.seats:
        grid.add_row(heading, _seat_and_coach_text(seat))
        heading = ""
    grid.add_row("", "")
    grid.add_row("Price", Text(money_text(hold.price), style="bold"))
    grid.add_row("Kept until", Text(instant_text_with_seconds(hold.expire_time, zone), style="bold"))
    return _page(f"Hold {printable(hold.hold_id)}", grid)


def _page(title: str, grid: Table) -> Panel:
    return Panel(grid, title=Text(title, style="bold"), title_align="left", width=PAGE_WIDTH_COLUMNS, padding=(0, 1))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _journey_grid(journey: booking_pb2.Receipt | booking_pb2.Booking, train: str, clocks: StationClocks, state: str) -> Table:
    grid = _grid()
    leaves = instant_text(journey.depart_time, clocks.zone(journey.train_id, journey.travel_date, journey.origin))
    arrives = instant_text(journey.arrive_time, clocks.zone(journey.train_id, journey.travel_date, journey.destination))
    grid.add_row("State", state)
    grid.add_row("Train", f"{train}, {date_text(journey.travel_date)}")
    grid.add_row("From", f"{printable(journey.origin)}, {leaves}")
    grid.add_row("To", f"{printable(journey.destination)}, {arrives}")
    return grid


def _seat_heading(journey: booking_pb2.Receipt | booking_pb2.Booking) -> str:
    """A cancelled booking still lists its last passengers and seats; they must not read as seats to sit on."""
    return _SEAT_HEADINGS.get(journey.state, "Seat")


def _add_passengers(grid: Table, heading: str, people: Iterable[passenger_pb2.Passenger]) -> None:
    for person in people:
        number = f"{person.number}. " if person.number else ""  # servers of before send none
        place = f"{_seat_and_coach_text(person.seat)}: " if person.seat.number else ""  # who waits has none
        grid.add_row(heading, f"{number}{place}{person_text(person)}")
        heading = ""


def _seat_and_coach_text(seat: seat_pb2.Seat) -> str:
    return seat_text(seat) + (f", coach {printable(seat.coach)}" if seat.coach else "")


def _add_payment(grid: Table, journey: booking_pb2.Receipt | booking_pb2.Booking) -> None:
    """How it was paid, where that is told, and what is given back."""
    if journey.HasField("payment"):
        grid.add_row("Payment", payment_text(journey.payment))
    heading = "Refund"
    for refund in journey.refunds:
        grid.add_row(heading, refund_text(refund))
        heading = ""


def receipts_table(
    receipts: Sequence[booking_pb2.Receipt], waitlist_positions: dict[str, int], clocks: StationClocks, console: Console
) -> Table:
    """One row for each receipt; `waitlist_positions` are those in the line, by reference, as far as they are known."""
    table = empty_table("Reference", "Journey", "Seats", "Paid")
    for receipt in receipts:
        leaves = instant_text(receipt.depart_time, clocks.zone(receipt.train_id, receipt.travel_date, receipt.origin))
        journey = f"{printable(receipt.origin)} {arrow(console)} {printable(receipt.destination)}"
        train = printable(receipt.train_number or receipt.train_id)
        paid = (
            payment_text(receipt.payment) if receipt.HasField("payment") else money_text(receipt.price_paid),
            state_and_position_text(receipt.state, waitlist_positions.get(receipt.reference, 0)),
            refunds_text(receipt.refunds),
        )
        table.add_row(
            printable(receipt.reference),
            f"{journey}\n{train}, {leaves}",
            seats_text(receipt.seats),
            "\n".join(line for line in paid if line),
        )
    return table


def runs_table(runs: Iterable[train_run_pb2.TrainRun], origin: str, destination: str) -> Table:
    """One row for each run, with the journey from `origin` to `destination` (names or codes; empty: the whole way)."""
    table = empty_table("Date and train", "Journey", "Free seats", "Fare")
    for run in runs:
        if not run.stops:
            continue
        first, last = _find_stop(run, origin) or run.stops[0], _find_stop(run, destination) or run.stops[-1]
        leaves = local_time_text(first.depart_time, zone_by_name(first.time_zone), run.travel_date)
        arrives = local_time_text(last.arrive_time, zone_by_name(last.time_zone), run.travel_date)
        fares = dict.fromkeys(money_text(section.fare) for section in run.sections)
        table.add_row(
            f"{date_text(run.travel_date)}\n{printable(run.train_id)} ({printable(run.number)})",
            f"{leaves} {printable(first.name)}\n{arrives} {printable(last.name)}",
            "\n".join(_free_seats_text(part) for part in run.sections),
            "\n".join([*fares, run_state_text(run.state)]),
        )
    return table


def _free_seats_text(part: train_run_pb2.SectionAvailability) -> str:
    waiting = f", {part.waiting_count:,} wait{'s' if part.waiting_count == 1 else ''}" if part.waiting_count else ""
    return f"{printable(part.section)} {part.free_seat_count}/{part.seat_count}{waiting}"


def _find_stop(run: train_run_pb2.TrainRun, called: str) -> train_run_pb2.RunStop | None:
    """The stop with that name or code, as the contract compares them: in any case."""
    wanted = comparison_key(called)
    return next(
        (stop for stop in run.stops if wanted and wanted in (comparison_key(stop.name), comparison_key(stop.code))), None
    )


def trains_table(trains: Iterable[train_pb2.Train], console: Console) -> Table:
    """One row for each train."""
    table = empty_table("Train", "Way", "Sections")
    for train in trains:
        ends = [printable(stop.name) for stop in (*train.stops[:1], *train.stops[-1:])]
        seats = {section.name: 0 for section in train.sections}
        for coach in train.coaches:
            seats[coach.section] = seats.get(coach.section, 0) + coach.seat_count
        fares = {section.name: money_text(section.fare) for section in train.sections}
        size, terms = f"{len(train.stops)} stops, {len(train.coaches)} coaches", refund_terms_text(train.refund_tiers)
        refunds = f"refunds {terms}" if terms else ""
        table.add_row(
            f"{printable(train.train_id)}\n{printable(train.number)}",
            "\n".join(line for line in (f" {arrow(console)} ".join(ends), size, refunds, waitlist_terms_text(train)) if line),
            "\n".join(f"{printable(name)}: {count} seats, {fares.get(name, '')}" for name, count in seats.items()),
        )
    return table


def section_table(rows: Iterable[booking_pb2.SectionBooking], console: Console) -> Table:
    """One row for each passenger of a section."""
    table = empty_table("Seat", "Coach", "Passenger", "Journey", "Reference")
    for row in rows:
        booker = "" if row.user.email == row.passenger.email else f"\nby {printable(row.user.email)}"
        table.add_row(
            seat_text(row.seat),
            printable(row.seat.coach),
            f"{person_name(row.passenger)}\n{printable(row.passenger.email)}",
            f"{printable(row.origin)}\n{arrow(console)} {printable(row.destination)}",
            printable(row.reference) + (f" no. {row.passenger.number}" if row.passenger.number else "") + booker,
        )
    return table
