"""What proves that a running service sells: a seat on a train made for that is booked, looked at and cancelled.

It makes the same calls that anybody can make, and says what came of them. It can be repeated, also by several at a time: every
run books for a passenger whose address was never used before, and gives the seat back. Not here: reading arguments
(`app.cli.health`), and any rule of selling.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import replace

from google.type.money_pb2 import Money

from app.cli.calls import Calls
from app.cli.failures import CallError, CommandError, Failure
from app.cli.options import CallerOptions
from app.cli.render.screen import print_json, print_text
from app.cli.render.text import date_text, money_text, seats_text
from app.cli.timetable_file import request_id_for
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2, train_run_pb2

OPERATOR = "probe@example.com"
# Any token that begins with a letter pays at the ledger. A real provider knows none of this name, and takes no money.
PAYMENT_TOKEN = "tok_probe"  # noqa: S105  it opens nothing
# So many probes at a time, or that were killed before they cancelled, find a seat on one date.
SEATS = 50
_ORIGIN, _DESTINATION = "Here", "There"


def run_probe(options: CallerOptions, train_id: str, wait_seconds: float) -> None:
    """Books and cancels a seat on `train_id` at `options.target`, after waiting up to `wait_seconds` for the service.

    Raises `CommandError` for what is refused, and where an answer is not what was asked for.
    """
    email = f"probe+{uuid.uuid4().hex[:12]}@example.com"
    as_operator = replace(options, user=options.user or OPERATOR, roles=tuple(dict.fromkeys((*options.roles, "operator"))))
    with Calls(as_operator) as calls:
        if wait_seconds:
            calls.wait_until_serving(wait_seconds)
        date = _schedule(calls, _train(calls, train_id))
    with Calls(replace(options, user=email, roles=())) as calls:
        booking = _book(calls, train_id, date, email)
        try:
            _check_receipt(calls, booking)
        finally:  # whatever else is wrong, the seat is given back
            cancelled = _cancel(calls, booking)
    if options.as_json:
        print_json(cancelled)


def _train(calls: Calls, train_id: str) -> train_pb2.Train:
    """The train of that name; made where it is not there."""
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
    """The day after tomorrow, on which the train runs then: it has not left yet on any clock of the world."""
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
        again.reference == booking.reference, f"one request_id made two bookings, {booking.reference} and {again.reference}"
    )
    _print(calls.options, f"Booked seat {seats_text(p.seat for p in booking.passengers)} as {booking.reference}.")
    return booking


def _check_receipt(calls: Calls, booking: booking_pb2.Booking) -> None:
    """Raises `CommandError` unless the booking has a seat, and its receipt says the same."""
    reference = booking.reference
    _require(booking.state == booking_pb2.BOOKING_STATE_CONFIRMED, f"booking {reference} is not confirmed")
    receipt = calls.call(calls.bookings.GetReceipt, booking_pb2.GetReceiptRequest(reference=reference))
    seats = [passenger.seat for passenger in booking.passengers]
    _require(len(seats) == 1 and list(receipt.seats) == seats, f"the receipt of {reference} shows other seats than the booking")
    _require(receipt.price_paid == booking.price, f"the receipt of {reference} shows another price than the booking")


def _cancel(calls: Calls, booking: booking_pb2.Booking) -> booking_pb2.Booking:
    """The booking after it was cancelled. Raises `CommandError` unless all its money comes back."""
    request = booking_pb2.CancelBookingRequest(reference=booking.reference)
    answer = calls.call(calls.bookings.CancelBooking, request, f"Cancel it by 'seatline cancel {booking.reference}'.")
    is_cancelled = answer.booking.state == booking_pb2.BOOKING_STATE_CANCELLED
    _require(is_cancelled, f"booking {booking.reference} was cancelled, and is not")
    _require(answer.refund == booking.price, f"cancelling {booking.reference} does not give back what it cost")
    _print(calls.options, f"Cancelled it; {money_text(answer.refund)} comes back.")
    return answer.booking


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise CommandError(Failure("INTERNAL", otherwise))


def _print(options: CallerOptions, text: str) -> None:
    if not options.as_json:
        print_text(text)
