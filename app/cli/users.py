"""Commands on users: register, rename.

Belongs here: building each request from what was typed, and the call. Does not belong here: the passengers of a booking
(`app.cli.bookings`). gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import Annotated

import typer

from app.cli.failures import UsageError
from app.cli.options import CallerOptions

EmailOption = Annotated[str, typer.Option("--email", metavar="EMAIL", help="Address of the user. Default: --user.")]


def register(
    options: CallerOptions,
    first_name: Annotated[str, typer.Option("--first-name", metavar="NAME", help="First name.")],
    last_name: Annotated[str, typer.Option("--last-name", metavar="NAME", help="Last name.")],
    email: EmailOption = "",
) -> None:
    """Register a user, who can then list receipts before the first booking."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.text import person_text
    from app.pb.seatline.v1 import user_pb2

    request = user_pb2.RegisterUserRequest(
        request_id=str(uuid.uuid4()), first_name=first_name, last_name=last_name, email=email or options.user
    )
    with Calls(options) as calls:
        answer = calls.call(calls.users.RegisterUser, request, "You can repeat the command safely.")
    print_answer(answer, f"Registered {person_text(answer)}.", as_json=options.as_json)


def rename(
    options: CallerOptions,
    first_name: Annotated[str | None, typer.Option("--first-name", metavar="NAME", help="New first name.")] = None,
    last_name: Annotated[str | None, typer.Option("--last-name", metavar="NAME", help="New last name.")] = None,
    email: EmailOption = "",
    etag: Annotated[
        str, typer.Option("--etag", metavar="ETAG", help="Change the name only if the user still has this etag.")
    ] = "",
) -> None:
    """Correct a user's registered name. Existing bookings keep the name that they have."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.cli.render.text import person_text
    from app.pb.seatline.v1 import user_pb2

    fields = {"first_name": first_name, "last_name": last_name}
    changes = {field: value for field, value in fields.items() if value is not None}
    if not changes:
        raise UsageError("nothing to change: give --first-name or --last-name")
    request = user_pb2.UpdateUserRequest(email=email or options.user, etag=etag)
    for field, value in changes.items():
        setattr(request.user, field, value)
    request.update_mask.paths.extend(changes)
    with Calls(options) as calls:
        answer = calls.call(calls.users.UpdateUser, request, "You can repeat the command safely.")
    print_answer(answer, f"Registered as {person_text(answer)}.", as_json=options.as_json)
