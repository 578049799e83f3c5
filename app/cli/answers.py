"""Answers that need further calls before they are shown: bookings, receipts, holds, shortened runs.

Belongs here: fetching what a page shows besides the answer (time zones, waitlist positions, closing times), and printing it.
Does not belong here: the layout (`app.cli.render`), and the call that gave the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from app.cli.calls import Calls
from app.cli.failures import EXIT_REFUSED, CallError
from app.cli.render.bookings import (
    booking_page,
    cancellation_text,
    quote_page,
    receipt_page,
    receipts_table,
    waiting_passengers,
    waitlisted_text,
)
from app.cli.render.holds import hold_page, next_commands_text
from app.cli.render.run_pages import print_run
from app.cli.render.screen import print_json, print_list, print_page, print_text
from app.cli.render.text import instant_text, zone_by_name
from app.cli.station_clocks import StationClocks
from app.pb.seatline.v1 import booking_pb2, hold_pb2, train_run_pb2

# A user has few waitlisted bookings; further positions are omitted instead of one more call each.
POSITIONS_REQUESTED_MAX = 20


def show_booking(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Print a booking."""
    if calls.options.as_json:
        print_json(booking)
        return
    print_page(booking_page(booking, StationClocks(calls)))


def show_new_booking(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Print a new booking, and explain to people what WAITLISTED means for it."""
    show_booking(calls, booking)
    if calls.options.as_json or booking.state != booking_pb2.BOOKING_STATE_WAITLISTED:
        return
    print_text(waitlisted_text(booking, _closing_time(calls, booking)))


def _closing_time(calls: Calls, booking: booking_pb2.Booking) -> str:
    """Return when the waitlist closes, in local time of the first stop, or an empty text if it cannot be fetched."""
    request = train_run_pb2.GetTrainRunRequest(train_id=booking.train_id, travel_date=booking.travel_date)
    try:
        run = calls.call(calls.train_runs.GetTrainRun, request)
    except CallError:
        return ""
    if not run.stops or not run.HasField("waitlist_close_time"):
        return ""
    return instant_text(run.waitlist_close_time, zone_by_name(run.stops[0].time_zone))


def show_receipt(calls: Calls, receipt: booking_pb2.Receipt) -> None:
    """Print a receipt."""
    if calls.options.as_json:
        print_json(receipt)
        return
    position = _waitlist_positions(calls, [receipt]).get(receipt.reference, 0)
    print_page(receipt_page(receipt, StationClocks(calls), position))


def show_receipts(calls: Calls, answer: booking_pb2.ListReceiptsResponse) -> None:
    """Print a list of receipts."""
    as_json = calls.options.as_json
    positions = {} if as_json else _waitlist_positions(calls, answer.receipts)
    table = partial(receipts_table, waitlist_positions=positions, clocks=StationClocks(calls))
    print_list(answer, answer.receipts, "receipt", table, as_json=as_json)


def show_cancellation(calls: Calls, answer: booking_pb2.CancelBookingResponse, is_quote: bool) -> None:
    """Print a cancelled booking, or the quote of a cancellation, with its refund."""
    if calls.options.as_json:
        print_json(answer)
        return
    clocks = StationClocks(calls)
    print_page(quote_page(answer, clocks) if is_quote else booking_page(answer.booking, clocks))
    print_text(cancellation_text(answer, is_quote=is_quote))


def show_run(calls: Calls, request: train_run_pb2.GetTrainRunRequest) -> None:
    """Fetch and print a run. Without a destination, a run that ends early is shown for the journey to its new end."""
    run = calls.call(calls.train_runs.GetTrainRun, request)
    if run.cancelled_from_stop and not request.destination:
        to_its_end = train_run_pb2.GetTrainRunRequest()
        to_its_end.CopyFrom(request)
        to_its_end.destination = run.cancelled_from_stop
        try:
            run = calls.call(calls.train_runs.GetTrainRun, to_its_end)
        except CallError as failed:
            if failed.failure.exit_code != EXIT_REFUSED:  # the origin is not before the new end
                raise
    print_run(run, as_json=calls.options.as_json)


def show_hold(calls: Calls, hold: hold_pb2.Hold, origin: str, destination: str) -> None:
    """Print a hold for the journey between stops as the caller typed them, and how to book with it."""
    if calls.options.as_json:
        print_json(hold)
        return
    zone = StationClocks(calls).zone(hold.train_id, hold.travel_date, origin)
    print_page(hold_page(hold, origin, destination, zone))
    print_text(next_commands_text(hold, origin, destination))


def _waitlist_positions(calls: Calls, receipts: Iterable[booking_pb2.Receipt]) -> dict[str, int]:
    """Fetch the positions of bookings on the waitlist, by reference, which receipts do not contain. Does not raise."""
    waitlisted = (receipt.reference for receipt in receipts if _is_on_waitlist(receipt))
    positions: dict[str, int] = {}
    for reference in list(waitlisted)[:POSITIONS_REQUESTED_MAX]:
        try:
            booking = calls.call(calls.bookings.GetBooking, booking_pb2.GetBookingRequest(reference=reference))
        except CallError:
            break  # show the receipts without positions
        positions[reference] = booking.waitlist_position
    return positions


def _is_on_waitlist(receipt: booking_pb2.Receipt) -> bool:
    """Whether all passengers wait for seats, or those of a confirmed booking whose seats a layout change removed."""
    return receipt.state == booking_pb2.BOOKING_STATE_WAITLISTED or bool(waiting_passengers(receipt))
