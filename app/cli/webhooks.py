"""The commands of operators around webhooks: make and change them, see what became of the events for them.

Each reads what was typed, makes its call and shows the answer. gRPC and rich are imported inside the commands, so that `--help`
does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.bookings import PageSizeOption, PageTokenOption
from app.cli.failures import UsageError, printable
from app.cli.options import CallerOptions

if TYPE_CHECKING:
    from app.pb.seatline.v1 import webhook_pb2

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook: sixteen letters and digits.")]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Tell of this, such as booking.confirmed or booking.*; may be given again."),
]
EtagOption = Annotated[str, typer.Option("--etag", metavar="ETAG", help="Only if nobody has changed it since this etag.")]


def create(
    options: CallerOptions,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent, such as https://example.com/hook.")],
    event_type: TypeOption = None,
    request_id: Annotated[
        str, typer.Option("--request-id", metavar="ID", help="Repeats an earlier try: the same ID makes no second webhook.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, make nothing.")] = False,
) -> None:
    """Have a program told of events, all of them without --type. Shows the secret that signs them."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_text
    from app.cli.render.text import dry_run_text
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.CreateWebhookRequest(
        request_id=request_id or str(uuid.uuid4()),
        webhook=webhook_pb2.Webhook(url=url, event_types=event_type or []),
        validate_only=dry_run,
    )
    in_doubt = "" if dry_run else f"It may be there: repeat with --request-id {request.request_id} to find out."
    with Calls(options) as calls:
        answer = calls.call(calls.webhooks.CreateWebhook, request, in_doubt)
    _show(options, answer)
    if dry_run and not options.as_json:
        print_text(dry_run_text("webhook", was_there=bool(answer.etag)))


def list_all(options: CallerOptions, page_size: PageSizeOption = 0, page_token: PageTokenOption = "") -> None:
    """List all webhooks."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_list
    from app.cli.render.webhooks import webhooks_table
    from app.pb.seatline.v1 import webhook_pb2

    with Calls(options) as calls:
        answer = calls.pages(calls.webhooks.ListWebhooks, webhook_pb2.ListWebhooksRequest(), page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda _: webhooks_table(answer.webhooks), len(answer.webhooks), "webhook", answer)


def show(options: CallerOptions, webhook: WebhookArgument) -> None:
    """Show a webhook."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    with Calls(options) as calls:
        _show(options, calls.call(calls.webhooks.GetWebhook, webhook_pb2.GetWebhookRequest(webhook_id=webhook)))


def update(
    options: CallerOptions,
    webhook: WebhookArgument,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The new address.")] = None,
    event_type: TypeOption = None,
    all_types: Annotated[bool, typer.Option("--all-types", help="Tell of everything, instead of --type.")] = False,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is told of events.")] = None,
    etag: EtagOption = "",
) -> None:
    """Change where a webhook leads, what it is told of, or whether it is. --type replaces all types there were."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    if event_type and all_types:
        raise UsageError("--all-types: tells of everything, so that no --type can stand beside it")
    request = webhook_pb2.UpdateWebhookRequest(webhook_id=webhook, etag=etag)
    if url is not None:
        request.update_mask.paths.append("url")
        request.webhook.url = url
    if event_type or all_types:
        request.update_mask.paths.append("event_types")
        request.webhook.event_types.extend(event_type or [])
    if enable is not None:
        request.update_mask.paths.append("state")
        request.webhook.state = webhook_pb2.WEBHOOK_STATE_ACTIVE if enable else webhook_pb2.WEBHOOK_STATE_DISABLED
    if not request.update_mask.paths:
        raise UsageError("nothing to change: give --url, --type, --all-types, --enable or --disable")
    with Calls(options) as calls:
        _show(options, calls.call(calls.webhooks.UpdateWebhook, request, "Repeating it does no harm."))


def delete(options: CallerOptions, webhook: WebhookArgument, etag: EtagOption = "") -> None:
    """Forget a webhook, and what was still to be sent to it."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_text
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.DeleteWebhookRequest(webhook_id=webhook, etag=etag)
    with Calls(options) as calls:
        answer = calls.call(calls.webhooks.DeleteWebhook, request, "It may be gone: see 'seatline webhook list'.")
    if options.as_json:
        print_json(answer)
        return
    print_text(f"Webhook {printable(webhook)} is gone.")


def rotate_secret(options: CallerOptions, webhook: WebhookArgument, etag: EtagOption = "") -> None:
    """Give a webhook a new secret, and show it. The one before signs as well for another day."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.RotateWebhookSecretRequest(webhook_id=webhook, etag=etag)
    in_doubt = f"It may have been done: see 'seatline webhook show {printable(webhook)}' before trying again."
    with Calls(options) as calls:
        _show(options, calls.call(calls.webhooks.RotateWebhookSecret, request, in_doubt))


def deliveries(
    options: CallerOptions, webhook: WebhookArgument, page_size: PageSizeOption = 0, page_token: PageTokenOption = ""
) -> None:
    """List what became of the events for a webhook, the newest first."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_json, print_list
    from app.cli.render.webhooks import deliveries_table
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook)
    with Calls(options) as calls:
        answer = calls.pages(calls.webhooks.ListWebhookDeliveries, request, page_size, page_token)
    if options.as_json:
        print_json(answer)
        return
    print_list(lambda _: deliveries_table(answer.deliveries), len(answer.deliveries), "delivery", answer, things="deliveries")


def _show(options: CallerOptions, webhook: webhook_pb2.Webhook) -> None:
    """Prints a webhook, and its secret on a line of its own, which can be copied whole."""
    from app.cli.render.screen import print_json, print_page, print_text
    from app.cli.render.webhooks import webhook_page

    if options.as_json:
        print_json(webhook)
        return
    print_page(webhook_page(webhook))
    if webhook.secret:
        print_text(f"Secret, shown only now: {printable(webhook.secret)}")
