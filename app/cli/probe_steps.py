"""Steps of the probe: book a seat on a test train, check its receipt, cancel it.

It makes the same calls as the other commands, and prints their results. It can be repeated, and run several times at once: each
run books for a new address and cancels its booking. Does not belong here: the command's parameters (`app.cli.probe`).
"""

from __future__ import annotations

import datetime
import uuid

from google.type.money_pb2 import Money

from app.cli.calls import Calls
from app.cli.failures import CallError, CommandError, Failure
from app.cli.options import CallerOptions
from app.cli.render.screen import print_json, print_text
from app.cli.render.text import date_text, money_text, seats_text
from app.cli.timetable_file import request_id_for
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2, train_run_pb2

OPERATOR = "probe@example.com"
# The ledger accepts any token that begins with a letter. A real provider does not know this one and charges nobody.
PAYMENT_TOKEN = "tok_probe"  # noqa: S105  not a secret
# Number of probes that may run at once, or be killed before they cancel, on one date.
SEATS = 50
_ORIGIN, _DESTINATION = "Here", "There"


def run_probe(options: CallerOptions, train_id: str, wait_seconds: float) -> None:
    """Book and cancel a seat on `train_id` at `options.target`, after waiting up to `wait_seconds` for the service.

    Raises `CommandError` if a call is refused, or if an answer is wrong.
    """
    email = f"probe+{uuid.uuid4().hex[:12]}@example.com"
    with Calls(options.as_operator(OPERATOR)) as calls:
        if wait_seconds:
            calls.wait_until_serving(wait_seconds)
        date = _schedule(calls, _train(calls, train_id))
    with Calls(options.as_passenger(email)) as calls:
        booking = _book(calls, train_id, date, email)
        try:
            _check_receipt(calls, booking)
        finally:  # cancel also if the receipt was wrong
            cancelled = _cancel(calls, booking)
    if options.as_json:
        print_json(cancelled)


def _train(calls: Calls, train_id: str) -> train_pb2.Train:
    """Return the test train; create it if it does not exist."""
    try:
        return calls.call(calls.trains.GetTrain, train_pb2.GetTrainRequest(train_id=train_id))
    except CallError as failed:
        if failed.failure.code != "NOT_FOUND":
            raise
    train = train_pb2.Train(
        train_id=train_id,
        number="PROBE",
        stops=[
            train_pb2.TrainStop(name=_ORIGIN, time_zone="UTC", depart_time="12:00"),
            train_pb2.TrainStop(name=_DESTINATION, time_zone="UTC", arrive_time="13:00"),
        ],
        sections=[train_pb2.Section(name="A", fare=Money(currency_code="EUR", units=1))],
        coaches=[train_pb2.Coach(name="1", section="A", seat_count=SEATS)],
    )
    return calls.call(calls.trains.CreateTrain, train_pb2.CreateTrainRequest(request_id=request_id_for(train), train=train))


def _schedule(calls: Calls, train: train_pb2.Train) -> str:
    """Schedule the train for the day after tomorrow, which is a future date in every time zone. Return the date."""
    date = str(datetime.datetime.now(tz=datetime.UTC).date() + datetime.timedelta(days=2))
    request = train_run_pb2.ScheduleTrainRunsRequest(train_id=train.train_id, first_date=date, last_date=date)
    calls.call(calls.train_runs.ScheduleTrainRuns, request)
    _print(calls.options, f"Train {train.train_id} runs on {date_text(date)}.")
    return date


def _book(calls: Calls, train_id: str, date: str, email: str) -> booking_pb2.Booking:
    request = booking_pb2.CreateBookingRequest(
        request_id=str(uuid.uuid4()),
        train_id=train_id,
        travel_date=date,
        origin=_ORIGIN,
        destination=_DESTINATION,
        passengers=[passenger_pb2.Passenger(first_name="Test", last_name="Passenger", email=email)],
        if_full=booking_pb2.IF_FULL_REJECT,
        payment_token=PAYMENT_TOKEN,
    )
    booking = calls.call(calls.bookings.CreateBooking, request)
    again = calls.call(calls.bookings.CreateBooking, request)
    _require(
        again.reference == booking.reference, f"one request_id created two bookings, {booking.reference} and {again.reference}"
    )
    _print(calls.options, f"Booked seat {seats_text(p.seat for p in booking.passengers)} as {booking.reference}.")
    return booking


def _check_receipt(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Raise `CommandError` unless the booking is confirmed and its receipt has the same seat and price."""
    reference = booking.reference
    _require(booking.state == booking_pb2.BOOKING_STATE_CONFIRMED, f"booking {reference} is not confirmed")
    receipt = calls.call(calls.bookings.GetReceipt, booking_pb2.GetReceiptRequest(reference=reference))
    seats = [passenger.seat for passenger in booking.passengers]
    _require(
        len(seats) == 1 and list(receipt.seats) == seats, f"the receipt of {reference} does not show the seats of the booking"
    )
    _require(receipt.price_paid == booking.price, f"the receipt of {reference} does not show the price of the booking")


def _cancel(calls: Calls, booking: booking_pb2.Booking) -> booking_pb2.Booking:
    """Cancel the booking and return it. Raises `CommandError` unless it is cancelled and fully refunded."""
    request = booking_pb2.CancelBookingRequest(reference=booking.reference)
    answer = calls.call(calls.bookings.CancelBooking, request, f"Cancel it with 'seatline cancel {booking.reference}'.")
    is_cancelled = answer.booking.state == booking_pb2.BOOKING_STATE_CANCELLED
    _require(is_cancelled, f"booking {booking.reference} is not cancelled after CancelBooking")
    _require(answer.refund == booking.price, f"cancelling {booking.reference} does not refund its price")
    _print(calls.options, f"Cancelled it; the refund is {money_text(answer.refund)}.")
    return answer.booking


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise CommandError(Failure("INTERNAL", message))


def _print(options: CallerOptions, text: str) -> None:
    if not options.as_json:
        print_text(text)
