"""Layout of webhooks and their deliveries.

Belongs here: pages and tables. Does not belong here: the calls (`app.cli.webhooks`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from app.cli.failures import printable
from app.cli.render.screen import empty_grid, empty_table, framed
from app.cli.render.text import delivery_state_text, instant_text, webhook_state_text
from app.pb.seatline.v1 import webhook_pb2


def webhook_page(webhook: webhook_pb2.Webhook) -> RenderableType:
    """Return the page of a webhook. The secret is printed separately."""
    grid = empty_grid()
    grid.add_row("URL", printable(webhook.url))
    grid.add_row("Event types", _types_text(webhook))
    state = webhook_state_text(webhook.state)
    grid.add_row("State", state if webhook.etag else f"would be {state}")
    if webhook.HasField("previous_secret_expire_time"):
        grid.add_row("Old secret", f"signs until {instant_text(webhook.previous_secret_expire_time)}")
    if webhook.etag:
        grid.add_row("Changed", f"{instant_text(webhook.update_time)}, etag {printable(webhook.etag)}")
    heading = "Dry run, nothing was created: webhook" if webhook.validate_only else "Webhook"
    return framed(f"{heading} {printable(webhook.webhook_id)}", grid)


def webhooks_table(webhooks: Sequence[webhook_pb2.Webhook], _: Console) -> Table:
    """Return one row per webhook."""
    table = empty_table("Webhook", "URL", "Event types", "State")
    for webhook in webhooks:
        table.add_row(
            printable(webhook.webhook_id), printable(webhook.url), _types_text(webhook), webhook_state_text(webhook.state)
        )
    return table


def deliveries_table(deliveries: Sequence[webhook_pb2.WebhookDelivery], _: Console) -> Table:
    """Return one row per delivery, with the result of its last attempt."""
    table = empty_table("Event", "When", "State", "Last attempt")
    for delivery in deliveries:
        state = delivery_state_text(delivery.state)
        if delivery.HasField("next_attempt_time"):
            state += f"\nnext {instant_text(delivery.next_attempt_time)}"
        table.add_row(
            f"{printable(delivery.event_type)}\n{printable(delivery.event_id)}",
            instant_text(delivery.event_time),
            state,
            _attempts_text(delivery),
        )
    return table


def _types_text(webhook: webhook_pb2.Webhook) -> str:
    return ", ".join(map(printable, webhook.event_types)) or "all"


def _attempts_text(delivery: webhook_pb2.WebhookDelivery) -> str:
    if not delivery.attempts:
        return "none yet"
    last = delivery.attempts[-1]
    status = f"HTTP {last.http_status}" if last.http_status else "no answer"
    result = " ".join(filter(None, (status, printable(last.detail))))
    return f"{len(delivery.attempts)}, {instant_text(last.time)}\n{result}"
