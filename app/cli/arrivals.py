"""Command on arrivals: run arrive.

Belongs here: building the request from what was typed, and the call. Does not belong here: delays (`app.cli.delays`), the
syntax of times (`app.cli.times`). gRPC and rich are imported inside the command, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the command, for the reason above
from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.delays import ReportedOption, parse_report_time
from app.cli.failures import UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import DateArgument, TrainArgument

if TYPE_CHECKING:
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import train_run_pb2


def arrive(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    stop: Annotated[str, typer.Argument(metavar="STOP", help="Name or code of the stop.")],
    time: Annotated[
        str,
        typer.Argument(
            metavar="TIME",
            help="When the train arrived: local time of the stop, such as 14:21, or an instant with its offset. Default: now.",
        ),
    ] = "",
    reported: ReportedOption = "",
) -> None:
    """Record when a train arrived at a stop. A later report corrects an earlier one."""
    from app.cli.calls import Calls
    from app.cli.render.run_pages import print_run
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.RecordArrivalRequest(
        train_id=train, travel_date=date, stop=stop, report_time=parse_report_time(reported)
    )
    with Calls(options) as calls:
        request.arrive_time.FromDatetime(_arrive_time(calls, train, date, stop, time))
        # Repeated without a time, the command would record another arrival: that of the later "now".
        in_doubt = "The arrival may be recorded: see 'seatline run status'."
        print_run(calls.call(calls.train_runs.RecordArrival, request, in_doubt), as_json=options.as_json)


def _arrive_time(calls: Calls, train: str, date: str, stop: str, text: str) -> datetime.datetime:
    """Return the instant that was typed; for a local time, the one nearest to the expected arrival. Raises `CommandError`."""
    from app.cli.render.text import zone_by_name
    from app.cli.render.train_runs import find_stop
    from app.cli.times import parse_station_time
    from app.pb.seatline.v1 import train_run_pb2

    now = datetime.datetime.now(tz=datetime.UTC)
    if not text.strip():
        return now.replace(microsecond=0)
    run = calls.call(calls.train_runs.GetTrainRun, train_run_pb2.GetTrainRunRequest(train_id=train, travel_date=date))
    found = find_stop(run, stop) or train_run_pb2.RunStop()  # the service refuses a stop that the run does not have
    try:
        return parse_station_time(text, zone_by_name(found.time_zone), _expected_arrival(found, now))
    except ValueError as error:
        raise UsageError(f"TIME: {error}") from error


def _expected_arrival(stop: train_run_pb2.RunStop, now: datetime.datetime) -> datetime.datetime:
    for field in ("expected_arrive_time", "arrive_time"):  # older servers send only the second
        if stop.HasField(field):
            expected: datetime.datetime = getattr(stop, field).ToDatetime(tzinfo=datetime.UTC)
            return expected
    return now
