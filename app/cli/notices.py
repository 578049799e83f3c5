"""Commands on notices: notice list, preferences, preview, unsubscribe; `notices` is `notice list`.

Belongs here: building each request from what was typed, and the call. Does not belong here: the layout of answers
(`app.cli.render.notices`), sending tickets again (`app.cli.tickets`). gRPC and rich are imported inside the commands, so that
`--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.failures import UsageError
from app.cli.files import write_file
from app.cli.options import CallerOptions
from app.cli.parameters import LanguageOption, PageSizeOption, PageTokenOption

if TYPE_CHECKING:
    from app.pb.seatline.v1 import notice_pb2

# The kinds of `NoticeKind`, as they are typed.
Kind = Literal[
    "ticket",
    "waitlisted",
    "promoted",
    "waitlist-expired",
    "seat-changed",
    "moved",
    "booking-updated",
    "passengers-cancelled",
    "booking-cancelled",
    "run-cancelled",
    "refunded",
    "delayed",
    "departure-reminder",
    "arrival-reminder",
]
EmailOption = Annotated[str, typer.Option("--email", metavar="EMAIL", help="Whose, for operators. Default: your own.")]
ChannelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--channel", metavar="email|sms", help="How notices reach you; can be repeated. Replaces the present channels."
    ),
]
_CHANNELS = ("email", "sms")


def list_all(
    options: CallerOptions,
    reference: Annotated[str, typer.Argument(metavar="[REFERENCE]", help="Only notices of this booking.")] = "",
    email: EmailOption = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List your notices, the newest first. Operators give REFERENCE or --email."""
    from app.cli.calls import Calls
    from app.cli.render.notices import notices_table
    from app.cli.render.screen import print_list
    from app.pb.seatline.v1 import notice_pb2

    request = notice_pb2.ListNoticesRequest(email=email, reference=reference)
    with Calls(options) as calls:
        answer = calls.pages(calls.notices.ListNotices, request, page_size, page_token)
    print_list(answer, answer.notices, "notice", notices_table, as_json=options.as_json)


def preferences(  # noqa: PLR0913, PLR0917  one parameter for each option
    options: CallerOptions,
    email: EmailOption = "",
    language: LanguageOption = None,
    channel: ChannelOption = None,
    phone: Annotated[
        str | None, typer.Option("--phone", metavar="+NUMBER", help="Phone for SMS, such as +33612345678; '' for none.")
    ] = None,
    departure_reminders: Annotated[
        bool | None, typer.Option("--departure-reminders/--no-departure-reminders", help="Remind some hours before departure.")
    ] = None,
    arrival_reminders: Annotated[
        bool | None, typer.Option("--arrival-reminders/--no-arrival-reminders", help="Remind half an hour before arrival.")
    ] = None,
    small_delays: Annotated[
        bool | None, typer.Option("--small-delays/--no-small-delays", help="Tell delays of less than 15 minutes.")
    ] = None,
    etag: Annotated[
        str, typer.Option("--etag", metavar="ETAG", help="Change the preferences only if they still have this etag.")
    ] = "",
) -> None:
    """Show which notices a person wants and how; with options, change it.

    Tickets, cancellations, moves, refunds and delays of 15 minutes or more are always sent.
    """
    from app.cli.calls import Calls
    from app.cli.render.notices import preferences_page
    from app.cli.render.screen import print_json, print_page
    from app.pb.seatline.v1 import notice_pb2

    request = notice_pb2.UpdateNotificationPreferencesRequest(etag=etag)
    request.preferences.email = email
    given = {
        "language": language,
        "phone": phone,
        "departure_reminders": departure_reminders,
        "arrival_reminders": arrival_reminders,
        "small_delays": small_delays,
    }
    for field, value in given.items():
        if value is not None:
            setattr(request.preferences, field, value)
            request.update_mask.paths.append(field)
    if channel:
        unknown = next((name for name in channel if name not in _CHANNELS), None)
        if unknown is not None:
            raise UsageError(f"--channel: {unknown!r} is none of {', '.join(_CHANNELS)}")
        names = [f"NOTICE_CHANNEL_{name.upper()}" for name in dict.fromkeys(channel)]
        request.preferences.channels.extend(map(notice_pb2.NoticeChannel.Value, names))
        request.update_mask.paths.append("channels")
    with Calls(options) as calls:
        if request.update_mask.paths:
            answer = calls.call(calls.notices.UpdateNotificationPreferences, request, "You can repeat the command safely.")
        else:
            wanted = notice_pb2.GetNotificationPreferencesRequest(email=email)
            answer = calls.call(calls.notices.GetNotificationPreferences, wanted)
    if options.as_json:
        print_json(answer)
        return
    print_page(preferences_page(answer))


def preview(
    options: CallerOptions,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What the notice says.")],
    reference: Annotated[
        str, typer.Option("--reference", metavar="REFERENCE", help="The booking to tell about. Default: a sample.")
    ] = "",
    language: LanguageOption = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the mail's HTML to this file.")
    ] = None,
) -> None:
    """Show the words of a notice as they would be sent. Sends nothing."""
    from app.cli.calls import Calls
    from app.cli.render.notices import preview_text
    from app.cli.render.screen import print_answer, print_text

    request = _preview_request(kind, reference, language or "")
    with Calls(options) as calls:
        answer = calls.call(calls.notices.PreviewNotice, request)
    print_answer(answer, preview_text(answer), as_json=options.as_json)
    if html is not None:
        write_file(html, answer.html.encode(), "--html")
        if not options.as_json:
            print_text(f"\nWrote the HTML to {html}.")


def _preview_request(kind: str, reference: str, language: str) -> notice_pb2.PreviewNoticeRequest:
    from app.pb.seatline.v1 import notice_pb2

    value = notice_pb2.NoticeKind.Value(f"NOTICE_KIND_{kind.upper().replace('-', '_')}")
    return notice_pb2.PreviewNoticeRequest(kind=value, reference=reference, language=language)


def unsubscribe(
    options: CallerOptions,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token of a mail's unsubscribe link.")],
) -> None:
    """End what the token of an unsubscribe link names, for the mail's recipient."""
    from app.cli.calls import Calls
    from app.cli.render.notices import unsubscribed_text
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import notice_pb2

    request = notice_pb2.UnsubscribeByTokenRequest(token=token)
    with Calls(options) as calls:
        answer = calls.call(calls.notices.UnsubscribeByToken, request, "You can repeat the command safely.")
    print_answer(answer, unsubscribed_text(answer), as_json=options.as_json)
