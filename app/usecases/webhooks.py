"""Webhooks: what operators do with them.

Belongs here: making, changing and forgetting webhooks, and looking at what became of their deliveries. Does not: sending
(`deliveries.py`).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.deliveries import Delivery
from app.domain.people import Caller, email_key, require_identified, require_operator
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
from app.store.deliveries import DeliveryKey, delivery_key
from app.store.store import Store

# As long as what HMAC-SHA256 makes of it; Standard Webhooks takes 24 to 64.
_SECRET_BYTES = 32
# Changes without an etag that may come first, one after the other; nobody changes a webhook so often.
_CHANGE_ATTEMPTS_MAX = 8


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """New values for a webhook, each checked; None leaves one as it is."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    is_active: bool | None = None


class WebhookUseCases:
    """The use cases around webhooks. `clock` gives the present moment, `random_bytes` as much chance as it is asked for.

    `allow_private_addresses` says whether workers send to addresses that are not public; where not, those are refused.

    An empty etag stands for whatever is the newest.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
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
        """Keep a new webhook, or find what this request made before.

        With `validate_only` a new one has version 0 and no secret, and is not kept.

        Refuses INVALID_FIELD (nothing can be sent there), REQUEST_ID_REUSED, WEBHOOKS_FULL.
        """
        require_operator(caller)
        check_reachable(url, "webhook.url", allow_private=self._allow_private_addresses)
        webhook_id = webhook_id_for(email_key(require_identified(caller)), request_id)
        secret = "" if validate_only else self._new_secret()
        wanted = make_webhook(webhook_id, url, event_types, secret, self._clock())
        kept = await (self._try(wanted) if validate_only else self._webhooks.create(wanted))
        if kept is None:
            raise Refusal(Reason.WEBHOOKS_FULL, f"there are {WEBHOOKS_MAX} webhooks; delete one that is not needed")
        if kept.fingerprint != wanted.fingerprint:
            text = f"this request_id made webhook {webhook_id} from another request"
            raise Refusal(Reason.REQUEST_ID_REUSED, text, resource=("webhook", webhook_id))
        return kept

    async def get(self, caller: Caller, webhook_id: str) -> Webhook:
        """A webhook. Refuses WEBHOOK_NOT_FOUND."""
        require_operator(caller)
        return await self._get(webhook_id)

    async def list_page(self, caller: Caller, after: tuple[str] | None, limit: int) -> tuple[list[Webhook], tuple[str] | None]:
        """A page of webhooks by webhook_id, and where the next one begins."""
        require_operator(caller)
        found = await self._webhooks.list_page(after[0] if after else "", limit + 1)
        page = found[:limit]
        return page, (page[-1].webhook_id,) if len(found) > limit else None

    async def update(self, caller: Caller, webhook_id: str, change: WebhookChange, etag: str) -> Webhook:
        """Change a webhook. Refuses INVALID_FIELD (nothing can be sent to a new address), WEBHOOK_NOT_FOUND, ETAG_STALE."""
        require_operator(caller)
        if change.url is not None:
            check_reachable(change.url, "webhook.url", allow_private=self._allow_private_addresses)
        now = self._clock()

        def with_change(webhook: Webhook) -> Webhook:
            return with_changes(webhook, now, url=change.url, event_types=change.event_types, is_active=change.is_active)

        return await self._change(webhook_id, etag, with_change)

    async def rotate_secret(self, caller: Caller, webhook_id: str, etag: str) -> Webhook:
        """Gives a webhook a new secret; the one before goes on signing for a day. Refuses WEBHOOK_NOT_FOUND, ETAG_STALE."""
        require_operator(caller)
        secret, now = self._new_secret(), self._clock()
        return await self._change(webhook_id, etag, lambda webhook: with_new_secret(webhook, secret, now))

    async def delete(self, caller: Caller, webhook_id: str, etag: str) -> None:
        """Forgets a webhook. Refuses WEBHOOK_NOT_FOUND, ETAG_STALE."""
        require_operator(caller)
        webhook = await self._get(webhook_id, etag)
        if not await self._webhooks.delete(webhook_id, webhook.version if etag else None):
            await self._get(webhook_id)
            raise _stale()

    async def list_deliveries(
        self, caller: Caller, webhook_id: str, after: DeliveryKey | None, limit: int
    ) -> tuple[list[Delivery], DeliveryKey | None]:
        """A page of a webhook's deliveries, the newest events first, and where the next page begins.

        Refuses WEBHOOK_NOT_FOUND.
        """
        require_operator(caller)
        await self._get(webhook_id)
        found = await self._deliveries.list_page(webhook_id, after, limit + 1)
        page = found[:limit]
        return page, delivery_key(page[-1]) if len(found) > limit else None

    async def _try(self, wanted: Webhook) -> Webhook | None:
        """What creating this webhook would give, but for the secret; creates none."""
        kept = await self._webhooks.list_page("", WEBHOOKS_MAX)
        same = next((one for one in kept if one.webhook_id == wanted.webhook_id), None)
        return same or (replace(wanted, version=0) if len(kept) < WEBHOOKS_MAX else None)

    async def _get(self, webhook_id: str, etag: str = "") -> Webhook:
        webhook = await self._webhooks.get(webhook_id)
        if webhook is None:
            text = f"there is no webhook {webhook_id}"
            raise Refusal(Reason.WEBHOOK_NOT_FOUND, text, resource=("webhook", webhook_id))
        if etag and etag != webhook.etag:
            raise _stale()
        return webhook

    async def _change(self, webhook_id: str, etag: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        """Keeps a changed webhook. Without an etag, a change that others were quicker than is made on top of theirs."""
        for _ in range(_CHANGE_ATTEMPTS_MAX):
            webhook = await self._get(webhook_id, etag)
            new = change(webhook)
            if new == webhook or await self._webhooks.update(new):
                return new
        raise _stale()

    def _new_secret(self) -> str:
        return make_secret(self._random_bytes(_SECRET_BYTES))


def _stale() -> Refusal:
    return Refusal(Reason.ETAG_STALE, "the webhook has changed in the meantime; read it again")
