"""Commands on train runs: runs, map, schedule, promote, run status, run hide, run show, run delete.

Belongs here: building each request from what was typed, and the calls. Does not belong here: drawing the seat map
(`app.cli.render.seat_map`), delays, arrivals, cancellations and sales windows (a module each beside this one). gRPC and rich
are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.failures import CallError, printable
from app.cli.options import CallerOptions
from app.cli.parameters import (
    DateArgument,
    DateOption,
    FromOption,
    PageSizeOption,
    PageTokenOption,
    ToOption,
    TrainArgument,
)

if TYPE_CHECKING:
    from app.cli.calls import Calls
    from app.cli.render.seat_map import SeatKey
    from app.pb.seatline.v1 import booking_pb2, train_run_pb2


def runs(
    options: CallerOptions,
    origin: FromOption = "",
    destination: ToOption = "",
    date: DateOption = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List train runs by date, with free seats, waitlisted bookings and fares."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_list
    from app.cli.render.train_runs import runs_table
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.ListTrainRunsRequest(origin=origin, destination=destination, travel_date=date)
    with Calls(options) as calls:
        answer = calls.pages(calls.train_runs.ListTrainRuns, request, page_size, page_token)
    now = datetime.datetime.now(tz=datetime.UTC)
    table = partial(runs_table, origin=origin, destination=destination, now=now)
    print_list(answer, answer.train_runs, "run", table, as_json=options.as_json)


def status(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    origin: FromOption = "",
    destination: ToOption = "",
    is_watching: Annotated[
        bool, typer.Option("--watch", help="Show the progress of a cancellation until it is complete.")
    ] = False,
) -> None:
    """Show a train run: state, scheduled and expected times of all stops, free seats, when they are on sale."""
    from app.cli.answers import show_run
    from app.cli.calls import Calls
    from app.cli.cancellations import watch_cancellation
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.GetTrainRunRequest(train_id=train, travel_date=date, origin=origin, destination=destination)
    with Calls(options) as calls:
        if is_watching:
            watch_cancellation(calls, train, date)
        show_run(calls, request)


def map_seats(
    options: CallerOptions, train: TrainArgument, date: DateArgument, origin: FromOption = "", destination: ToOption = ""
) -> None:
    """Draw the seat map of a train run: free, sold, partly sold, held, and with --user your own seats."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_page, stdout_console
    from app.cli.render.seat_map import seat_map_page
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.GetSeatMapRequest(train_id=train, travel_date=date, origin=origin, destination=destination)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.GetSeatMap, request)
        if options.as_json:
            print_json(answer)
            return
        run = calls.call(calls.train_runs.GetTrainRun, train_run_pb2.GetTrainRunRequest(train_id=train, travel_date=date))
        mine = _own_seats(calls, answer, [stop.name for stop in run.stops])
    heading = f"{printable(run.number)} ({printable(run.train_id)})"
    print_page(seat_map_page(answer, mine, heading, stdout_console()))


def _own_seats(calls: Calls, seat_map: train_run_pb2.SeatMap, stops: list[str]) -> frozenset[SeatKey]:
    """Find the seats of the caller's confirmed bookings that overlap the drawn journey. `stops` are the run's stops in order.

    Empty without --user, for an unknown user, and for a caller who may not list these receipts.
    """
    from app.pb.seatline.v1 import booking_pb2

    if not calls.options.user:
        return frozenset()
    request = booking_pb2.ListReceiptsRequest(email=calls.options.user, travel_date=seat_map.travel_date)
    try:
        answer = calls.pages(calls.bookings.ListReceipts, request)
    except CallError as failed:
        if failed.failure.code in ("NOT_FOUND", "PERMISSION_DENIED"):
            return frozenset()
        raise
    return frozenset(
        (seat.section, seat.number)
        for receipt in answer.receipts
        if receipt.train_id == seat_map.train_id
        and receipt.state == booking_pb2.BOOKING_STATE_CONFIRMED
        and _journeys_overlap(receipt, seat_map, stops)
        for seat in receipt.seats
    )


def _journeys_overlap(receipt: booking_pb2.Receipt, seat_map: train_run_pb2.SeatMap, stops: list[str]) -> bool:
    """Whether the booked journey shares a leg with the drawn one. A journey with a stop that the run no longer has does not."""
    index = {name: position for position, name in enumerate(stops)}
    ends = (receipt.origin, receipt.destination, seat_map.origin, seat_map.destination)
    if any(name not in index for name in ends):
        return False
    return index[receipt.origin] < index[seat_map.destination] and index[seat_map.origin] < index[receipt.destination]


def schedule(
    options: CallerOptions,
    train: TrainArgument,
    first_date: Annotated[str, typer.Argument(metavar="FIRST_DATE", help="First travel date, YYYY-MM-DD.")],
    last_date: Annotated[
        str, typer.Argument(metavar="LAST_DATE", help="Last travel date, YYYY-MM-DD. Default: FIRST_DATE.")
    ] = "",
    is_hidden: Annotated[
        bool, typer.Option("--hidden", help="Hide the new runs from buyers until 'seatline run show'.")
    ] = False,
) -> None:
    """Schedule a train on each date of a range. Dates that are already scheduled stay unchanged."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.train_runs import schedule_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.ScheduleTrainRunsRequest(
        train_id=train, first_date=first_date, last_date=last_date or first_date, hidden=is_hidden
    )
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.ScheduleTrainRuns, request, "You can repeat the command safely.")
    print_answer(answer, schedule_text(train, answer), as_json=options.as_json)


def promote(options: CallerOptions, train: TrainArgument, date: DateArgument) -> None:
    """Promote waitlisted bookings to free seats. The service does so by itself; use this after a manual correction."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.train_runs import promotion_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.PromoteWaitlistRequest(train_id=train, travel_date=date)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.PromoteWaitlist, request, "You can repeat the command safely.")
    print_answer(answer, promotion_text(answer), as_json=options.as_json)


def hide(options: CallerOptions, train: TrainArgument, date: DateArgument) -> None:
    """Hide a train run from buyers: they do not see it and cannot book it. Bookings on it stay."""
    _set_hidden(options, train, date, is_hidden=True)


def show(options: CallerOptions, train: TrainArgument, date: DateArgument) -> None:
    """Show a hidden train run to buyers."""
    _set_hidden(options, train, date, is_hidden=False)


def _set_hidden(options: CallerOptions, train: str, date: str, *, is_hidden: bool) -> None:
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.train_runs import visibility_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.UpdateTrainRunRequest(train_id=train, travel_date=date, hidden=is_hidden)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.UpdateTrainRun, request, "You can repeat the command safely.")
    print_answer(answer, visibility_text(answer), as_json=options.as_json)


def delete(options: CallerOptions, train: TrainArgument, date: DateArgument) -> None:
    """Delete a train run on which nothing was sold or held. It can be scheduled again."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.train_runs import deletion_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.DeleteTrainRunRequest(train_id=train, travel_date=date)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.DeleteTrainRun, request, "Run 'seatline runs' to see whether it is deleted.")
    print_answer(answer, deletion_text(train, date), as_json=options.as_json)
