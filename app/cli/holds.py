"""Commands on holds: hold, release.

Belongs here: building each request from what was typed, and the call. Does not belong here: booking held seats
(`app.cli.bookings`). gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import Annotated

import typer

from app.cli.arguments import parse_seats
from app.cli.failures import UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import (
    DateArgument,
    FromOption,
    RequestIdOption,
    SectionOption,
    ToOption,
    TrainArgument,
)

# The contract's limits, repeated here so that --help shows them.
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
        typer.Option("--seats", min=1, max=SEATS_MAX, metavar="N", help="Hold the next N free seats. Default: 1."),
    ] = None,
    seat: Annotated[
        list[str] | None,
        typer.Option("--seat", metavar="SEAT", help="Seat, such as 17 or A-17, instead of --seats; repeat for each seat."),
    ] = None,
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=MINUTES_MAX, metavar="M", help="Duration of the hold in minutes.")
    ] = MINUTES_DEFAULT,
    request_id: RequestIdOption = "",
) -> None:
    """Hold seats for some minutes at the current fare. Book them with 'seatline book --hold'."""
    from google.protobuf.duration_pb2 import Duration

    from app.cli.answers import show_hold
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import hold_pb2

    if seats and seat:
        raise UsageError("--seats: cannot be combined with --seat")
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
    in_doubt = f"The hold may exist: repeat with --request-id {request.request_id} to find out."
    with Calls(options) as calls:
        show_hold(calls, calls.call(calls.holds.HoldSeats, request, in_doubt), origin, destination)


def release(
    options: CallerOptions,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD_ID", help="Hold id, as 'seatline hold' printed it.")],
) -> None:
    """Release held seats early. Releasing an expired hold is not an error."""
    from app.cli.calls import Calls
    from app.cli.render.holds import release_text
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import hold_pb2

    with Calls(options) as calls:
        request = hold_pb2.ReleaseHoldRequest(hold_id=hold_id)
        answer = calls.call(calls.holds.ReleaseHold, request, "You can repeat the command safely.")
    print_answer(answer, release_text(hold_id), as_json=options.as_json)
