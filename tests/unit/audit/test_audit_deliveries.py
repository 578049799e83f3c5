"""Rules about deliveries: the HTTP status of a webhook fits the outcome; other channels have statuses of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.audit.rules import DELIVERY_RULES
from app.domain.audit.webhooks import AuditedDelivery
from app.domain.deliveries import OutcomeKind, SendOutcome, after_delivery_attempt, make_delivery
from app.domain.webhooks import WEBHOOK_RETRIES, Webhook, make_webhook
from tests.support.delivery_worlds import NOW, an_event

WEBHOOK = make_webhook("w1", "https://a.example.com/", (), "whsec_MQ==", NOW)


def problems(outcome: SendOutcome, webhook: Webhook | None) -> list[str]:
    """What the rules find in a delivery after one attempt with this outcome."""
    event = an_event(1)
    moment = event.time + timedelta(seconds=1)
    delivery = after_delivery_attempt(make_delivery(event, "w1"), outcome, moment, 0.0, WEBHOOK_RETRIES)
    record = AuditedDelivery(delivery, event, webhook)
    return [problem for rule in DELIVERY_RULES for problem in rule.find_problems(record)]


@pytest.mark.parametrize(("kind", "status"), [(OutcomeKind.DELIVERED, 0), (OutcomeKind.FAILED, 204), (OutcomeKind.FAILED, 601)])
def test_a_status_that_contradicts_the_outcome_is_found_at_a_webhook_only(kind: OutcomeKind, status: int) -> None:
    outcome = SendOutcome(kind, status)
    assert problems(outcome, WEBHOOK) == [f"has the outcome {kind} for an answer with status {status}"]
    assert problems(outcome, None) == []


@pytest.mark.parametrize("webhook", [WEBHOOK, None], ids=["a webhook", "another channel"])
def test_a_plausible_attempt_is_accepted(webhook: Webhook | None) -> None:
    assert problems(SendOutcome(OutcomeKind.DELIVERED, 204), webhook) == []
    assert problems(SendOutcome(OutcomeKind.FAILED, 0), webhook) == []
