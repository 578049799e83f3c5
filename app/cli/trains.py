"""Commands on trains: train create, train update, train list.

Belongs here: building each request from what was typed, and the call. Does not belong here: parsing the timetable file
(`app.cli.timetable_file`), and the dates on which a train runs (`app.cli.train_runs`). gRPC and rich are imported inside the
commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.failures import CallError, FieldProblem, UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import PageSizeOption, PageTokenOption

if TYPE_CHECKING:
    from app.pb.seatline.v1 import train_pb2

FileArgument = Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Timetable file.")]
_SECTION_WINDOWS = "sections.sales_window"


def create(
    options: CallerOptions,
    file: FileArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file without creating a train.")] = False,
) -> None:
    """Create a train from a timetable file. Running it again with the same file creates no second train."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.trains import train_text
    from app.cli.timetable_file import read_train_file, request_id_for
    from app.pb.seatline.v1 import train_pb2

    train = read_train_file(file)
    request = train_pb2.CreateTrainRequest(request_id=request_id_for(train), train=train, validate_only=dry_run)
    with Calls(options) as calls:
        try:
            answer = calls.call(calls.trains.CreateTrain, request, "You can repeat the command safely.")
        except CallError as failed:
            raise _naming_file(failed, file) from failed
    print_answer(answer, train_text(answer, is_dry_run=dry_run), as_json=options.as_json)


def update(
    options: CallerOptions,
    file: FileArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file without changing the train.")] = False,
) -> None:
    """Change a train's number, stops and sales terms to those of a timetable file, for runs that are scheduled from now on.

    Keys that the file leaves out stay as they are. Seats, fares and coaches are changed with 'seatline layout apply'.
    """
    from google.protobuf.field_mask_pb2 import FieldMask

    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.trains import unchanged_text, updated_text
    from app.cli.timetable_file import read_train_file
    from app.pb.seatline.v1 import train_pb2

    train = read_train_file(file)
    with Calls(options) as calls:
        current = calls.call(calls.trains.GetTrain, train_pb2.GetTrainRequest(train_id=train.train_id))
        _refuse_other_layout(train, current, file)
        _keep_section_windows(train, current)
        fields = _changed_fields(train, current)
        if not fields:
            print_answer(current, unchanged_text(current), as_json=options.as_json)
            return
        request = train_pb2.UpdateTrainRequest(
            train=train, update_mask=FieldMask(paths=fields), etag=current.etag, validate_only=dry_run
        )
        try:
            answer = calls.call(calls.trains.UpdateTrain, request, "You can repeat the command safely.")
        except CallError as failed:
            raise _naming_file(failed, file) from failed
    print_answer(answer, updated_text(answer, fields, is_dry_run=dry_run), as_json=options.as_json)


def _refuse_other_layout(train: train_pb2.Train, current: train_pb2.Train, file: Path) -> None:
    """Raise `UsageError` if the file has other sections or coaches than the train. Sales windows of sections may differ."""
    sections = [[(section.name, section.fare) for section in of_train.sections] for of_train in (train, current)]
    for field, is_equal in (("sections", sections[0] == sections[1]), ("coaches", train.coaches == current.coaches)):
        if not is_equal:
            raise UsageError(
                f"{file}: {field} differ from those of train {current.train_id}; change them with 'seatline layout apply'"
            )


def _keep_section_windows(train: train_pb2.Train, current: train_pb2.Train) -> None:
    """Give the sections without a sales window in the file the one that they have."""
    for section, before in zip(train.sections, current.sections, strict=True):  # they have the same names
        if not section.HasField("sales_window") and before.HasField("sales_window"):
            section.sales_window.CopyFrom(before.sales_window)


def _changed_fields(train: train_pb2.Train, current: train_pb2.Train) -> list[str]:
    """Return the fields that the file has and that differ from the train's, as paths of an update mask.

    A field that the file leaves out stays as it is.
    """
    from app.cli.timetable_file import OPTIONAL_KEYS

    given = {descriptor.name for descriptor, _ in train.ListFields()}
    changed = [
        field
        for field in ("number", "stops", *OPTIONAL_KEYS)
        if field in given and getattr(train, field) != getattr(current, field)
    ]
    sections = zip(train.sections, current.sections, strict=True)  # they have the same names
    has_new_window = any(section != before for section, before in sections)
    return [*changed, *([_SECTION_WINDOWS] if has_new_window else [])]


def _naming_file(failed: CallError, file: Path) -> CallError:
    """Return the same failure with paths in the file instead of paths in the request."""
    from app.cli.timetable_file import file_path_of_field

    problems = failed.failure.fields
    fields = [FieldProblem(f"{file}: {file_path_of_field(problem.path)}", problem.description) for problem in problems]
    return CallError(replace(failed.failure, fields=tuple(fields)))


def list_all(options: CallerOptions, page_size: PageSizeOption = 0, page_token: PageTokenOption = "") -> None:
    """List all trains."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_list
    from app.cli.render.trains import trains_table
    from app.pb.seatline.v1 import train_pb2

    with Calls(options) as calls:
        answer = calls.pages(calls.trains.ListTrains, train_pb2.ListTrainsRequest(), page_size, page_token)
    print_list(answer, answer.trains, "train", trains_table, as_json=options.as_json)
