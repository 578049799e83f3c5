"""Commands on webhooks: webhook create, list, show, update, delete, rotate-secret, deliveries.

Belongs here: building each request from what was typed, and the call. Does not belong here: the layout of answers
(`app.cli.render.webhooks`). gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.failures import UsageError, printable
from app.cli.options import CallerOptions
from app.cli.parameters import PageSizeOption, PageTokenOption

if TYPE_CHECKING:
    from app.pb.seatline.v1 import webhook_pb2

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Webhook id: sixteen letters and digits.")]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Event type, such as booking.confirmed or booking.*; can be repeated."),
]
EtagOption = Annotated[str, typer.Option("--etag", metavar="ETAG", help="Change the webhook only if it still has this etag.")]


def create(
    options: CallerOptions,
    url: Annotated[str, typer.Argument(metavar="URL", help="Receiver of the events, such as https://example.com/hook.")],
    event_type: TypeOption = None,
    request_id: Annotated[
        str, typer.Option("--request-id", metavar="ID", help="Retry an earlier request: the same ID creates no second webhook.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the webhook without creating it.")] = False,
) -> None:
    """Create a webhook for events of some types, or of all types. Shows the secret that signs its events."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_text
    from app.cli.render.text import dry_run_text
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.CreateWebhookRequest(
        request_id=request_id or str(uuid.uuid4()),
        webhook=webhook_pb2.Webhook(url=url, event_types=event_type or []),
        validate_only=dry_run,
    )
    in_doubt = "" if dry_run else f"The webhook may exist: repeat with --request-id {request.request_id} to find out."
    with Calls(options) as calls:
        answer = calls.call(calls.webhooks.CreateWebhook, request, in_doubt)
    _show(options, answer)
    if dry_run and not options.as_json:
        print_text(dry_run_text("webhook", exists_already=bool(answer.etag)))


def list_all(options: CallerOptions, page_size: PageSizeOption = 0, page_token: PageTokenOption = "") -> None:
    """List all webhooks."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_list
    from app.cli.render.webhooks import webhooks_table
    from app.pb.seatline.v1 import webhook_pb2

    with Calls(options) as calls:
        answer = calls.pages(calls.webhooks.ListWebhooks, webhook_pb2.ListWebhooksRequest(), page_size, page_token)
    print_list(answer, answer.webhooks, "webhook", webhooks_table, as_json=options.as_json)


def show(options: CallerOptions, webhook: WebhookArgument) -> None:
    """Show a webhook."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    with Calls(options) as calls:
        _show(options, calls.call(calls.webhooks.GetWebhook, webhook_pb2.GetWebhookRequest(webhook_id=webhook)))


def update(
    options: CallerOptions,
    webhook: WebhookArgument,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="New receiver.")] = None,
    event_type: TypeOption = None,
    all_types: Annotated[bool, typer.Option("--all-types", help="Send events of all types; not with --type.")] = False,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Send events, or stop sending them.")] = None,
    etag: EtagOption = "",
) -> None:
    """Change a webhook's receiver, event types or state. --type replaces all current types."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    if event_type and all_types:
        raise UsageError("--all-types: cannot be combined with --type")
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
        _show(options, calls.call(calls.webhooks.UpdateWebhook, request, "You can repeat the command safely."))


def delete(options: CallerOptions, webhook: WebhookArgument, etag: EtagOption = "") -> None:
    """Delete a webhook and its pending deliveries."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_answer
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.DeleteWebhookRequest(webhook_id=webhook, etag=etag)
    with Calls(options) as calls:
        answer = calls.call(calls.webhooks.DeleteWebhook, request, "It may be deleted: see 'seatline webhook list'.")
    print_answer(answer, f"Deleted webhook {printable(webhook)}.", as_json=options.as_json)


def rotate_secret(options: CallerOptions, webhook: WebhookArgument, etag: EtagOption = "") -> None:
    """Give a webhook a new secret, and show it. The old secret keeps signing as well for one day."""
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.RotateWebhookSecretRequest(webhook_id=webhook, etag=etag)
    in_doubt = f"The secret may be new: run 'seatline webhook show {printable(webhook)}' before you try again."
    with Calls(options) as calls:
        _show(options, calls.call(calls.webhooks.RotateWebhookSecret, request, in_doubt))


def deliveries(
    options: CallerOptions, webhook: WebhookArgument, page_size: PageSizeOption = 0, page_token: PageTokenOption = ""
) -> None:
    """List a webhook's deliveries, newest first."""
    from app.cli.calls import Calls
    from app.cli.render.screen import print_list
    from app.cli.render.webhooks import deliveries_table
    from app.pb.seatline.v1 import webhook_pb2

    request = webhook_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook)
    with Calls(options) as calls:
        answer = calls.pages(calls.webhooks.ListWebhookDeliveries, request, page_size, page_token)
    print_list(answer, answer.deliveries, "delivery", deliveries_table, as_json=options.as_json, plural="deliveries")


def _show(options: CallerOptions, webhook: webhook_pb2.Webhook) -> None:
    """Print a webhook; its secret goes on a line of its own, which can be copied whole."""
    from app.cli.render.screen import print_json, print_page, print_text
    from app.cli.render.webhooks import webhook_page

    if options.as_json:
        print_json(webhook)
        return
    print_page(webhook_page(webhook))
    if webhook.secret:
        print_text(f"Secret, shown only once: {printable(webhook.secret)}")
