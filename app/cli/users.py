"""The commands of people as the service knows them: register, correct a name.

gRPC and rich are imported inside the commands, so that `--help` does not wait for them. Not here: bookings and their passengers
(`app.cli.bookings`).
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import Annotated

import typer

from app.cli.failures import UsageError
from app.cli.options import CallerOptions

EmailOption = Annotated[str, typer.Option("--email", metavar="EMAIL", help="Without it, the one in --user.")]


def register(
    options: CallerOptions,
    first_name: Annotated[str, typer.Option("--first-name", metavar="NAME", help="Given name.")],
    last_name: Annotated[str, typer.Option("--last-name", metavar="NAME", help="Family name.")],
    email: EmailOption = "",
) -> None:
    """Make a person known, so that receipts can be asked for before the first booking."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.cli.render.text import person_text
    from app.pb.seatline.v1 import user_pb2

    request = user_pb2.RegisterUserRequest(
        request_id=str(uuid.uuid4()), first_name=first_name, last_name=last_name, email=email or options.user
    )
    with Calls(options) as calls:
        answer = calls.call(calls.users.RegisterUser, request, "Repeating it does no harm.")
        if options.as_json:
            print_json(answer)
            return
        print_text(f"Registered {person_text(answer)}.")


def rename(
    options: CallerOptions,
    first_name: Annotated[str | None, typer.Option("--first-name", metavar="NAME", help="The right given name.")] = None,
    last_name: Annotated[str | None, typer.Option("--last-name", metavar="NAME", help="The right family name.")] = None,
    email: EmailOption = "",
    etag: Annotated[str, typer.Option("--etag", metavar="ETAG", help="Only if nothing has changed since this one.")] = "",
) -> None:
    """Correct the name under which a person is registered; bookings keep theirs."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.cli.render.text import person_text
    from app.pb.seatline.v1 import user_pb2

    names = {"first_name": first_name, "last_name": last_name}
    given = {field: value for field, value in names.items() if value is not None}
    if not given:
        raise UsageError("nothing to change: give --first-name or --last-name")
    request = user_pb2.UpdateUserRequest(email=email or options.user, etag=etag)
    for field, value in given.items():
        setattr(request.user, field, value)
    request.update_mask.paths.extend(given)
    with Calls(options) as calls:
        answer = calls.call(calls.users.UpdateUser, request, "Repeating it does no harm.")
        if options.as_json:
            print_json(answer)
            return
        print_text(f"Registered as {person_text(answer)}.")
