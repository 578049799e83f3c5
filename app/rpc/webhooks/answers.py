"""Answers around webhooks: values of the domain to messages.

Belongs here: webhooks and their deliveries. Does not belong here: what decides anything.
"""

from app.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState, OutcomeKind
from app.domain.webhooks import Webhook
from app.pb.seatline.v1 import webhook_pb2
from app.rpc.wire_values import timestamp

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


def webhook(value: Webhook, *, with_secret: bool = False, validate_only: bool = False) -> webhook_pb2.Webhook:
    """Return a webhook. Version 0 is one that a dry run has not stored. Only creation and rotation answer with the secret."""
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
    """Return the delivery of an event to a webhook."""
    due = value.next_attempt_time
    return webhook_pb2.WebhookDelivery(
        delivery_id=value.delivery_id,
        webhook_id=value.receiver_id,
        event_id=value.event_id,
        event_type=value.event_type,
        event_time=timestamp(value.event_time),
        state=_DELIVERY_STATES[value.state],
        attempts=[_attempt(attempt) for attempt in value.attempts],
        next_attempt_time=None if due is None else timestamp(due),
    )


def _attempt(value: DeliveryAttempt) -> webhook_pb2.WebhookAttempt:
    return webhook_pb2.WebhookAttempt(
        time=timestamp(value.time), outcome=_OUTCOMES[value.outcome], http_status=value.status, detail=value.detail
    )
