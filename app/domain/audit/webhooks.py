"""Rules about webhooks and their deliveries.

Belongs here: what the service would not have stored of a webhook, and deliveries against their attempts, event and webhook.
Does not belong here: sending.
"""

import base64
from collections.abc import Iterator

from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind
from app.domain.events import Event
from app.domain.refusals import InvalidField
from app.domain.values import value
from app.domain.webhooks import PREVIOUS_SECRET_LIFETIME, Webhook, check_event_types, check_url, make_webhook

_SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with


@value(frozen=True, slots=True)
class AuditedWebhook:
    """A webhook with the slot of its document, of which there are `slots_max`."""

    webhook: Webhook
    slot: object
    slots_max: int


@value(frozen=True, slots=True)
class AuditedDelivery:
    """A delivery with its event and webhook; None where these are not stored any more, and for receivers of other channels."""

    delivery: Delivery
    event: Event | None
    webhook: Webhook | None


def invalid_webhook(record: AuditedWebhook) -> Iterator[str]:
    """Check URL, event types and slot as CreateWebhook does."""
    webhook, slot = record.webhook, record.slot
    try:
        check_url(webhook.url, "url")
        check_event_types(webhook.event_types, "event_types")
    except InvalidField as refusal:
        yield refusal.message
    if not isinstance(slot, int) or not 0 <= slot < record.slots_max:
        yield f"has a slot outside 0 to {record.slots_max - 1}"


def wrong_secrets(record: AuditedWebhook) -> Iterator[str]:
    """Find malformed secrets, and a previous secret without a valid time of expiry."""
    webhook, expire_time = record.webhook, record.webhook.previous_secret_expire_time
    if not _is_secret(webhook.secret) or (webhook.previous_secret and not _is_secret(webhook.previous_secret)):
        yield "has a malformed secret"
    if bool(webhook.previous_secret) != (expire_time is not None):
        yield "has a previous secret without an expiry, or an expiry without one"
    latest = webhook.update_time + PREVIOUS_SECRET_LIFETIME
    if expire_time is not None and not webhook.create_time < expire_time <= latest:
        yield "has a previous secret for longer than a day"


def wrong_webhook_version(record: AuditedWebhook) -> Iterator[str]:
    """Find a version that contradicts the times and the other fields."""
    webhook = record.webhook
    if webhook.version < 1 or webhook.update_time < webhook.create_time:
        yield "has an invalid version, or was changed before it was made"
    if webhook.version == 1 and not _is_unchanged(webhook):
        yield "has the version of an unchanged webhook, and was changed"
    if webhook.version > 1 and webhook.update_time == webhook.create_time:
        yield "was changed at the time at which it was made"


def _is_unchanged(webhook: Webhook) -> bool:
    made = make_webhook(webhook.webhook_id, webhook.url, webhook.event_types, webhook.secret, webhook.create_time)
    return made == webhook


def _is_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError:
        return False
    return secret.startswith(_SECRET_PREFIX) and bool(key)


def wrong_delivery_origin(record: AuditedDelivery) -> Iterator[str]:
    """Compare a delivery with its event and its webhook."""
    delivery, event, webhook = record.delivery, record.event, record.webhook
    if delivery.delivery_id != f"{delivery.event_id}:{delivery.receiver_id}":
        yield "has the id of another event or webhook"
    if event is not None and (event.event_type.value, event.time) != (delivery.event_type, delivery.event_time):
        yield "has another type or time than its event"
    if webhook is not None and delivery.event_time < webhook.create_time:
        yield "is of an event from before its webhook was made"


def wrong_delivery_state(record: AuditedDelivery) -> Iterator[str]:
    """Compare the state of a delivery with its attempts."""
    delivery = record.delivery
    is_pending = delivery.state is DeliveryState.PENDING
    if is_pending != (delivery.next_attempt_time is not None):
        yield f"is {delivery.state}, and its next attempt says otherwise"
    outcomes = [attempt.outcome for attempt in delivery.attempts]
    if any(outcome is not OutcomeKind.FAILED for outcome in outcomes[:-1]):
        yield "was tried again after a final attempt"
    last = outcomes[-1] if outcomes else None
    is_delivered = delivery.state is DeliveryState.DELIVERED
    is_wrong_failure = delivery.state is DeliveryState.FAILED and last is None
    if is_delivered != (last is OutcomeKind.DELIVERED) or (is_pending and last is OutcomeKind.GONE) or is_wrong_failure:
        yield f"is {delivery.state}, and its last attempt says {last}"


def wrong_delivery_attempts(record: AuditedDelivery) -> Iterator[str]:
    """Find attempts out of order, and outcomes that contradict the HTTP status of a webhook's answer."""
    delivery = record.delivery
    times = [delivery.event_time, *(attempt.time for attempt in delivery.attempts)]
    if times != sorted(times):
        yield "was tried before its event, or its attempts are out of order"
    if delivery.next_attempt_time is not None and delivery.next_attempt_time < times[-1]:
        yield "has its next attempt before its last one"
    if record.webhook is None:  # or another channel's, whose statuses mean something else
        return
    for attempt in delivery.attempts:
        is_success = 200 <= attempt.status < 300
        if not 0 <= attempt.status < 600 or (is_success != (attempt.outcome is OutcomeKind.DELIVERED)):
            yield f"has the outcome {attempt.outcome} for an answer with status {attempt.status}"
