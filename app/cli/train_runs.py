"""The commands for everybody: which trains run, and which seats are free on one of them.

Each reads what was typed, makes its calls and shows the answer. gRPC and rich are imported inside the commands, so that
`--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.bookings import (
    DateArgument,
    DateOption,
    FromOption,
    PageSizeOption,
    PageTokenOption,
    ToOption,
    TrainArgument,
)
from app.cli.failures import CallError, printable
from app.cli.options import CallerOptions

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
    """List trains by date, with free seats, how many wait, and fares."""
    from app.cli.calls import Calls
    from app.cli.render.bookings import runs_table
    from app.cli.render.screen import print_json, print_list
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.ListTrainRunsRequest(origin=origin, destination=destination, travel_date=date)
    with Calls(options) as calls:
        answer = calls.pages(calls.train_runs.ListTrainRuns, request, page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda _: runs_table(answer.train_runs, origin, destination), len(answer.train_runs), "run", answer)


def map_seats(
    options: CallerOptions, train: TrainArgument, date: DateArgument, origin: FromOption = "", destination: ToOption = ""
) -> None:
    """Draw the seats of a train: free, sold, partly sold, held, and with --user those of your own bookings."""
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
    """The seats of the caller's confirmed bookings that are taken on a part of the drawn journey.

    Empty without a caller, and for one whom the service does not know or does not show receipts to.
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
    """Whether the booked journey and the drawn one overlap; one with a stop that the run no longer has does not."""
    place = {name: index for index, name in enumerate(stops)}
    ends = (receipt.origin, receipt.destination, seat_map.origin, seat_map.destination)
    if any(name not in place for name in ends):
        return False
    return place[receipt.origin] < place[seat_map.destination] and place[seat_map.origin] < place[receipt.destination]
