"""Layout of bookings and their receipts.

Belongs here: pages, tables, and the texts about a waitlisted or cancelled booking. Does not belong here: texts of single values
(`app.cli.render.text`), and the calls (`app.cli.bookings`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.screen import arrow, empty_grid, empty_table, framed
from app.cli.render.text import (
    booking_state_text,
    date_text,
    instant_text,
    money_text,
    payment_text,
    person_name,
    person_text,
    refund_reason_text,
    refund_text,
    refunds_text,
    run_state_text,
    seat_and_coach_text,
    seat_text,
    seats_text,
    state_and_position_text,
    waiting_text,
)
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_run_pb2

_SEAT_HEADING = "Seat"
# Headings of seats that nobody sits on, by state. A cancelled booking still lists its last passengers and seats.
_SEAT_HEADINGS: dict[int, str] = {
    booking_pb2.BOOKING_STATE_CANCELLED: "Cancelled",
    booking_pb2.BOOKING_STATE_WAITLISTED: "Waitlisted",
    booking_pb2.BOOKING_STATE_EXPIRED: "Not seated",
}


class Clocks(Protocol):
    """Time zones of stops."""

    def zone(self, train_id: str, travel_date: str, stop: str) -> datetime.tzinfo:
        """Return the zone of a stop of a train run."""


def receipt_page(receipt: booking_pb2.Receipt, clocks: Clocks, waitlist_position: int = 0) -> RenderableType:
    """Return the page of a receipt: journey, passengers and seats, price paid, refunds."""
    number = printable(receipt.train_number)
    train = f"{number} ({printable(receipt.train_id)})" if number else printable(receipt.train_id)
    state = _state_text(receipt, waitlist_position)
    grid = _journey_grid(receipt, train, clocks, state)
    _add_passengers(grid, _seat_heading(receipt), receipt.passengers)
    grid.add_row("", "")
    grid.add_row("Price paid", Text(money_text(receipt.price_paid), style="bold"))
    _add_payment(grid, receipt)
    grid.add_row("Booked by", person_text(receipt.user))
    grid.add_row("Issued", instant_text(receipt.issue_time))
    return framed(f"Receipt {printable(receipt.reference)}", grid)


def booking_page(booking: booking_pb2.Booking, clocks: Clocks) -> RenderableType:
    """Return the page of a booking: journey, passengers and seats, cancelled passengers, price, refunds."""
    state = _state_text(booking, booking.waitlist_position)
    grid = _journey_grid(booking, printable(booking.train_id), clocks, state)
    _add_passengers(grid, _seat_heading(booking), booking.passengers)
    _add_passengers(grid, "Cancelled", booking.cancelled_passengers)
    if len(booking.passengers) > 1 and all(person.seat.number for person in booking.passengers):
        grid.add_row("Adjacent", "yes" if booking.seats_together else "no, the seats are apart")
    if booking.HasField("user"):  # a passenger who left the booking sees only their own part of it
        grid.add_row("", "")
        grid.add_row("Price", Text(money_text(booking.price), style="bold"))
        _add_payment(grid, booking)
        if booking.free_cancellation:
            grid.add_row("Cancellation", "free of charge until departure")
        grid.add_row("Booked by", person_text(booking.user))
    return framed(f"Booking {printable(booking.reference)}", grid)


def quote_page(answer: booking_pb2.CancelBookingResponse, clocks: Clocks) -> RenderableType:
    """Return the page of a cancellation quote: every row that is not true yet says "would"."""
    then, now = answer.booking, answer.current_booking
    was_cancelled = then.state == now.state == booking_pb2.BOOKING_STATE_CANCELLED
    state = state_and_position_text(then.state, then.waitlist_position)
    if answer.HasField("current_booking"):  # older servers do not send it
        current_state = state_and_position_text(now.state, now.waitlist_position)
        state = f"{current_state} already" if was_cancelled else f"{current_state} now, would be {state}"
    grid = _journey_grid(then, printable(then.train_id), clocks, state)
    leaves_nobody = then.state == booking_pb2.BOOKING_STATE_CANCELLED
    if not was_cancelled:
        _add_passengers(grid, "Would cancel", _passengers_to_cancel(then, now))
    _add_passengers(grid, "Would remain", () if leaves_nobody else then.passengers)
    grid.add_row("", "")
    grid.add_row("Refund", Text(f"would be {money_text(answer.refund)}", style="bold"))
    if answer.refund_reason:
        grid.add_row("", refund_reason_text(answer.refund_reason))
    return framed(f"Quote, nothing was changed: booking {printable(then.reference)}", grid)


def _passengers_to_cancel(then: booking_pb2.Booking, now: booking_pb2.Booking) -> Sequence[passenger_pb2.Passenger]:
    """List the passengers that the quoted cancellation would cancel."""
    if not then.HasField("user"):  # a passenger who is not the booker sees only themselves
        return then.cancelled_passengers
    if then.state == booking_pb2.BOOKING_STATE_CANCELLED and then.passengers:
        return then.passengers
    return then.cancelled_passengers[len(now.cancelled_passengers) :]


def waitlisted_text(booking: booking_pb2.Booking, closing: str) -> str:
    """Explain a new waitlisted booking. `closing` is when the waitlist closes; empty if unknown."""
    position = f" at position {booking.waitlist_position:,}" if booking.waitlist_position else ""
    closes = f" ({closing})" if closing else ""
    return (
        f"No seat was free. This booking is WAITLISTED{position}; you have paid {money_text(booking.price)}. "
        f"It gets the first seats that fit. If it gets none before the waitlist closes{closes}, you get a full refund."
    )


def cancellation_text(answer: booking_pb2.CancelBookingResponse, *, is_quote: bool) -> str:
    """Say how much a cancellation refunds, or would refund."""
    amount = money_text(answer.refund) if answer.refund.units or answer.refund.nanos else ""
    if is_quote:
        return f"Quote: the refund would be {amount or 'nothing'}; nothing was changed."
    if amount and answer.refund_reason:
        amount += f", {refund_reason_text(answer.refund_reason)}"
    return f"The refund is {amount}." if amount else "This cancellation refunds nothing."


def receipts_table(
    receipts: Sequence[booking_pb2.Receipt], console: Console, *, waitlist_positions: Mapping[str, int], clocks: Clocks
) -> Table:
    """Return one row per receipt. `waitlist_positions` are the known positions, by reference."""
    table = empty_table("Reference", "Journey", "Seats", "Paid")
    for receipt in receipts:
        zone = clocks.zone(receipt.train_id, receipt.travel_date, receipt.origin)
        journey = f"{printable(receipt.origin)} {arrow(console)} {printable(receipt.destination)}"
        train = printable(receipt.train_number or receipt.train_id)
        paid = (
            payment_text(receipt.payment) if receipt.HasField("payment") else money_text(receipt.price_paid),
            state_and_position_text(receipt.state, waitlist_positions.get(receipt.reference, 0)),
            refunds_text(receipt.refunds),
        )
        waiting = waiting_text(len(waiting_passengers(receipt)))
        table.add_row(
            printable(receipt.reference),
            "\n".join([journey, f"{train}, {instant_text(receipt.depart_time, zone)}", *_disruption_lines(receipt, zone)]),
            "\n".join(text for text in (seats_text(seat for seat in receipt.seats if seat.number), waiting) if text),
            "\n".join(line for line in paid if line),
        )
    return table


def _disruption_lines(receipt: booking_pb2.Receipt, zone: datetime.tzinfo) -> list[str]:
    """Return the expected departure of a train that is late to leave, or that the journey is cancelled."""
    if _is_journey_cancelled(receipt):
        return [_run_text(receipt)]
    expected = receipt.expected_depart_time
    is_ahead = receipt.run_state == train_run_pb2.RUN_STATE_DELAYED
    return [f"expected {instant_text(expected, zone)}"] if is_ahead and expected != receipt.depart_time else []


def section_table(rows: Sequence[booking_pb2.SectionBooking], console: Console) -> Table:
    """Return one row per passenger of a section."""
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


def _journey_grid(journey: booking_pb2.Receipt | booking_pb2.Booking, train: str, clocks: Clocks, state: str) -> Table:
    grid = empty_grid()
    origin_zone = clocks.zone(journey.train_id, journey.travel_date, journey.origin)
    destination_zone = clocks.zone(journey.train_id, journey.travel_date, journey.destination)
    departs = instant_text(journey.depart_time, origin_zone)
    arrives = instant_text(journey.arrive_time, destination_zone)
    grid.add_row("State", state)
    grid.add_row("Train", f"{train}, {date_text(journey.travel_date)}")
    if run := _run_text(journey):
        grid.add_row("", Text(run, style="bold"))
    grid.add_row("From", f"{printable(journey.origin)}, {departs}")
    _add_expected(grid, journey, journey.depart_time, journey.expected_depart_time, origin_zone)
    grid.add_row("To", f"{printable(journey.destination)}, {arrives}")
    _add_expected(grid, journey, journey.arrive_time, journey.expected_arrive_time, destination_zone)
    return grid


def _run_text(journey: booking_pb2.Receipt | booking_pb2.Booking) -> str:
    """Return what a passenger has to know of the run, such as "delayed". Empty where it runs as scheduled."""
    if journey.run_state == train_run_pb2.RUN_STATE_CANCELLED:
        return "the train is cancelled"
    if journey.journey_cancelled:
        return "the train does not run all of this journey"
    if journey.run_state in (train_run_pb2.RUN_STATE_UNSPECIFIED, train_run_pb2.RUN_STATE_SCHEDULED):
        return ""
    return run_state_text(journey.run_state)


def _add_expected(
    grid: Table,
    journey: booking_pb2.Receipt | booking_pb2.Booking,
    scheduled: Timestamp,
    expected: Timestamp,
    zone: datetime.tzinfo,
) -> None:
    """Add the expected time where it is another one; none for a cancelled journey. Older servers send none."""
    if expected.seconds and expected != scheduled and not _is_journey_cancelled(journey):
        word = "actual" if journey.run_state == train_run_pb2.RUN_STATE_COMPLETED else "expected"
        grid.add_row("", Text(f"{word} {instant_text(expected, zone)}", style="bold"))


def _is_journey_cancelled(journey: booking_pb2.Receipt | booking_pb2.Booking) -> bool:
    return journey.journey_cancelled or journey.run_state == train_run_pb2.RUN_STATE_CANCELLED


def _state_text(journey: booking_pb2.Receipt | booking_pb2.Booking, waitlist_position: int) -> str:
    """Return the state with the waitlist position. Passengers of a confirmed booking may wait, after a change of the layout."""
    waiting = waiting_text(len(waiting_passengers(journey)))
    if not waiting:
        return state_and_position_text(journey.state, waitlist_position)
    position = f" at position {waitlist_position:,}" if waitlist_position else ""
    return f"{booking_state_text(journey.state)}, {waiting}{position}"


def waiting_passengers(journey: booking_pb2.Receipt | booking_pb2.Booking) -> list[passenger_pb2.Passenger]:
    """Return the passengers of a confirmed booking who have no seat."""
    if journey.state != booking_pb2.BOOKING_STATE_CONFIRMED:
        return []
    return [person for person in journey.passengers if not person.seat.number]


def _seat_heading(journey: booking_pb2.Receipt | booking_pb2.Booking) -> str:
    return _SEAT_HEADINGS.get(journey.state, _SEAT_HEADING)


def _add_passengers(grid: Table, heading: str, people: Iterable[passenger_pb2.Passenger]) -> None:
    without_seat = "waits for a seat: " if heading == _SEAT_HEADING else ""
    for person in people:
        number = f"{person.number}. " if person.number else ""  # older servers send none
        seat = f"{seat_and_coach_text(person.seat)}: " if person.seat.number else without_seat
        grid.add_row(heading, f"{number}{seat}{person_text(person)}")
        heading = ""


def _add_payment(grid: Table, journey: booking_pb2.Receipt | booking_pb2.Booking) -> None:
    if journey.HasField("payment"):
        grid.add_row("Payment", payment_text(journey.payment))
    heading = "Refund"
    for refund in journey.refunds:
        grid.add_row(heading, refund_text(refund))
        heading = ""
