"""What operators do with webhooks.

Belongs here: creating, changing and deleting webhooks, and listing their deliveries. Does not belong here: sending
(`deliveries.py`).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.deliveries import Delivery
from app.domain.people import Caller, email_key, require_identified
from app.domain.refusals import Reason, Refusal
from app.domain.webhooks import (
    WEBHOOKS_MAX,
    Webhook,
    check_reachable,
    make_webhook,
    webhook_id_for,
    with_changes,
    with_new_secret,
)
from app.notifications.secrets import make_secret
from app.ports.clock import Clock
from app.store.deliveries import DeliveryKey, delivery_key
from app.store.store import Store

# As long as the output of HMAC-SHA256; Standard Webhooks takes 24 to 64.
_SECRET_BYTES = 32
# Other changes that may be stored first, one after the other; nobody changes a webhook so often.
_CHANGE_ATTEMPTS_MAX = 8


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """New values for a webhook, each checked; None keeps a value."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    is_active: bool | None = None


class WebhookUseCases:
    """Use cases of webhooks. `clock` returns the present moment, `random_bytes` random bytes of a given number.

    `allow_private_addresses` says whether workers send to addresses that are not public; where not, those are refused.

    An empty etag stands for the newest version.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        *,
        allow_private_addresses: bool = False,
    ) -> None:
        self._allow_private_addresses = allow_private_addresses
        self._webhooks, self._deliveries = store.webhooks, store.deliveries
        self._clock, self._random_bytes = clock, random_bytes

    async def create(
        self, caller: Caller, url: str, event_types: tuple[str, ...], request_id: str, *, validate_only: bool
    ) -> Webhook:
        """Create a webhook, or return the one that this request created before.

        With `validate_only` a new one has version 0 and no secret, and is not stored.

        Refuses INVALID_FIELD (nothing can be sent there), REQUEST_ID_REUSED, WEBHOOKS_FULL.
        """
        check_reachable(url, "webhook.url", allow_private=self._allow_private_addresses)
        webhook_id = webhook_id_for(email_key(require_identified(caller)), request_id)
        secret = "" if validate_only else self._new_secret()
        wanted = make_webhook(webhook_id, url, event_types, secret, self._clock())
        stored = await (self._find_or_preview(wanted) if validate_only else self._webhooks.create(wanted))
        if stored is None:
            raise Refusal(Reason.WEBHOOKS_FULL, f"there are {WEBHOOKS_MAX} webhooks; delete one that is not needed")
        if stored.fingerprint != wanted.fingerprint:
            text = f"this request_id made webhook {webhook_id} from another request"
            raise Refusal(Reason.REQUEST_ID_REUSED, text, resource=("webhook", webhook_id))
        return stored

    async def get(self, webhook_id: str) -> Webhook:
        """Return a webhook. Refuses WEBHOOK_NOT_FOUND."""
        return await self._get(webhook_id)

    async def list_page(self, after: tuple[str] | None, limit: int) -> tuple[list[Webhook], tuple[str] | None]:
        """Return a page of webhooks by webhook_id, and the key of the next page."""
        found = await self._webhooks.list_page(after[0] if after else "", limit + 1)
        page = found[:limit]
        return page, (page[-1].webhook_id,) if len(found) > limit else None

    async def update(self, webhook_id: str, change: WebhookChange, etag: str) -> Webhook:
        """Change a webhook. Refuses INVALID_FIELD (nothing can be sent to a new address), WEBHOOK_NOT_FOUND, ETAG_STALE."""
        if change.url is not None:
            check_reachable(change.url, "webhook.url", allow_private=self._allow_private_addresses)
        now = self._clock()

        def with_change(webhook: Webhook) -> Webhook:
            return with_changes(webhook, now, url=change.url, event_types=change.event_types, is_active=change.is_active)

        return await self._change(webhook_id, etag, with_change)

    async def rotate_secret(self, webhook_id: str, etag: str) -> Webhook:
        """Replace the secret of a webhook; the old one goes on signing for a day. Refuses WEBHOOK_NOT_FOUND, ETAG_STALE."""
        secret, now = self._new_secret(), self._clock()
        return await self._change(webhook_id, etag, lambda webhook: with_new_secret(webhook, secret, now))

    async def delete(self, webhook_id: str, etag: str) -> None:
        """Delete a webhook. Refuses WEBHOOK_NOT_FOUND, ETAG_STALE."""
        webhook = await self._get(webhook_id, etag)
        if not await self._webhooks.delete(webhook_id, webhook.version if etag else None):
            await self._get(webhook_id)
            raise _stale()

    async def list_deliveries(
        self, webhook_id: str, after: DeliveryKey | None, limit: int
    ) -> tuple[list[Delivery], DeliveryKey | None]:
        """Return a page of a webhook's deliveries, the newest events first, and the key of the next page.

        Refuses WEBHOOK_NOT_FOUND.
        """
        await self._get(webhook_id)
        found = await self._deliveries.list_page(webhook_id, after, limit + 1)
        page = found[:limit]
        return page, delivery_key(page[-1]) if len(found) > limit else None

    async def _find_or_preview(self, wanted: Webhook) -> Webhook | None:
        """Return what creating this webhook would return, without a secret; None if there is no room. Creates none."""
        stored = await self._webhooks.list_page("", WEBHOOKS_MAX)
        same = next((webhook for webhook in stored if webhook.webhook_id == wanted.webhook_id), None)
        return same or (replace(wanted, version=0) if len(stored) < WEBHOOKS_MAX else None)

    async def _get(self, webhook_id: str, etag: str = "") -> Webhook:
        webhook = await self._webhooks.get(webhook_id)
        if webhook is None:
            text = f"there is no webhook {webhook_id}"
            raise Refusal(Reason.WEBHOOK_NOT_FOUND, text, resource=("webhook", webhook_id))
        if etag and etag != webhook.etag:
            raise _stale()
        return webhook

    async def _change(self, webhook_id: str, etag: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        """Store a changed webhook. Without an etag, a change that comes after another one is made on top of it."""
        for _ in range(_CHANGE_ATTEMPTS_MAX):
            webhook = await self._get(webhook_id, etag)
            new = change(webhook)
            if new == webhook or await self._webhooks.update(new):
                return new
        raise _stale()

    def _new_secret(self) -> str:
        return make_secret(self._random_bytes(_SECRET_BYTES))


def _stale() -> Refusal:
    return Refusal(Reason.ETAG_STALE, "the webhook was changed in the meantime; read it again")
