"""Webhooks: what they may subscribe to, what they receive, and when a delivery is tried again or given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind, SendOutcome, after_delivery_attempt, make_delivery
from app.domain.events import Event, EventType
from app.domain.webhooks import (
    URL_LENGTH_MAX,
    WEBHOOK_RETRIES,
    Webhook,
    check_event_types,
    check_reachable,
    check_url,
    is_subscribed,
    make_webhook,
    signing_secrets,
    webhook_id_for,
    with_changes,
    with_new_secret,
)
from tests.support.run_snapshots import invalid

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
THREE_DAYS = timedelta(days=3)
URL = "https://hooks.example.com/seatline"
DELIVERED = SendOutcome(OutcomeKind.DELIVERED, 204)
GONE = SendOutcome(OutcomeKind.GONE, 410, "no longer here")
FAILED = SendOutcome(OutcomeKind.FAILED, 503, "come back later")


def a_webhook(*event_types: str, webhook_id: str = "w1") -> Webhook:
    return make_webhook(webhook_id, URL, event_types, "whsec_bmV3", NOW)


def an_event(time: datetime = NOW) -> Event:
    return Event("es1:2026-09-01:3:0", EventType.BOOKING_CONFIRMED, "es1:2026-09-01", 3, time, "7QK2MZ", {})


def a_delivery() -> Delivery:
    return make_delivery(an_event(), "w1")


def attempted(delivery: Delivery, outcome: SendOutcome, now: datetime, jitter: float) -> Delivery:
    """Return a webhook's delivery after one more attempt."""
    return after_delivery_attempt(delivery, outcome, now, jitter, WEBHOOK_RETRIES)


def tried(outcome: SendOutcome, *, jitter: float = 0.0) -> list[Delivery]:
    """Return the delivery after each attempt, all with this outcome and each made when it is due, until none is due."""
    found = [a_delivery()]
    while (due := found[-1].next_attempt_time) is not None:
        found.append(attempted(found[-1], outcome, due, jitter))
    return found[1:]


def later(**time: float) -> datetime:
    return NOW + timedelta(**time)


# -- URLs


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "http://hooks.example.com:8080/a/b.c?token=x%20y&z=1;2",
        "HTTPS://Hooks.Example.COM/",
        "https://hooks.example.com?x",
        "https://xn--bcher-kva.example/",
        "https://10.0.0.1/a",
        "https://[2001:db8::1]:8443/a",
        "http://localhost:1/",
        "https://my_host/",
        f"https://example.com/{'x' * (URL_LENGTH_MAX - 20)}",
    ],
)
def test_a_plain_url_is_accepted_as_it_is(url: str) -> None:
    assert check_url(url, "webhook.url") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "/hooks",
        "//hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:hooks.example.com",
        "https:/hooks.example.com",
        "https://",
        "https:///path",
        "https://:443/",
        "https://?x",
        "https://user@hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://good.example.com\\@bad.example.com/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com/#",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:port/",
        "https://hooks.example.com:/",
        "https://hooks example.com/",
        "https://hooks.example.com/a b",
        " https://hooks.example.com/",
        "https://hooks.example.com/\n",
        "https://hooks.example.com/\r\nhost: other",
        "https://hooks.example.com/%zz",
        "https://hooks.example.com./",
        "https://hooks..example.com/",
        "https://-hooks.example.com/",
        "https://bücher.example/",
        "https://hooks.example.com/é",
        "https://[::1/",
        "https://::1/",
        "https://[localhost]/",
        f"https://{'x' * 64}.example.com/",
        f"https://{'x.' * 127}com/",
        f"https://example.com/{'x' * (URL_LENGTH_MAX - 19)}",
    ],
)
def test_any_other_url_is_refused_with_its_field(url: str) -> None:
    with invalid("webhook.url"):
        check_url(url, "webhook.url")


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://127.0.0.1:8080/hook?x", "https://localhost/", "http://[::1]:80/", "https://hooks/"]
)
def test_an_unreachable_address_is_refused_with_its_field(url: str) -> None:
    with invalid("webhook.url"):
        check_reachable(check_url(url, "webhook.url"), "webhook.url", allow_private=False)


def test_a_reachable_address_is_accepted_as_it_is() -> None:
    for url, allow_private in ((URL, False), ("http://localhost:1/", True), ("http://10.0.0.1/", True)):
        assert check_reachable(url, "webhook.url", allow_private=allow_private) == url


# -- event types


def test_a_webhook_may_subscribe_to_exact_types_and_families() -> None:
    asked = ["booking.*", "hold.placed", "run.delayed"]
    assert check_event_types(asked, "webhook.event_types") == tuple(asked)
    assert check_event_types([], "webhook.event_types") == ()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (["booking.sold"], "event_types[0]"),
        (["booking.*", "seat.*"], "event_types[1]"),
        (["*"], "event_types[0]"),
        (["booking"], "event_types[0]"),
        (["booking.c*"], "event_types[0]"),
        ([""], "event_types[0]"),
        (["Booking.confirmed"], "event_types[0]"),
        (["run.delayed", "hold.*", "run.delayed"], "event_types[2]"),
    ],
)
def test_an_unknown_or_repeated_event_type_is_refused_with_its_index(asked: list[str], field: str) -> None:
    with invalid(field):
        check_event_types(asked, "event_types")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), True),
        (("booking.confirmed",), True),
        (("booking.*",), True),
        (("hold.*", "booking.confirmed"), True),
        (("booking.cancelled",), False),
        (("hold.*", "run.*"), False),
    ],
)
def test_a_webhook_receives_the_events_it_subscribed_to(asked: tuple[str, ...], expected: bool) -> None:
    assert is_subscribed(a_webhook(*asked), an_event()) is expected


def test_a_webhook_receives_only_events_after_its_creation() -> None:
    webhook = a_webhook()
    assert is_subscribed(webhook, an_event(NOW))
    assert not is_subscribed(webhook, an_event(later(milliseconds=-1)))


def test_a_disabled_webhook_receives_nothing() -> None:
    assert not is_subscribed(with_changes(a_webhook(), NOW, is_active=False), an_event())


def test_an_enabled_webhook_receives_no_events_of_the_time_when_it_was_disabled() -> None:
    disabled = with_changes(a_webhook(), later(hours=1), is_active=False)
    enabled = with_changes(disabled, later(hours=2), is_active=True)
    assert not is_subscribed(enabled, an_event(later(minutes=119)))
    assert is_subscribed(enabled, an_event(later(hours=2)))


def test_a_new_url_does_not_change_which_events_a_webhook_receives() -> None:
    moved = with_changes(a_webhook(), later(hours=1), url="https://other.example.com")
    assert is_subscribed(moved, an_event(later(minutes=5)))
    away = with_changes(with_changes(moved, later(hours=2), is_active=False), later(hours=3), url="https://new.example.com")
    assert not is_subscribed(away, an_event(later(hours=2.5)))


# -- changes


def test_a_repeated_request_gives_the_same_id_and_no_other_request_does() -> None:
    names = [webhook_id_for(*key) for key in (("a@x", "1"), ("a@x", "1"), ("b@x", "1"), ("a@x", "2"))]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_change_makes_a_new_version_and_keeps_the_rest() -> None:
    webhook = a_webhook("hold.*")
    new = with_changes(webhook, later(days=1), url="https://other.example.com")
    assert new == replace(webhook, url="https://other.example.com", version=2, update_time=later(days=1))
    assert (new.etag, new.fingerprint) == ("2", webhook.fingerprint)


def test_a_change_to_equal_values_is_no_change() -> None:
    webhook = a_webhook("hold.*")
    assert with_changes(webhook, later(days=1)) == webhook
    assert with_changes(webhook, later(days=1), url=webhook.url, event_types=("hold.*",), is_active=True) == webhook


def test_webhooks_of_different_requests_have_different_fingerprints() -> None:
    assert a_webhook().fingerprint == a_webhook().fingerprint != a_webhook("hold.*").fingerprint


def test_both_secrets_sign_for_a_day_after_a_rotation() -> None:
    webhook = with_new_secret(a_webhook(), "whsec_bmV3ZXI=", NOW)
    assert webhook.version == 2
    assert signing_secrets(webhook, NOW) == ("whsec_bmV3ZXI=", "whsec_bmV3")
    assert signing_secrets(webhook, later(hours=23.9)) == ("whsec_bmV3ZXI=", "whsec_bmV3")
    assert signing_secrets(webhook, later(hours=24)) == ("whsec_bmV3ZXI=",)


def test_a_second_rotation_ends_the_oldest_secret_at_once() -> None:
    webhook = with_new_secret(with_new_secret(a_webhook(), "whsec_Mg==", NOW), "whsec_Mw==", NOW)
    assert signing_secrets(webhook, NOW) == ("whsec_Mw==", "whsec_Mg==")


def test_the_representation_of_a_webhook_hides_its_secret() -> None:
    assert "whsec" not in repr(with_new_secret(a_webhook(), "whsec_Mg==", NOW))


# -- deliveries


def test_a_delivery_to_a_subscribed_webhook_is_due_at_once() -> None:
    webhooks = [a_webhook(), a_webhook("hold.*", webhook_id="w2"), a_webhook("booking.*", webhook_id="w3")]
    found = [make_delivery(an_event(), webhook.webhook_id) for webhook in webhooks if is_subscribed(webhook, an_event())]
    assert [delivery.delivery_id for delivery in found] == ["es1:2026-09-01:3:0:w1", "es1:2026-09-01:3:0:w3"]
    assert {(delivery.state, delivery.next_attempt_time, delivery.attempts) for delivery in found} == {
        (DeliveryState.PENDING, NOW, ())
    }
    assert make_delivery(an_event(), "w1") == found[0]


def test_an_accepted_delivery_is_delivered() -> None:
    delivery = attempted(a_delivery(), DELIVERED, NOW, 0.5)
    assert (delivery.state, delivery.next_attempt_time) == (DeliveryState.DELIVERED, None)
    (attempt,) = delivery.attempts
    assert (attempt.time, attempt.outcome, attempt.status) == (NOW, OutcomeKind.DELIVERED, 204)


def test_a_delivery_to_a_receiver_that_is_gone_has_failed() -> None:
    delivery = attempted(a_delivery(), GONE, NOW, 0.5)
    assert (delivery.state, delivery.next_attempt_time) == (DeliveryState.FAILED, None)
    assert delivery.attempts[0].detail == "no longer here"


def test_the_pauses_grow_up_to_six_hours() -> None:
    times = [delivery.attempts[-1].time for delivery in tried(FAILED)]
    pauses = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert pauses == [5, 30, 120, 600, 1_800, 7_200, *[21_600] * 11]


@pytest.mark.parametrize("jitter", [0.0, 0.3, 0.999])
def test_a_delivery_is_given_up_after_three_days_and_eighteen_attempts_at_most(jitter: float) -> None:
    found = tried(FAILED, jitter=jitter)
    assert [delivery.state for delivery in found] == [DeliveryState.PENDING] * (len(found) - 1) + [DeliveryState.FAILED]
    assert len(found) <= 18
    assert timedelta(days=2.5) < found[-1].attempts[-1].time - NOW <= THREE_DAYS


def test_jitter_lengthens_a_pause_by_at_most_a_quarter_in_whole_milliseconds() -> None:
    found = {WEBHOOK_RETRIES.next_attempt_time(1, NOW, NOW, jitter / 997) for jitter in range(997)}
    assert min(filter(None, found)) == later(seconds=5)
    assert later(seconds=6.2) < max(filter(None, found)) < later(seconds=6.25)
    assert len(found) > 500
    assert {moment.microsecond % 1_000 for moment in found if moment is not None} == {0}


def test_attempts_that_were_missed_in_downtime_are_not_made_up_for() -> None:
    once = attempted(a_delivery(), FAILED, NOW, 0.0)
    twice = attempted(once, FAILED, later(hours=5), 0.0)
    assert twice.next_attempt_time == later(hours=5, seconds=30)


def test_three_days_count_from_the_first_attempt_and_not_from_the_event() -> None:
    once = attempted(a_delivery(), FAILED, later(days=10), 0.0)
    assert once.next_attempt_time == later(days=10, seconds=5)


def test_a_delivery_waits_for_as_long_as_its_receiver_asked() -> None:
    asked = replace(FAILED, retry_after_seconds=3_600.0)
    assert attempted(a_delivery(), asked, NOW, 0.0).next_attempt_time == later(hours=1)
    soon = replace(FAILED, retry_after_seconds=1.0)
    assert attempted(a_delivery(), soon, NOW, 0.0).next_attempt_time == later(seconds=5)


def test_a_receiver_that_asks_for_too_long_a_pause_gets_a_last_attempt_after_three_days() -> None:
    asked = replace(FAILED, retry_after_seconds=10 * 86_400.0)
    first, last = tried(asked)
    assert first.next_attempt_time == NOW + THREE_DAYS
    assert last.state is DeliveryState.FAILED


def test_attempts_are_stored_in_their_order() -> None:
    delivery = attempted(attempted(a_delivery(), FAILED, NOW, 0.0), DELIVERED, later(seconds=7), 0.0)
    assert [(attempt.time, attempt.outcome, attempt.status) for attempt in delivery.attempts] == [
        (NOW, OutcomeKind.FAILED, 503),
        (later(seconds=7), OutcomeKind.DELIVERED, 204),
    ]


@pytest.mark.parametrize("outcome", [DELIVERED, GONE])
def test_no_attempt_follows_a_final_state(outcome: SendOutcome) -> None:
    with pytest.raises(ValueError, match="es1:2026-09-01:3:0:w1"):
        attempted(attempted(a_delivery(), outcome, NOW, 0.0), DELIVERED, NOW, 0.0)
