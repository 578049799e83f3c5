"""The pages and tables about webhooks that people see.

Here belongs how webhooks and deliveries are laid out for reading. Not here: asking for them (`app.cli.webhooks`).
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.bookings import PAGE_WIDTH_COLUMNS
from app.cli.render.screen import empty_table
from app.cli.render.text import delivery_state_text, instant_text, webhook_state_text
from app.pb.seatline.v1 import webhook_pb2


def webhook_page(webhook: webhook_pb2.Webhook) -> Panel:
    """A webhook, with its secret where the answer holds it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Address", printable(webhook.url))
    grid.add_row("Told of", _types_text(webhook))
    state = webhook_state_text(webhook.state)
    grid.add_row("State", state if webhook.etag else f"would be {state}")
    if webhook.HasField("previous_secret_expire_time"):
        grid.add_row("Old secret", f"signs until {instant_text(webhook.previous_secret_expire_time)}")
    if webhook.etag:
        grid.add_row("Changed", f"{instant_text(webhook.update_time)}, etag {printable(webhook.etag)}")
    heading = "Dry run, nothing was made: webhook" if webhook.validate_only else "Webhook"
    title = Text(f"{heading} {printable(webhook.webhook_id)}", style="bold")
    return Panel(grid, title=title, title_align="left", width=PAGE_WIDTH_COLUMNS, padding=(0, 1))


def webhooks_table(webhooks: Iterable[webhook_pb2.Webhook]) -> Table:
    """One row for each webhook."""
    table = empty_table("Webhook", "Address", "Told of", "State")
    for webhook in webhooks:
        table.add_row(
            printable(webhook.webhook_id), printable(webhook.url), _types_text(webhook), webhook_state_text(webhook.state)
        )
    return table


def deliveries_table(deliveries: Iterable[webhook_pb2.WebhookDelivery]) -> Table:
    """One row for each delivery, with what came of its last attempt."""
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
    return ", ".join(map(printable, webhook.event_types)) or "everything"


def _attempts_text(delivery: webhook_pb2.WebhookDelivery) -> str:
    if not delivery.attempts:
        return "none yet"
    last = delivery.attempts[-1]
    said = " ".join(filter(None, (f"HTTP {last.http_status}" if last.http_status else "no answer", printable(last.detail))))
    return f"{len(delivery.attempts)}, {instant_text(last.time)}\n{said}"
