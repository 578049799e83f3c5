"""Commands on trains: train create, train list.

Belongs here: building each request from what was typed, and the call. Does not belong here: parsing the timetable file
(`app.cli.timetable_file`), and the dates on which a train runs (`app.cli.train_runs`). gRPC and rich are imported inside the
commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.cli.failures import CallError, FieldProblem
from app.cli.options import CallerOptions
from app.cli.parameters import PageSizeOption, PageTokenOption


def create(
    options: CallerOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Timetable file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file without creating a train.")] = False,
) -> None:
    """Create a train from a timetable file. Running it again with the same file creates no second train."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.trains import train_text
    from app.cli.timetable_file import file_path_of_field, read_train_file, request_id_for
    from app.pb.seatline.v1 import train_pb2

    train = read_train_file(file)
    request = train_pb2.CreateTrainRequest(request_id=request_id_for(train), train=train, validate_only=dry_run)
    with Calls(options) as calls:
        try:
            answer = calls.call(calls.trains.CreateTrain, request, "You can repeat the command safely.")
        except CallError as failed:
            fields = [
                FieldProblem(f"{file}: {file_path_of_field(problem.path)}", problem.description)
                for problem in failed.failure.fields
            ]
            raise CallError(replace(failed.failure, fields=tuple(fields))) from failed
    print_answer(answer, train_text(answer, is_dry_run=dry_run), as_json=options.as_json)


def list_all(options: CallerOptions, page_size: PageSizeOption = 0, page_token: PageTokenOption = "") -> None:
    """List all trains."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_list
    from app.cli.render.trains import trains_table
    from app.pb.seatline.v1 import train_pb2

    with Calls(options) as calls:
        answer = calls.pages(calls.trains.ListTrains, train_pb2.ListTrainsRequest(), page_size, page_token)
    print_list(answer, answer.trains, "train", trains_table, as_json=options.as_json)
