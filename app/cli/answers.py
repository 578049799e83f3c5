"""Shows bookings, receipts and holds in the form the caller asked for: a page for people, or the message as JSON.

Belongs here: what a page is shown with, and what is asked besides for it. Does not: how it is laid out
(`app.cli.render.bookings`), and
the call that gave what is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from app.cli.calls import Calls
from app.cli.failures import CallError, printable
from app.cli.render.bookings import booking_page, hold_page, quote_page, receipt_page
from app.cli.render.screen import print_json, print_page, print_text
from app.cli.render.text import instant_text, money_text, zone_by_name
from app.cli.station_clocks import StationClocks
from app.pb.seatline.v1 import booking_pb2, hold_pb2, train_run_pb2

# A person waits for few trains at a time; past this many the place is left out rather than asked for one by one.
POSITIONS_REQUESTED_MAX = 20


def show_booking(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Prints a booking as it is now."""
    if calls.options.as_json:
        print_json(booking)
        return
    print_page(booking_page(booking, StationClocks(calls)))


def show_new_booking(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Prints a booking that was just made, and for people what it means that it waits."""
    show_booking(calls, booking)
    if calls.options.as_json or booking.state != booking_pb2.BOOKING_STATE_WAITLISTED:
        return
    place = f", at place {booking.waitlist_position:,} in the line" if booking.waitlist_position else ""
    print_text(
        f"No seat was free: this booking WAITS{place}, and {money_text(booking.price)} is paid. "
        f"The first seats that fit go to it; if none do until the list closes{_closing_text(calls, booking)}, "
        "everything is given back."
    )


def _closing_text(calls: Calls, booking: booking_pb2.Booking) -> str:
    """When the waiting list closes, on the clock of the train's first stop; empty where that cannot be found."""
    request = train_run_pb2.GetTrainRunRequest(train_id=booking.train_id, travel_date=booking.travel_date)
    try:
        run = calls.call(calls.train_runs.GetTrainRun, request)
    except CallError:
        return ""
    if not run.stops or not run.HasField("waitlist_close_time"):
        return ""
    return f" ({instant_text(run.waitlist_close_time, zone_by_name(run.stops[0].time_zone))})"


def show_receipt(calls: Calls, receipt: booking_pb2.Receipt) -> None:
    """Prints a receipt."""
    if calls.options.as_json:
        print_json(receipt)
        return
    place = waitlist_positions(calls, [receipt]).get(receipt.reference, 0)
    print_page(receipt_page(receipt, StationClocks(calls), place))


def show_cancellation(calls: Calls, answer: booking_pb2.CancelBookingResponse, is_quote: bool) -> None:
    """Prints what a cancellation left, or would leave, and what it gives back."""
    if calls.options.as_json:
        print_json(answer)
        return
    amount = money_text(answer.refund) if answer.refund.units or answer.refund.nanos else ""
    if is_quote:
        print_page(quote_page(answer, StationClocks(calls)))
        print_text(f"A quote: {amount or 'nothing'} would come back; nothing was changed.")
        return
    print_page(booking_page(answer.booking, StationClocks(calls)))
    print_text(f"{amount} comes back." if amount else "This gives nothing back.")


def show_hold(calls: Calls, hold: hold_pb2.Hold, origin: str, destination: str) -> None:
    """Prints a hold of seats for the journey between stops as the caller named them, and how to book with it."""
    if calls.options.as_json:
        print_json(hold)
        return
    print_page(hold_page(hold, origin, destination, StationClocks(calls).zone(hold.train_id, hold.travel_date, origin)))
    run = f"{shlex.quote(hold.train_id)} {shlex.quote(hold.travel_date)}"
    way = f"--from {shlex.quote(origin)} --to {shlex.quote(destination)}"
    name, passengers = shlex.quote(hold.hold_id), " --passenger 'FIRST LAST <EMAIL>'" * len(hold.seats)
    print_text(printable(f"To book:       seatline book {run} {way} --hold {name}{passengers}"))
    print_text(printable(f"To give back:  seatline release {name}"))


def waitlist_positions(calls: Calls, receipts: Iterable[booking_pb2.Receipt]) -> dict[str, int]:
    """The place in the line, by reference, of those that wait: a receipt does not tell it. Raises nothing."""
    waiting = [one.reference for one in receipts if one.state == booking_pb2.BOOKING_STATE_WAITLISTED]
    places: dict[str, int] = {}
    for reference in waiting[:POSITIONS_REQUESTED_MAX]:
        try:
            booking = calls.call(calls.bookings.GetBooking, booking_pb2.GetBookingRequest(reference=reference))
        except CallError:
            break  # the receipt itself is there to be shown
        places[reference] = booking.waitlist_position
    return places
