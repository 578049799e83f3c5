"""Steps of the demo: create the sample train, schedule thirty days, book a ticket, show its receipt.

It makes the same calls as the other commands, and prints their results. Each run books for a new address, so it can be repeated
as long as seats are free. Does not belong here: the command's parameters (`app.cli.demo`).
"""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import sys
import uuid
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.cli.answers import show_receipt
from app.cli.calls import Calls
from app.cli.failures import CallError, CommandError, Failure
from app.cli.options import DEFAULT_TARGET, CallerOptions
from app.cli.render.screen import print_text
from app.cli.render.text import date_text, zone_by_name
from app.cli.timetable_file import parse_train, request_id_for
from app.pb.seatline.v1 import booking_pb2, passenger_pb2, train_pb2, train_run_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = "sample/es9014.yaml"
DAYS_SCHEDULED = 30
OPERATOR = "operator@example.com"
# Others may take a free seat before it is booked; this many times in a row is not coincidence.
BOOKING_TRIES_MAX = 5


class FirstTicket(NamedTuple):
    """The booking of the demo: its reference, and whether this run of the demo made it."""

    reference: str
    is_new: bool


def run_demo(options: CallerOptions, wait_seconds: float, *, once_for: str = "") -> FirstTicket:
    """Run the demo at `options.target`, after waiting up to `wait_seconds` for the service. Raises `CommandError`.

    With `once_for`, the ticket is for this address; if the address has one already, its receipt is shown instead.
    """
    email = once_for or f"jane.doe+{uuid.uuid4().hex[:8]}@example.com"
    with Calls(options.as_operator(OPERATOR)) as calls:
        if wait_seconds:
            calls.wait_until_serving(wait_seconds)
        train = _find_or_create_train(calls)
        dates = _schedule_dates(calls, train)
    with Calls(options.as_passenger(email)) as calls:
        receipt = _find_earlier_receipt(calls, email) if once_for else None
        is_new = receipt is None
        if receipt is not None:
            _print(options, f"Jane Doe <{email}> already has a first ticket. Its receipt:\n")
        else:
            booking = _book_first_ticket(calls, train, dates, email)
            receipt = calls.call(calls.bookings.GetReceipt, booking_pb2.GetReceiptRequest(reference=booking.reference))
            _print(options, f"Booked seat {booking.passengers[0].seat.label} for Jane Doe <{email}>. The receipt:\n")
        show_receipt(calls, receipt)
    date = receipt.travel_date if receipt.travel_date in dates else dates[0]
    _print(options, "\n".join(["\nTry next:", *(f"  {line}" for line in _next_steps(options, receipt, date, email))]))
    return FirstTicket(receipt.reference, is_new)


def _print(options: CallerOptions, text: str) -> None:
    if not options.as_json:
        print_text(text)


def _find_or_create_train(calls: Calls) -> train_pb2.Train:
    """Return the sample train as the service stores it; create it if it does not exist."""
    text = resources.files("app.cli").joinpath(SAMPLE).read_text(encoding="utf-8")
    sample = parse_train(text, source=SAMPLE)
    try:
        train = calls.call(calls.trains.GetTrain, train_pb2.GetTrainRequest(train_id=sample.train_id))
    except CallError as failed:
        if failed.failure.code != "NOT_FOUND":
            raise
    else:
        _print(calls.options, f"Train {train.train_id} ({train.number}) already exists.")
        return train
    request = train_pb2.CreateTrainRequest(request_id=request_id_for(sample), train=sample)
    train = calls.call(calls.trains.CreateTrain, request)
    seat_count = sum(coach.seat_count for coach in train.coaches)
    _print(calls.options, f"Created train {train.train_id} ({train.number}) with {seat_count:,} seats.")
    return train


def _schedule_dates(calls: Calls, train: train_pb2.Train) -> list[str]:
    """Schedule the next days from tomorrow, in local time of the train's first stop. Return the travel dates."""
    today = datetime.datetime.now(tz=zone_by_name(train.stops[0].time_zone)).date()
    first, last = (str(today + datetime.timedelta(days=days)) for days in (1, DAYS_SCHEDULED))
    request = train_run_pb2.ScheduleTrainRunsRequest(train_id=train.train_id, first_date=first, last_date=last)
    answer = calls.call(calls.train_runs.ScheduleTrainRuns, request)
    new = f"{answer.created_count} of them new" if answer.created_count else "none of them new"
    _print(calls.options, f"It runs on {len(answer.train_runs)} dates, {date_text(first)} to {date_text(last)}; {new}.")
    return [run.travel_date for run in answer.train_runs]


def _find_earlier_receipt(calls: Calls, email: str) -> booking_pb2.Receipt | None:
    """Return the receipt of this address's latest journey, or None if it has none."""
    request = booking_pb2.ListReceiptsRequest(email=email)
    try:
        receipts = calls.pages(calls.bookings.ListReceipts, request).receipts
    except CallError as failed:
        if failed.failure.code != "NOT_FOUND":
            raise
        return None
    return receipts[-1] if receipts else None


def _book_first_ticket(calls: Calls, train: train_pb2.Train, dates: list[str], email: str) -> booking_pb2.Booking:
    """Book the whole route on the first date with a free seat. Raises `CommandError` if no date has one."""
    request = booking_pb2.CreateBookingRequest(
        train_id=train.train_id,
        origin=train.stops[0].name,
        destination=train.stops[-1].name,
        if_full=booking_pb2.IF_FULL_REJECT,  # the next date may have a free seat
    )
    request.passengers.append(passenger_pb2.Passenger(first_name="Jane", last_name="Doe", email=email))
    full_runs_tried = 0
    for date in _dates_with_free_seats(calls, train.train_id, dates):
        request.travel_date, request.request_id = date, str(uuid.uuid4())
        try:
            return calls.call(calls.bookings.CreateBooking, request)
        except CallError as failed:
            full_runs_tried += 1
            if failed.failure.reason != "SECTION_FULL" or full_runs_tried >= BOOKING_TRIES_MAX:
                raise
    message = f"train {train.train_id} has no free seat in the next {DAYS_SCHEDULED} days; cancel a booking or wait a day"
    raise CommandError(Failure("FAILED_PRECONDITION", message))


def _dates_with_free_seats(calls: Calls, train_id: str, dates: list[str]) -> Iterator[str]:
    for date in dates:
        run = calls.call(calls.train_runs.GetTrainRun, train_run_pb2.GetTrainRunRequest(train_id=train_id, travel_date=date))
        if any(section.free_seat_count for section in run.sections):
            yield date


def _next_steps(options: CallerOptions, receipt: booking_pb2.Receipt, date: str, email: str) -> list[str]:
    """List commands to continue with, ready to paste into a shell. `date` is a future date of the train."""
    program, run = program_name(), f"{receipt.train_id} {date}"
    origin, destination = shlex.quote(receipt.origin), shlex.quote(receipt.destination)
    # The user's shell may point to another server.
    current_target = os.environ.get("SEATLINE_TARGET", DEFAULT_TARGET)
    target = [] if options.target == current_target else [f"export SEATLINE_TARGET={shlex.quote(options.target)}"]
    changes = [
        f"{program} change-seat {receipt.reference} --passenger {email} --seat B-17",
        f"{program} cancel {receipt.reference} --quote",
    ]
    return [
        *target,
        f"export SEATLINE_USER={email}",
        f"{program} map {run}",
        f"{program} hold {run} --from {origin} --to {destination} --seats 2",
        f"{program} ticket get {receipt.reference}",
        *(changes if receipt.state == booking_pb2.BOOKING_STATE_CONFIRMED and receipt.travel_date == date else ()),
        f"{program} receipts {email}",
        f"{program} runs --from {origin} --to {destination}",
        f"{program} section {run} A --user {OPERATOR} --role operator",
    ]


def program_name() -> str:
    """Return the command that starts this program: its name if the shell finds it, otherwise its path, or Python with -m."""
    started = Path(sys.argv[0])
    if started.name != "seatline":
        return f"{_from_here(Path(sys.executable))} -m app"
    found = shutil.which("seatline")
    return "seatline" if found and Path(found).resolve() == started.resolve() else _from_here(started)


def _from_here(program: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))
