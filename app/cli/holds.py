"""The commands for seats that are kept while their buyer pays: hold, release.

Belongs here: reading what was typed, the call, and showing the answer. Does not: booking what is held (`app.cli.bookings`).
gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import Annotated

import typer

from app.cli.arguments import parse_seats
from app.cli.bookings import (
    DateArgument,
    FromOption,
    RequestIdOption,
    SectionOption,
    ToOption,
    TrainArgument,
)
from app.cli.failures import UsageError, printable
from app.cli.options import CallerOptions

# The bounds of the contract, so that the help shows them.
SEATS_MAX = 9
MINUTES_DEFAULT, MINUTES_MAX = 5, 15


def hold(  # noqa: PLR0913, PLR0917  one parameter for each option
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    origin: FromOption,
    destination: ToOption,
    section: SectionOption = "",
    seats: Annotated[
        int | None,
        typer.Option("--seats", min=1, max=SEATS_MAX, metavar="N", help="How many of the next seats; one unless said."),
    ] = None,
    seat: Annotated[
        list[str] | None, typer.Option("--seat", metavar="SEAT", help="17 or A-17; once for each seat, instead of --seats.")
    ] = None,
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=MINUTES_MAX, metavar="M", help="For how long.")
    ] = MINUTES_DEFAULT,
    request_id: RequestIdOption = "",
) -> None:
    """Keep seats for some minutes, at the present fare, to book them with 'book --hold'."""
    from google.protobuf.duration_pb2 import Duration

    from app.cli.answers import show_hold
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import hold_pb2

    if seats and seat:
        raise UsageError("--seats: counts the next free seats; leave it out where --seat chooses them")
    section_name, seat_numbers = parse_seats(seat or [], section)
    request = hold_pb2.HoldSeatsRequest(
        request_id=request_id or str(uuid.uuid4()),
        train_id=train,
        travel_date=date,
        origin=origin,
        destination=destination,
        section=section_name,
        seat_numbers=seat_numbers,
        seat_count=0 if seat_numbers else seats or 1,
        ttl=Duration(seconds=60 * minutes),
    )
    in_doubt = f"The seats may be held: repeat with --request-id {request.request_id} to find out."
    with Calls(options) as calls:
        show_hold(calls, calls.call(calls.holds.HoldSeats, request, in_doubt), origin, destination)


def release(
    options: CallerOptions,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD_ID", help="The hold, as 'hold' named it.")],
) -> None:
    """Give held seats back before their time. A hold that is over already is no error."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.pb.seatline.v1 import hold_pb2

    with Calls(options) as calls:
        request = hold_pb2.ReleaseHoldRequest(hold_id=hold_id)
        answer = calls.call(calls.holds.ReleaseHold, request, "Repeating it does no harm.")
    if options.as_json:
        print_json(answer)
        return
    print_text(f"The hold {printable(hold_id)} is over; it keeps no seats any more.")
