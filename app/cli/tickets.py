"""Commands on tickets that call the service: ticket get, resend, package, keys.

Belongs here: building each request from what was typed, the call, and the files. Does not belong here: checking tickets without
a connection (`app.cli.ticket_verification`). gRPC and rich are imported inside the commands, so that `--help` does not wait for
them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.failures import printable
from app.cli.files import write_file
from app.cli.options import CallerOptions
from app.cli.parameters import DateArgument, LanguageOption, ReferenceArgument, TrainArgument

if TYPE_CHECKING:
    from app.pb.seatline.v1 import ticket_pb2

PassengerOption = Annotated[
    int, typer.Option("--passenger", min=0, max=9, metavar="NUMBER", help="The passenger, by number in the booking.")
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")]
# A file name that the service proposes; anything else could be a path, or a hidden file.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def get(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: PassengerOption = 0,
    file_format: Annotated[
        Literal["pdf", "png", "ics"], typer.Option("--format", help="A page, a picture, or a calendar entry.")
    ] = "pdf",
    language: LanguageOption = None,
    output: OutputOption = None,
) -> None:
    """Save a passenger's ticket. Without --passenger, of the only passenger. With --json, only --output writes a file."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import ticket_pb2

    request = ticket_pb2.GetTicketRequest(
        reference=reference,
        passenger_number=passenger,
        format=ticket_pb2.TicketFormat.Value(f"TICKET_FORMAT_{file_format.upper()}"),
        language=language or "",
    )
    with Calls(options) as calls:
        answer = calls.call(calls.tickets.GetTicket, request)
    path = output
    if path is None and not options.as_json:
        proposed = answer.filename if _FILE_NAME.fullmatch(answer.filename) else ""
        path = Path(proposed or f"ticket.{file_format}")
    if path is not None:
        write_file(path, answer.content, "--output")
    code = f"\nCode: {printable(answer.code)}" if answer.code else ""
    print_answer(answer, f"Saved the ticket to {path}.{code}", as_json=options.as_json)


def resend(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: PassengerOption = 0,
    request_id: Annotated[
        str, typer.Option("--request-id", metavar="ID", help="Retry an earlier request: the same ID sends once.")
    ] = "",
) -> None:
    """Send tickets again: all to the booker, or with --passenger one passenger's to that passenger."""
    from app.cli.calls import Calls
    from app.cli.render.notices import notices_sent_text
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import ticket_pb2

    request = ticket_pb2.ResendTicketRequest(
        reference=reference, passenger_number=passenger, request_id=request_id or str(uuid.uuid4())
    )
    in_doubt = f"The tickets may be on their way: repeat with --request-id {request.request_id} to send them once."
    with Calls(options) as calls:
        answer = calls.call(calls.tickets.ResendTicket, request, in_doubt)
    print_answer(answer, notices_sent_text(answer.notices), as_json=options.as_json)


def package(options: CallerOptions, train: TrainArgument, date: DateArgument, output: OutputOption = None) -> None:
    """Save the signed list of a run's tickets, for 'ticket verify --list'. For operators; has no names or addresses."""
    from google.protobuf import json_format

    from app.cli.render.screen import counted, print_answer
    from app.cli.render.text import instant_text_with_seconds

    answer = _package(options, train, date)
    path = output or Path(f"tickets-{_name_part(train)}-{_name_part(date)}.json")
    text = json_format.MessageToJson(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if output is not None or not options.as_json:
        write_file(path, text.encode(), "--output")
    issued = instant_text_with_seconds(answer.issue_time)
    print_answer(
        answer,
        f"Saved the list of {counted(answer.ticket_count, 'ticket')}, as of {issued}, to {path}.",
        as_json=options.as_json,
    )


def keys(options: CallerOptions, train: TrainArgument, date: DateArgument, output: OutputOption = None) -> None:
    """Save the public keys that sign tickets, for 'ticket verify --keys'. For operators; any run that exists will do."""
    from app.cli.render.screen import counted, print_answer
    from app.cli.ticket_verification import keys_pem

    answer = _package(options, train, date)
    answer.ClearField("content")
    answer.ClearField("signature")
    path = output or Path("ticket-keys.pem")
    if output is not None or not options.as_json:
        write_file(path, keys_pem(key.public_key for key in answer.keys), "--output")
    print_answer(answer, f"Saved {counted(len(answer.keys), 'public key')} to {path}.", as_json=options.as_json)


def _package(options: CallerOptions, train: str, date: str) -> ticket_pb2.InspectionPackage:
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import ticket_pb2

    request = ticket_pb2.GetInspectionPackageRequest(train_id=train, travel_date=date)
    with Calls(options) as calls:
        return calls.call(calls.tickets.GetInspectionPackage, request)


def _name_part(text: str) -> str:
    """Return a text that was typed as part of a file name."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text)
