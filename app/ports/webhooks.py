"""What the webhook channel needs of the stored webhooks.

Belongs here: the protocol. Does not belong here: statements (`app/store/webhooks.py`).
"""

from typing import Protocol

from app.domain.webhooks import Webhook


class WebhookStore(Protocol):
    """Stored webhooks, as the channel needs them. Every method refuses DATABASE_UNAVAILABLE."""

    async def list_active(self) -> list[Webhook]:
        """Return all readable webhooks that receive events, by id."""

    async def get(self, webhook_id: str) -> Webhook | None:
        """Return the webhook with that id, if any. Refuses RECORD_UNREADABLE."""

    async def update(self, webhook: Webhook) -> bool:
        """Replace the version before a changed webhook. Return False when another version, or none, is stored by now."""
