"""Webhooks on the wire: their requests to values of the domain, and back.

Belongs here: one function for each message around webhooks. Does not: the calls (`webhook_calls.py`), nor what a webhook may
ask for (`app/domain/webhooks.py`).
"""

import re

from app.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState, OutcomeKind
from app.domain.refusals import InvalidField
from app.domain.webhooks import Webhook, check_event_types, check_url
from app.pb.seatline.v1 import webhook_pb2
from app.rpc import fields
from app.rpc.responses import timestamp
from app.usecases.webhooks import WebhookChange

_WEBHOOK_ID = re.compile(r"[0-9a-f]{16}")
_IS_ACTIVE = {webhook_pb2.WEBHOOK_STATE_ACTIVE: True, webhook_pb2.WEBHOOK_STATE_DISABLED: False}
_CHANGEABLE = ("url", "event_types", "state")
_DELIVERY_STATES = {
    DeliveryState.PENDING: webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: webhook_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED,
    DeliveryState.FAILED: webhook_pb2.WEBHOOK_DELIVERY_STATE_FAILED,
}
_OUTCOMES = {
    OutcomeKind.DELIVERED: webhook_pb2.WEBHOOK_ATTEMPT_OUTCOME_DELIVERED,
    OutcomeKind.GONE: webhook_pb2.WEBHOOK_ATTEMPT_OUTCOME_GONE,
    OutcomeKind.FAILED: webhook_pb2.WEBHOOK_ATTEMPT_OUTCOME_FAILED,
}


# -- requests


def webhook_id(text: str) -> str:
    """The key of a webhook."""
    fields.required(text, "webhook_id")
    if not _WEBHOOK_ID.fullmatch(text):
        raise InvalidField("webhook_id", "needs 16 characters of 0-9 and a-f")
    return text


def new_webhook(message: webhook_pb2.Webhook) -> tuple[str, tuple[str, ...]]:
    """Where a new webhook leads, and what it is told of."""
    if message.state not in (webhook_pb2.WEBHOOK_STATE_UNSPECIFIED, webhook_pb2.WEBHOOK_STATE_ACTIVE):
        raise InvalidField("webhook.state", "a new webhook is ACTIVE; disable it once it is there")
    return check_url(message.url, "webhook.url"), check_event_types(message.event_types, "webhook.event_types")


def webhook_change(request: webhook_pb2.UpdateWebhookRequest) -> WebhookChange:
    """What is to change. An empty mask names all that can (google.aip.dev/134); fields that it does not name are not read."""
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


# -- answers


def webhook(value: Webhook, *, with_secret: bool = False, validate_only: bool = False) -> webhook_pb2.Webhook:
    """A webhook; version 0 is one that a dry run would make. Its secret is told when it is made, and to nobody later."""
    until, is_stored = value.previous_secret_expire_time, value.version > 0
    return webhook_pb2.Webhook(
        webhook_id=value.webhook_id,
        url=value.url,
        event_types=value.event_types,
        state=webhook_pb2.WEBHOOK_STATE_ACTIVE if value.is_active else webhook_pb2.WEBHOOK_STATE_DISABLED,
        secret=value.secret if with_secret else "",
        previous_secret_expire_time=None if until is None else timestamp(until),
        create_time=timestamp(value.create_time) if is_stored else None,
        update_time=timestamp(value.update_time) if is_stored else None,
        etag=value.etag if is_stored else "",
        validate_only=validate_only,
    )


def delivery(value: Delivery) -> webhook_pb2.WebhookDelivery:
    """An event on its way."""
    due = value.next_attempt_time
    return webhook_pb2.WebhookDelivery(
        delivery_id=value.delivery_id,
        webhook_id=value.receiver_id,
        event_id=value.event_id,
        event_type=value.event_type,
        event_time=timestamp(value.event_time),
        state=_DELIVERY_STATES[value.state],
        attempts=[_attempt(one) for one in value.attempts],
        next_attempt_time=None if due is None else timestamp(due),
    )


def _attempt(value: DeliveryAttempt) -> webhook_pb2.WebhookAttempt:
    return webhook_pb2.WebhookAttempt(
        time=timestamp(value.time), outcome=_OUTCOMES[value.outcome], http_status=value.status, detail=value.detail
    )
