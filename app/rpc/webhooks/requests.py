"""Requests around webhooks: messages to values of the domain.

Belongs here: ids, new webhooks, changes. Does not belong here: what a webhook may ask for (`app/domain/webhooks.py`).
"""

import re

from app.domain.refusals import InvalidField
from app.domain.webhooks import check_event_types, check_url
from app.pb.seatline.v1 import webhook_pb2
from app.rpc import fields
from app.usecases.webhooks import WebhookChange

_WEBHOOK_ID = re.compile(r"[0-9a-f]{16}")
_IS_ACTIVE = {webhook_pb2.WEBHOOK_STATE_ACTIVE: True, webhook_pb2.WEBHOOK_STATE_DISABLED: False}
_CHANGEABLE = ("url", "event_types", "state")


def webhook_id(text: str) -> str:
    """Return the id of a webhook."""
    fields.required(text, "webhook_id")
    if not _WEBHOOK_ID.fullmatch(text):
        raise InvalidField("webhook_id", "needs 16 characters of 0-9 and a-f")
    return text


def new_webhook(message: webhook_pb2.Webhook) -> tuple[str, tuple[str, ...]]:
    """Return the URL and the event types of a new webhook."""
    if message.state not in (webhook_pb2.WEBHOOK_STATE_UNSPECIFIED, webhook_pb2.WEBHOOK_STATE_ACTIVE):
        raise InvalidField("webhook.state", "a new webhook is ACTIVE; disable it once it is there")
    return check_url(message.url, "webhook.url"), check_event_types(message.event_types, "webhook.event_types")


def webhook_change(request: webhook_pb2.UpdateWebhookRequest) -> WebhookChange:
    """Return the change. Reads only the fields that the mask names; an empty mask names all that can (google.aip.dev/134)."""
    for index, path in enumerate(request.update_mask.paths):
        if path not in _CHANGEABLE:
            known = ", ".join(_CHANGEABLE)
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; {known} can")
    masked = frozenset(request.update_mask.paths or _CHANGEABLE)
    message = request.webhook
    return WebhookChange(
        url=check_url(message.url, "webhook.url") if "url" in masked else None,
        event_types=check_event_types(message.event_types, "webhook.event_types") if "event_types" in masked else None,
        is_active=_is_active(message.state) if "state" in masked else None,
    )


def _is_active(state: webhook_pb2.WebhookState.ValueType) -> bool:
    try:
        return _IS_ACTIVE[state]
    except KeyError:
        raise InvalidField("webhook.state", "needs to be ACTIVE or DISABLED") from None
