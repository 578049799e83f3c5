"""The commands of operators: make trains, put them on dates, see who sits where, have a waiting list looked over.

Each reads what was typed, makes its call and shows the answer. gRPC and rich are imported inside the commands, so that `--help`
does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.cli.bookings import DateArgument, PageSizeOption, PageTokenOption, TrainArgument
from app.cli.failures import CallError, FieldProblem, printable
from app.cli.options import CallerOptions


def train_create(
    options: CallerOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The timetable.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, make nothing.")] = False,
) -> None:
    """Make a train from a timetable file. The same file again makes no second one."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.cli.render.text import dry_run_text, hold_terms_text, refund_terms_text, waitlist_terms_text
    from app.cli.timetable_file import file_path_of_field, read_train_file, request_id_for
    from app.pb.seatline.v1 import train_pb2

    train = read_train_file(file)
    request = train_pb2.CreateTrainRequest(request_id=request_id_for(train), train=train, validate_only=dry_run)
    with Calls(options) as calls:
        try:
            answer = calls.call(calls.trains.CreateTrain, request, "Repeating it does no harm.")
        except CallError as failed:
            fields = [FieldProblem(f"{file}: {file_path_of_field(f.path)}", f.description) for f in failed.failure.fields]
            raise CallError(replace(failed.failure, fields=tuple(fields))) from failed
    if options.as_json:
        print_json(answer)
        return
    seat_count = sum(coach.seat_count for coach in answer.coaches)
    print_text(
        f"Train {printable(answer.train_id)} ({printable(answer.number)}): {len(answer.stops)} stops, "
        f"{len(answer.coaches)} coaches, {seat_count:,} seats."
    )
    for heading, terms in (
        ("Refunds", refund_terms_text(answer.refund_tiers)),
        ("Waiting list", waitlist_terms_text(answer)),
        ("On hold", hold_terms_text(answer)),
    ):
        if terms:
            print_text(f"{heading}: {terms}.")
    if dry_run:
        print_text(dry_run_text("train", was_there=bool(answer.etag)))


def train_list(options: CallerOptions, page_size: PageSizeOption = 0, page_token: PageTokenOption = "") -> None:
    """List all trains."""
    from app.cli.calls import Calls
    from app.cli.render.bookings import trains_table
    from app.cli.render.screen import print_json, print_list
    from app.pb.seatline.v1 import train_pb2

    with Calls(options) as calls:
        answer = calls.pages(calls.trains.ListTrains, train_pb2.ListTrainsRequest(), page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda console: trains_table(answer.trains, console), len(answer.trains), "train", answer)


def schedule(
    options: CallerOptions,
    train: TrainArgument,
    first_date: Annotated[str, typer.Argument(metavar="FIRST_DATE", help="YYYY-MM-DD.")],
    last_date: Annotated[str, typer.Argument(metavar="LAST_DATE", help="YYYY-MM-DD; without it the first date alone.")] = "",
) -> None:
    """Put a train on each date of a range; dates it already runs on stay as they are."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.cli.render.text import date_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.ScheduleTrainRunsRequest(train_id=train, first_date=first_date, last_date=last_date or first_date)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.ScheduleTrainRuns, request, "Repeating it does no harm.")
    if options.as_json:
        print_json(answer)
        return
    dates = [run.travel_date for run in answer.train_runs]
    span = " to ".join(date_text(date) for date in dict.fromkeys((*dates[:1], *dates[-1:])))
    counted = f"{len(dates)} date{'' if len(dates) == 1 else 's'}"
    print_text(f"Train {printable(train)} runs on {counted}, {span}; {answer.created_count} new.")


def section(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    section: Annotated[str, typer.Argument(metavar="SECTION", help="Such as A.")],
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List who sits in a section of a train."""
    from app.cli.calls import Calls
    from app.cli.render.bookings import section_table
    from app.cli.render.screen import print_json, print_list
    from app.pb.seatline.v1 import booking_pb2

    request = booking_pb2.ListSectionBookingsRequest(train_id=train, travel_date=date, section=section.upper())
    with Calls(options) as calls:
        answer = calls.pages(calls.bookings.ListSectionBookings, request, page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda console: section_table(answer.rows, console), len(answer.rows), "passenger", answer)


def promote(options: CallerOptions, train: TrainArgument, date: DateArgument) -> None:
    """Give free seats to those who wait for a train. It does so by itself; this is for after a correction."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.pb.seatline.v1 import train_run_pb2

    request = train_run_pb2.PromoteWaitlistRequest(train_id=train, travel_date=date)
    with Calls(options) as calls:
        answer = calls.call(calls.train_runs.PromoteWaitlist, request, "Repeating it does no harm.")
    if options.as_json:
        print_json(answer)
        return
    promoted = ", ".join(map(printable, answer.promoted_references))
    count, waiting = len(answer.promoted_references), answer.waiting_count
    print_text(f"{count:,} booking{'' if count == 1 else 's'} promoted{': ' + promoted if promoted else ''}.")
    still = f"{waiting:,} still wait{'s' if waiting == 1 else ''}, for seats that are not free."
    print_text(still if waiting else "Nobody waits.")
